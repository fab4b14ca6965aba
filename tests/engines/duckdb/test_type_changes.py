"""ALTER TABLE … TYPE changes no value, in no session, and leaves no column that cannot be read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engines.duckdb.sessions import Place, Session, session


@pytest.fixture(scope="module")
def place(place_of: Callable[[Path], Place], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The catalog of all tests."""
    return place_of(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def lake(place: Place) -> Iterator[Session]:
    """A session that has looked at every table before its type changes."""
    with session(place) as opened:
        yield opened


@pytest.mark.parametrize(
    ("kind", "wider", "values"),
    [
        ("TINYINT", "BIGINT", ("-1", "0", "1", "127")),
        ("SMALLINT", "INTEGER", ("-1", "0", "1")),
        ("INTEGER", "BIGINT", ("-1", "0", "2147483647")),
        ("BIGINT", "HUGEINT", ("-1", "0", "9007199254740993")),
        ("UTINYINT", "SMALLINT", ("0", "1", "255")),
        ("UINTEGER", "UBIGINT", ("0", "4294967295")),
        ("BOOLEAN", "INTEGER", ("true", "false")),
        ("INTEGER", "DOUBLE", ("-1", "0", "1")),
        ("INTEGER", "FLOAT", ("-1", "0", "1")),
        ("FLOAT", "DOUBLE", ("0.5", "3", "1e16", "1e-5")),
        ("DECIMAL(4,1)", "DECIMAL(18,3)", ("1.5", "0", "-1")),
        ("DECIMAL(18,3)", "DOUBLE", ("1.5", "0", "-1")),
        ("DATE", "TIMESTAMP", ("DATE '2020-01-01'", "DATE 'infinity'")),
        ("TIMESTAMP", "TIMESTAMP_NS", ("TIMESTAMP '2020-01-01 00:00:00.5'", "TIMESTAMP 'infinity'")),
        ("TIMESTAMP_S", "TIMESTAMP", ("TIMESTAMP_S '2020-01-01 00:00:01'",)),
        ("VARCHAR", "JSON", ("'[1]'", "'null'")),
    ],
)
def test_rows_are_found_where_the_table_was_read_before(
    lake: Session, place: Place, kind: str, wider: str, values: tuple[str, ...]
) -> None:
    """The engine keeps bounds of the old type in memory, in the session that changes it and in every other."""
    stored = wider.replace("HUGEINT", "DECIMAL(38,0)")
    rows = ", ".join(f"({value}::{kind})" for value in values)
    lake.run(f"CREATE OR REPLACE TABLE t AS SELECT v FROM (VALUES {rows}) x(v), range(300)")
    lake.run(f"CREATE OR REPLACE TEMP TABLE m AS SELECT v::{stored} AS v FROM t")
    conditions = [f"v {operator} {value}::{kind}::{stored}" for value in values for operator in ("=", "<=", ">")]
    count = "SELECT count(*) AS n, min(v)::VARCHAR AS a, max(v)::VARCHAR AS b FROM {} WHERE {}"
    look = f"SELECT count(*) AS n FROM t WHERE v >= {values[0]}::{kind}"
    with session(place) as other:
        assert lake.run(look) == other.run(look)
        lake.run(f"ALTER TABLE t ALTER v TYPE {wider}")
        for condition in conditions:
            expected = lake.run(count.format("m", condition))
            assert lake.run(count.format("t", condition)) == expected, condition
            assert other.run(count.format("t", condition)) == expected, condition


@pytest.mark.parametrize(
    ("kind", "wider", "values", "conditions"),
    [
        ("INTEGER", "DOUBLE", ("1", "2", "3"), ("v > 1.5", "v = 1.5::DOUBLE", "v < 2.5", "v <> 1.5::DOUBLE")),
        ("BIGINT", "DOUBLE", ("9007199254740993", "1"), ("v = 9007199254740992::DOUBLE", "v > 1e15")),
        ("FLOAT", "DOUBLE", ("0.1", "0.5"), ("v = 0.1::DOUBLE", "v > 0.1::DOUBLE", "v = 0.1::FLOAT")),
        ("DECIMAL(4,1)", "DECIMAL(18,3)", ("1.5", "1.6"), ("v = 1.55", "v > 1.55", "v >= 1.549")),
        ("DATE", "TIMESTAMP", ("'2020-01-01'",), ("v = '2020-01-01 05:00:00'", "v < '2020-01-01 05:00:00'")),
        ("TIMESTAMP_S", "TIMESTAMP", ("'2020-01-01 00:00:01'",), ("v = '2020-01-01 00:00:01.4'",)),
        ("STRUCT(m INTEGER)", "STRUCT(m DOUBLE)", ("{'m': 1}", "{'m': 2}"), ("v.m > 1.5", "v.m = 1.5::DOUBLE")),
        ("FLOAT", "JSON", ("0.1", "0.5"), ("v = '0.10'::JSON", "v < '0.3'::JSON")),
        ("TINYINT", "INTEGER", ("1", "127"), ("v = 300", "v < 300", "v > 126")),
        ("BOOLEAN", "INTEGER", ("true", "false"), ("v = 2", "v >= 1")),
    ],
)
def test_a_condition_is_not_rounded_to_the_old_type(
    lake: Session, kind: str, wider: str, values: tuple[str, ...], conditions: tuple[str, ...]
) -> None:
    """Within the transaction and after it, for the transaction's own rows as well; old snapshots have the old type."""
    rows = ", ".join(f"({value}::{kind})" for value in values)
    lake.run(f"CREATE OR REPLACE TABLE t AS SELECT v FROM (VALUES {rows}) x(v), range(20)")
    lake.run(f"CREATE OR REPLACE TEMP TABLE m (v {kind}); INSERT INTO m FROM t; INSERT INTO m FROM t LIMIT 5")
    lake.run(f"CREATE OR REPLACE TEMP TABLE m AS SELECT v::{wider} AS v FROM m")
    [(before,)] = lake.run("SELECT max(snapshot_id) AS s FROM lake.snapshots()")
    lake.run(f"BEGIN; INSERT INTO t FROM t LIMIT 5; ALTER TABLE t ALTER v TYPE {wider}")
    for _ in ("within", "after"):
        for condition in conditions:
            count = f"SELECT count(*) AS n FROM {{}} WHERE {condition}"
            assert lake.run(count.format("t")) == lake.run(count.format("m")), condition
        lake.run("COMMIT")
    # What is known of the table takes in the rows that were there, and not the new row alone.
    lake.run("INSERT INTO t FROM t LIMIT 1; INSERT INTO m FROM t LIMIT 1")
    for condition in ("v <= (SELECT min(v) FROM m)", "v >= (SELECT max(v) FROM m)", *conditions):
        assert lake.run(f"SELECT count(*) > 0 AS n FROM t WHERE {condition}") == lake.run(
            f"SELECT count(*) > 0 AS n FROM m WHERE {condition}"
        ), condition
    old = f"SELECT typeof(v) AS t, count(*) AS n FROM t AT (VERSION => {before}) GROUP BY ALL"
    assert lake.run(old) == [(kind, 20 * len(values))]


@pytest.mark.parametrize(("kind", "value"), [("{}", "{}"), ("STRUCT(z {})", "{{'z': {}}}"), ("{}[]", "[{}]")])
def test_a_value_with_a_zone_is_that_of_the_session_that_changes_the_type(
    lake: Session, place: Place, kind: str, value: str
) -> None:
    """A reader in another zone sees the same instant."""
    given, instant = "TIMESTAMP '2020-01-01 05:00:00'", "TIMESTAMPTZ '2019-12-31 20:00:00+00'"
    lake.run(f"CREATE OR REPLACE TABLE t AS SELECT {value.format(given)} AS v")
    lake.run(f"SET TimeZone = 'Asia/Tokyo'; ALTER TABLE t ALTER v TYPE {kind.format('TIMESTAMPTZ')}; RESET TimeZone")
    expected = f"SELECT v = {value.format(instant)} AS same FROM t"
    with session(place) as other:
        other.run("SET TimeZone = 'America/New_York'")
        for reader in (lake, other):
            assert reader.run(expected) == [(True,)]


@pytest.mark.parametrize(
    ("kind", "wider", "value", "state"),
    [
        ("VARCHAR", "JSON", "'[1'", "22P02"),
        ("STRUCT(a VARCHAR)", "STRUCT(a JSON)", "{'a': '[x'}", "22P02"),
        ("VARCHAR[]", "JSON[]", "['[x']", "22P02"),
        ("MAP(INTEGER, VARCHAR)", "MAP(INTEGER, JSON)", "MAP {1: '[x'}", "22P02"),
        ("TIMESTAMP", "TIMESTAMP_NS", "'9999-01-01'", "22"),
        ("TIMESTAMP_MS", "TIMESTAMP_NS", "'9999-01-01'", "22"),
        ("DATE", "TIMESTAMP", "'5881580-07-10'", "22"),
        ("DATE", "TIMESTAMP_NS", "'9999-01-01'", "22"),
        ("DATE", "TIMESTAMP_S", "'5881580-07-10'", "22"),
    ],
)
def test_a_change_that_a_value_does_not_survive_is_refused(
    lake: Session, kind: str, wider: str, value: str, state: str
) -> None:
    """The table stays as it was."""
    lake.run(f"CREATE OR REPLACE TABLE t (k INTEGER, v {kind}); INSERT INTO t VALUES (1, {value}), (2, NULL)")
    before = lake.run("SELECT k, v::VARCHAR AS v, typeof(v) AS t FROM t ORDER BY k")
    for script in (
        f"ALTER TABLE t ALTER v TYPE {wider}",
        f"ALTER TABLE IF EXISTS lake.main.t ALTER COLUMN v SET DATA TYPE {wider}",
        f"BEGIN; ALTER TABLE t ALTER v TYPE {wider}",
    ):
        error = lake.refusal(script)
        assert error.sql_state.startswith(state), (script, error.message)
        assert 'the type of column "v" cannot change from ' in error.message
    assert lake.run("SELECT k, v::VARCHAR AS v, typeof(v) AS t FROM t ORDER BY k") == before
