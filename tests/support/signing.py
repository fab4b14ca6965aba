"""Requests as the official SDK signs and sends them, and what becomes of them on the way."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import msgspec
import requests
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest

UNSIGNED = b"UNSIGNED-PAYLOAD"
ODD = (
    "a", "Zz9", "-_.~", " ", "  ", "+", "%", "%41", "&", "=", "é", "世界", "🧵", "!*'()", ";,:@", "#", "?", "/", "\\",
    '"', "<>", "[]", "{}", "|", "^", "`", "$", "a b", "a%2Fb", "..x", "x=y&z",
)  # fmt: skip
"""What names and values are made of."""


class Key(msgspec.Struct, frozen=True):
    """An access key, and what a temporary one has beside it."""

    access: str
    secret: str
    security_token: str | None = None


class Wire(msgspec.Struct, frozen=True):
    """A request as it stands on the wire."""

    method: str
    path: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def target(self) -> bytes:
        """Path and query."""
        return self.path + (b"?" + self.query if self.query else b"")

    def header(self, name: bytes) -> bytes:
        """The value of a header; empty when it is not there."""
        return next((value for known, value in self.headers if known == name), b"")

    def with_header(self, name: bytes, value: bytes) -> "Wire":
        """The same with another value of a header, which is added if it is not there."""
        rest = tuple((known, was) for known, was in self.headers if known != name)
        return msgspec.structs.replace(self, headers=(*rest, (name, value)))


def sign(
    key: Key,
    method: str,
    host: str,
    path: str,
    *,
    query: Sequence[tuple[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
    project_id: str | None = None,
) -> Wire:
    """The request as the SDK signs it and `requests` writes it."""
    given = {"Content-Type": "application/json", "User-Agent": "huaweicloud-usdk-python/3.0", **(headers or {})}
    request = SdkRequest(method, "http", host, path, None, list(query), given, body)
    credentials = BasicCredentials(key.access, key.secret, project_id)
    if key.security_token is not None:
        credentials.security_token = key.security_token
    signed = credentials.sign_request(request)
    content = signed.body if isinstance(signed.body, bytes) else (signed.body or "").encode()
    sent = requests.Request(
        method, f"http://{host}{signed.uri}", headers=signed.header_params, data=content or None
    ).prepare()
    target = sent.path_url.encode("latin-1")
    path_sent, _, query_sent = target.partition(b"?")
    names = {name.lower(): value for name, value in sent.headers.items() if name.lower() != "content-length"}
    raw = tuple((_raw(name), _raw(value)) for name, value in names.items())
    return Wire(method, path_sent, query_sent, raw, content)


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def vectors(key: Key, host: str, count: int, paths: Sequence[str], seed: int = 1) -> Iterator[Wire]:
    """So many requests of all kinds; ``{}`` in a path is filled with something odd."""
    random = Random(seed)
    for number in range(count):
        method = random.choice(("GET", "GET", "POST", "PUT", "DELETE"))
        path = random.choice(paths).replace("{}", quote(_odd(random), safe=random.choice(("", "!*'():@,;+$&="))))
        headers = {f"X-Odd-{n}": _odd(random).strip() or "-" for n in range(random.randrange(3))}
        body: bytes = b""
        if method in {"POST", "PUT"} and random.random() < 0.9:
            body = f'{{"n":{number},"text":"{_odd(random)}"}}'.encode()
            if random.random() < 0.2:
                headers["Content-Type"] = random.choice(("text/plain", "application/octet-stream"))
                body += random.randbytes(20)
        query = [(_odd(random), _value(random)) for _ in range(random.choice((0, 0, 1, 2, 5)))]
        unique = list({name: (name, value) for name, value in query}.values())
        yield sign(key, method, host, path, query=unique, headers=headers, body=body)


def _odd(random: Random) -> str:
    # A slash or a dot alone is a matter of routes and of URLs, not of signatures.
    return "x" + "".join(random.choice(ODD) for _ in range(random.randint(1, 4)))


def _value(random: Random) -> Any:
    match random.randrange(6):
        case 0:
            return random.choice((True, False))
        case 1:
            return random.randint(-5, 10**6)
        case 2:
            return ""
        case 3:
            return [random.randint(0, 30) for _ in range(3)]
        case 4:
            return [_odd(random) for _ in range(2)]
        case _:
            return _odd(random)


def changed(wire: Wire, random: Random) -> Iterator[tuple[str, Wire]]:
    """The request with one bit of each of its parts changed, where that makes it another request."""
    signature = wire.header(b"authorization")
    digits = len(signature) - 64
    flipped = signature[:digits] + _flipped(signature[digits:], random)
    yield "signature", wire.with_header(b"authorization", flipped)
    access = signature.index(b"Access=") + 7
    yield (
        "access key",
        wire.with_header(
            b"authorization",
            signature[:access] + _flipped(signature[access : access + 20], random) + signature[access + 20 :],
        ),
    )
    names = signature.split(b"SignedHeaders=")[1].split(b",")[0].split(b";")
    for name in names:
        value = _flipped(wire.header(name), random)
        if value.strip() != wire.header(name).strip():
            yield name.decode(), wire.with_header(name, value)
    if wire.path != b"/":
        path = wire.path[:1] + _flipped(wire.path[1:], random)
        if _slashed(path) != _slashed(wire.path) and b"?" not in path and b"#" not in path:
            yield "path", msgspec.structs.replace(wire, path=path)
    if wire.query:
        query = _flipped(wire.query, random)
        if _pairs(query) != _pairs(wire.query) and b"#" not in query:
            yield "query", msgspec.structs.replace(wire, query=query)
    if wire.body and wire.header(b"x-sdk-content-sha256") != UNSIGNED:
        yield "body", msgspec.structs.replace(wire, body=_flipped(wire.body, random, any_byte=True))


def _flipped(text: bytes, random: Random, *, any_byte: bool = False) -> bytes:
    """The text with one bit changed, such that it can be sent."""
    while True:
        at, bit = random.randrange(len(text)), 1 << random.randrange(8)
        made = text[at] ^ bit
        if any_byte or 0x21 <= made <= 0x7E:
            return text[:at] + bytes([made]) + text[at + 1 :]


def _slashed(path: bytes) -> str:
    return unquote(path.decode("latin-1")).rstrip("/")


def _pairs(query: bytes) -> list[tuple[str, str]]:
    return sorted(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
