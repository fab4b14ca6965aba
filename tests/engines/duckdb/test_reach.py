"""What the engine's own macros and views are made of: no definition that a session may use reaches what it may not."""

from collections.abc import Iterator
from typing import NamedTuple

import duckdb
import pytest

from tests.engines.duckdb.conftest import Judge, Lake
from tests.engines.duckdb.test_refused_anywhere import called, nodes, tree_of
from treadle.engines.base import EngineError
from treadle.engines.duckdb.vocabulary import JUDGED, LOOKING

MACROS = """
    SELECT lower(function_name), function_type = 'table_macro', len(parameters), macro_definition
    FROM duckdb_functions() WHERE internal AND function_type IN ('macro', 'table_macro')
"""
VIEWS = "SELECT lower(view_name), schema_name, sql FROM duckdb_views() WHERE internal"


class Definition(NamedTuple):
    """A macro or view of the engine: how it is used, and the names in its definition."""

    name: str
    use: str
    named: frozenset[str]


def definitions(connection: duckdb.DuckDBPyConnection) -> Iterator[Definition]:
    """Every macro and view of the engine's own, each overload by itself."""
    for name, rows, count, text in connection.execute(MACROS).fetchall():
        call = f'"{name}"({", ".join(["NULL"] * count)})'
        yield Definition(name, f"FROM {call}" if rows else f"SELECT {call}", names_in(connection, text, rows=rows))
    for name, schema, text in connection.execute(VIEWS).fetchall():
        query = text.split(" AS ", 1)[1]
        yield Definition(name, f'FROM {schema}."{name}"', names_in(connection, query, rows=True))


def names_in(connection: duckdb.DuckDBPyConnection, text: str, *, rows: bool) -> frozenset[str]:
    """The functions and relations that a definition names, as the engine reads it."""
    tree = tree_of(connection, text.rstrip("; ") if rows else f"SELECT {text}")
    assert not tree["error"], text
    tables = {node["table_name"].lower() for node in nodes(tree) if node.get("type") == "BASE_TABLE"}
    return frozenset(called(tree) | tables)


def reach(name: str, known: dict[str, frozenset[str]]) -> set[str]:
    """Every name that is reached from one, through the definitions on the way."""
    reached: set[str] = set()
    rest = [*known[name]]
    while rest:
        one = rest.pop()
        if one not in reached:
            reached.add(one)
            rest += known.get(one, ())
    return reached


def accepted(judge: Judge, use: str) -> bool:
    """Whether a session may say it."""
    try:
        judge(use)
    except EngineError as refusal:
        return refusal.sql_state != "42501"
    return True


def test_no_definition_leads_to_what_is_refused(judge: Judge, lake: Lake) -> None:
    """Of all macros and views, followed through each other; relations that stand for ours are never read themselves."""
    made = list(definitions(lake.connection))
    known: dict[str, frozenset[str]] = {}
    for one in made:
        known[one.name] = known.get(one.name, frozenset()) | one.named
    words = lake.vocabulary
    closed = words.refused | words.uncallable | words.unreadable | JUDGED | LOOKING
    usable = {one.name for one in made if one.name not in LOOKING and accepted(judge, one.use)}
    assert {name: found for name in usable if (found := reach(name, known) & closed)} == {}
    # The definitions were read: these are the ways there are.
    assert "query_table" in reach("histogram", known)
    assert "pragma_database_size" in reach("get_block_size", known)
    assert "duckdb_logs" in reach("duckdb_logs_parsed", known)
    assert "duckdb_tables" in reach("sqlite_schema", known)
    assert len(usable) > 150


@pytest.mark.parametrize(
    "script",
    [
        "FROM histogram(t, i)",
        "FROM histogram('duckdb_' || 'settings', name)",
        "FROM histogram(source := '/etc/passwd.csv', col_name := a)",
        'FROM t, "Histogram"(t, i)',
        "FROM t JOIN system.main.histogram(t, i) ON true",
        "SELECT * FROM t, LATERAL histogram(t, i)",
        "FROM (main.histogram(t, i))",
        "FROM h: histogram(t, i)",
        "CALL histogram(t, i)",
        "EXPLAIN FROM histogram(t, i)",
        "SUMMARIZE FROM histogram(t, i)",
        "DESCRIBE histogram(t, i)",
        "PIVOT histogram(t, i) ON bin",
        "SELECT (FROM histogram(t, i) SELECT max(count))",
        "DELETE FROM t USING histogram(t, i)",
        "MERGE INTO t USING histogram(t, i) ON true WHEN MATCHED THEN DELETE",
        "INSERT INTO t FROM histogram(t, i) SELECT count, bin",
        "CREATE VIEW v AS FROM histogram(t, i)",
        "CREATE MACRO m(x) AS TABLE FROM histogram(x, i)",
        "PREPARE p AS FROM histogram($1, i)",
        "FROM query('FROM histogram(t, i)')",
        "SELECT json_serialize_plan('FROM histogram(t, i)')",
        "FROM histogram_values(t, i)",
        "FROM histogram_values('duckdb_' || 'settings', name)",
        "CALL histogram_values(t, i)",
        "SELECT get_block_size('memory')",
        "SELECT 'memory'.get_block_size()",
    ],
)
def test_a_macro_over_a_computed_name_is_refused(judge: Judge, script: str) -> None:
    """Wherever it stands for rows, under whatever spelling."""
    with pytest.raises(EngineError) as refusal:
        judge(script)
    assert refusal.value.sql_state == "42501"


@pytest.mark.parametrize(
    "script",
    [
        "SELECT histogram(i) FROM t",
        "FROM t SELECT s, histogram(i) GROUP BY s",
        "SELECT histogram(i, [1, 2]) FILTER (i > 0) FROM t",
        "SELECT i FROM t GROUP BY i HAVING cardinality(histogram(i)) = 1 ORDER BY histogram(i)",
        "FROM (SELECT histogram(i) AS h FROM t) x",
        "CREATE TABLE histogram (i INTEGER)",
        "INSERT INTO histogram (i) SELECT 1",
        "COPY histogram (i) TO 'x.csv'",
        "WITH histogram(a) AS (SELECT 1) SELECT a FROM histogram",
        "SELECT histogram FROM (SELECT 1 AS histogram) AS histogram(histogram)",
    ],
)
def test_the_aggregate_and_tables_of_its_name_are_accepted(judge: Judge, script: str) -> None:
    """The name belongs to a value, and is good for a table, a query and a column as well."""
    assert judge(script)
