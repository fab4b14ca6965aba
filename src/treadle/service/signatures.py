"""Who is calling, by signature: an access key, and proof that the caller knows the secret key."""

import hmac
import secrets
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog

from treadle.config import Settings
from treadle.model.audit import Outcome
from treadle.model.entities import Principal
from treadle.model.errors import CredentialRefused, Forbidden
from treadle.model.identity import KeyHolder
from treadle.pools.digests import digest_of_body
from treadle.service.audit import ORIGIN
from treadle.service.deps import Deps
from treadle.service.identity import REMEMBERED_MOST, REMEMBERED_SECONDS, Identity, digest_of, stamp
from treadle.service.lockouts import Lockouts
from treadle.service.replays import Replays
from treadle.store.sealing import KEY_FILE, Sealer, SealError

WRONG: Final = "verify aksk signature fail"
LOCKED: Final = "AK access failed to reach the limit,forbidden"
UNREADABLE: Final = "Get secretKey failed"
_TOO_FAR: Final = f"{WRONG}: X-Sdk-Date is too far from the server's time"
_AGAIN: Final = f"{WRONG}: this very request has been made already"

BAD_SIGNATURES: Final = 5
"""Bad signatures in a row after which a key is locked."""

NOBODY: Final = Principal(project_id="", project_name="", user_id="", user_name="", policies=())
"""Who asks, as long as nobody is known to."""

log = structlog.get_logger("treadle.identity")


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A signed request, as far as the signature goes.

    ``strings`` are the texts of which one must have been signed. ``repeatable`` says that doing it
    twice does no more than doing it once; ``connection`` tells the callers' connections apart.
    """

    access: str
    at: datetime
    signature: str
    strings: tuple[bytes, ...]
    project_id: str | None = None
    security_token: str | None = None
    repeatable: bool = False
    connection: object = None


class _Key(msgspec.Struct, frozen=True):
    """What is remembered of an access key; without a holder there is no such key."""

    secret: str
    holder: KeyHolder | None
    until: float


def matches(secret: str, signed: Signed) -> bool:
    """Whether one of the texts was signed with the secret key. Takes the same time whichever it is."""
    right = False
    for string in signed.strings:
        wanted = hmac.new(secret.encode(), string, "sha256").hexdigest()
        right |= hmac.compare_digest(wanted, signed.signature)
    return right


def sealer_path(settings: Settings) -> Path:
    """Where the key is that secret keys are kept under."""
    return settings.credential_key or settings.data_dir / KEY_FILE


class Signatures(Identity):
    """Access keys and their holders."""

    def __init__(self, deps: Deps) -> None:
        super().__init__(deps)
        settings = deps.settings
        self._keys: dict[tuple[str, str | None], _Key] = {}
        self._locks = Lockouts(BAD_SIGNATURES, settings.key_lockout, deps.clock)
        self._replays = Replays(settings.signature_skew, deps.clock)
        self._sealer: Sealer | None = None
        # What a signature of an unknown key is compared with, so that its refusal takes as long.
        self._nobodys = secrets.token_urlsafe(30)

    def check_claim(self, access: str, at: datetime) -> None:
        """What can be refused before the body is there: a key that is locked, a date too far off."""
        if self._locks.locked(access):
            raise CredentialRefused(LOCKED)
        if abs((self.deps.clock.now() - at).total_seconds()) > self.deps.settings.signature_skew:
            raise CredentialRefused(_TOO_FAR)

    def knows_key(self, access: str) -> bool:
        """Whether the access key has been used rightly before in this process."""
        return access in self._good

    async def digest(self, body: bytes) -> bytes:
        """Compute the SHA-256 of a body whose sender is not known yet; a large one in the share of its address."""
        return await digest_of_body(body, self.deps.pools.digests.of(ORIGIN.get().address))

    async def authenticate_signature(self, signed: Signed) -> Principal:
        """Who signed the request; raises `CredentialRefused`, and `Forbidden` for a project he has nothing in.

        An unknown key and a wrong signature are told, and timed, alike.
        """
        self.check_claim(signed.access, signed.at)
        key = await self._key(signed.access, signed.project_id)
        known = key.holder is not None
        wanted = key.holder.credential.token_digest if key.holder else None
        given = digest_of(signed.security_token) if signed.security_token is not None else None
        right = matches(key.secret, signed) & hmac.compare_digest(given or b"", wanted or b"") & known
        if not right or key.holder is None:
            if self._locks.failed(signed.access, known=known):
                self._tell_lock(signed.access, key.holder)
            raise CredentialRefused(WRONG)
        self._locks.passed(signed.access)
        self._good.add(signed.access)
        return self._judged(signed, key.holder)

    def _tell_lock(self, access: str, holder: KeyHolder | None) -> None:
        """To the log, and on record."""
        known = holder is not None
        log.warning("credential_locked", access=access, known=known, address=ORIGIN.get().address)
        by = (holder and holder.principal) or NOBODY
        audit = self.deps.audit
        audit.note(audit.event(by, "iam:credential:use", Outcome.LOCKED, resource=f"credential:{access}"))

    def _judged(self, signed: Signed, holder: KeyHolder) -> Principal:
        """Whom a right signature stands for."""
        expires_at = holder.credential.expires_at
        if expires_at is not None and expires_at <= self.deps.clock.now():
            raise CredentialRefused(f"token expires, expires_at: {stamp(expires_at)}")
        if holder.principal is None:
            raise Forbidden("the user of the access key has no role in the project of X-Project-Id")
        if not signed.repeatable and not self._replays.first(
            signed.access, signed.at, signed.signature, signed.connection
        ):
            raise CredentialRefused(_AGAIN)
        return holder.principal

    def forget(self) -> None:
        """Ask the store again about everybody: something was withdrawn."""
        super().forget()
        self._keys.clear()

    async def sealer(self) -> Sealer:
        """What seals and opens secret keys."""
        if self._sealer is None:
            self._sealer = await self.deps.pools.files.run(Sealer.at, sealer_path(self.deps.settings))
        return self._sealer

    async def _key(self, access: str, project_id: str | None) -> _Key:
        now = self.deps.clock.monotonic()
        known = self._keys.get((access, project_id))
        if known is not None and now < known.until:
            return known
        turn = self._turn
        holder = await self.in_time(self.deps.store.key_holder(access, project_id))
        if holder is None:
            self._good.drop(access)
        made = _Key(await self._opened(holder), holder, now + REMEMBERED_SECONDS)
        if turn == self._turn:
            if len(self._keys) >= REMEMBERED_MOST:
                self._keys.clear()
            self._keys[access, project_id] = made
        return made

    async def _opened(self, holder: KeyHolder | None) -> str:
        if holder is None:
            return self._nobodys
        sealer = await self.sealer()
        try:
            return sealer.open(holder.credential.sealed, holder.credential.access)
        except SealError:
            log.error("credential_unreadable", access=holder.credential.access)
            raise CredentialRefused(UNREADABLE) from None
