"""The parameters of a macro, by its text."""

import pytest

from treadle.engines.duckdb.lexer import lex
from treadle.engines.duckdb.parameters import parameters_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("() AS 1", []),
        ("(a) AS a", [("a", "", "")]),
        ("(a, b int[] := [1, 2]) AS a", [("a", "", ""), ("b", "int[]", "[1, 2]")]),
        ("(\"a, b\" := '(x)', c DECIMAL(10, 2)) AS 1", [("a, b", "", "'(x)'"), ("c", "DECIMAL(10, 2)", "")]),
        ("(a => {'x': (1, 2)}) AS a", [("a", "", "{'x': (1, 2)}")]),
        ("(a) AS a, (a, b := 1 /* ) */ + 2) AS b", [("a", "", ""), ("a", "", ""), ("b", "", "1 /* ) */ + 2")]),
        ("(a) AS TABLE SELECT struct_pack(x := [1]) AS s, sum(a) AS t", [("a", "", "")]),
        ("(a) AS TABLE (SELECT 1), (b STRUCT(x int)) AS TABLE (SELECT b)", [("a", "", ""), ("b", "STRUCT(x int)", "")]),
    ],
)
def test_parameters_of_every_overload(text: str, expected: list[tuple[str, str, str]]) -> None:
    """Their names, types and defaults, and no argument of a function."""
    found = parameters_of(text, list(lex(text)))
    assert [(one.name, one.type, one.default) for one in found] == expected
