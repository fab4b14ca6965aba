"""Determines the clause of a token, as far as the check of names and strings needs it."""

from typing import Final

from treadle.engines.duckdb.vocabulary import words

# Words before a table, or before the target of a write.
_TABLES: Final = words(
    "from join using lateral only summarize describe show pivot unpivot pivot_wider pivot_longer copy"
)
_TARGETS: Final = words("into update table")
# Words before an expression. `values` and `set` are also valid names, so they count only after a target.
_VALUES: Final = words(
    "select where group having window qualify order limit offset returning union except intersect when then do"
)
_AFTER_TARGET: Final = frozenset(("values", "set"))
# A string after one of these belongs to an expression.
_EXPRESSION: Final = words(
    """
    on and or not like ilike in similar between is case when then else collate escape glob as default by distinct
    any all some to date time timestamp timestamptz interval delimiter delimiters null quote header
    """
)
_OPERATORS: Final = frozenset("=<>~!+-*/%^&|@#")
_FROM_IS_NO_CLAUSE: Final = frozenset(("extract", "trim", "substring", "overlay", "position"))
_OPEN: Final = frozenset("([{")
_CLOSE: Final = frozenset(")]}")

# The clause of a token.
_VALUE, _TABLE, _TARGET, _SPECIAL = "value", "table", "target", "special"


class Clauses:
    """The current clause of a walk and the enclosing ones; ``last`` is always the token before."""

    def __init__(self) -> None:
        self._clause = _VALUE
        self._outer: list[str] = []

    @property
    def depth(self) -> int:
        """The number of open brackets."""
        return len(self._outer)

    @property
    def of_tables(self) -> bool:
        """Whether a table to be read can be named here."""
        return self._clause == _TABLE

    def table_may_stand(self, last: str) -> bool:
        """Check whether a table could be named after this token."""
        return self._clause in (_TABLE, _TARGET) and last not in _EXPRESSION and last not in _OPERATORS

    def keyword(self, word: str, last: str, last_but_one: str, *, first: bool) -> None:
        """Process a word; ``first`` if it begins the statement."""
        if word == "from" and ((last == "distinct" and last_but_one in ("is", "not")) or self._clause == _SPECIAL):
            return
        opens = first or last in ("(", ")", "as", "explain", "analyze")
        if word in _TABLES or (word == "desc" and opens):
            self._clause = _TABLE
        elif word in _TARGETS:
            self._clause = _TARGET
        elif word in _VALUES or (word in _AFTER_TARGET and (self._clause == _TARGET or last == "(")):
            self._clause = _VALUE

    def sign(self, sign: str, last: str) -> None:
        """Process a sign."""
        if sign in _OPEN:
            inner = self._inner(sign, last)
            self._outer.append(self._clause)
            self._clause = inner
        elif sign in _CLOSE and self._outer:
            self._clause = self._outer.pop()

    def _inner(self, sign: str, last: str) -> str:
        if last in _FROM_IS_NO_CLAUSE:
            return _SPECIAL
        opens = last in _TABLES or last in (",", "(", ":")
        return _TABLE if sign == "(" and self._clause == _TABLE and opens else _VALUE
