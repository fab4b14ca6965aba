#!/usr/bin/env bash
# DuckDB 1.5.5: the place of a syntax error is counted in characters, that of every other error in bytes.
# Guess: `position` of errors_as_json counts bytes, or characters, for all errors of one text.
# Seen: behind an é the same place has two numbers, by the kind of the error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5
PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") "$work/venv/bin/python" - "$work" <<'PY'
import json

import duckdb
from common import check

connection = duckdb.connect()
connection.execute("SET errors_as_json = true")


def position(sql):
    try:
        connection.execute(sql)
    except duckdb.Error as error:
        return int(json.loads(str(error).partition("Error: ")[2])["position"])
    return None


check("the syntax error behind 17 characters", position("SELECT 'é', FROM FROM"), 17)
check("the unknown name behind 12 characters", position("SELECT 'é', nosuch"), 13)
PY
