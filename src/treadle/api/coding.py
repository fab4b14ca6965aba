"""What stands between a request body and its JSON: compression, and a byte order mark.

A signature is one of the body as it is sent, so this comes after it has been checked.
"""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from typing import Final

from treadle.api.errors import UnsupportedCoding
from treadle.model.errors import BadRequest, TooLarge

_BOM: Final = b"\xef\xbb\xbf"

_GZIP: Final = frozenset(("gzip", "x-gzip"))
_WINDOW: Final = 31
"""Tells zlib that what comes is gzip."""

PIECE: Final = 2**18
"""Bytes that are decompressed at once: others have their turn between two pieces."""

FREE_BYTES: Final = 8 * 2**20
MOST_RATIO: Final = 100
"""How many times as large a body may become, once it has more than so many bytes."""

MOST_MEMBERS: Final = 64
"""Gzip streams one after the other in one body."""


async def decoded(raw: bytes, headers: Sequence[tuple[bytes, bytes]], most: int, hold: Callable[[int], None]) -> bytes:
    """The JSON text of a body, of at most ``most`` bytes; ``hold`` counts those that are added.

    Raises `UnsupportedCoding`, `BadRequest` for what is no gzip, `TooLarge`, and what ``hold`` raises.
    """
    text = await _gunzipped(raw, most, hold) if _is_gzip(headers) else raw
    return text.removeprefix(_BOM)


def _is_gzip(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    given = b",".join(value for name, value in headers if name == b"content-encoding").decode("latin-1")
    codings = [coding for word in given.split(",") if (coding := word.strip().lower()) not in ("", "identity")]
    if not codings:
        return False
    if len(codings) > 1 or codings[0] not in _GZIP:
        raise UnsupportedCoding
    return True


async def _gunzipped(raw: bytes, most: int, hold: Callable[[int], None]) -> bytes:
    bound = min(most, max(FREE_BYTES, MOST_RATIO * len(raw)))
    pieces: list[bytes] = []
    size = members = 0
    rest = raw
    while rest:
        members += 1
        if members > MOST_MEMBERS:
            raise _broken(f"more than {MOST_MEMBERS} gzip streams")
        stream = zlib.decompressobj(_WINDOW)
        while not stream.eof:
            pieces.append(_next_piece(stream, rest))
            size += len(pieces[-1])
            if size > bound:
                raise TooLarge
            hold(len(pieces[-1]))
            rest = stream.unconsumed_tail
            await asyncio.sleep(0)
        rest = stream.unused_data
    return b"".join(pieces)


def _next_piece(stream: "zlib._Decompress", rest: bytes) -> bytes:
    try:
        piece = stream.decompress(rest, PIECE)
    except zlib.error:
        raise _broken("not gzip") from None
    if not piece and not stream.eof:
        raise _broken("its gzip stream is cut off")
    return piece


def _broken(why: str) -> BadRequest:
    return BadRequest(why, field="body", cause="")
