"""The places where a statement is another one for the engine than for its author."""

from collections.abc import Iterable, Sequence

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


def moved(edits: Iterable[Edit], by: int) -> tuple[Edit, ...]:
    """Shift the edits for a text that begins elsewhere."""
    return tuple(Edit(edit.start + by, edit.end + by, edit.text) for edit in edits)


def original(steps: Sequence[Sequence[Edit]], at: int) -> int:
    """Map a character of the last text to one of the first; inserted text maps to the text it replaced."""
    for edits in reversed(steps):
        at = _before(edits, at)
    return at


def _before(edits: Iterable[Edit], at: int) -> int:
    grown = 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        begin = edit.start + grown
        if at < begin:
            break
        if at < begin + len(edit.text):
            return edit.start
        grown += len(edit.text) - (edit.end - edit.start)
    return at - grown


def string(value: str) -> str:
    """A value as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"
