#!/usr/bin/env bash
# DuckDB 1.5.5: COPY … FROM reads back other values than COPY … TO has written to a JSON file, without an error.
# Guess: the column's type decides how a value is read, so a DECIMAL and a BLOB come back as in a CSV file.
# Seen: every number with a fraction is read as a DOUBLE first, and the text of a BLOB is read as its bytes; a number within a value of type JSON
# is already written to the file as a DOUBLE.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
from common import check

connection = duckdb.connect()
connection.execute("CREATE TABLE t (price DECIMAL(18, 2), bytes BLOB, document JSON)")
connection.execute("""INSERT INTO t VALUES (9007199254740993.25, '\\x00\\xFF'::BLOB, '9007199254740993.25')""")
written = connection.execute("SELECT * FROM t").fetchone()
for format in ("csv", "json"):
    connection.execute(f"COPY t TO '{sys.argv[1]}/t.{format}'")
check("price in the file", "9007199254740993.25" in Path(f"{sys.argv[1]}/t.json").read_text(), True)
check("document in the file", "9007199254740994.0" in Path(f"{sys.argv[1]}/t.json").read_text(), True)
read = {}
for format in ("csv", "json"):
    connection.execute(f"CREATE TABLE {format}_t AS FROM t LIMIT 0; COPY {format}_t FROM '{sys.argv[1]}/t.{format}'")
    read[format] = connection.execute(f"SELECT * FROM {format}_t").fetchone()
check("by way of CSV all are the same", read["csv"], written)
check("by way of JSON", read["json"][:2], (Decimal("9007199254740994.56"), b"\\x00\\xFF"))
PY
