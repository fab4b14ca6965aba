"""Bodies that are compressed, or begin with a byte order mark: read by every door alike, and bounded."""

import contextlib
import gzip
import zlib
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.conftest import MAX_BODY
from tests.api.test_iam import asking
from tests.api.twin import Twin
from tests.support.properties import examples
from treadle.api import coding
from treadle.api.coding import decoded
from treadle.api.errors import UnsupportedCoding
from treadle.model.errors import BadRequest, TooLarge, TooMany

BOM = b"\xef\xbb\xbf"
SUBMIT = {"session_id": "s1", "statement": "SELECT 'ü'"}
GZIP = {"Content-Encoding": "gzip"}
DOORS: tuple[tuple[str, Any, int], ...] = (
    ("/v1/workspaces/w1/sessions/statements", SUBMIT, 200),
    ("/v2/workspaces/w1/aura-sessions/statements", SUBMIT, 200),
    ("/v1/workspaces/w1/sessions/s1/statements/t1/cancel", {}, 200),
    ("/v1/workspaces", {"name": "new"}, 200),
    ("/v3/auth/tokens", asking(), 201),
)

doors = pytest.mark.parametrize(("path", "body", "status"), DOORS)


@doors
@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("header", ["gzip", "GZIP", "x-gzip", "identity, gzip", "", "identity", None])
async def test_every_door_reads_them(
    client: httpx.AsyncClient, path: str, body: Any, status: int, marked: bool, header: str | None
) -> None:
    """Compressed or not, with a mark or without: the request is the same."""
    text = (BOM if marked else b"") + msgspec.json.encode(body)
    sent = gzip.compress(text) if header and "gzip" in header.lower() else text
    headers = {} if header is None else {"Content-Encoding": header}
    reply = await client.post(path, content=sent, headers=headers)
    assert reply.status_code == status, reply.text


@doors
async def test_every_door_refuses_alike(client: httpx.AsyncClient, path: str, body: Any, status: int) -> None:
    """What is not gzip though it says so is a 400, another coding a 415 that names the one there is."""
    text = msgspec.json.encode(body)
    for sent in (text, gzip.compress(text)[:-3], gzip.compress(text) + b"more"):
        reply = await client.post(path, content=sent, headers=GZIP)
        assert (reply.status_code, reply.json()["error_code"]) == (400, "common.01000001")
    for other in ("br", "deflate", "zstd", "gzip, gzip", "gzip, br"):
        reply = await client.post(path, content=text, headers={"Content-Encoding": other})
        assert (reply.status_code, reply.json()["error_code"]) == (415, "common.00000415")
        assert reply.headers["accept-encoding"] == "gzip"


async def test_what_becomes_too_large_is_refused(client: httpx.AsyncClient, twin: Twin) -> None:
    """The bound of a body holds for what it becomes; of a caller who is not known yet, theirs."""
    path = DOORS[0][0]
    fits = {**SUBMIT, "statement": "x" * (MAX_BODY - 100)}
    large = {**SUBMIT, "statement": "x" * MAX_BODY}
    assert (await client.post(path, content=gzip.compress(msgspec.json.encode(fits)), headers=GZIP)).status_code == 200
    reply = await client.post(path, content=gzip.compress(msgspec.json.encode(large)), headers=GZIP)
    assert (reply.status_code, reply.json()["error_code"]) == (413, "APIG.0201")
    assert [verb for verb, _ in twin.asked] == ["execute"]
    login = gzip.compress(b" " * (32 * 1024) + msgspec.json.encode(asking()))
    assert (await client.post("/v3/auth/tokens", content=login, headers=GZIP)).status_code == 413


async def test_nothing_behind_the_bound_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a body that would become huge no more is held than is allowed, and its ratio is bounded too."""
    monkeypatch.setattr(coding, "FREE_BYTES", 2**20)
    held: list[int] = []
    bomb = gzip.compress(bytes(2**26), 9)
    with pytest.raises(TooLarge):
        await decoded(bomb, [(b"content-encoding", b"gzip")], 2**22, held.append)
    assert sum(held) <= 2**22
    held.clear()
    with pytest.raises(TooLarge):
        await decoded(bomb, [(b"content-encoding", b"gzip")], 2**40, held.append)
    assert sum(held) <= 100 * len(bomb)

    def full(_size: int) -> None:
        raise TooMany

    with pytest.raises(TooMany):
        await decoded(bomb, [(b"content-encoding", b"gzip")], 2**40, full)
    members = gzip.compress(b"") * (coding.MOST_MEMBERS + 1)
    with pytest.raises(BadRequest, match="gzip streams"):
        await decoded(members, [(b"content-encoding", b"gzip")], 2**40, held.append)


@examples(200)
@given(st.lists(st.binary(max_size=400_000), max_size=3), st.integers(0, 9))
async def test_what_was_compressed_comes_back(pieces: list[bytes], level: int) -> None:
    """Whatever the bytes, in one stream or several; each byte is counted once."""
    held: list[int] = []
    sent = b"".join(gzip.compress(piece, level) for piece in pieces)
    text = b"".join(pieces)
    found = await decoded(sent, [(b"content-encoding", b"gzip")], 2**40, held.append)
    assert found == text.removeprefix(BOM)
    assert sum(held) == len(text)


@examples(300)
@given(st.binary(max_size=200))
async def test_no_bytes_are_a_defect(raw: bytes) -> None:
    """Whatever comes as gzip is read or refused."""
    for sent in (raw, gzip.compress(raw)[: len(raw)], zlib.compress(raw)):
        with contextlib.suppress(BadRequest, TooLarge):
            await decoded(sent, [(b"content-encoding", b"gzip")], 2**20, lambda _: None)


async def test_another_coding_is_named_before_the_body_is_looked_at() -> None:
    """An empty body in an unknown coding is refused as any other."""
    with pytest.raises(UnsupportedCoding):
        await decoded(b"", [(b"content-encoding", b"br")], 10, lambda _: None)
    assert await decoded(b"", [(b"content-encoding", b"gzip")], 10, lambda _: None) == b""
