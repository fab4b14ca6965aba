"""Expressions in place of a path, a query or a default: evaluated once, judged, and run as their value."""

from collections.abc import Iterator

import duckdb
import pytest

from tests.engines.duckdb.conftest import Judge, Lake
from treadle.engines.base import EngineError
from treadle.engines.duckdb.deferring import resolved
from treadle.engines.duckdb.planned import Planned


@pytest.fixture
def connection(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of the session's, with files to read and variables to name them."""
    for name in ("a.csv", "b.csv"):
        (lake.files / name).write_text(f"x\n{name[0]}\n")
    connection = lake.connection.cursor()
    connection.execute('USE "default"')
    connection.execute(f"SET file_search_path = '{lake.files}'")
    connection.execute("SET VARIABLE one = 'a.csv'")
    connection.execute("SET VARIABLE many = ['a.csv', 'b.csv']")
    connection.execute("SET VARIABLE sql = 'SELECT 42'")
    connection.execute("SET VARIABLE tab = 't'")
    yield connection
    connection.execute("RESET file_search_path")


def resolve(connection: duckdb.DuckDBPyConnection, judge: Judge, lake: Lake, script: str) -> Planned:
    """A statement as it runs."""
    [planned] = judge(script)
    assert planned.deferred
    return resolved(connection, lake.vocabulary, planned, judge)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("FROM read_csv('a' || '.csv')", [("a",)]),
        ("FROM read_csv(('a.csv'), header = true)", [("a",)]),
        ("FROM read_csv('a.csv'::VARCHAR)", [("a",)]),
        (r"FROM read_csv(e'\x61.csv')", [("a",)]),
        ("FROM read_csv(getvariable('one')) ORDER BY x", [("a",)]),
        ("FROM read_csv(getvariable('many')) ORDER BY x", [("a",), ("b",)]),
        ("FROM read_csv(ARRAY['a.csv', 'b' || '.csv']) ORDER BY x", [("a",), ("b",)]),
        ("FROM read_csv([n || '.csv' FOR n IN ['b', 'a']]) ORDER BY x", [("a",), ("b",)]),
        ("FROM read_csv(list_transform(range(97, 99), lambda n: chr(n::INT) || '.csv')) ORDER BY x", [("a",), ("b",)]),
        ("FROM t, read_csv('a' || '.csv') WHERE i = 1", [(1, "a", "a")]),
        ("WITH w AS (FROM read_csv(lower('A.CSV'))) FROM w", [("a",)]),
        ("SELECT (SELECT max(x) FROM read_csv('a' || '.csv')) || 'z'", [("az",)]),
        ("FROM query(getvariable('sql'))", [(42,)]),
        ("FROM query('SELECT ' || 6 * 7)", [(42,)]),
        ("FROM query('FROM ' || getvariable('tab') || ' WHERE i = 1')", [(1, "a")]),
        ("FROM query_table(getvariable('tab')) WHERE i = 1", [(1, "a")]),
        ("FROM query_table([getvariable('tab'), 't'])  WHERE i = 1", [(1, "a"), (1, "a")]),
        ("FROM query('FROM duckdb_' || 'databases') SELECT path", [(None,)]),
    ],
)
def test_expression_is_read_as_its_value(
    connection: duckdb.DuckDBPyConnection, judge: Judge, lake: Lake, script: str, expected: list[tuple[object, ...]]
) -> None:
    """What is read is what the expression says, and the text on record is the caller's own."""
    planned = resolve(connection, judge, lake, script)
    assert planned.text == script
    assert not planned.deferred
    assert connection.execute(planned.statements[-1]).fetchall() == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("FROM query('SELECT 1 AS a')", [(1,)]),
        ("FROM query($$SELECT ')' || ';' AS a -- x$$)", [(");",)]),
        ("SELECT * FROM query('FROM t WHERE i = 1') q, query('SELECT 2')", [(1, "a", 2)]),
        ("FROM query('WITH w AS (SELECT 1) FROM w')", [(1,)]),
        ("FROM query('VALUES (1), (2)')", [(1,), (2,)]),
        ("FROM query('(SELECT 1) UNION ALL (SELECT 2)')", [(1,), (2,)]),
        ("CALL query('SELECT 1')", [(1,)]),
        ("FROM query_table('t') WHERE i = 1", [(1, "a")]),
        ("FROM query_table('default.main.t') WHERE i = 1", [(1, "a")]),
        ("FROM query_table('\"t\"') WHERE i = 1", [(1, "a")]),
        ("FROM query_table(['t', 'main.t'], true) WHERE i = 1", [(1, "a"), (1, "a")]),
        ("SELECT count(*) > 1 FROM test_vector_types(NULL::INT)", [(True,)]),
        ("SELECT json_serialize_plan('SELECT 1') LIKE '%LOGICAL_PROJECTION%'", [(True,)]),
        ("SELECT json_serialize_plan('SELECT 1', skip_null := true) IS NULL", [(False,)]),
    ],
)
def test_query_given_as_text_is_run(
    connection: duckdb.DuckDBPyConnection, judge: Judge, script: str, expected: list[tuple[object, ...]]
) -> None:
    """A query that is a string is judged as one that stands alone, and run by the engine."""
    [planned] = judge(script)
    assert not planned.deferred
    assert connection.execute(planned.statements[-1]).fetchall() == expected


def test_value_is_the_one_that_was_judged(connection: duckdb.DuckDBPyConnection, judge: Judge, lake: Lake) -> None:
    """A variable that changes after the judgement changes nothing: the statement has its value, not its name."""
    for script in ("FROM read_csv(getvariable('one'))", "FROM query('FROM ''' || getvariable('one') || '''')"):
        connection.execute("SET VARIABLE one = 'a.csv'")
        planned = resolve(connection, judge, lake, script)
        connection.execute("SET VARIABLE one = '/etc/passwd'")
        assert connection.execute(planned.statements[-1]).fetchall() == [("a",)]


def test_prepared_expression_keeps_its_value(connection: duckdb.DuckDBPyConnection, judge: Judge, lake: Lake) -> None:
    """A constant expression may be kept in a view or a prepared statement: its value is kept."""
    for script in (
        "PREPARE folded AS FROM read_csv('a' || '.csv')",
        "CREATE TEMP VIEW f AS FROM read_csv('a' || '.csv')",
    ):
        connection.execute(resolve(connection, judge, lake, script).statements[-1])
    assert connection.execute("EXECUTE folded").fetchall() == [("a",)]
    assert connection.execute("FROM f").fetchall() == [("a",)]


def test_copy_reads_expressions_too(connection: duckdb.DuckDBPyConnection, judge: Judge, lake: Lake) -> None:
    """The query of a COPY is resolved with its file in place."""
    planned = resolve(connection, judge, lake, "COPY (FROM read_csv('a' || '.csv')) TO 'copied.csv'")
    assert planned.copy_to is not None
    connection.execute(planned.copy_to.staged(str(lake.files / "copied.csv")))
    assert (lake.files / "copied.csv").read_text() == "x\na\n"


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("INT DEFAULT 3 + 4", 7),
        ("INT DEFAULT (3+4)", 7),
        ("BOOLEAN DEFAULT true", True),
        ("BOOLEAN DEFAULT FALSE", False),
        ("VARCHAR DEFAULT upper('it''s')", "IT'S"),
        ("VARCHAR DEFAULT 'a' || '\\' || $$'b$$", "a\\'b"),
        ("DATE DEFAULT DATE '2020-01-01'", "2020-01-01"),
        ("DATE DEFAULT (DATE '2020-01-01' + 1)", "2020-01-02"),
        ("DECIMAL(10, 2) DEFAULT 3 / 2", "1.50"),
        ("INT DEFAULT CAST('7' AS INT)", 7),
        ("INT DEFAULT true", 1),
        ("BIGINT DEFAULT -(1 + 1)", -2),
        ("BLOB DEFAULT '\\x00ab'::BLOB", b"\x00ab"),
        ("DOUBLE DEFAULT 'nan'::DOUBLE", "nan"),
        ("INTERVAL DEFAULT INTERVAL 3 DAY", "3 days"),
        ("INT DEFAULT nullif(1, 1)", None),
        ("INT DEFAULT length('DEFAULT, 1')", 10),
        ("INT DEFAULT CASE WHEN 1 < 2 THEN 5 ELSE 6 END", 5),
        ("INT DEFAULT [1, 2, 3][2]", 2),
    ],
)
def test_default_of_a_new_column_is_its_value(
    connection: duckdb.DuckDBPyConnection, judge: Judge, lake: Lake, definition: str, expected: object
) -> None:
    """A constant expression is a DEFAULT for the rows that are there and for those that come, for every session."""
    planned = resolve(connection, judge, lake, f"ALTER TABLE added ADD COLUMN c {definition}")
    connection.execute("CREATE TABLE added AS SELECT 1 AS i")
    shown = "c" if isinstance(expected, int | bytes | None) else "c::VARCHAR"
    try:
        connection.execute(planned.statements[-1])
        connection.execute("INSERT INTO added (i) VALUES (2)")
        other = lake.connection.cursor()
        found = other.execute(f'SELECT {shown} FROM "default".main.added').fetchall()
    finally:
        connection.execute("DROP TABLE added")
    assert found == [(expected,), (expected,)]


@pytest.mark.parametrize(
    "script",
    [
        "ALTER TABLE t ADD COLUMN c INT DEFAULT 7",
        "ALTER TABLE t ADD c INT DEFAULT -7",
        "ALTER TABLE t ADD COLUMN c VARCHAR DEFAULT '3 + 4'",
        "ALTER TABLE t ADD COLUMN c INT DEFAULT NULL",
        "ALTER TABLE t ADD COLUMN c INT",
        "ALTER TABLE t ALTER i SET DEFAULT 3 + 4",
        'ALTER TABLE t RENAME COLUMN i TO "default"',
        "CREATE TABLE x (i INT DEFAULT 3 + 4, t TIMESTAMP DEFAULT now())",
    ],
)
def test_default_that_the_catalog_takes_is_left_alone(judge: Judge, script: str) -> None:
    """A literal goes to the catalog as it is, and so does every DEFAULT for rows to come."""
    assert not judge(script)[0].deferred


@pytest.mark.parametrize(
    ("definition", "state", "word"),
    [
        ("TIMESTAMP DEFAULT now()", "0A000", '"now"'),
        ("TIMESTAMP DEFAULT current_timestamp", "0A000", '"current_timestamp"'),
        ("DATE DEFAULT current_date+1", "0A000", '"current_date"'),
        ("DOUBLE DEFAULT random() * 2", "0A000", '"random"'),
        ("UUID DEFAULT uuid()", "0A000", '"uuid"'),
        ("BIGINT DEFAULT nextval('s')", "0A000", '"nextval"'),
        ("INT DEFAULT getvariable('x')", "0A000", '"getvariable"'),
        ("INT DEFAULT own_macro(1)", "0A000", '"own_macro"'),
        ("VARCHAR DEFAULT current_setting('TimeZone')", "0A000", '"current_setting"'),
        ("INT DEFAULT 'x' || 'y'", "22P02", "INT"),
        ("INT DEFAULT (SELECT 1)", "42501", "query"),
        ("INT DEFAULT 1 + $1", "42501", "parameter"),
    ],
)
def test_default_that_is_no_constant_is_refused(
    connection: duckdb.DuckDBPyConnection, judge: Judge, lake: Lake, definition: str, state: str, word: str
) -> None:
    """What is another value at every insert, or no value of the column, is refused with the way out."""
    with pytest.raises(EngineError) as refusal:
        resolve(connection, judge, lake, f"ALTER TABLE t ADD COLUMN c {definition}")
    assert (refusal.value.sql_state, word in refusal.value.message) == (state, True), refusal.value.message
