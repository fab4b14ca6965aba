"""Every value comes back as it was written, or is refused at the write: by type, row count and way of writing."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.duckdb.sessions import Place, Session, session
from tests.support.properties import examples

BIG = 9_007_199_254_740_993
"""The first integer that a DOUBLE does not hold."""

REFUSED: Final = {
    "INTERVAL": "INTERVAL '1194 hours'",
    "TIMETZ": "TIMETZ '12:00:00+01'",
    "TIME_NS": "TIME_NS '12:00:00.123456789'",
    "BIT": "'101'::BIT",
    "BIGNUM": "123::BIGNUM",
    "VARIANT": "1::VARIANT",
    "ENUM('a', 'b')": "'a'::ENUM('a', 'b')",
    "INTEGER[2]": "[1, 2]::INTEGER[2]",
    "UNION(a INTEGER, b VARCHAR)": "1::UNION(a INTEGER, b VARCHAR)",
    "GEOMETRY('OGC:CRS84')": "ST_SetCRS('POINT(1 2)'::GEOMETRY, 'OGC:CRS84')",
}
NESTED: Final = {"{}": "{}", "STRUCT(n STRUCT(m {})[])": "{{'n': [{{'m': {}}}]}}", "MAP(INTEGER, {})": "MAP {{1: {}}}"}


@pytest.fixture(scope="module")
def lake(place_of: Callable[[Path], Place], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One session for all: what each makes, it makes anew."""
    with session(place_of(tmp_path_factory.mktemp("lake"))) as opened:
        yield opened


@pytest.mark.parametrize("nesting", NESTED)
@pytest.mark.parametrize("kind", REFUSED)
def test_a_type_without_an_exact_form_is_refused(lake: Session, kind: str, nesting: str) -> None:
    """Whatever makes the column, and however deep the type lies: one refusal, which names column, type and way out."""
    column, value = nesting.format(kind), NESTED[nesting].format(REFUSED[kind])
    lake.run("CREATE OR REPLACE TABLE other (i INTEGER)")
    for script in (
        f"CREATE TABLE bad (i INTEGER, bad {column})",
        f"CREATE OR REPLACE TABLE other (bad {column} DEFAULT NULL)",
        f"CREATE TABLE bad AS SELECT {value} AS bad",
        f"CREATE TABLE bad (i, j) AS SELECT 1, {value} AS bad WITH NO DATA",
        f"EXPLAIN ANALYZE CREATE TABLE bad AS SELECT {value} AS bad",
        f"ALTER TABLE other ADD COLUMN bad {column}",
        f"BEGIN; CREATE TABLE bad (bad {column})",
    ):
        error = lake.refusal(script)
        assert error.sql_state == "0A000", (script, error.message)
        assert error.message.startswith('column "bad" has the type '), script
        assert kind.partition("(")[0].replace("TIMETZ", "TIME WITH TIME ZONE") in error.message
        assert ": store it as " in error.message, script
    assert lake.run("SELECT column_name FROM duckdb_columns() WHERE table_name IN ('other', 'bad')") == [("i",)]


def test_a_refused_type_within_a_transaction_aborts_it(lake: Session) -> None:
    """The judgement comes before anything else is done with the table, and a member of a struct is a column as well."""
    lake.run("CREATE OR REPLACE TABLE s (x STRUCT(a INTEGER))")
    assert lake.refusal("BEGIN; ALTER TABLE s ADD COLUMN x.b INTERVAL").sql_state == "0A000"
    assert lake.refusal("CREATE TEMP TYPE span AS TIME_NS; CREATE TABLE n (t span)").sql_state == "0A000"
    assert lake.run("DESCRIBE s")[0][1] == "STRUCT(a INTEGER)"
    lake.run("CREATE TEMP TABLE memory_only (i INTERVAL, h HUGEINT, e ENUM('a'))")


def test_128_bit_integers_are_decimals(lake: Session) -> None:
    """By every way of naming them; a sum is exact, a value beyond is refused at the write."""
    lake.run(f"CREATE TABLE tot AS SELECT i AS g, sum({BIG}::BIGINT) AS total FROM range(11) r(i) GROUP BY 1")
    assert lake.run("SELECT DISTINCT total FROM tot") == [(Decimal(BIG),)]
    lake.run(
        'CREATE TABLE wide (hugeint HUGEINT, b STRUCT(hugeint hugeint, c INT128[]), m MAP(INTEGER, "uhugeint"));'
        "ALTER TABLE wide ADD COLUMN IF NOT EXISTS u UHUGEINT; ALTER TABLE wide ADD COLUMN b.z UINT128;"
        "ALTER TABLE wide ADD COLUMN n BIGINT; ALTER TABLE wide ALTER COLUMN n SET DATA TYPE HUGEINT"
    )
    assert [row[:2] for row in lake.run("DESCRIBE wide")] == [
        ("hugeint", "DECIMAL(38,0)"),
        ("b", "STRUCT(hugeint DECIMAL(38,0), c DECIMAL(38,0)[], z DECIMAL(38,0))"),
        ("m", "MAP(INTEGER, DECIMAL(38,0))"),
        ("u", "DECIMAL(38,0)"),
        ("n", "DECIMAL(38,0)"),
    ]
    beyond = 10**38
    for script in (
        f"INSERT INTO wide (u) VALUES ({beyond}::UHUGEINT)",
        f"INSERT INTO wide (m) VALUES (MAP {{1: {beyond}::UHUGEINT}})",
        f"CREATE TABLE more AS SELECT [{beyond}::UHUGEINT] AS l",
        f"UPDATE tot SET total = {beyond}::UHUGEINT",
        f"COPY (SELECT {beyond}::UHUGEINT AS u) TO '{lake.files}/u.parquet'",
    ):
        error = lake.refusal(script)
        assert error.sql_state == "22003", (script, error.message)
        assert "CAST(#" not in error.message
    lake.run("CREATE TABLE pivoted AS PIVOT (VALUES (1, 'a', 3)) t(x, y, z) ON y USING sum(z)")
    assert lake.run("SELECT x, a FROM pivoted") == [(1, Decimal(3))]
    lake.run("CREATE TABLE bound AS SELECT ? AS s, sum(?::BIGINT) AS n", ["x", str(BIG)])
    assert lake.run("SELECT * FROM bound") == [("x", Decimal(BIG))]


def test_an_error_in_a_query_that_is_described_first_has_the_callers_line(lake: Session) -> None:
    """No words of ours stand in it."""
    error = lake.refusal("CREATE TABLE x AS\nSELECT nosuch FROM range(3)")
    assert error.sql_state == "42703"
    assert "LINE 2: SELECT nosuch FROM range(3)\n               ^" in error.message


# -- any type, any way ---------------------------------------------------------------------------

SCALARS: Final = {
    "BOOLEAN": ("true", "false"),
    "TINYINT": ("-128", "127"),
    "SMALLINT": ("-32768", "32767"),
    "INTEGER": ("-2147483648", "2147483647", "0"),
    "BIGINT": ("-9223372036854775808", "9223372036854775807", str(BIG)),
    "UTINYINT": ("0", "255"),
    "USMALLINT": ("65535",),
    "UINTEGER": ("4294967295",),
    "UBIGINT": ("18446744073709551615", "9223372036854775808"),
    "HUGEINT": (str(BIG), "-" + "9" * 38, "9" * 38, "0"),
    "UHUGEINT": (str(BIG), "9" * 38),
    "FLOAT": ("1e-5", "3.4028235e38", "1e-45", "-0.0", "nan", "inf", "-inf", "0.1"),
    "DOUBLE": ("5e-324", "1.7976931348623157e308", "-0.0", "nan", "-inf", "0.1"),
    "DECIMAL(4,1)": ("-999.9", "0.1"),
    "DECIMAL(18,18)": ("0.123456789012345678",),
    "DECIMAL(38,10)": ("1234567890123456789012345678.0123456789",),
    "VARCHAR": ("O'Brien", "C:\\temp", "", "NULL", "{'a': 1}", "a\nb", "\u00e9\U0001f600", " ", '"', "[]"),
    "JSON": ('{"a": "it\'s"}', "null", '"x"', "[1, 2.50]"),
    "BLOB": ("\\x00\\xFF", "\\x27\\x5C", ""),
    "DATE": ("infinity", "-infinity", "0044-03-15 (BC)", "5881580-07-10"),
    "TIME": ("00:00:00", "24:00:00", "23:59:59.999999"),
    "TIMESTAMP": ("infinity", "290309-12-22 (BC) 00:00:00", "294247-01-10 04:00:54.775806"),
    "TIMESTAMP_S": ("0044-03-15 (BC) 01:02:03", "2020-01-01 00:00:01"),
    "TIMESTAMP_MS": ("infinity", "-infinity", "2020-01-01 00:00:00.123"),
    "TIMESTAMP_NS": ("infinity", "2262-04-11 23:47:16.854775806", "1970-01-01 00:00:00.000000001"),
    "TIMESTAMPTZ": ("infinity", "0044-03-15 (BC) 01:02:03+00", "2020-01-01 00:00:00.123456+05"),
    "UUID": ("00000000-0000-0000-0000-0000000000ff", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "GEOMETRY": ("POINT (1 2)", "LINESTRING (0 0, 1 1)"),
}
KEYS: Final = ("INTEGER", "VARCHAR", "DATE", "HUGEINT", "UUID")


class Kind:
    """A type, and how a value of it is drawn as SQL."""

    def __init__(self, text: str, value: st.SearchStrategy[str]) -> None:
        self.text = text
        self.values = st.one_of(st.just("NULL"), value, value, value)
        self.present = value

    def __repr__(self) -> str:
        return self.text


def literal(value: str, kind: str) -> str:
    """The value as SQL."""
    quoted = value.replace("'", "''")
    return f"CAST('{quoted}' AS {kind})"


def scalar(name: str) -> Kind:
    """A type of one value."""
    return Kind(name, st.sampled_from([literal(value, name) for value in SCALARS[name]]))


def struct(first: Kind, second: Kind) -> Kind:
    """A STRUCT with a member of each."""
    both = st.tuples(first.values, second.values)
    return Kind(f'STRUCT(a {first.text}, "b c" {second.text})', both.map(lambda m: f"{{'a': {m[0]}, 'b c': {m[1]}}}"))


def list_of(inner: Kind) -> Kind:
    """A list, also an empty one."""
    return Kind(f"{inner.text}[]", st.lists(inner.values, max_size=2).map(lambda found: f"[{', '.join(found)}]"))


def map_of(key: Kind, inner: Kind) -> Kind:
    """A map of one entry."""
    entry = st.tuples(key.present, inner.values)
    return Kind(f"MAP({key.text}, {inner.text})", entry.map(lambda e: f"MAP {{{e[0]}: {e[1]}}}"))


SCALAR: Final = st.sampled_from(sorted(SCALARS)).map(scalar)
KIND: Final = st.recursive(
    SCALAR,
    lambda inner: st.one_of(
        st.builds(struct, inner, SCALAR),
        inner.map(list_of),
        st.builds(map_of, st.sampled_from(KEYS).map(scalar), inner),
    ),
    max_leaves=4,
)


@st.composite
def columns(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A type and a few values of it."""
    kind = draw(KIND)
    values = draw(st.lists(kind.values, min_size=1, max_size=4))
    return kind.text, [f"CAST({value} AS {kind.text})" for value in values]


WAYS: Final = {
    "INSERT": "CREATE TABLE t (k INTEGER, v {kind}); INSERT INTO t FROM m",
    "CREATE": "CREATE TABLE t AS FROM m",
    "UPDATE": "CREATE TABLE t (k INTEGER, v {kind}); INSERT INTO t SELECT k, NULL FROM m;"
    "UPDATE t SET v = m.v FROM m WHERE t.k = m.k",
    "MERGE": "CREATE TABLE t (k INTEGER, v {kind}); INSERT INTO t SELECT k, NULL FROM m WHERE k % 2 = 0;"
    "MERGE INTO t USING m ON t.k = m.k WHEN MATCHED THEN UPDATE SET v = m.v WHEN NOT MATCHED THEN INSERT",
    "COPY": "COPY m TO '{files}/m.parquet' (OVERWRITE); CREATE TABLE t (k INTEGER, v {kind});"
    "COPY t FROM '{files}/m.parquet'",
    "ADD": "CREATE TABLE t AS SELECT k FROM m WHERE k % 2 = 0; ALTER TABLE t ADD COLUMN v {kind};"
    "INSERT INTO t FROM m WHERE k % 2 = 1; UPDATE t SET v = m.v FROM m WHERE t.k = m.k AND t.k % 2 = 0",
}

_LOOK: Final = "SELECT k, typeof(v), v::VARCHAR, rank() OVER (ORDER BY v), v IS NULL FROM {} ORDER BY k"


@given(column=columns(), way=st.sampled_from(sorted(WAYS)), repeated=st.sampled_from((1, 11, 2000)))
@examples(10)
def test_what_was_written_is_read(lake: Session, column: tuple[str, list[str]], way: str, repeated: int) -> None:
    """Value, type, order and NULL as in the engine's own memory: at once, after compaction and in old snapshots."""
    kind, values = column
    lake.run("DROP TABLE IF EXISTS lake.t; DROP TABLE IF EXISTS temp.m; DROP TABLE IF EXISTS temp.same")
    rows = " UNION ALL ".join(f"SELECT {number} AS k, {value} AS v" for number, value in enumerate(values))
    lake.run(
        f"CREATE TEMP TABLE m AS SELECT k + {len(values)} * r AS k, v FROM ({rows}), range({repeated}) x(r);"
        f"CREATE TEMP TABLE same (k INTEGER, v {exact(kind)}); INSERT INTO same FROM m"
    )
    lake.run(WAYS[way].replace("{kind}", kind).replace("{files}", str(lake.files)))
    expected = lake.run(_LOOK.format("same"))
    assert lake.run(_LOOK.format("t")) == expected
    assert lake.run("SELECT count(*) AS n FROM (FROM same EXCEPT ALL FROM t)") == [(0,)]
    [(before,)] = lake.run("SELECT max(snapshot_id) AS x FROM lake.snapshots()")
    lake.run(
        "INSERT INTO t SELECT -1, v FROM same LIMIT 1; DELETE FROM t WHERE k = -1; INSERT INTO t VALUES (-2, NULL)"
    )
    for compaction in ("ducklake_merge_adjacent_files('lake')", "ducklake_rewrite_data_files('lake')"):
        lake.unjudged(f"CALL {compaction}")
        assert lake.run(_LOOK.format("(FROM t WHERE k >= 0)")) == expected
    assert lake.run(_LOOK.format(f"(FROM t AT (VERSION => {before}))")) == expected


def exact(kind: str) -> str:
    """The type that is stored in its place."""
    return kind.replace("UHUGEINT", "DECIMAL(38,0)").replace("HUGEINT", "DECIMAL(38,0)")


@pytest.mark.parametrize("kind", sorted(SCALARS))
def test_a_default_and_a_partition_key_keep_their_value(lake: Session, kind: str) -> None:
    """Also where they are written as text: in the metadata, and in the names of folders."""
    for value in SCALARS[kind]:
        given = literal(value, kind)
        lake.run(f"CREATE OR REPLACE TABLE d (k INTEGER, v {kind} DEFAULT {given}); INSERT INTO d (k) VALUES (1)")
        same = f"SELECT v IS NOT DISTINCT FROM {given}::{exact(kind)} AS same, v::VARCHAR AS t FROM d"
        [(is_same, text)] = lake.run(same)
        assert is_same, value
        assert [(text,)] == lake.run(f"SELECT {given}::{exact(kind)}::VARCHAR AS t")
    if kind in ("BLOB", "GEOMETRY", "JSON"):
        return
    literals = ", ".join(f"({literal(value, kind)})" for value in SCALARS[kind])
    lake.run(f"CREATE OR REPLACE TABLE p (v {kind}); ALTER TABLE p SET PARTITIONED BY (v)")
    lake.run(f"CREATE OR REPLACE TEMP TABLE q (v {exact(kind)}); INSERT INTO q VALUES {literals}, (NULL)")
    lake.run("INSERT INTO p FROM q")
    ordered = "SELECT v::VARCHAR AS v FROM {} ORDER BY ALL"
    assert lake.run(ordered.format("p")) == lake.run(ordered.format("q"))
    for value in SCALARS[kind]:
        condition = f"v = {literal(value, kind)}"
        assert lake.run(f"SELECT count(v) AS n FROM p WHERE {condition}") == lake.run(
            f"SELECT count(v) AS n FROM q WHERE {condition}"
        )


DEFAULTS: Final = {
    "DOUBLE": (
        "0.1e0 + 0.2e0",
        "1e3",
        "-1e3",
        "5e-324",
        "0.1 + 0.2",
        "1e400",
        "0.1234567890123456789012345678901234567890 + 0.2e0",
    ),
    "FLOAT": ("0.1e0", "16777217e0"),
    "DECIMAL(38,10)": ("100000000000000000000e0", "-1e20", "5e-324"),
    "HUGEINT": ("1e20", "9" * 38),
    "BIGINT": ("9007199254740993e0", "9007199254740993", "1_0e2"),
    "VARCHAR": ("typeof(1e0)", "typeof(0.1e0 + 1)", "1e3", "'x' || 1e0", "typeof(1.0)", "E'a\\nb' || $$x'y$$", "''"),
    "BLOB": ("'\\x00\\xFF'::BLOB",),
    "DATE": ("DATE '2020-01-01' + 1",),
}
DEFINED: Final = {
    "CREATE": "CREATE TABLE e (k INTEGER, v {kind} DEFAULT {value})",
    "ADD": "CREATE TABLE e AS SELECT 0 AS k; ALTER TABLE e ADD COLUMN v {kind} DEFAULT {value}",
    "SET": "CREATE TABLE e (k INTEGER, v {kind}); ALTER TABLE IF EXISTS main.e ALTER v SET DEFAULT {value}",
    "VIEW": "CREATE VIEW e AS SELECT CAST({value} AS {kind}) AS v",
    "MACRO": "CREATE MACRO e(a := {value}) AS TABLE SELECT CAST(a AS {kind}) AS v",
}


@pytest.mark.parametrize("way", DEFINED)
@pytest.mark.parametrize("kind", DEFAULTS)
def test_a_default_has_the_value_of_its_expression(lake: Session, kind: str, way: str) -> None:
    """Whatever keeps the expression, and for the rows that are there as well: what a SELECT of it gives."""
    drop = f"DROP {'MACRO TABLE' if way == 'MACRO' else 'VIEW' if way == 'VIEW' else 'TABLE'} IF EXISTS lake.main.e"
    for value in DEFAULTS[kind]:
        lake.run(drop)
        lake.run(DEFINED[way].format(kind=exact(kind), value=value))
        if way in ("CREATE", "ADD", "SET"):
            lake.run("INSERT INTO e (k) VALUES (1)")
        expected = lake.run(f"SELECT CAST(CAST({value} AS {exact(kind)}) AS VARCHAR) AS v")
        source = "e()" if way == "MACRO" else "e"
        assert lake.run(f"SELECT DISTINCT CAST(v AS VARCHAR) AS v FROM {source}") == expected, value
        lake.run(drop)


def test_a_nested_column_has_no_default(lake: Session) -> None:
    """SET DEFAULT took one and wrote NULL."""
    lake.run("CREATE OR REPLACE TABLE nested (k INTEGER, l VARCHAR[], s STRUCT(a INTEGER), m MAP(INTEGER, INTEGER))")
    for column, value in (("l", "['a']"), ("l", "'[a]'"), ("s", "{'a': 1}"), ("m", "MAP {1: 2}")):
        error = lake.refusal(f"ALTER TABLE nested ALTER COLUMN {column} SET DEFAULT {value}")
        assert (error.sql_state, f'column "{column}"' in error.message) == ("0A000", True), value
        lake.run(f"ALTER TABLE nested ALTER COLUMN {column} SET DEFAULT NULL")
        lake.run(f"ALTER TABLE nested ALTER COLUMN {column} DROP DEFAULT")


def test_a_default_that_changes_is_left_to_the_engine(lake: Session) -> None:
    """It is evaluated for each row, in a catalog and in memory."""
    lake.run("CREATE OR REPLACE TABLE later (k INTEGER, t TIMESTAMP); ALTER TABLE later ALTER t SET DEFAULT now()")
    lake.run("INSERT INTO later (k) VALUES (1); CREATE TEMP TABLE r (x DOUBLE, y INTEGER)")
    lake.run("ALTER TABLE r ALTER x SET DEFAULT random(); INSERT INTO r (y) FROM range(9)")
    assert lake.run("SELECT count(t) AS t FROM later") == [(1,)]
    assert lake.run("SELECT count(DISTINCT x) AS x FROM r") == [(9,)]


def test_one_row_of_a_large_table_is_updated(lake: Session) -> None:
    """A table of 50,000 rows stays readable, whatever members its structs have."""
    value = "{'t': TIMESTAMP '2020-01-01' + to_seconds(i), 'u': uuid(), 'd': 'nan'::DOUBLE, 's': 'O''Brien'}"
    lake.run(f"CREATE OR REPLACE TABLE large AS SELECT i, {value} AS v FROM range(50000) r(i)")
    lake.run("UPDATE large SET v = struct_update(v, s := 'C:\\temp', t := NULL) WHERE i = 7")
    assert lake.run("SELECT v.s, v.t FROM large WHERE i = 7") == [("C:\\temp", None)]
    assert lake.run("SELECT count(*) AS n, count(v.t) AS t, count(DISTINCT v.u) AS u FROM large") == [
        (50_000, 49_999, 50_000)
    ]


def test_a_partition_that_takes_no_row_is_refused(lake: Session) -> None:
    """DuckLake takes year() of an integer, and then no INSERT any more."""
    lake.run("CREATE OR REPLACE TABLE parted (i INTEGER, d DATE)")
    assert lake.refusal("ALTER TABLE parted SET PARTITIONED BY (d, year(i))").sql_state == "42883"
    lake.run(
        "ALTER TABLE parted SET PARTITIONED BY (year(d), bucket(4, i)); INSERT INTO parted VALUES (1, '2020-01-01')"
    )
    assert lake.run("SELECT i FROM parted WHERE year(d) = 2020") == [(1,)]


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_text_files_take_what_parquet_refuses(lake: Session, suffix: str) -> None:
    """An INTERVAL and the like cannot go to Parquet, nested or not, and come back from CSV and JSON as they were."""
    lake.run(
        "CREATE OR REPLACE TEMP TABLE source AS SELECT INTERVAL '1194 hours 1 microsecond' AS i, "
        f"TIMETZ '12:00:00+01' AS t, {10**38}::HUGEINT AS h"
    )
    assert lake.refusal(f"COPY source TO '{lake.files}/x.parquet'").sql_state == "0A000"
    assert lake.refusal(
        f"COPY (SELECT [{{'m': t}}] AS x FROM source) TO '{lake.files}/x' (FORMAT parquet)"
    ).sql_state == ("0A000")
    file = f"{lake.files}/x.{suffix}"
    lake.run(f"COPY source TO '{file}' (OVERWRITE); CREATE OR REPLACE TEMP TABLE back AS FROM source WITH NO DATA")
    lake.run(f"COPY temp.back FROM '{file}'")
    assert lake.run("SELECT count(*) AS n FROM (FROM source EXCEPT ALL FROM back)") == [(0,)]
    assert lake.shown("FROM back") == lake.shown("FROM source")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("DECIMAL(38,37)", "9.1234567890123456789012345678901234567"),
        ("DECIMAL(18,3)", "123456789012345.678"),
        ("BLOB", "\\x00\\xFF\\x5C"),
        ("JSON", '{"k": [1.10, null]}'),
        ("BIT", "101"),
        ("BIGNUM", "123"),
        ("STRUCT(a DECIMAL(38,37))", "{'a': 9.1234567890123456789012345678901234567}"),
    ],
)
def test_what_json_files_change_is_exact_as_text(lake: Session, kind: str, value: str) -> None:
    """The way out of the documentation; a CSV file needs none."""
    given = literal(value, kind)
    lake.run(
        f"CREATE OR REPLACE TEMP TABLE source AS SELECT {given} AS v; CREATE OR REPLACE TEMP TABLE back (v {kind})"
    )
    file = f"{lake.files}/text"
    lake.run(f"COPY (SELECT v::VARCHAR AS v FROM source) TO '{file}.json' (OVERWRITE)")
    lake.run(f"INSERT INTO back SELECT v::{kind} FROM read_json('{file}.json', columns = {{v: 'VARCHAR'}})")
    lake.run(f"COPY source TO '{file}.csv' (OVERWRITE); COPY back FROM '{file}.csv'")
    assert lake.run("SELECT DISTINCT v::VARCHAR AS v FROM back") == lake.run("SELECT v::VARCHAR AS v FROM source")
    assert lake.run("SELECT count(*) AS n FROM back") == [(2,)]


def test_infinity_in_seconds_is_refused_at_the_write(lake: Session) -> None:
    """The one value of TIMESTAMP_S that Parquet does not hold, whatever the number of rows."""
    lake.run("CREATE OR REPLACE TABLE seconds (t TIMESTAMP_S)")
    for count in (1, 100):
        script = f"INSERT INTO seconds SELECT CAST('infinity' AS TIMESTAMP_S) FROM range({count})"
        assert lake.refusal(script).sql_state == "22008"
