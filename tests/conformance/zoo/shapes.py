"""Statements whose text, plan or result is what takes the time; and scripts."""

from itertools import pairwise

from tests.conformance.zoo.kind import Kind

_CHARS = 9_900_000
"""Just below what the service takes as one statement."""

_HEAVY = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"
_LONG = "range(60000000000) t(i)"


def _filled(before: str, term: str, separator: str, after: str) -> str:
    """A statement of `_CHARS` characters, filled with copies of a term."""
    count = (_CHARS - len(before) - len(after)) // (len(term) + len(separator))
    return before + separator.join([term] * count) + after


def _wide(columns: int) -> str:
    return "SELECT " + ", ".join(f"i + {n} AS c{n}" for n in range(columns)) + " FROM range(100000000) t(i)"


def _many_joins(tables: int) -> str:
    names = [f"t{n}" for n in range(tables)]
    edges = " AND ".join(f"{a}.i % 1000 = {b}.i % 1000" for a, b in pairwise(names))
    return f"SELECT count(*) FROM {', '.join(f'range(1000000) {name}(i)' for name in names)} WHERE {edges}"


def _exploding_ctes(levels: int) -> str:
    ctes = (
        f"c{n} AS NOT MATERIALIZED (SELECT a.i FROM c{n - 1} a JOIN c{n - 1} b USING (i))" for n in range(1, levels + 1)
    )
    first = "c0 AS NOT MATERIALIZED (SELECT i FROM range(1000) t(i))"
    return f"WITH {first}, {', '.join(ctes)} SELECT count(*) FROM c{levels}"


_IN_LIST = ", ".join(f"'{n:06d}'" for n in range(980_000))
_OR_TERMS = " OR ".join(f"(i % 1000003 = {n} AND i > 5)" for n in range(5_000))
_UNIONS = " UNION ALL ".join(["SELECT i FROM range(1000000000) t(i)"] * 2000)
_VIEWS = " UNION ALL ".join(["SELECT i FROM zoo_view_4"] * 64)

TEXTS = (
    Kind(
        "in_list",
        "text of 10 MB",
        f"SELECT count(*) FROM range(1000000000) t(i) WHERE i::varchar IN ({_IN_LIST})",
        deaf=True,
    ),
    Kind(
        "values_list",
        "text of 10 MB",
        _filled("SELECT count(*) FROM (VALUES ", "(1, 1.5)", ", ", ") t(a, b), range(100000000)"),
        deaf=True,
    ),
    Kind(
        "long_literal",
        "text of 10 MB",
        f"SELECT count(*) FROM {_LONG} WHERE strpos('{'x' * 9_900_000}', i::varchar) = 3",
        deaf=True,
    ),
    Kind("many_columns", "text of 10 MB", _filled("SELECT ", "i + 1", ", ", f" FROM {_LONG}"), deaf=True),
    Kind("long_comment", "text of 10 MB", f"/*{'- ' * 4_900_000}*/ {_HEAVY}"),
)

PLANS = (
    Kind("or_terms", "planner", f"SELECT count(*) FROM {_LONG} WHERE {_OR_TERMS}", deaf=True),
    Kind(
        "deep_nesting", "planner", "SELECT i FROM (" * 400 + f"SELECT i FROM {_LONG} WHERE hash(i) % 7 = 3" + ")" * 400
    ),
    Kind("deep_expression", "planner", f"SELECT sum({'(' * 800}i{' + 1)' * 800}) FROM {_LONG}", deaf=True),
    Kind("many_joins", "planner", _many_joins(60), deaf=True),
    Kind("many_unions", "planner", f"SELECT count(*) FROM ({_UNIONS})", deaf=True),
    Kind("exploding_ctes", "planner", _exploding_ctes(20), deaf=True),
    Kind("nested_views", "planner", f"SELECT count(*) FROM ({_VIEWS})", deaf=True, needs=("views",)),
)

SCRIPTS = (
    Kind("script", "script", f"SELECT 1; {_HEAVY}; SELECT 3"),
    Kind("script_of_thousands", "script", "SELECT 42; " * 5_000, finite=True),
    Kind(
        "script_with_effects",
        "script",
        f"CREATE OR REPLACE TABLE zoo_part AS SELECT 1 AS x; {_HEAVY}; CREATE TABLE zoo_never AS SELECT 2 AS x",
        effects=("none", "partial"),
    ),
    Kind(
        "prepared",
        "script",
        "EXECUTE zoo_heavy(1009)",
        setup="PREPARE zoo_heavy AS SELECT sum(i % $1::int * 7 % 17) FROM range(1000000000000) t(i)",
    ),
    Kind("explain_analyze", "script", f"EXPLAIN ANALYZE {_HEAVY}"),
    Kind("variable", "script", f"SET VARIABLE zoo_v = ({_HEAVY})"),
    Kind(
        "macro",
        "script",
        "SELECT * FROM zoo_rows_above(3)",
        setup=f"CREATE OR REPLACE TEMP MACRO zoo_rows_above(n) AS TABLE SELECT count(*) FROM {_LONG} "
        "WHERE hash(i) % 11 > n",
    ),
)

RESULTS = (
    Kind("large_result", "result", "SELECT i, hash(i) FROM range(4000000000) t(i)"),
    Kind("hundred_million_rows", "result", "SELECT i FROM range(100000000) t(i)", finite=True),
    Kind("wide_rows", "result", _wide(2000)),
    Kind(
        "nested_rows",
        "result",
        "SELECT i, {'k': i, 'l': range(i % 50), 'm': MAP {'a': [i, i + 1]}} s FROM range(400000000) t(i)",
    ),
    Kind("huge_value", "result", "SELECT repeat('x', 40000000 + i::int) FROM range(1) t(i)", finite=True),
    Kind("large_values", "result", "SELECT repeat('x', 30000) || i FROM range(100000000) t(i)"),
    Kind("large_lists", "result", "SELECT range(10000) FROM range(100000000) t(i)"),
)

SHAPES = (*TEXTS, *PLANS, *SCRIPTS, *RESULTS)
