"""Limits of the check of a request, and its interruption by a stop.

The engine's parser cannot be interrupted and blocks its process, and its time grows with the square of some inputs.
These are counted before parsing.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from treadle.engines.base import EngineError, Interrupted
from treadle.engines.duckdb.lexer import WORD, Token, lex

MOST_CONDITIONS: Final = 10_000
"""Maximum number of AND and OR in a statement."""

DEEPEST_COMMENT: Final = 100
"""Maximum nesting of comments."""

MANY_STATEMENTS: Final = 1_000
"""Number of statements from which a script is parsed one statement at a time, so that a cancel can interrupt."""

_STEPS: Final = 256
_CONDITION: Final = re.compile(r"\b(?:and|or)\b", re.IGNORECASE)
_WORDS: Final = frozenset(("and", "or"))
_NESTED: Final = re.compile(r"/\*|\*/")


class Bounds:
    """The limits of one request: the maximum number of names in strings, and whether it is to be stopped."""

    def __init__(self, most: int, stopped: Callable[[], bool]) -> None:
        self._most = most
        self._stopped = stopped
        self._judged = 0
        self._steps = 0

    def step(self) -> None:
        """Count a token; raises `Interrupted` when the request is to be stopped."""
        self._steps += 1
        if self._steps % _STEPS == 0:
            self.check()

    def check(self) -> None:
        """Raise `Interrupted` when the request is to be stopped."""
        if self._stopped():
            raise Interrupted

    def take(self, names: int) -> None:
        """Count names to be checked; raises `EngineError` (54000) beyond the limit."""
        self._judged += names
        if self._judged > self._most:
            raise EngineError(
                "54000",
                f"the request names more than {self._most:,} files, tables, queries or relations of the service "
                "(max_judged_names)",
            )
        self.check()


def require_parsable(text: str) -> None:
    """Refuse a text that would block the engine's parser for long; raises `EngineError` (54001)."""
    if text.count("/*") > DEEPEST_COMMENT:
        _require_flat_comments(text)
    if len(text) > MOST_CONDITIONS and _more_than(MOST_CONDITIONS, _CONDITION.finditer(text)):
        _require_few_conditions(lex(text))


def _more_than(most: int, found: Iterable[object]) -> bool:
    return any(number > most for number, _ in enumerate(found, start=1))


def _require_flat_comments(text: str) -> None:
    """Check the nesting of comments without regard to strings; no sensible string has so many comment signs."""
    depth = 0
    for found in _NESTED.finditer(text):
        depth = depth + 1 if found[0] == "/*" else max(depth - 1, 0)
        if depth > DEEPEST_COMMENT:
            raise EngineError("54001", f"comments are nested deeper than {DEEPEST_COMMENT}")


def _require_few_conditions(tokens: Iterable[Token]) -> None:
    conditions = 0
    for token in tokens:
        if token.text == ";":
            conditions = 0
        elif token.kind == WORD and token.text.lower() in _WORDS:
            conditions += 1
            if conditions > MOST_CONDITIONS:
                raise EngineError(
                    "54001",
                    f"a statement has more than {MOST_CONDITIONS:,} AND and OR: use IN or a join with VALUES",
                    token.start + 1,
                )
