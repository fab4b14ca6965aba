"""Who is calling: tokens, stored as digests and compared in constant time."""

import asyncio
import hashlib
from datetime import timedelta

from treadle.model.entities import Principal, Role
from treadle.model.errors import Unauthorized, Unavailable
from treadle.service.deps import Deps, Verb
from treadle.store.base import Token

MAX_TOKEN = 4096
"""Characters a token may have; longer ones are not looked at."""


def digest_of(token: str) -> bytes:
    """What is stored of a token. Tokens are random and long, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


REMEMBERED_SECONDS = 1.0
"""How long a holder is remembered before the store is asked again: what a withdrawn token may live on."""

REMEMBERED_MOST = 10_000


class Identity(Verb):
    """Tokens and their holders."""

    def __init__(self, deps: Deps) -> None:
        super().__init__(deps)
        self._remembered: dict[bytes, tuple[Principal, float]] = {}

    async def authenticate(self, token: str | None) -> Principal:
        """Who holds the token; raises `Unauthorized`, and `Unavailable` when that cannot be found out in the
        time in which a cancel is to be answered.

        The look-up goes by digest, so its time says nothing about how much of a guess was right.
        """
        if not token or len(token) > MAX_TOKEN:
            raise Unauthorized("no token")
        digest = digest_of(token)
        now = self.deps.clock.monotonic()
        remembered, until = self._remembered.get(digest, (None, 0.0))
        if remembered is not None and now < until:
            return remembered
        try:
            async with asyncio.timeout(self.deps.settings.cancel_timeout):
                found = await self.deps.store.principal_of(digest, self.deps.clock.now())
        except TimeoutError:
            raise Unavailable("the store does not answer") from None
        if found is None:
            raise Unauthorized("unknown token")
        if len(self._remembered) >= REMEMBERED_MOST:
            self._remembered.clear()
        self._remembered[digest] = (found, now + REMEMBERED_SECONDS)
        return found

    async def create_token(
        self, project: str, user: str, role: Role, lifetime: float | None = None
    ) -> tuple[str, Principal]:
        """A new token for the user of a project, both made on first sight; ``lifetime`` in seconds.

        The token itself is returned once and stored nowhere.
        """
        deps = self.deps
        principal = await deps.store.ensure_user(project, user, deps.new_id(), deps.new_id())
        token = deps.new_secret()
        now = deps.clock.now()
        await deps.store.add_token(
            Token(
                digest=digest_of(token),
                project_id=principal.project_id,
                user_id=principal.user_id,
                role=role,
                created_at=now,
                expires_at=now + timedelta(seconds=lifetime) if lifetime is not None else None,
            )
        )
        return token, principal

    async def ready(self) -> None:
        """Return when requests can be served; raises `Unavailable` with the reason."""
        await self.deps.store.ping()
        await self.deps.check_ready()
