"""The places where a statement is another one for the engine than for its author."""

from collections.abc import Iterable

import msgspec


class Edit(msgspec.Struct, frozen=True):
    """One place of a text and what stands there for the engine; places of one text do not overlap."""

    start: int
    end: int
    text: str


def applied(text: str, edits: Iterable[Edit], start: int = 0, end: int | None = None) -> str:
    """A stretch of a text with those of its places changed that lie within."""
    stop = len(text) if end is None else end
    pieces: list[str] = []
    position = start
    for edit in sorted(edits, key=lambda edit: edit.start):
        if position <= edit.start and edit.end <= stop:
            pieces += (text[position : edit.start], edit.text)
            position = edit.end
    return "".join((*pieces, text[position:stop]))


def string(value: str) -> str:
    """A value as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"
