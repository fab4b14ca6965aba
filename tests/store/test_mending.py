"""Definitions that no session can read: found in a catalog's metadata, and removed from it."""

from pathlib import Path

import duckdb
import psycopg
import pytest

from tests.store.servers import Databases
from tests.store.test_catalogs import attach, lake
from treadle.model.entities import Catalog
from treadle.store.catalogs import catalog_address
from treadle.store.mending import mend

__all__ = ["lake"]

PARAMETERS = "SELECT * FROM ducklake_macro_parameters ORDER BY macro_id, impl_id, column_id"


def define(databases: Databases, lake: Catalog, *harms: str) -> None:
    """Two macros as the engine keeps them, the first of which has parameters as earlier versions let them in."""
    address = catalog_address(databases.dsn, lake)
    with attach(address, lake.data_path) as connection:
        connection.execute("CREATE MACRO bad(a, b := 'x') AS a || b, (a, b, c := 1) AS c")
        connection.execute("CREATE MACRO good(a, b := 'NULL', c := 2) AS a || b || c")
        connection.execute("CREATE TABLE t AS SELECT 1 AS x")
    with psycopg.connect(address.dsn, autocommit=True) as metadata:
        for harm in harms:
            done = metadata.execute(
                f"UPDATE ducklake_macro_parameters p SET {harm} FROM ducklake_macro m WHERE m.macro_id = p.macro_id"
                " AND m.macro_name = 'bad' AND p.parameter_name = 'b' AND p.impl_id = 0"
            )
            assert done.rowcount == 1


@pytest.mark.parametrize(
    ("harm", "word"),
    [
        ("default_value = '[1]', default_value_type = 'list'", "nested"),
        ("default_value = '{x: 1}', default_value_type = 'struct'", "nested"),
        ("default_value = '{x=1}', default_value_type = 'map'", "nested"),
        ("default_value = 'NULL', default_value_type = 'int32'", "NULL"),
        ("default_value = 'NULL', default_value_type = 'date'", "NULL"),
        ("parameter_type = 'list'", "type"),
        ("parameter_type = 'struct'", "type"),
    ],
)
async def test_an_unreadable_macro_is_found_and_removed(
    databases: Databases, lake: Catalog, harm: str, word: str
) -> None:
    """It alone, and only when that is asked for; every session can read the catalog again."""
    define(databases, lake, harm)
    address = catalog_address(databases.dsn, lake)
    with psycopg.connect(address.dsn, autocommit=True) as metadata:
        before = metadata.execute(PARAMETERS).fetchall()
        [found] = await mend(databases.dsn, lake, apply=False)
        assert (found.schema, found.name) == ("main", "bad")
        assert word in found.reason
        assert '"b"' in found.reason
        assert '("a", "b"' in found.cure
        assert metadata.execute(PARAMETERS).fetchall() == before
    assert await mend(databases.dsn, lake, apply=True) == (found,)
    assert await mend(databases.dsn, lake, apply=True) == ()
    with attach(address, lake.data_path) as connection:
        assert connection.execute("SELECT good('y'), x FROM t").fetchall() == [("yNULL2", 1)]
        connection.execute("CREATE MACRO bad(a) AS a")
        assert connection.execute("SELECT bad(1)").fetchall() == [(1,)]


async def test_a_macro_of_an_older_snapshot_is_found_too(databases: Databases, lake: Catalog) -> None:
    """A query of the past reads it."""
    define(databases, lake)
    address = catalog_address(databases.dsn, lake)
    with attach(address, lake.data_path) as connection:
        connection.execute("DROP MACRO bad")
    with psycopg.connect(address.dsn, autocommit=True) as metadata:
        metadata.execute("UPDATE ducklake_macro_parameters SET default_value_type = 'list' WHERE parameter_name = 'b'")
    assert [one.name for one in await mend(databases.dsn, lake, apply=True)] == ["bad", "good"]


async def test_a_catalog_without_harm_or_without_metadata_is_left_alone(
    databases: Databases, lake: Catalog, tmp_path: Path
) -> None:
    """Nothing is found, nothing is removed."""
    assert await mend(databases.dsn, lake, apply=True) == ()
    define(databases, lake)
    assert await mend(databases.dsn, lake, apply=True) == ()
    with attach(catalog_address(databases.dsn, lake), lake.data_path) as connection:
        assert connection.execute("SELECT bad('x')").fetchall() == [("xx",)]


async def test_a_struct_gets_the_fields_back_that_it_lost_last(databases: Databases, lake: Catalog) -> None:
    """Those of its last drop, with what is in them; earlier drops stay."""
    address = catalog_address(databases.dsn, lake)
    with attach(address, lake.data_path) as connection:
        connection.execute("CREATE TABLE t AS SELECT {'x': 1, 'y': {'z': 2, 'w': [3]}} AS s, {'a': 4} AS k")
        connection.execute("ALTER TABLE t DROP COLUMN s.x")
        snapshot = connection.execute("FROM lake.last_committed_snapshot()").fetchall()[0][0]
    # As a later drop of the last field would leave it.
    with psycopg.connect(address.dsn, autocommit=True) as metadata:
        metadata.execute(
            "WITH RECURSIVE gone AS (SELECT column_id FROM ducklake_column WHERE column_name = 'y' UNION"
            " SELECT c.column_id FROM ducklake_column c JOIN gone ON c.parent_column = gone.column_id)"
            " UPDATE ducklake_column SET end_snapshot = %s WHERE column_id IN (SELECT column_id FROM gone)",
            (snapshot + 1,),
        )
    [found] = await mend(databases.dsn, lake, apply=False)
    assert (found.schema, found.name, found.snapshot, found.cure) == ("main", "t.s", snapshot + 1, 'bring back "y"')
    assert await mend(databases.dsn, lake, apply=True) == (found,)
    assert await mend(databases.dsn, lake, apply=True) == ()
    with attach(address, lake.data_path) as connection:
        assert connection.execute("FROM t").fetchall() == [({"y": {"z": 2, "w": [3]}}, {"a": 4})]


async def test_a_macro_with_the_name_of_an_engine_function_is_renamed(databases: Databases, lake: Catalog) -> None:
    """The engine's own is called again, and the macro is there by another name, in old snapshots too."""
    address = catalog_address(databases.dsn, lake)
    with attach(address, lake.data_path) as connection:
        connection.execute("CREATE MACRO List_Value(a, b := 1) AS 'shadow'")
        connection.execute("CREATE MACRO fine(a) AS a")
        connection.execute("CREATE MACRO length(a) AS -1; DROP MACRO length")
    functions = frozenset(("list_value", "length", "abs"))
    [found] = await mend(databases.dsn, lake, functions, apply=False)
    assert (found.schema, found.name.lower(), found.mendable) == ("main", "list_value", True)
    assert "rename to own_" in found.cure
    assert await mend(databases.dsn, lake, functions, apply=True) == (found,)
    assert await mend(databases.dsn, lake, functions, apply=True) == ()
    with attach(address, lake.data_path) as connection:
        assert connection.execute("SELECT list_value(1, 2), own_list_value(0), fine(3)").fetchall() == [
            ([1, 2], "shadow", 3)
        ]


async def test_doubled_lists_of_deleted_rows_are_reported(databases: Databases, lake: Catalog) -> None:
    """They cannot be mended; the snapshot before them, which the report names, is right."""
    address = catalog_address(databases.dsn, lake)
    with attach(address, lake.data_path) as connection:
        connection.execute("CALL lake.set_option('data_inlining_row_limit', 0)")
        connection.execute("CREATE TABLE t AS SELECT range AS i FROM range(100)")
        connection.execute("DELETE FROM t WHERE i = 1")
        connection.execute("DELETE FROM t WHERE i = 2")
    assert await mend(databases.dsn, lake, apply=True) == ()
    # As two deletes at once left it: both lists in force.
    with psycopg.connect(address.dsn, autocommit=True) as metadata:
        metadata.execute(
            "INSERT INTO ducklake_delete_file SELECT (jsonb_populate_record(d, jsonb_build_object('delete_file_id',"
            " 1000, 'begin_snapshot', begin_snapshot + 1))).* FROM ducklake_delete_file d"
        )
        before = metadata.execute("SELECT * FROM ducklake_delete_file ORDER BY 1").fetchall()
        [found] = await mend(databases.dsn, lake, apply=True)
        assert (found.schema, found.name, found.mendable) == ("main", "t", False)
        assert "lists of deleted rows, 1:" in found.reason
        assert metadata.execute("SELECT * FROM ducklake_delete_file ORDER BY 1").fetchall() == before
    with attach(address, lake.data_path) as connection:
        query = found.cure.partition("FROM ")[2]
        assert connection.execute(f"SELECT count(*), count(DISTINCT i) FROM {query}").fetchall() == [(99, 99)]


async def test_the_schema_main_comes_back(databases: Databases, lake: Catalog) -> None:
    """Every session begins in it."""
    address = catalog_address(databases.dsn, lake)
    with attach(address, lake.data_path) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT 1 AS x; CREATE SCHEMA aside; CREATE TABLE aside.u AS SELECT 2 AS y"
        )
        connection.execute("DROP SCHEMA main CASCADE")
    with pytest.raises(duckdb.Error):
        attach(address, lake.data_path)
    [found] = await mend(databases.dsn, lake, apply=True)
    assert (found.schema, found.reason) == ("main", "the schema was dropped: no session can open")
    with attach(address, lake.data_path) as connection:
        connection.execute("CREATE TABLE t AS SELECT 3 AS x")
        assert connection.execute("SELECT x, y FROM t, aside.u").fetchall() == [(3, 2)]
