#!/usr/bin/env bash
# pyarrow 26.0.1 with columns of DuckDB 1.5.5: validate(full=True) refuses values that are valid in DuckDB's types.
# Guess: full validation checks buffers, offsets and text, and accepts every value that DuckDB stores and shows.
# Seen: TIME '24:00:00', valid in SQL and DuckDB, is "not within the acceptable range"; so is a HUGEINT of 39 digits. The light validation passes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5 pyarrow==26.0.1
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
import duckdb
import pyarrow
from common import check


def verdict(sql, *, full):
    column = duckdb.sql(f"SELECT {sql} AS x").to_arrow_table().column("x")
    try:
        column.validate(full=full)
    except pyarrow.ArrowInvalid:
        return "refused"
    return "sound"


midnight, wide = "TIME '24:00:00'", "170141183460469231731687303715884105727::HUGEINT"
check("24:00, light and full", (verdict(midnight, full=False), verdict(midnight, full=True)), ("sound", "refused"))
check("39 digits, light and full", (verdict(wide, full=False), verdict(wide, full=True)), ("sound", "refused"))
check("the last microsecond before", verdict("TIME '23:59:59.999999'", full=True), "sound")
PY
