"""Who is calling, by token: tokens are stored as digests, and looked up by them."""

import asyncio
import hashlib
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from treadle.model.entities import Principal
from treadle.model.errors import CredentialRefused, Unauthorized, Unavailable
from treadle.model.identity import ID_CHARS, Token, TokenHolder
from treadle.service.deps import Deps, Verb
from treadle.service.strangers import Proven

T = TypeVar("T")

MAX_TOKEN: Final = 4096
"""Characters a token may have; longer ones are not looked at."""

REMEMBERED_SECONDS: Final = 1.0
"""How long a holder is remembered before the store is asked again: what a token or a key that another process
withdraws may live on."""

REMEMBERED_MOST: Final = 10_000


def digest_of(token: str) -> bytes:
    """What is stored of a token. Tokens are random and long, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def token_id(token: str) -> str:
    """Get the id of a token (`Token.id`), which identifies it without revealing it."""
    return digest_of(token).hex()[:ID_CHARS]


class Identity(Verb):
    """Tokens and their holders."""

    def __init__(self, deps: Deps) -> None:
        super().__init__(deps)
        self._remembered: dict[bytes, tuple[TokenHolder, float]] = {}
        self._unknown: dict[bytes, float] = {}
        self._good = Proven()
        self._turn = 0

    def knows(self, token: str | None) -> bool:
        """Whether the token has been good before in this process, so that asking about it again is no guess.

        True as well for what is refused without asking.
        """
        if not token or len(token) > MAX_TOKEN:
            return True
        digest = digest_of(token)
        return digest in self._good or self.deps.clock.monotonic() < self._unknown.get(digest, 0.0)

    async def authenticate(self, token: str | None) -> Principal:
        """Who holds the token; raises `Unauthorized`, and `Unavailable` when that cannot be found out in the
        time in which a cancel is to be answered.

        The look-up goes by digest, so its time says nothing about how much of a guess was right.
        """
        return (await self.holder_of(token)).principal

    async def holder_of(self, token: str | None) -> TokenHolder:
        """Who holds the token, with what is known of the token; raises as `authenticate` does."""
        if not token or len(token) > MAX_TOKEN:
            raise Unauthorized("no token")
        digest = digest_of(token)
        now = self.deps.clock.monotonic()
        remembered, until = self._remembered.get(digest, (None, 0.0))
        if remembered is None or now >= until:
            remembered = await self._look_up(digest, now)
        expires_at = remembered.token.expires_at
        if expires_at is not None and expires_at <= self.deps.clock.now():
            raise CredentialRefused(f"token expires, expires_at: {stamp(expires_at)}")
        return remembered

    async def create_token(
        self, project: str, user: str, role: str, lifetime: float | None = None
    ) -> tuple[str, Principal]:
        """A new token for the user of a project, both made on first sight; ``lifetime`` in seconds.

        It has the built-in ``role``, whatever the user has been granted. It is returned once and stored nowhere.
        """
        deps = self.deps
        principal = await deps.store.ensure_user(project, user, deps.new_id(), deps.new_id())
        token = deps.new_secret()
        now = deps.clock.now()
        await deps.store.add_token(
            Token(
                digest=digest_of(token),
                user_id=principal.user_id,
                created_at=now,
                expires_at=now + timedelta(seconds=lifetime) if lifetime is not None else None,
                project_id=principal.project_id,
                role=role,
                methods=("token",),
            )
        )
        return token, principal

    def forget(self) -> None:
        """Ask the store again about everybody: something was withdrawn."""
        self._turn += 1
        self._remembered.clear()
        self._unknown.clear()

    def forget_token(self, digest: bytes) -> None:
        """Ask the store again about one token."""
        self._turn += 1
        self._remembered.pop(digest, None)

    async def ready(self) -> None:
        """Return when requests can be served; raises `Unavailable` with the reason."""
        await self.deps.store.ping()
        await self.deps.check_ready()

    async def in_time(self, question: Coroutine[Any, Any, T]) -> T:
        """The store's answer; raises `Unavailable` when it does not come in time."""
        try:
            async with asyncio.timeout(self.deps.settings.cancel_timeout):
                return await question
        except TimeoutError:
            raise Unavailable("the store does not answer") from None

    async def _look_up(self, digest: bytes, now: float) -> TokenHolder:
        if now < (until := self._unknown.get(digest, 0.0)):
            raise Unauthorized("unknown token")
        if until:
            # One asks again, and nobody waits in line behind him for the same answer.
            self._unknown[digest] = now + REMEMBERED_SECONDS
        turn = self._turn
        found = await self.in_time(self.deps.store.token_holder(digest))
        if found is None:
            self._good.drop(digest)
            # Tokens are made at random, so nobody waits for this very one to be made. Who repeats it asks nobody.
            if len(self._unknown) >= REMEMBERED_MOST:
                self._unknown.clear()
            self._unknown[digest] = now + REMEMBERED_SECONDS
            raise Unauthorized("unknown token")
        self._good.add(digest)
        self._unknown.pop(digest, None)
        if turn == self._turn:
            if len(self._remembered) >= REMEMBERED_MOST:
                self._remembered.clear()
            self._remembered[digest] = (found, now + REMEMBERED_SECONDS)
        return found


def stamp(moment: datetime) -> str:
    """A point in time as the identity service writes it: UTC, microseconds, Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
