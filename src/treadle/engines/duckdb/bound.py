"""Checks that a statement gets a value for each of its parameters, and no other values."""

from collections.abc import Sequence
from typing import Final

from treadle.engines.base import EngineError
from treadle.engines.duckdb.errors import Refusal
from treadle.engines.duckdb.lexer import SIGN, lex
from treadle.engines.duckdb.planned import Kind, Planned

_BOUND: Final = frozenset((Kind.QUERY, Kind.WRITE, Kind.COMMAND, Kind.EXPLAIN))


def require_values(planned: Planned, sets: Sequence[Sequence[str | None]]) -> None:
    """Raise `EngineError` (42P02, 08P01) unless each set of bindings has as many values as there are parameters."""
    if planned.kind not in _BOUND or not planned.statements:
        _require_none(planned, sets)
        return
    names = planned.statements[-1].named_parameters
    named = sorted(name for name in names if not name.isdecimal())
    if named:
        message = f'there is no parameter "${named[0]}": bindings have an order and no names; write $1, $2 or ?'
        raise _refusal(planned, "42P02", message, named[0])
    needed = max(map(int, names), default=0)
    if needed and not any(sets):
        message = f"there is no parameter ${needed and min(map(int, names))}: the statement came without bindings"
        raise _refusal(planned, "42P02", message, str(min(map(int, names))))
    for number, values in enumerate(sets, start=1):
        if len(values) != needed:
            of_set = f"set {number} of the bindings: " if len(sets) > 1 else ""
            message = f"{of_set}{_values(len(values))} bound, but the statement has {_parameters(needed)}"
            raise EngineError("08P01", message)
    unused = [number for number in range(1, needed + 1) if str(number) not in names]
    if unused:
        raise EngineError("42P18", f"the statement has no parameter ${unused[0]}, but ${needed}: count from $1 on")


def _require_none(planned: Planned, sets: Sequence[Sequence[str | None]]) -> None:
    """Raise `EngineError` (08P01; 0A000 for EXECUTE) for values given to a statement that takes none."""
    given = max(map(len, sets), default=0)
    if given and planned.kind is Kind.EXECUTE:
        message = (
            "EXECUTE takes no bindings: write the values in its parentheses, or submit the statement itself with them"
        )
        raise EngineError("0A000", message)
    if given:
        raise EngineError("08P01", f"{_values(given)} bound, but the statement has {_parameters(0)}")


def _values(count: int) -> str:
    return "1 value is" if count == 1 else f"{count} values are"


def _parameters(count: int) -> str:
    return "1 parameter" if count == 1 else f"{count or 'no'} parameters"


def _refusal(planned: Planned, sql_state: str, message: str, name: str) -> EngineError:
    """Build a refusal located at the parameter, if the text has it."""
    tokens = list(lex(planned.text))
    for at, token in enumerate(tokens):
        following = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if token.kind == SIGN and (token.text in (f"${name}", f"?{name}", "?") or token.text + following == f"${name}"):
            return Refusal(sql_state, message, token.start)
    return EngineError(sql_state, message)
