"""Names with quotes, blanks and dots, and NOT NULL of nested columns: definitions work, or are refused at once."""

import pytest

from tests.service.caller import Sql

NAMES = ['t"u', '"', 'a.b"c', "it's", "T u", 'é"é', "select"]


def quoted(name: str) -> str:
    """The name as SQL."""
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_takes_an_odd_name(shared: Sql, name: str) -> None:
    """A schema, a table and a column of that name are created, changed, filled, read and described."""
    schema, table, column = (quoted(f"{name}{part}") for part in ("", "1", "2"))
    shared.run(f"CREATE SCHEMA {schema}")
    for place in (table, f"{schema}.{table}", f'"default".{schema}.{table}'):
        shared.run(f"CREATE TABLE {place} ({column} INT DEFAULT 1 + 1, j JSON, PRIMARY_KEY VARCHAR)")
        shared.run(f"COMMENT ON COLUMN {place}.{column} IS 'seen'")
        shared.run(f"ALTER TABLE {place} ALTER COLUMN {column} SET DEFAULT 3 + 4")
        shared.run(f"ALTER TABLE {place} ADD COLUMN k DOUBLE DEFAULT 0.5")
        shared.run(f"INSERT INTO {place} (j) VALUES ('[1]')")
        several = [["1", "[2]"], ["2", "[3]"]]
        shared.execute(f"INSERT INTO {place} VALUES (?, ?, 'x', 1.5)", bindings=several)
        assert shared.rows(f"SELECT {column}, j, k FROM {place} ORDER BY 1") == [
            ["1", "[2]", "1.5"],
            ["2", "[3]", "1.5"],
            ["7", "[1]", "0.5"],
        ]
        shared.run(f"ALTER TABLE {place} ALTER COLUMN {column} TYPE DOUBLE")
        assert shared.rows(f"SELECT {column} FROM {place} WHERE {column} > 6.5") == [["7"]]
        shared.run(f"DROP TABLE {place}")
    shared.run(f"DROP SCHEMA {schema}")


@pytest.mark.parametrize("kind", ["INT[]", "STRUCT(a INT)", "MAP(INT, INT)"])
def test_a_nested_column_cannot_be_not_null(shared: Sql, kind: str) -> None:
    """DuckLake does not check it: a NULL would be accepted. A temporary table checks it."""
    refused = shared.execute(f"CREATE TABLE nested (i {kind} NOT NULL, j INT NOT NULL)")["results"][-1]
    assert (refused["sql_state"], "cannot be NOT NULL" in refused["message"]) == ("0A000", True)
    shared.run(f"CREATE TABLE nested (i {kind}, j INT NOT NULL)")
    # DuckLake has no statistics of such a column, and refuses it for that.
    refused = shared.execute("ALTER TABLE nested ALTER COLUMN i SET NOT NULL")["results"][-1]
    assert refused["sql_state"] == "55000"
    shared.run("INSERT INTO nested VALUES (NULL, 1)")
    shared.run(f"CREATE TEMP TABLE own (i {kind} NOT NULL)")
    assert shared.execute("INSERT INTO own VALUES (NULL)")["results"][-1]["sql_state"] == "23502"
    shared.run("DROP TABLE nested; DROP TABLE own")
