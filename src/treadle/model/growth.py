"""The kinds of disk space that a script may use more of, judged by the first words of its statements; pure.

Applied to workspaces beyond a quota: statements that only read, remove or set are allowed. An unknown statement may use
more of everything.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec


class Space(StrEnum):
    """The kinds of disk space of a workspace."""

    RESULTS = "results"
    FILES = "files"
    SPILL = "spill"


_EVERYTHING: Final = frozenset(Space)
_NOTHING: Final[frozenset[Space]] = frozenset()
_ROWS: Final = frozenset((Space.RESULTS, Space.SPILL))
_WRITES: Final = frozenset((Space.FILES, Space.SPILL))

_READING: Final = (
    "select from values table pivot pivot_wider pivot_longer unpivot describe desc summarize show explain execute call "
    "pragma"
)
_WRITING: Final = "insert update merge copy"
_OTHER: Final = (
    "delete truncate drop alter comment create set reset use begin start commit end rollback abort savepoint release "
    "prepare deallocate analyze analyse vacuum checkpoint detach"
)
_GROWS: Final = {
    **dict.fromkeys(_READING.split(), _ROWS),
    **dict.fromkeys(_WRITING.split(), _WRITES),
    **dict.fromkeys(_OTHER.split(), _NOTHING),
}
_TABLES_OF_ITS_OWN: Final = frozenset(("dbgen", "dsdgen"))
_NO_VERB: Final = frozenset(("as", "using", "on"))
"""Words after a closing parenthesis that belong to the WITH and do not begin the statement."""

_PIECES: Final = re.compile(
    r"""
      --[^\n]*
    | (?P<comment>/\*)
    | [eE]'(?:\\.|''|[^'\\])*'
    | '(?:''|[^'])*'
    | "(?:""|[^"])*"
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    | (?P<word>[^\W\d]\w*)
    | (?P<sign>[(),;])
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT: Final = re.compile(r"/\*|\*/")
_HEAD: Final = 6


class _Start(msgspec.Struct):
    """The first words of a statement outside of parentheses, and further facts about it."""

    words: list[str]
    opens: bool = False
    analyzes: bool = False
    returns: bool = False
    verb: str = ""
    """The first word after a WITH and its queries."""

    @property
    def empty(self) -> bool:
        return not (self.words or self.opens)


def growth(script: str) -> frozenset[Space]:
    """Determine the kinds of disk space that a script may use more of."""
    return frozenset().union(*map(_grows, _statements(script)))


def _grows(start: _Start) -> frozenset[Space]:
    words = start.words
    if words and words[0] == "explain":
        words = [word for word in words[1:] if word not in ("analyze", "analyse", "verbose")]
        if not start.analyzes:
            return _ROWS
    # Parentheses contain only queries.
    verb = "select" if start.opens else words[0] if words else ""
    if verb == "with":
        verb = start.verb
    more = _GROWS.get(verb, _EVERYTHING)
    if verb == "create" and "table" in words:
        more = _WRITES
    if verb == "call" and not _TABLES_OF_ITS_OWN.isdisjoint(words):
        more = _EVERYTHING
    return more | _ROWS if start.returns else more


def _statements(script: str) -> Iterator[_Start]:
    start, depth, closed = _Start([]), 0, False
    for word, sign in _pieces(script):
        if sign == ";":
            if not start.empty:
                yield start
            start, depth, closed = _Start([]), 0, False
            continue
        if sign:
            start.opens = start.opens or start.empty
            depth += (sign == "(") - (sign == ")")
        else:
            _take(start, word, outside=depth <= 0, closed=closed)
        closed = sign == ")"
    if not start.empty:
        yield start


def _take(start: _Start, word: str, *, outside: bool, closed: bool) -> None:
    start.analyzes = start.analyzes or (word in ("analyze", "analyse") and len(start.words) <= 1)
    if not outside:
        return
    if len(start.words) < _HEAD:
        start.words.append(word)
    if closed and not start.verb and word not in _NO_VERB:
        start.verb = word
    start.returns = start.returns or word == "returning"


def _pieces(script: str) -> Iterator[tuple[str, str]]:
    """Yield the words, in lower case, and the signs of a script, without comments, strings and quoted names."""
    at = 0
    while (found := _PIECES.search(script, at)) is not None:
        at = found.end()
        if found["comment"]:
            at = _behind_comment(script, at)
        elif found["word"]:
            yield found["word"].lower(), ""
        elif found["sign"]:
            yield "", found["sign"]


def _behind_comment(script: str, at: int) -> int:
    """Find the end of a comment, including nested ones."""
    depth = 1
    while depth and (mark := _COMMENT.search(script, at)) is not None:
        depth += 1 if mark[0] == "/*" else -1
        at = mark.end()
    return len(script) if depth else at


class Beyond(msgspec.Struct, frozen=True):
    """An exceeded quota: ``detail`` names it, ``advice`` has the usage and a way to free space."""

    detail: str
    advice: str


class Full(msgspec.Struct, frozen=True):
    """The exceeded quotas of a workspace."""

    quotas: dict[Space, Beyond]

    def met_by(self, script: str) -> Beyond | None:
        """Find the quota that forbids a script, because the script may use more of that space."""
        spaces = growth(script)
        return next((beyond for space, beyond in self.quotas.items() if space in spaces), None)
