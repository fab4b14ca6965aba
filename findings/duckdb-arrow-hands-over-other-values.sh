#!/usr/bin/env bash
# DuckDB 1.5.5 to Arrow (pyarrow 26.0.1): four types leave as other values than they have, under ordinary Arrow types.
# Guess: what does not fit raises an error, or leaves as text; only types without a counterpart are bytes.
# Seen: a UHUGEINT from 2^127 on is a negative decimal, a long INTERVAL wraps around, TIMETZ loses its zone (and is not moved to UTC),
# BIT is the engine's own bytes, padding and all. None of them raises, and the schema does not tell.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5 pyarrow==26.0.1
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
from decimal import Decimal

import duckdb
from common import check


def leaves(sql):
    column = duckdb.sql(f"SELECT {sql} AS x").to_arrow_table().column("x")
    return str(column.type), column[0]


kind, value = leaves("170141183460469231731687303715884105728::UHUGEINT")
check("2^127", (kind, value.as_py()), ("decimal128(38, 0)", Decimal(-(2**127))))
kind, value = leaves("INTERVAL '2562048 hours'")
check("292 years of hours", (kind, value.as_py().nanoseconds < 0), ("month_day_nano_interval", True))
kind, value = leaves("'12:00:00+08'::TIMETZ")
check("noon in Shanghai", (kind, str(value)), ("time64[us]", "12:00:00"))
kind, value = leaves("'101'::BIT")
check("three bits", (kind, value.as_py()), ("binary", bytes([5, 0b11111101])))
PY
