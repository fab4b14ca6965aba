"""Bounds on the judgement of a request: what it may take, and that it is given up when the request is to be stopped.

The engine's parser hears no interrupt and holds its process, and takes the square of some things. They are counted
before it reads them.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from treadle.engines.base import EngineError, Interrupted
from treadle.engines.duckdb.lexer import WORD, Token, lex

MOST_CONDITIONS: Final = 10_000
"""How many AND and OR one statement may have."""

DEEPEST_COMMENT: Final = 100
"""How deep comments may be nested."""

MANY_STATEMENTS: Final = 1_000
"""From so many on the statements of a script are parsed one by one, so that a cancel comes between."""

_STEPS: Final = 256
_CONDITION: Final = re.compile(r"\b(?:and|or)\b", re.IGNORECASE)
_WORDS: Final = frozenset(("and", "or"))
_NESTED: Final = re.compile(r"/\*|\*/")


class Bounds:
    """The bounds of one request. ``most`` is how many names in strings are judged, ``stopped`` says that it is over."""

    def __init__(self, most: int, stopped: Callable[[], bool]) -> None:
        self._most = most
        self._stopped = stopped
        self._judged = 0
        self._steps = 0

    def step(self) -> None:
        """A token has been looked at; raises `Interrupted` when the request is to be stopped."""
        self._steps += 1
        if self._steps % _STEPS == 0:
            self.check()

    def check(self) -> None:
        """Raise `Interrupted` when the request is to be stopped."""
        if self._stopped():
            raise Interrupted

    def take(self, names: int) -> None:
        """So many names are judged now; raises `EngineError` (54000) beyond the most."""
        self._judged += names
        if self._judged > self._most:
            raise EngineError(
                "54000",
                f"the request names more than {self._most:,} files, tables, queries or relations of the service: "
                "that is as many as are judged (max_judged_names)",
            )
        self.check()


def require_parsable(text: str) -> None:
    """Refuse a text that would hold the engine's parser for long; raises `EngineError` (54001)."""
    if text.count("/*") > DEEPEST_COMMENT:
        _require_flat_comments(text)
    if len(text) > MOST_CONDITIONS and _more_than(MOST_CONDITIONS, _CONDITION.finditer(text)):
        _require_few_conditions(lex(text))


def _more_than(most: int, found: Iterable[object]) -> bool:
    return any(number > most for number, _ in enumerate(found, start=1))


def _require_flat_comments(text: str) -> None:
    """Count as if nothing were a string: of more comments within comments than that nobody writes."""
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
