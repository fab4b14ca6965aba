"""The first argument of a call that is judged by its value: a path, a query, a table's name, a parameter.

A literal is judged as it stands. An expression in place of a path or a query is left for the moment when the
statement runs: then it is evaluated once, its value takes its place, and the statement is judged again.
"""

from itertools import pairwise
from typing import Final

import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.lexer import LITERALS, NAMES, SIGN, WORD, Token, literal_of, name_of
from treadle.engines.duckdb.vocabulary import QUERIES, READERS, words

_EVALUATED: Final = READERS | QUERIES
"""The functions whose argument may be an expression; the others take nothing but a string."""

# With one of these an expression would read tables.
_SUBQUERIES: Final = words("select from with values table pivot unpivot show describe desc summarize exists call")
# What gives another value at another time or to somebody else, and needs no parentheses.
_CHANGING: Final = words(
    """
    current_date current_time current_timestamp localtime localtimestamp current_user session_user user
    current_role current_schema current_catalog
    """
)
_OPEN: Final = frozenset("([{")
_CLOSE: Final = frozenset(")]}")


class Deferred(msgspec.Struct, frozen=True):
    """An expression that is evaluated when the statement runs, and its position.

    ``function`` is the function it is an argument of. Without one it is the DEFAULT of a column: ``kind`` is the type
    of a new column, ``relation`` and ``column`` are the names of an existing one. ``calls`` are the functions it calls,
    with or without parentheses.
    """

    start: int
    end: int
    function: str = ""
    kind: str = ""
    relation: str = ""
    column: str = ""
    calls: frozenset[str] = frozenset()

    def moved(self, by: int) -> "Deferred":
        """The same in a text that begins elsewhere."""
        return msgspec.structs.replace(self, start=self.start + by, end=self.end + by)


class Argument:
    """The first argument of one call, taken token by token from its parenthesis on.

    ``method`` marks a call that may be a method's, whose first argument stands before its name. The function's name
    and its qualifiers extend from ``start`` to ``end``.
    """

    def __init__(self, function: str, start: int, end: int, *, method: bool) -> None:
        self.function = function
        self.start = start
        self.end = end
        self.method = method
        self.tokens: list[Token] = []
        self._depth = 0

    def take(self, token: Token) -> bool:
        """Take one token; whether the argument has ended with it."""
        opens, closes = token.text in _OPEN, token.text in _CLOSE
        if self._depth == 1 and (closes or token.text == ","):
            return True
        if self._depth:
            self.tokens.append(token)
        self._depth += opens - closes
        return False

    def literals(self) -> list[str] | None:
        """The strings, if the argument is one or a list of them; None for everything else."""
        found = [literal_of(token) for token in self.tokens if token.kind in LITERALS]
        signs = [token.text for token in self.tokens if token.kind not in LITERALS]
        listed = ["[", *[","] * (len(found) - 1), "]"]
        in_order = all((token.kind in LITERALS) is bool(at % 2) for at, token in enumerate(self.tokens))
        if not found or (signs and (signs != listed or not in_order)):
            return None
        strings = [value for value in found if value is not None]
        return strings if len(strings) == len(found) and (signs or len(found) == 1) else None

    def deferred(self) -> Deferred:
        """The argument as an expression to evaluate; raises `EngineError` (42501) where it may not be one."""
        if self.function not in _EVALUATED or not self.tokens:
            raise self.refusal("must be a plain string")
        return deferred(self.tokens, self.function)

    def refusal(self, why: str) -> EngineError:
        """The refusal of the argument."""
        return EngineError("42501", f"permission denied for function {self.function}: its first argument {why}")


def deferred(tokens: list[Token], function: str = "") -> Deferred:
    """An expression to evaluate; raises `EngineError` (42501) for one that is more than that."""
    what = f"the argument of {function}" if function else "a DEFAULT"
    for token in tokens:
        if token.kind == SIGN and token.text[0] in "$?":
            raise EngineError("42501", f"permission denied for a parameter in {what}")
        if token.kind == WORD and token.text.lower() in _SUBQUERIES:
            raise EngineError("42501", f"permission denied for a query in {what}")
    calls = frozenset(
        name_of(token).lower() for token, following in pairwise(tokens) if token.kind in NAMES and following.text == "("
    )
    calls |= _CHANGING & {token.text.lower() for token in tokens if token.kind == WORD}
    return Deferred(tokens[0].start, tokens[-1].end, function, calls=calls)
