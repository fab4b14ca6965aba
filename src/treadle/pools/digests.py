"""SHA-256 of request bodies. Hashing releases the interpreter's lock, so that a large body is hashed in a thread."""

from hashlib import sha256
from typing import Final

from treadle.pools.threads import Offload

INLINE_BYTES: Final = 256 * 1024
"""Bytes up to which hashing takes less time than a thread's turn: about 0.2 ms."""


async def digest_of_body(body: bytes, offload: Offload) -> bytes:
    """Compute the SHA-256, of a large body by ``offload``."""
    return _digest(body) if len(body) <= INLINE_BYTES else await offload(_digest, body)


def _digest(body: bytes) -> bytes:
    return sha256(body).digest()
