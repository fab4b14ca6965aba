"""A catalog of an earlier version: its inlined rows, its statistics, its columns of types that are refused by now."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import duckdb
import pytest

from tests.engines.duckdb.sessions import Place, extension, session
from treadle.engines.base import EngineError
from treadle.engines.duckdb.metadata import RULES

BIG = 9_007_199_254_740_993

STRUCTS = {
    "quote": "{'m': 'O''Brien'}",
    "backslash": "{'m': 'C:\\temp'}",
    "marks": "{'m': 'a\"b,{}[]=:'}",
    "control": "{'m': chr(10) || chr(1) || 'é'''}",
    "cast": "{'m': 'CAST(''x'' AS VARCHAR)'}",
    "nothing": "{'m': NULL}",
    "blob": "{'m': '\\x00\\xFF\\x27'::BLOB}",
    "json": """{'m': '{"a": "it''s"}'::JSON}""",
    "date": "{'m': DATE '0044-03-15 (BC)'}",
    "time": "{'m': TIME '24:00:00'}",
    "timestamp": "{'m': TIMESTAMP 'infinity'}",
    "timestamptz": "{'m': TIMESTAMPTZ '2020-01-01 00:00:00+00'}",
    "uuid": "{'m': UUID '00000000-0000-0000-0000-0000000000ff'}",
    "nan": "{'m': 'nan'::DOUBLE, 'f': '-inf'::FLOAT, 'd': 1.50::DECIMAL(9, 2)}",
    "nested": "{'m': {'n': 'it''s', 'o': DATE '2020-01-01'}}",
    "list": "{'m': ['it''s', 'b\\c', NULL], 'n': 'x''y'}",
    "map": "{'m': MAP {'it''s': 'b\\c'}, 'n': 'x''y'}",
    "huge": f"{{'m': {BIG}::UBIGINT}}",
}


@contextmanager
def earlier(place: Place) -> Iterator[duckdb.DuckDBPyConnection]:
    """The catalog as a version before the rules attached it: with inlining."""
    connection = duckdb.connect(":memory:", config={"allow_unsigned_extensions": "true", "threads": 1})
    for name in ("postgres_scanner", "ducklake"):
        connection.execute(f"LOAD '{extension(name)}'")
    dsn = f"{place.address.libpq} password={place.address.password}".replace("'", "''")
    connection.execute(f"ATTACH 'ducklake:postgres:{dsn}' AS lake (DATA_PATH '{place.folder / 'data'}/')")
    connection.execute("USE lake")
    yield connection
    connection.close()


def inlined(place: Place) -> int:
    """How many rows and deletes PostgreSQL holds for tables that are there."""
    tables = place.metadata("SELECT relname FROM pg_class WHERE relname ~ '^ducklake_inlined_(data|delete)_[0-9]'")
    return sum(place.metadata(f"SELECT count(*) FROM public.{name}")[0][0] for (name,) in tables)


def rules(place: Place) -> set[str]:
    """The names of the catalog's rules."""
    return {name for (name,) in place.metadata("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'treadle%'")}


@pytest.mark.parametrize("name", STRUCTS)
def test_an_inlined_struct_is_mended(place: Place, name: str) -> None:
    """DuckLake reads back inlined structs wrong, or not at all; the first session has them in a file, as written."""
    value = STRUCTS[name]
    with earlier(place) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT 1 AS i, {value} AS v")
    assert inlined(place) == 1
    with session(place) as sql:
        assert sql.run(f"SELECT v IS NOT DISTINCT FROM {value} AS same FROM t") == [(True,)]
        assert sql.shown("SELECT v FROM t") == sql.shown(f"SELECT {value} AS v")
    assert inlined(place) == 0


def test_a_struct_that_no_text_holds_stays_inline(place: Place) -> None:
    """A string with the character NUL cannot be mended; the rest of the catalog works, and nothing is lost."""
    with earlier(place) as connection:
        connection.execute("CREATE TABLE t AS SELECT {'m': chr(0) || 'x'} AS v, 'y' AS w")
    with session(place) as sql:
        assert sql.run("SELECT w FROM t") == [("y",)]
        assert sql.run("CREATE TABLE u AS SELECT 1 AS i; SELECT i FROM u") == [(1,)]
        assert sql.unmended == ("main.t",)
    assert inlined(place) == 1


def test_the_session_that_brings_a_catalog_up_to_date_names_what_stays(place: Place) -> None:
    """Each table once, and by that session alone."""
    with earlier(place) as connection:
        connection.execute("CREATE TABLE good AS SELECT 1 AS i, 5::HUGEINT AS h")
        connection.execute("CREATE SCHEMA other; CREATE TABLE other.span AS SELECT INTERVAL 1 DAY AS i")
        connection.execute("CREATE TABLE wide (h HUGEINT, z TIMETZ)")
        connection.execute("CREATE VIEW seen AS SELECT INTERVAL 1 DAY AS i")
    with session(place) as first, session(place) as second:
        assert first.unmended == ("main.wide", "other.span")
        assert second.unmended == ()


def test_inlined_rows_deletes_and_updates_come_into_files(place: Place) -> None:
    """Rows, deletes of rows in files and inlined ones, and what older snapshots say."""
    with earlier(place) as connection:
        connection.execute("CREATE TABLE big AS SELECT range AS i, 'x' AS s FROM range(1000)")
        connection.execute("DELETE FROM big WHERE i < 3")
        connection.execute("UPDATE big SET s = 'it''s' WHERE i = 5")
        connection.execute("CREATE SCHEMA other")
        connection.execute("CREATE TABLE other.small (i INTEGER, v VARCHAR)")
        connection.execute("INSERT INTO other.small VALUES (1, 'a'), (2, 'b')")
        connection.execute("DELETE FROM other.small WHERE i = 1")
        connection.execute("CREATE TABLE gone AS SELECT 1 AS i")
        connection.execute("DROP TABLE gone")
        connection.execute("CALL lake.set_option('data_inlining_row_limit', 100)")
        [(before,)] = connection.execute("SELECT max(snapshot_id) FROM lake.snapshots()").fetchall()
    with session(place) as sql:
        for at in ("", f" AT (VERSION => {before})"):
            rows = sql.run(f"SELECT count(*) AS n, min(i) AS least, count(*) FILTER (s = 'it''s') AS s FROM big{at}")
            assert rows == [(997, 3, 1)]
            assert sql.run(f"SELECT * FROM other.small{at}") == [(2, "b")]
        sql.run("INSERT INTO other.small VALUES (3, 'c'); DELETE FROM big WHERE i = 10")
    tables = "SELECT relname FROM pg_class WHERE relname ~ '^ducklake_inlined_(data|delete)_[0-9]'"
    dropped = "SELECT format('ducklake_inlined_data_%s_', table_id) FROM ducklake_table WHERE table_name = 'gone'"
    [(gone,)] = place.metadata(dropped)
    for (name,) in place.metadata(tables):
        assert name.startswith(gone) or place.metadata(f"SELECT count(*) FROM {name}") == [(0,)]


def test_128_bit_integers_become_decimals(place: Place) -> None:
    """The column goes on exactly, inlined values are kept whole, in old snapshots too; one beyond stays as it is."""
    with earlier(place) as connection:
        connection.execute(
            f"CREATE TABLE tot AS SELECT i AS g, sum({BIG}::BIGINT) AS total FROM range(3) r(i) GROUP BY 1"
        )
        connection.execute("CREATE TABLE filed AS SELECT 7::HUGEINT AS h, {'m': [8::HUGEINT]} AS s FROM range(20)")
        connection.execute("CREATE TABLE beyond AS SELECT 2e38::DOUBLE::UHUGEINT AS u FROM range(20)")
        [(before,)] = connection.execute("SELECT max(snapshot_id) FROM lake.snapshots()").fetchall()
    with session(place) as sql:
        assert sql.run("SELECT DISTINCT total FROM tot") == [(Decimal(BIG),)]
        assert sql.run(f"SELECT DISTINCT total FROM tot AT (VERSION => {before})") == [(Decimal(BIG),)]
        sql.run(f"INSERT INTO tot SELECT 9, sum({BIG}::BIGINT) FROM range(2); INSERT INTO filed VALUES ({BIG}, NULL)")
        assert sql.run("SELECT total FROM tot WHERE g = 9") == [(Decimal(2 * BIG),)]
        assert sql.run("SELECT DISTINCT h, s FROM filed ORDER BY h") == [
            (Decimal(7), {"m": [Decimal(8)]}),
            (Decimal(BIG), None),
        ]
        assert sql.run("SELECT count(*) AS n FROM beyond WHERE u::DOUBLE > 1e38") == [(20,)]
        with pytest.raises(EngineError, match="DECIMAL") as refused:
            sql.run("INSERT INTO beyond VALUES (1)")
        assert refused.value.sql_state == "0A000"


def test_a_column_of_a_refused_type_can_be_read_and_not_written(place: Place) -> None:
    """Its rows are what they were; a write says why not, and the documented way out works."""
    with earlier(place) as connection:
        connection.execute("CREATE TABLE old AS SELECT i, to_hours(i::INTEGER) AS span FROM range(20) r(i)")
        connection.execute("CREATE TABLE small AS SELECT 1 AS i, TIMETZ '12:00:00+01' AS t")
    with session(place) as sql:
        assert sql.shown("SELECT span FROM old WHERE i = 3") == [("03:00:00",)]
        assert sql.shown("SELECT t FROM small") == [("12:00:00+01",)]
        for script in (
            "INSERT INTO old VALUES (21, INTERVAL '1 hour')",
            "UPDATE main.old SET i = 0 WHERE i = 1",
            "WITH x AS (SELECT 1 AS i) MERGE INTO old USING x ON old.i = x.i WHEN MATCHED THEN UPDATE SET i = 7",
            "PREPARE p AS INSERT INTO old (i) VALUES (22)",
            "EXPLAIN ANALYZE INSERT INTO old (i) VALUES (22)",
            "INSERT INTO small (i) VALUES (2)",
        ):
            with pytest.raises(EngineError, match="does not hold exactly: store it as VARCHAR") as refused:
                sql.run(script)
            assert refused.value.sql_state == "0A000"
        sql.run("DELETE FROM old WHERE i = 4; CREATE TABLE new AS SELECT * REPLACE (span::VARCHAR AS span) FROM old")
        assert sql.run("SELECT count(*) AS n, max(span) AS most FROM new") == [(19, "19:00:00")]
        sql.run("ALTER TABLE old DROP COLUMN span; INSERT INTO old VALUES (23)")


def test_it_happens_once(place: Place) -> None:
    """The state is on record; a second session finds it, and inlining cannot be turned on again."""
    with session(place) as sql:
        sql.run("CREATE TABLE t AS SELECT 1e-6::FLOAT AS f")
    state = "SELECT obj_description('public.ducklake_metadata'::regclass)"
    assert place.metadata(state) == [(RULES,)]
    before = rules(place)
    place.metadata("DROP TRIGGER treadle_refuse_inlining ON public.ducklake_metadata")
    with session(place):
        assert rules(place) == before - {"treadle_refuse_inlining"}


def test_rules_that_are_new_are_added_to_those_of_an_earlier_version(place: Place) -> None:
    """Only the rules: nothing of the catalog is mended a second time."""
    with session(place) as sql:
        sql.run("CREATE TABLE t AS SELECT 1 AS i")
    every = rules(place)
    place.metadata("DROP TRIGGER treadle_move_file_id ON public.ducklake_snapshot")
    place.metadata("DROP TRIGGER treadle_keep_bounds ON public.ducklake_table_column_stats")
    place.metadata("COMMENT ON TABLE public.ducklake_metadata IS 'treadle 1'")
    with session(place) as sql:
        assert sql.run("SELECT i FROM t") == [(1,)]
        assert sql.unmended == ()
    assert rules(place) == every
    assert place.metadata("SELECT obj_description('public.ducklake_metadata'::regclass)") == [(RULES,)]


def test_inlining_stays_off(place: Place) -> None:
    """A limit that is stored in the catalog would be stronger than the one a session attaches with."""
    with session(place), earlier(place) as connection:
        for scope in ("", ", schema => 'main'"):
            with pytest.raises(duckdb.Error, match="data_inlining_row_limit is 0"):
                connection.execute(f"CALL lake.set_option('data_inlining_row_limit', 10{scope})")
        connection.execute("CALL lake.set_option('data_inlining_row_limit', 0)")


def test_bounds_of_floats_are_mended(place: Place) -> None:
    """Files of an earlier version are found again by a comparison on their FLOAT column, or on one that was one."""
    with earlier(place) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1e-6::FLOAT AS f FROM range(20)")
        connection.execute("CREATE TABLE u AS SELECT 0.1::FLOAT AS f FROM range(20)")
        connection.execute("ALTER TABLE u ALTER f TYPE DOUBLE")
    with session(place) as sql:
        assert sql.run("SELECT count(f) AS n FROM u WHERE f > 0.1 AND f = 0.1::FLOAT::DOUBLE") == [(20,)]
        assert sql.run("SELECT count(f) AS n FROM (SELECT f FROM t WHERE f = 1e-6::FLOAT)") == [(20,)]
