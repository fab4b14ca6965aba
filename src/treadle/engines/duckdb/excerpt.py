"""The line of a script that an error is about, with a caret below the place, as PostgreSQL prints it."""

import re
import unicodedata
from typing import Final

_BREAK: Final = re.compile(r"\r\n|\r|\n")
_WIDTH: Final = 120
"""Columns of a line that are shown."""
_BEFORE: Final = 60
"""Columns shown before the caret where the line is longer."""
_CUT: Final = "..."
_INVISIBLE: Final = frozenset(("Mn", "Me", "Cf"))
_WIDE: Final = frozenset("WF")


def excerpt(script: str, position: int) -> str:
    """Two lines: ``LINE 2: …`` and a caret below the character at ``position``, which counts from 1."""
    at = position - 1
    start, number = 0, 1
    for found in _BREAK.finditer(script, 0, at):
        start, number = found.end(), number + 1
    following = _BREAK.search(script, max(at, start))
    before, after = _window(script[start:at], script[at : following.start() if following else len(script)])
    head = f"LINE {number}: {before}"
    return f"{head}{after}\n{' ' * _columns(head)}^"


def character(text: str, offset: int) -> int:
    """The character, counted from 0, that begins at a byte of the text's UTF-8 form."""
    if text.isascii():
        return min(offset, len(text))
    # A character takes one to four bytes: no more of the text than that can lie before the offset.
    return len(text[:offset].encode()[:offset].decode(errors="ignore"))


def _window(before: str, after: str) -> tuple[str, str]:
    """What is shown of a line before and behind the caret: all of a short one, of a long one what stands around it."""
    # A character may be invisible, but not hundreds in a row.
    shown, rest = _visible(before[-10 * _WIDTH :]), _visible(after[: 10 * _WIDTH])
    if len(before) <= len(shown) and _columns(shown) + _columns(rest) <= _WIDTH and len(after) <= len(rest):
        return shown, rest
    if _columns(shown) > _BEFORE or len(before) > len(shown):
        shown = _CUT + _tail(shown, _BEFORE)
    room = _WIDTH - _columns(shown)
    if _columns(rest) > room or len(after) > len(rest):
        rest = _head(rest, room) + _CUT
    return shown, rest


def _visible(text: str) -> str:
    """The text with every tab and control character as one space."""
    return "".join(" " if unicodedata.category(char) == "Cc" else char for char in text)


def _columns(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_column, text))


def _column(char: str) -> int:
    if unicodedata.category(char) in _INVISIBLE:
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1


def _head(text: str, columns: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += _column(char)
        if used > columns:
            return text[:index]
    return text


def _tail(text: str, columns: int) -> str:
    return _head(text[::-1], columns)[::-1]
