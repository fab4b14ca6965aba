r"""The text in which DuckLake (1.5.5) keeps a STRUCT inline in PostgreSQL, and the text that it reads back rightly.

It writes a STRUCT as an SQL literal (``'O''Brien'``, ``CAST('2020-01-01' AS VARCHAR)``) and reads it by a cast from
text, for which a quote is ``\'`` and a backslash ``\\``. Lists and maps, also within a STRUCT, are written as the cast
reads them.
"""

import re
from typing import Final

from treadle.engines.duckdb.types import EngineType, Nested

_STRING: Final = r"'(?:[^']|'')*'"
_NAME: Final = re.compile(rf"({_STRING}): ")
_CAST: Final = re.compile(rf"CAST\(({_STRING}) AS [A-Z ]+\)")
_CONCAT: Final = re.compile(rf"CONCAT\(((?:(?:{_STRING}|chr\([0-9]+\))(?:, )?)+)\)")
_PIECE: Final = re.compile(rf"({_STRING})|chr\(([0-9]+)\)")
_PLAIN: Final = re.compile(_STRING)
_BARE: Final = re.compile(r"[A-Za-z0-9_.+-]+")
# A list or a map as the cast reads it: what stands in quotes has backslashes before quotes.
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


class NotReadableError(ValueError):
    """The text is not in the form that DuckLake writes."""


def mended(text: str, found: Nested) -> str:
    """The text of a STRUCT as the cast from text reads it; raises `NotReadableError`."""
    reader = _Reader(text)
    result = reader.struct(found)
    if reader.position != len(text):
        raise NotReadableError(text)
    return result


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0

    def struct(self, found: Nested) -> str:
        members = []
        self._expect("{")
        for number, (_, inner) in enumerate(found.fields):
            if number:
                self._expect(", ")
            name = self._match(_NAME)
            members.append(f"{_escaped(_value(name[1]))}: {self._member(inner)}")
        self._expect("}")
        return "{" + ", ".join(members) + "}"

    def _member(self, found: EngineType) -> str:
        if self._text.startswith("NULL", self.position):
            self._expect("NULL")
            return "NULL"
        if isinstance(found, Nested) and found.name == "STRUCT":
            return self.struct(found)
        if self._text.startswith(("[", "{"), self.position):
            return self._verbatim()
        if (cast := _CAST.match(self._text, self.position)) is not None:
            self.position = cast.end()
            return _escaped(_value(cast[1]))
        if (parts := _CONCAT.match(self._text, self.position)) is not None:
            self.position = parts.end()
            pieces = (_value(one[1]) if one[1] else chr(int(one[2])) for one in _PIECE.finditer(parts[1]))
            value = "".join(pieces)
            if "\0" in value:  # which PostgreSQL does not keep in a text
                raise NotReadableError(self._text)
            return _escaped(value)
        if (plain := _PLAIN.match(self._text, self.position)) is not None:
            self.position = plain.end()
            return _escaped(_value(plain[0]))
        return self._match(_BARE)[0]

    def _verbatim(self) -> str:
        start, depth = self.position, 0
        while self.position < len(self._text):
            if (quoted := _QUOTED.match(self._text, self.position)) is not None:
                self.position = quoted.end()
                continue
            character = self._text[self.position]
            depth += (character in "[{") - (character in "]}")
            self.position += 1 + (character == "\\")
            if depth == 0:
                return self._text[start : self.position]
        raise NotReadableError(self._text)

    def _expect(self, text: str) -> None:
        if not self._text.startswith(text, self.position):
            raise NotReadableError(self._text)
        self.position += len(text)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self.position)
        if match is None:
            raise NotReadableError(self._text)
        self.position = match.end()
        return match


def _value(literal: str) -> str:
    return literal[1:-1].replace("''", "'")


def _escaped(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
