"""Every value comes back as it was written, or is refused at the write: by type, row count and way of writing."""

import pytest

from tests.engines.duckdb.sessions import Place, Session, session
from treadle.engines.base import EngineError

BIG = 9_007_199_254_740_993
"""The first integer that a DOUBLE does not hold."""

REFUSED = {
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
NESTED = ("{}", "STRUCT(m {})", "{}[]", "MAP(INTEGER, {})", "STRUCT(n STRUCT(m {})[])")
WRAPPED = ("{}", "{{'m': {}}}", "[{}]", "MAP {{1: {}}}", "{{'n': [{{'m': {}}}]}}")


def refusal(sql: Session, script: str) -> EngineError:
    """The error that a statement ends with; the session goes on after it."""
    with pytest.raises(EngineError) as caught:
        sql.run(script)
    assert sql.run("SELECT 1 AS x") == [(1,)]
    return caught.value


@pytest.mark.parametrize("nesting", range(len(NESTED)))
@pytest.mark.parametrize("kind", REFUSED)
def test_a_type_without_an_exact_form_is_refused(sql: Session, kind: str, nesting: int) -> None:
    """Whatever makes the column, and however deep the type lies: one refusal, which names column, type and way out."""
    column, value = NESTED[nesting].format(kind), WRAPPED[nesting].format(REFUSED[kind])
    sql.run("CREATE TABLE other (i INTEGER)")
    for script in (
        f"CREATE TABLE t (i INTEGER, bad {column})",
        f"CREATE OR REPLACE TABLE other (bad {column})",
        f"CREATE TABLE t AS SELECT {value} AS bad",
        f"CREATE TABLE t (i, bad) AS SELECT 1, {value} WITH NO DATA",
        f"EXPLAIN ANALYZE CREATE TABLE t AS SELECT {value} AS bad",
        f"ALTER TABLE other ADD COLUMN bad {column}",
        f"BEGIN; CREATE TABLE t (bad {column})",
    ):
        error = refusal_in(sql, script)
        assert error.sql_state == "0A000", (script, error.message)
        assert "store it as" in error.message, script
        assert sql.run(
            "ROLLBACK; SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'lake'"
        ) == [("other", "i")]


def refusal_in(sql: Session, script: str) -> EngineError:
    """The error of a script that may have opened a transaction."""
    with pytest.raises(EngineError) as caught:
        sql.run(script)
    return caught.value


def test_where(place: Place) -> None:
    """x."""
    with session(place) as one:
        one.run("CREATE TABLE tot AS SELECT i g, sum(9007199254740993::BIGINT) total FROM range(11) r(i) GROUP BY 1")
        assert one.shown("SELECT DISTINCT total FROM tot") == [(str(BIG),)]
