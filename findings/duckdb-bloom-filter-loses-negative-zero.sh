#!/usr/bin/env bash
# DuckDB 1.5.5: x = 0 does not find -0.0 in a Parquet file that DuckDB wrote with a dictionary, although 0.0 = -0.0 is true.
# Guess: a Bloom filter has one entry for values that are equal, so that it never excludes a row that the condition finds.
# Seen: the filter is asked for the bytes of the constant; 0.0 and -0.0 (and NaN of either sign) have different ones. Ranges and IN are right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
import sys

import duckdb
from common import check

file = f"{sys.argv[1]}/zero.parquet"
values = "SELECT CASE i % 3 WHEN 0 THEN '-0.0'::DOUBLE WHEN 1 THEN 1 ELSE -1 END AS x FROM range(300) r(i)"


def found(condition):
    return duckdb.sql(f"SELECT count(*) FROM '{file}' WHERE {condition}").fetchone()[0]


duckdb.sql(f"COPY ({values}) TO '{file}'")
check("rows in memory where x = 0", duckdb.sql(f"SELECT count(*) FROM ({values}) WHERE x = 0").fetchone()[0], 100)
check("rows in the file where x = 0", found("x = 0"), 0)
check("rows in the file where x BETWEEN 0 AND 0", found("x BETWEEN 0 AND 0"), 100)
check("rows in the file where x IN (0, 99)", found("x IN (0, 99)"), 100)
duckdb.sql(f"COPY ({values}) TO '{file}' (WRITE_BLOOM_FILTER false)")
check("rows in a file without Bloom filters where x = 0", found("x = 0"), 100)
PY
