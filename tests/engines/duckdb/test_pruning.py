"""Files are skipped by their statistics: that never changes which rows a condition finds."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.duckdb.sessions import Place, Session, session
from tests.support.properties import examples

VALUES: Final = {
    "FLOAT": ["1e-5", "0.1", "1e16", "2e-5", "-1e-7", "-0.0", "0", "nan", "inf", "-inf", "3.4028235e38", "1e-45"],
    "DOUBLE": ["1e-5", "0.1", "1e16", "-0.0", "nan", "inf", "-inf", "1.7976931348623157e308", "5e-324", "-1e-7"],
    "VARCHAR": ["", "a", "A", "z" * 300, "z" * 300 + "b", "é", "e\u0301", "\U0001f600", "\x01", "\n", "O'Brien", "a%"],
    "BLOB": ["", "\\x00", "\\x00\\x00", "\\xFF", "a", "\\x27"],
    "DECIMAL(4,1)": ["-999.9", "0", "0.1", "99.9", "100"],
    "DECIMAL(38,0)": ["9" * 38, "-" + "9" * 38, "0", "9007199254740993", "10", "9"],
    "BIGINT": ["-9223372036854775808", "9223372036854775807", "-1", "0", "10", "9"],
    "UBIGINT": ["18446744073709551615", "9223372036854775808", "9223372036854775807", "0", "10", "9"],
    "BOOLEAN": ["true", "false"],
    "DATE": ["infinity", "-infinity", "0044-03-15 (BC)", "5881580-07-10", "1970-01-01", "10000-01-01"],
    "TIME": ["00:00:00", "24:00:00", "23:59:59.999999"],
    "TIMESTAMP": ["infinity", "-infinity", "0044-03-15 (BC) 01:02:03", "1970-01-01 00:00:00.000001", "10000-01-01"],
    "TIMESTAMP_S": ["0044-03-15 (BC) 01:02:03", "1970-01-01 00:00:01", "10000-01-01 00:00:00"],
    "TIMESTAMP_MS": ["infinity", "-infinity", "1970-01-01 00:00:00.001", "2020-01-01 00:00:00.123"],
    "TIMESTAMP_NS": ["infinity", "-infinity", "1677-09-22 00:00:00", "1970-01-01 00:00:00.000000001"],
    "TIMESTAMPTZ": ["infinity", "-infinity", "0044-03-15 (BC) 01:02:03+00", "2020-01-01 00:00:00+05"],
    "UUID": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "JSON": ["1", '"a"', '{"a":1}', "null"],
}
PLACES: Final = {"v": ("{}", "{}"), "v.m": ("STRUCT(m {})", "{{'m': {}}}"), "v[1]": ("{}[]", "[{}]")}
CONDITIONS: Final = (
    "{v} = {a}",
    "{v} < {a}",
    "{v} <= {a}",
    "{v} > {a}",
    "{a} <= {v}",
    "{v} <> {a}",
    "NOT ({v} <= {a})",
    "{v} IN ({a}, {b})",
    "{v} NOT IN ({a}, {b})",
    "{v} BETWEEN {a} AND {b}",
    "{v} IS NULL",
    "{v} IS NOT NULL",
    "{v} IS DISTINCT FROM {a}",
    "{v} IS NOT DISTINCT FROM {a}",
    "{v} < {a} OR {v} = {b}",
    "{v}::VARCHAR LIKE left({a}::VARCHAR, 1) || '%'",
)
WIDER: Final = {
    "FLOAT": ("DOUBLE", "JSON"),
    "DECIMAL(4,1)": ("DOUBLE", "FLOAT", "DECIMAL(38,10)", "JSON"),
    "BIGINT": ("DOUBLE", "FLOAT", "DECIMAL(38,0)", "JSON"),
    "UBIGINT": ("DOUBLE", "DECIMAL(38,0)", "JSON"),
    "DOUBLE": ("JSON",),
    "VARCHAR": ("JSON",),
}
"""To which other types DuckLake changes a column's."""


@pytest.fixture(scope="module")
def lake(place_of: Callable[[Path], Place], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One session for all: each example makes its tables anew."""
    with session(place_of(tmp_path_factory.mktemp("lake"))) as opened:
        yield opened


def literal(value: str | None, kind: str) -> str:
    """The value as SQL."""
    quoted = (value or "").replace("'", "''")
    return "NULL" if value is None else f"CAST('{quoted}' AS {kind})"


def same_rows(lake: Session, condition: str) -> None:
    """The catalog's table finds the rows that the one in memory does, and as many of them."""
    rows = "list(k ORDER BY k) AS r, (SELECT count(*) FROM {0} WHERE {1}) AS n"
    found, there = (
        lake.run(f"SELECT {rows.format(t, condition)} FROM {t} WHERE {condition}") for t in ("lake.t", "temp.t")
    )
    assert found == there, condition


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str, list[list[str | None]], list[str]]:
    """A type, the place of its values in a column, the values of each file, and conditions."""
    kind = draw(st.sampled_from(sorted(VALUES)))
    value = st.sampled_from(VALUES[kind])
    files = draw(st.lists(st.lists(st.one_of(st.none(), value, value, value), min_size=1, max_size=3), max_size=4))
    place = draw(st.sampled_from(sorted(PLACES)))
    conditions = [
        one.format(v=place, a=literal(draw(value), kind), b=literal(draw(value), kind))
        for one in draw(st.lists(st.sampled_from(CONDITIONS), min_size=3, max_size=5))
    ]
    return kind, place, files, conditions


@given(table=tables(), within=st.booleans(), compacted=st.booleans())
@examples(10)
def test_a_condition_finds_its_rows(
    lake: Session, table: tuple[str, str, list[list[str | None]], list[str]], within: bool, compacted: bool
) -> None:
    """By any comparison, in files committed and not, merged and not; the least and the greatest value as well."""
    kind, place, files, conditions = table
    column, value = PLACES[place]
    lake.run("DROP TABLE IF EXISTS lake.t; DROP TABLE IF EXISTS temp.t")
    lake.run(f"CREATE TEMP TABLE t (k INTEGER, v {column.format(kind)}); CREATE TABLE lake.t AS FROM temp.t")
    if within:
        lake.run("BEGIN")
    for number, values in enumerate(files):
        rows = ", ".join(f"({number * 10 + at}, {value.format(literal(one, kind))})" for at, one in enumerate(values))
        lake.run(f"INSERT INTO temp.t VALUES {rows}; INSERT INTO lake.t VALUES {rows}")
    if compacted and not within:
        lake.unjudged("CALL ducklake_merge_adjacent_files('lake')")
    for condition in conditions:
        same_rows(lake, condition)
    for bound in ("min", "max"):
        found, there = (lake.run(f"SELECT {bound}({place})::VARCHAR AS b FROM {t}") for t in ("lake.t", "temp.t"))
        assert found == there
    if within:
        lake.run("COMMIT")


@pytest.mark.parametrize(("kind", "wider"), [(kind, wider) for kind in WIDER for wider in WIDER[kind]])
def test_a_condition_finds_its_rows_after_the_type_has_changed(lake: Session, kind: str, wider: str) -> None:
    """What was known of files and of the table by the old type says nothing about the new one."""
    lake.run("DROP TABLE IF EXISTS lake.t; DROP TABLE IF EXISTS temp.t; DROP TABLE IF EXISTS temp.old")
    lake.run(f"CREATE TABLE lake.t (k INTEGER, v {kind}); CREATE TEMP TABLE old (k INTEGER, v {kind})")
    values = ["1", '"a"'] if kind == "VARCHAR" else VALUES[kind][:4]
    for number, value in enumerate(values):
        row = f"({number}, {literal(value, kind)})"
        lake.run(f"INSERT INTO lake.t VALUES {row}; INSERT INTO old VALUES {row}")
    lake.run(f"ALTER TABLE lake.t ALTER v TYPE {wider}; CREATE TEMP TABLE t AS SELECT k, v::{wider} AS v FROM old")
    # A value between the others is written by the new type.
    lake.run(
        f"INSERT INTO lake.t VALUES (99, {literal('1', wider)}); INSERT INTO temp.t VALUES (99, {literal('1', wider)})"
    )
    for (value,) in lake.run("SELECT v::VARCHAR AS v FROM temp.t"):
        for operator in ("=", "<=", ">"):
            same_rows(lake, f"v {operator} {literal(value, wider)}")


def test_floats_are_found_in_older_snapshots_and_after_an_update(lake: Session) -> None:
    """A value that prints with an exponent is found wherever it is looked for."""
    lake.run("CREATE OR REPLACE TABLE lake.f AS SELECT 1e-6::FLOAT AS f; INSERT INTO lake.f VALUES (3e20), (NULL)")
    [(before,)] = lake.run("SELECT max(snapshot_id) AS s FROM lake.snapshots()")
    lake.run("UPDATE lake.f SET f = 2e-6 WHERE f = 1e-6::FLOAT; INSERT INTO lake.f VALUES (5e-7)")
    lake.unjudged("CALL ducklake_rewrite_data_files('lake', delete_threshold => 0)")
    assert lake.run(f"SELECT f FROM lake.f AT (VERSION => {before}) WHERE f <= 1e-6::FLOAT") == [
        lake.run("SELECT 1e-6::FLOAT AS f")[0]
    ]
    assert lake.run("SELECT count(f) AS n FROM lake.f WHERE f IN (2e-6::FLOAT, 5e-7::FLOAT, 3e20::FLOAT)") == [(3,)]
