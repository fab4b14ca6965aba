"""Identifiers: their shape on the wire, and how the parts of a script are named."""

import re
import uuid
from typing import Final

PLAIN_ID: Final = re.compile(r"[A-Za-z0-9-]{1,36}\Z")
"""Workspace, endpoint and session ids (API reference §1)."""

STATEMENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
"""Statement ids, the ids of script parts included (API reference §1)."""

_PART_ID: Final = re.compile(r"(?P<statement>.+)_(?P<part>[1-9][0-9]{0,6})\Z")


def uuid7(unix_ms: int, entropy: bytes) -> str:
    """A time-ordered UUID (RFC 9562 §5.7) of 36 characters.

    ``unix_ms`` is milliseconds since the epoch, ``entropy`` at least 10 random bytes.
    """
    value = (unix_ms & (2**48 - 1)) << 80 | int.from_bytes(entropy[:10])
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))


def part_id(statement_id: str, number: int) -> str:
    """The id of part ``number`` (from 1) of a script."""
    return f"{statement_id}_{number}"


def split_part_id(text: str) -> tuple[str, int] | None:
    """``(statement id, part number)`` if ``text`` has the shape of a part id, else None."""
    match = _PART_ID.match(text)
    return (match["statement"], int(match["part"])) if match else None
