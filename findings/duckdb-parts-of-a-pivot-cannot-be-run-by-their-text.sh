#!/usr/bin/env bash
# DuckDB 1.5.5, Python client: extract_statements() makes two statements of a PIVOT, and their texts are not what they do.
# Guess: each statement of a script has the text that it was written as, so that statements can be logged, judged and run by it.
# Seen: the first is a CREATE that the caller did not write, and both texts are empty; run in order, as objects, they work.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
import sys

import duckdb
from common import check

connection = duckdb.connect()
connection.execute("CREATE TABLE t AS SELECT * FROM (VALUES ('a', 1), ('b', 2)) v(k, n)")
script = "PIVOT t ON k USING sum(n)"
parts = connection.extract_statements(script)
check("parts", [(part.type.name, part.query) for part in parts], [("CREATE", ""), ("SELECT", "")])
for part in parts:
    connection.execute(part)
check("rows", connection.fetchall(), [(1, 2)])
PY
