#!/usr/bin/env bash
# DuckDB 1.5.5, Python client: Decimal("100").normalize() is stored as 1.00.
# Guess: a Decimal is bound by its value, whatever its exponent.
# Seen: the digits are taken without a positive exponent: Decimal("1E+2") is 1.00 in a DECIMAL column and 1 in a comparison; the same
# number written as Decimal("100") is right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
from decimal import Decimal

import duckdb
from common import check

connection = duckdb.connect()
connection.execute("CREATE TABLE t (x DECIMAL(10, 2))")
for value in (Decimal("100"), Decimal("100").normalize()):
    connection.execute("INSERT INTO t VALUES (?)", [value])
check("stored", connection.execute("SELECT x::VARCHAR FROM t").fetchall(), [("100.00",), ("1.00",)])
check("compared", connection.execute("SELECT ? = 100", [Decimal("1E+2")]).fetchall(), [(False,)])
PY
