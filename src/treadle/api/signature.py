"""Signatures of the form ``SDK-HMAC-SHA256``: from a request to what must have been signed. Pure.

The canonical form is the one of the official SDK. What of a request can be written in two ways (a
path with or without its percent signs, a query in another order) has one canonical form, so such a
change is none. What the SDK's releases do differently has more than one: each is tried.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote, unquote_plus

import msgspec

from treadle.model.errors import CredentialRefused
from treadle.service.signatures import WRONG, Signed

ALGORITHM: Final = b"SDK-HMAC-SHA256"

_AUTHORIZATION: Final = re.compile(
    rb"SDK-HMAC-SHA256 Access=(?P<access>[A-Za-z0-9_-]{1,64}), ?"
    rb"SignedHeaders=(?P<signed>[!#$%&'*+.^_`|~0-9a-z;-]{1,4096}), ?"
    rb"Signature=(?P<signature>[0-9a-f]{64})"
)
_DATE: Final = re.compile(rb"[0-9]{8}T[0-9]{6}Z")
_HASH: Final = re.compile(rb"[0-9a-f]{64}")
_PLAIN_PATH: Final = re.compile(rb"[A-Za-z0-9_.~/-]*")
_NOTHING: Final = hashlib.sha256(b"").hexdigest().encode()

_MUST_BE_SIGNED: Final = (b"x-project-id", b"x-security-token")
"""Headers that decide for whom a request speaks: one that is there must be signed."""

Headers = Sequence[tuple[bytes, bytes]]


class Claim(msgspec.Struct, frozen=True):
    """What the headers of a request say of its signature, before anything of it is believed."""

    access: str
    signed: tuple[bytes, ...]
    signature: str
    at: datetime
    date: bytes
    values: dict[bytes, bytes]
    """The headers by their lower-case names; one that came twice has none."""

    def value(self, name: bytes) -> str | None:
        """The value of a header as text."""
        value = self.values.get(name)
        return value.decode("latin-1") if value is not None else None


def is_signed(authorization: bytes) -> bool:
    """Whether an ``Authorization`` header is one of the SDK's, of this or of another algorithm."""
    return authorization.startswith((b"SDK-", b"V11-"))


def read_claim(headers: Headers) -> Claim:
    """What the headers claim; raises `CredentialRefused` when that cannot be."""
    values = dict(_single(headers))
    found = _AUTHORIZATION.fullmatch(values.get(b"authorization", b""))
    date = values.get(b"x-sdk-date", b"")
    at = _moment(date)
    if found is None or at is None:
        raise CredentialRefused(WRONG)
    signed = tuple(found["signed"].split(b";"))
    if b"host" not in signed or not all(name in values for name in signed):
        raise CredentialRefused(WRONG)
    present = {name for name, _ in headers}
    if any(name in present and name not in signed for name in _MUST_BE_SIGNED):
        raise CredentialRefused(WRONG)
    return Claim(found["access"].decode(), signed, found["signature"].decode(), at, date, values)


def signed_request(
    claim: Claim, method: str, raw_path: bytes, query: bytes, digest: bytes, *, repeatable: bool, connection: object
) -> Signed:
    """The request as the service judges it, by the SHA-256 of its body.

    Raises `CredentialRefused` when the body is not the one that was named.
    """
    return Signed(
        access=claim.access,
        at=claim.at,
        signature=claim.signature,
        strings=tuple(_strings_to_sign(claim, method, raw_path, query, digest.hex().encode())),
        project_id=claim.value(b"x-project-id") or None,
        security_token=claim.value(b"x-security-token"),
        repeatable=repeatable,
        connection=connection,
    )


def _strings_to_sign(claim: Claim, method: str, raw_path: bytes, query: bytes, digest: bytes) -> Iterator[bytes]:
    path = canonical_path(raw_path)
    headers = b"".join(b"%b:%b\n" % (name, claim.values[name].strip()) for name in claim.signed)
    names = b";".join(claim.signed)
    for payload in _payloads(claim.values.get(b"x-sdk-content-sha256"), digest):
        for order in canonical_queries(query):
            request = b"\n".join((method.upper().encode(), path, order, headers, names, payload))
            yield b"\n".join((ALGORITHM, claim.date, hashlib.sha256(request).hexdigest().encode()))


def canonical_path(raw: bytes) -> bytes:
    """The path decoded, each piece encoded again, with a slash at its end."""
    if not _PLAIN_PATH.fullmatch(raw):
        pieces = unquote(raw.decode("utf-8", "replace")).split("/")
        raw = "/".join(quote(piece, safe="~") for piece in pieces).encode()
    return raw if raw.endswith(b"/") else raw + b"/"


def canonical_queries(raw: bytes) -> list[bytes]:
    """The query in the order of its names and values and, if that is another, in the order it came in.

    The SDK sends what it signed, and sorts lists of numbers as numbers.
    """
    if not raw:
        return [b""]
    pairs = [_pair(piece) for piece in raw.split(b"&") if piece]
    in_order = sorted(pairs)
    return [_query(in_order)] if pairs == in_order else [_query(in_order), _query(pairs)]


def _query(pairs: list[tuple[str, str]]) -> bytes:
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs).encode()


def _pair(piece: bytes) -> tuple[str, str]:
    name, _, value = piece.decode("utf-8", "replace").partition("=")
    return unquote_plus(name), unquote_plus(value)


def _payloads(named: bytes | None, actual: bytes) -> list[bytes]:
    """What may stand for the body: its hash, or what ``X-Sdk-Content-Sha256`` says instead.

    Of an absent body that header is signed by some releases of the SDK and passed over by others.
    """
    if named is None:
        return [actual]
    if _HASH.fullmatch(named) and named != actual:
        raise CredentialRefused(WRONG)
    return [named] if named == actual or actual != _NOTHING else [named, actual]


def _single(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    """The headers that came once."""
    names = [name for name, _ in headers]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()
    return ((name, value) for name, value in headers if name not in twice)


def _moment(date: bytes) -> datetime | None:
    if not _DATE.fullmatch(date):
        return None
    try:
        return datetime.strptime(date.decode(), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
