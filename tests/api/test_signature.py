"""Signatures as the official SDK makes them, against the verifier alone."""

import hashlib
import os
from random import Random

import pytest

from tests.support.signing import Key, Wire, changed, sign, vectors
from treadle.api.signature import canonical_path, canonical_queries, read_claim, signed_request
from treadle.model.errors import CredentialRefused
from treadle.service.signatures import matches

KEY = Key("A1B2C3D4E5F6G7H8I9J0", "s" * 40)
HOST = "127.0.0.1:8760"
COUNT = int(os.environ.get("SIGNATURE_VECTORS", "300"))
PATHS = ("/v1/workspaces", "/v1/{}/x", "/{}", "/v1/a%2Fb/{}/", "/v2/workspaces/{}/aura-sessions/{}", "/")


def accepted(wire: Wire, secret: str = KEY.secret) -> bool:
    """Whether the request is one that the holder of the key signed."""
    try:
        claim = read_claim(wire.headers)
        digest = hashlib.sha256(wire.body).digest()
        signed = signed_request(claim, wire.method, wire.path, wire.query, digest, repeatable=True, connection=None)
    except CredentialRefused:
        return False
    return claim.access == KEY.access and matches(secret, signed)


def test_what_the_sdk_signs_is_accepted() -> None:
    """Odd paths, queries, headers and bodies of any kind; and none of them with another secret key."""
    wires = list(vectors(KEY, HOST, COUNT, PATHS))
    assert [wire for wire in wires if not accepted(wire)] == []
    assert [wire for wire in wires if accepted(wire, "t" * 40)] == []


def test_one_changed_bit_is_refused() -> None:
    """In the signature, the access key, any signed header, the date, the path, the query, the body."""
    random = Random(2)
    tried: dict[str, int] = {}
    for wire in vectors(KEY, HOST, COUNT, PATHS, seed=3):
        for part, other in changed(wire, random):
            tried[part] = tried.get(part, 0) + 1
            assert not accepted(other), (part, wire, other)
    assert {"signature", "access key", "host", "x-sdk-date", "user-agent", "path", "query", "body"} < set(tried)
    assert tried["signature"] == COUNT
    assert min(tried["path"], tried["query"], tried["body"]) > COUNT / 10


def test_a_project_and_a_security_token_are_signed() -> None:
    """The SDK signs both; taken away, changed or added they are refused, and so is one that is not signed."""
    key = Key(KEY.access, KEY.secret, "security-token")
    wire = sign(key, "GET", HOST, "/v1/workspaces", project_id="p1")
    assert accepted(wire)
    plain = sign(KEY, "GET", HOST, "/v1/workspaces")
    for name in (b"x-project-id", b"x-security-token"):
        assert wire.header(name)
        assert not accepted(wire.with_header(name, b"other"))
        assert not accepted(plain.with_header(name, wire.header(name)))
        assert not accepted(Wire(wire.method, wire.path, wire.query, _without(wire, name), wire.body))


def test_a_header_that_is_not_signed_may_change() -> None:
    """What proxies and HTTP libraries add on the way is no part of the signature."""
    wire = sign(KEY, "GET", HOST, "/v1/workspaces")
    for name in (b"accept", b"via", b"x-request-id"):
        assert accepted(wire.with_header(name, b"anything"))


def test_a_named_hash_is_that_of_the_body() -> None:
    """A body that is not the one whose hash the header names is refused; an unsigned body may be any."""
    body = b'{"a":1}'
    named = {"X-Sdk-Content-Sha256": hashlib.sha256(body).hexdigest()}
    wire = sign(KEY, "POST", HOST, "/v1/workspaces", headers=named, body=body)
    assert accepted(wire)
    assert not accepted(Wire(wire.method, wire.path, wire.query, wire.headers, b'{"a":2}'))
    free = sign(KEY, "POST", HOST, "/v1/workspaces", headers={"Content-Type": "text/plain"}, body=body)
    assert free.header(b"x-sdk-content-sha256") == b"UNSIGNED-PAYLOAD"
    assert accepted(Wire(free.method, free.path, free.query, free.headers, b"another"))
    signed = sign(KEY, "POST", HOST, "/v1/workspaces", body=body)
    assert not accepted(signed.with_header(b"x-sdk-content-sha256", b"UNSIGNED-PAYLOAD"))


def _without(wire: Wire, name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((known, value) for known, value in wire.headers if known != name)


@pytest.mark.parametrize(
    "authorization",
    [
        b"SDK-HMAC-SHA256",
        b"SDK-HMAC-SHA256 Access=, SignedHeaders=host, Signature=" + b"0" * 64,
        b"SDK-HMAC-SHA256 Access=A, SignedHeaders=, Signature=" + b"0" * 64,
        b"SDK-HMAC-SHA256 Access=A, SignedHeaders=x-sdk-date, Signature=" + b"0" * 64,
        b"SDK-HMAC-SHA256 Access=A, SignedHeaders=host;nowhere, Signature=" + b"0" * 64,
        b"SDK-HMAC-SHA256 Access=A, SignedHeaders=host, Signature=" + b"0" * 63,
        b"SDK-HMAC-SHA256 Access=A, SignedHeaders=host, Signature=" + b"0" * 64 + b"\n",
        b"SDK-HMAC-SM3 Access=A, SignedHeaders=host, Signature=" + b"0" * 64,
        b"SDK-HMAC-SHA256 Access=A\xff, SignedHeaders=host, Signature=" + b"0" * 64,
    ],
)
def test_what_is_no_signature_is_refused(authorization: bytes) -> None:
    """Nothing missing, nothing more, and a host among what is signed."""
    wire = sign(KEY, "GET", HOST, "/").with_header(b"authorization", authorization)
    with pytest.raises(CredentialRefused, match="verify aksk signature fail"):
        read_claim(wire.headers)


@pytest.mark.parametrize("date", [b"", b"20261122T07390Z", b"20261322T073901Z", b"20261122T073901+0000", b"now"])
def test_a_date_that_is_none_is_refused(date: bytes) -> None:
    """Only the one form the SDK writes."""
    wire = sign(KEY, "GET", HOST, "/").with_header(b"x-sdk-date", date)
    with pytest.raises(CredentialRefused):
        read_claim(wire.headers)


@pytest.mark.parametrize("name", [b"authorization", b"x-sdk-date", b"host", b"user-agent"])
def test_a_signed_header_that_comes_twice_is_none(name: bytes) -> None:
    """Nobody can tell which of the two was signed."""
    wire = sign(KEY, "GET", HOST, "/")
    with pytest.raises(CredentialRefused):
        read_claim((*wire.headers, (name, wire.header(name))))


def test_canonical_forms() -> None:
    """As the SDK's documentation has them: decoded, encoded again, sorted; a trailing slash."""
    assert canonical_path(b"/v1/a%2Fb/%7ex/\xc3\xa9") == b"/v1/a/b/~x/%C3%A9/"
    assert canonical_path(b"/v1/") == b"/v1/"
    assert canonical_queries(b"") == [b""]
    assert canonical_queries(b"a=1&b=%2f") == [b"a=1&b=%2F"]
    assert canonical_queries(b"n=2&n=10&a") == [b"a=&n=10&n=2", b"n=2&n=10&a="]
