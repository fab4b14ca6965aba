"""Passwords: hashed with argon2id, off the event loop, a few at a time."""

import asyncio
import os
import secrets
from typing import Final

from treadle.model.errors import BadRequest, Unavailable
from treadle.pools.threads import Offload

MIN_CHARS: Final = 8
MAX_CHARS: Final = 128

MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1
"""What OWASP recommends at least: some 30 ms and 19 MiB a hash."""

AT_ONCE: Final = 2
"""Hashes that are computed at once."""

WAITING_MOST: Final = 64
"""Log-ins that wait for their hash; more are turned away."""


def check(password: str) -> None:
    """Raise `BadRequest` for a password that nobody should have."""
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise BadRequest(f"must be {MIN_CHARS}-{MAX_CHARS} characters", field="password")
    if not password.isprintable():
        raise BadRequest("must be printable characters", field="password")


def hashed(password: str) -> str:
    """The hash to keep, in the form ``$argon2id$…``. Blocking."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    kdf = Argon2id(salt=os.urandom(16), length=32, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB)
    return kdf.derive_phc_encoded(password.encode("utf-8", "surrogatepass"))


def fits(password: str, kept: str) -> bool:
    """Whether it is the password of a hash. Blocking, and as long whether it is or not."""
    from cryptography.exceptions import InvalidKey
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id.verify_phc_encoded(password.encode("utf-8", "surrogatepass"), kept)
    except InvalidKey:
        return False
    return True


class Passwords:
    """Checks passwords of users who exist and of users who do not, in the same time."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys: str | None = None

    async def fits(self, password: str, kept: str | None) -> bool:
        """Whether it is the password of the hash; never of none. Raises `Unavailable` when too many wait."""
        if self._waiting >= WAITING_MOST:
            raise Unavailable("too many log-ins at once")
        self._waiting += 1
        try:
            async with self._slots:
                if self._nobodys is None:
                    self._nobodys = await self._offload(hashed, secrets.token_urlsafe())
                right = await self._offload(fits, password, kept or self._nobodys)
                return right and kept is not None
        finally:
            self._waiting -= 1
