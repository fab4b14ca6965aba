"""DuckDB's lexical rules, lazily: the text cut into words, quoted names, literals and signs.

It follows the scanner of the engine to the character (a test compares the two), because whatever
one of them takes for a string and the other for a name would be a hole in the guard. Comments and
white space are left out. What is not closed is a token to the end of the text; the engine refuses it.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

WORD: Final = "word"
QUOTED: Final = "quoted"
STRING: Final = "string"
DOLLAR: Final = "dollar"
ESCAPED: Final = "escaped"
BITS: Final = "bits"
NUMBER: Final = "number"
SIGN: Final = "sign"
_SPACE: Final = "space"
_COMMENT: Final = "comment"

NAMES: Final = frozenset((WORD, QUOTED))
LITERALS: Final = frozenset((STRING, DOLLAR, ESCAPED, BITS))

# The white space beyond ASCII that the engine's parser replaces before it reads anything.
_WIDE: Final = "\u00a0\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff"
_SPACES: Final = re.compile(f"[{_WIDE}]")
_NOT_BREAKS: Final = re.compile(r"[^\n\r]")
_PAIR: Final = re.compile(r"\\.", re.DOTALL)

# All else beyond ASCII.
_BEYOND: Final = "\u0080-\u009f\u00a1-\u1fff\u200e-\u202e\u2030-\u205e\u2061-\u2fff\u3001-\ufefe\uff00-\U0010ffff"

# Only sets are repeated possessively: Python before 3.11.5 matches groups that are wrongly.
_LETTER: Final = rf"[A-Za-z_{_BEYOND}]"
_LETTERS: Final = rf"[A-Za-z0-9_{_BEYOND}]*+"
_DIGITS: Final = r"[0-9]++(?:_[0-9]++)*"
# Two strings with a line break between them are one.
_AGAIN: Final = r"[ \t\f]*+(?:--[^\n\r]*+)?[\n\r](?:[ \t\n\r\f]++|--[^\n\r]*+[\n\r])*'"

_TOKEN: Final = re.compile(
    rf"(?P<{_SPACE}>[ \t\n\r\f{_WIDE}]++|--[^\n\r]*+)"
    rf"|(?P<{_COMMENT}>/\*)"
    rf"|(?P<{ESCAPED}>[eE]')"
    rf"|(?P<{BITS}>[bBxX]')"
    rf"|(?P<{WORD}>{_LETTER}[A-Za-z0-9_${_BEYOND}]*+)"
    rf'|(?P<{QUOTED}>")'
    rf"|(?P<{STRING}>')"
    rf"|(?P<{DOLLAR}>\$(?:{_LETTER}{_LETTERS})?\$)"
    rf"|(?P<{NUMBER}>(?:{_DIGITS}(?:\.(?!\.)(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?)"
    rf"|(?P<{SIGN}>\.\.|[$?]{_DIGITS}|.)",
    re.DOTALL,
)
CONTINUED: Final = re.compile(f"'{_AGAIN}")
"""Where a string goes on after a line break, so that its text is not its value."""

_NESTED: Final = re.compile(r"/\*|\*/")

# What stands at the end of a quoted token, or within it and looks like its end: the engine's own rules, by kind.
_STOPS: Final = {
    QUOTED: re.compile(r'(?P<inside>"")|"'),
    STRING: re.compile(rf"(?P<inside>''|'{_AGAIN})|'"),
    ESCAPED: re.compile(rf"(?P<inside>\\.|''|'{_AGAIN})|'", re.DOTALL),
    BITS: re.compile(rf"(?P<inside>'{_AGAIN})|'"),
}


class Token(NamedTuple):
    """One token: its kind, its text as written, and where it stands (in characters)."""

    kind: str
    text: str
    start: int
    end: int


END: Final = Token(SIGN, "", -1, -1)
"""What stands behind the last token."""


def lex(text: str, position: int = 0) -> Iterator[Token]:
    """The tokens of a text from a position on, one at a time."""
    match, new = _TOKEN.match, tuple.__new__  # twice as fast as the named tuple's own constructor
    while found := match(text, position):
        kind = found.lastgroup or SIGN
        position = found.end()
        if kind == _SPACE:
            continue
        if kind == _COMMENT:
            closed, position = _end_of_comment(text, position)
            if closed:
                continue
            kind = SIGN
        if kind == DOLLAR:
            position = _end_of_dollars(text, found[0], position)
        elif kind in _STOPS:
            position = _end_of_quoted(text, _STOPS[kind], position)
        start = found.start()
        yield new(Token, (kind, text[start:position], start, position))


def _end_of_comment(text: str, position: int) -> tuple[bool, int]:
    depth = 1
    while depth and (found := _NESTED.search(text, position)):
        depth += 1 if found[0] == "/*" else -1
        position = found.end()
    return not depth, len(text) if depth else position


def _end_of_quoted(text: str, stops: re.Pattern[str], position: int) -> int:
    while stop := stops.search(text, position):
        position = stop.end()
        if stop.lastgroup is None:
            return position
    return len(text)


def _end_of_dollars(text: str, tag: str, position: int) -> int:
    end = text.find(tag, position)
    return len(text) if end < 0 else end + len(tag)


def plain_spaces(text: str) -> str:
    """The text with the wide white space between its tokens made plain, every token in its place.

    The engine does the same with a simpler idea of where strings are: a quote within a comment, or
    behind a backslash, begins or ends one for it, and what it then takes for the outside of strings
    loses its wide white space. So comments are blanked as well, and such quotes doubled.
    """
    if _SPACES.search(text) is None:
        return text
    pieces: list[str] = []
    position = 0
    for token in lex(text):
        pieces += (_NOT_BREAKS.sub(" ", text[position : token.start]), _doubled_quotes(token))
        position = token.end
    return "".join((*pieces, _NOT_BREAKS.sub(" ", text[position:])))


def _doubled_quotes(token: Token) -> str:
    """The token with every quote behind a backslash written as two."""
    if token.kind != ESCAPED:
        return token.text
    return _PAIR.sub(lambda pair: "''" if pair[0] == "\\'" else pair[0], token.text)


def name_of(token: Token) -> str:
    """The name a word or a quoted name stands for, as written."""
    return token.text[1:-1].replace('""', '"') if token.kind == QUOTED else token.text


def literal_of(token: Token) -> str | None:
    """The value of a string literal; None when only the engine can tell (escapes, bits)."""
    if token.kind == STRING:
        return _unquoted(token.text)
    if token.kind == DOLLAR:
        tag = token.text[: token.text.index("$", 1) + 1]
        return token.text[len(tag) : -len(tag)]
    if token.kind == ESCAPED and "\\" not in token.text:
        return _unquoted(token.text[1:])
    return None


def _unquoted(text: str) -> str:
    pieces, position, end = [], 1, len(text) - 1
    for stop in _STOPS[STRING].finditer(text, 1, end):
        pieces.append(text[position : stop.start()])
        if stop[0] == "''":
            pieces.append("'")
        position = stop.end()
    return "".join((*pieces, text[position:end]))
