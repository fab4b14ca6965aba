"""No accepted statement calls a refused function, wherever the call stands; the engine's own tree is the witness."""

import json
from collections.abc import Iterator
from typing import Any

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.duckdb.conftest import Judge, Lake
from tests.support.properties import examples
from treadle.engines.base import EngineError
from treadle.engines.duckdb import readings
from treadle.engines.duckdb.script import Planned

HARMLESS = ("abs", "upper", "length", "list_sum", "coalesce", "read_nothing", "setting", "query2", "é")
EXPRESSIONS = (
    *("{f}(1)", "(1).{f}()", "[{f}(x) FOR x IN [1] IF {f}(x)]", "CASE WHEN {f}(1) THEN 1 END", "{f}(DISTINCT 1)"),
    *(
        "sum(1) FILTER (WHERE {f}(1) > 0)",
        "list_transform([1], lambda x: {f}(x))",
        "(SELECT {f}(1))",
        "{{'a': {f}(1)}}",
    ),
    *(
        "EXISTS (FROM {f}('x'))",
        "{f}(1) OVER (ORDER BY {f}(2))",
        "MAP {{1: {f}(1)}}",
        "{f}(a := 1)",
        "1 IN (SELECT {f}(1))",
    ),
    *("CAST({f}(1) AS VARCHAR)", "-{f}(1)", "{f}({f}(1))", "'x' || {f}(1)", "[{f}(1)][1]", "1 BETWEEN {f}(0) AND 2"),
    *("COLUMNS(c -> {f}(c) > 0)", "(1)::INTEGER.{f}()", "NOT {f}(1)", "ARRAY(SELECT {f}(1))"),
)
PLACES = (
    *(
        "SELECT {e}",
        "SELECT 1 WHERE {e}",
        "SELECT i FROM t ORDER BY {e}",
        "WITH w AS (SELECT {e}) FROM w",
        "VALUES ({e})",
    ),
    *("FROM (SELECT {e}) x", "FROM t QUALIFY {e}", "SELECT 1 FROM t GROUP BY {e}", "SELECT 1 LIMIT ({e})"),
    *(
        "FROM t JOIN t u ON {e}",
        "INSERT INTO t SELECT {e}, 'x'",
        "CREATE TABLE x AS SELECT {e}",
        "UPDATE t SET i = {e}",
    ),
    *("DELETE FROM t WHERE {e}", "CREATE VIEW v AS SELECT {e}", "CREATE MACRO m(a) AS {e}", "PREPARE p AS SELECT {e}"),
    *(
        "EXPLAIN SELECT {e}",
        "COPY (SELECT {e}) TO 'x.csv'",
        "FROM t, LATERAL (SELECT {e})",
        "PIVOT (SELECT {e} AS a) ON a",
    ),
    *("SELECT 1 UNION ALL SELECT {e}", "CREATE TABLE x (i INTEGER DEFAULT ({e}))", "EXECUTE p({e})", "FROM f({e})"),
    *(
        "SELECT * REPLACE ({e} AS i) FROM t",
        "FROM t WINDOW w AS (ORDER BY {e})",
        "MERGE INTO t USING t s ON {e} WHEN MATCHED THEN DELETE",
    ),
    *("SET VARIABLE v = {e}", "CALL pragma_version({e})", "SELECT /* {e} */ 1", "SELECT '{e}'", 'SELECT 1 AS "{e}"'),
)
INERT = PLACES[-3:]
"""Here the call is no call."""

spellings = st.sampled_from(
    [
        str,
        str.upper,
        str.title,
        lambda name: f'"{name}"',
        lambda name: f"main.{name}",
        lambda name: f'system."main".{name}',
    ]
)


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of the engine's tree."""
    rest = [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, dict):
            yield node
            rest += node.values()
        elif isinstance(node, list):
            rest += node


def called(tree: Any) -> set[str]:
    """Every function in the engine's tree."""
    return {name.lower() for node in nodes(tree) if isinstance(name := node.get("function_name"), str)}


def tree_of(connection: duckdb.DuckDBPyConnection, text: str) -> Any:
    """The engine's tree of a SELECT; nothing for any other statement."""
    row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchall()[0]
    return json.loads(row[0])


def judged(judge: Judge, script: str) -> tuple[list[Planned], str]:
    """The statements, or the SQLSTATE of the refusal."""
    try:
        return judge(script), ""
    except EngineError as refusal:
        return [], refusal.sql_state


@examples(250)
@given(
    st.data(),
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(PLACES),
    spellings,
    st.sampled_from(["", "SELECT 1; ", "SELECT ';'; ", "/* ; */ ", "SELECT $$ ' $$; "]),
)
def test_a_refused_function_is_refused_anywhere(
    judge: Judge, lake: Lake, data: st.DataObject, expression: str, place: str, spell: Any, before: str
) -> None:
    """A call of a refused function stands nowhere in what passes."""
    # The engine gets a query of ours in the place of those that look into the catalog.
    refused = {name for name in lake.vocabulary.refused if readings.named(name, method=False) is None}
    bad = data.draw(st.booleans())
    name = data.draw(st.sampled_from(sorted(refused) if bad else HARMLESS))
    script = before + place.format(e=expression.format(f=spell(name)).replace("'", "''" if "'{e}'" in place else "'"))
    if place.endswith('"{e}"'):
        script = before + 'SELECT 1 AS "' + expression.format(f=name).replace('"', '""') + '"'
    planned, state = judged(judge, script)
    if state:
        assert not bad or state in ("42501", "42601", "0A000"), (script, state)
        return
    assert not bad or place in INERT, script
    for one in planned:
        assert not called(tree_of(lake.connection, one.text)) & refused, script
