"""Floods of requests that prove nobody: bounded by address, and felt by nobody who is known."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.access.rig import Rig, rigged
from treadle.api.app import build
from treadle.model.errors import TooMany
from treadle.service import Service
from treadle.service.limits import KNOWN_MOST, Bucket
from treadle.service.strangers import LINE_MOST, PROVEN_MOST, TURN_SECONDS, Proven, network_of

FLOOD = int(os.environ.get("TREADLE_FUZZ_FLOOD", "640"))
RATE = 5
BURST = 10 * RATE
PATH = "/v1/workspaces"
SAID = {
    "error_code": "APIG.0308",
    "error_msg": f"The throttling threshold has been reached: policy address over ratelimit,limit:{RATE},time:1 second",
}


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("x:y", "x:y"),
    ],
)
def test_what_counts_as_one_address(address: str, network: str) -> None:
    """An IPv4 address, however it is written; of IPv6 the /64 that one customer has."""
    assert network_of(address) == network


def test_more_addresses_than_are_kept() -> None:
    """However many come at once, the memory is bounded; those that have asked most are the ones remembered."""
    bucket = Bucket("address", 1, 1000.0)
    for _ in range(100):
        bucket.take("often", 0.0)
    for number in range(5 * KNOWN_MOST):
        bucket.take(number, 0.0)
        assert len(bucket._full_at) <= KNOWN_MOST
    for _ in range(900):
        bucket.take("often", 0.0)
    assert bucket.empty("often", 0.0)
    with pytest.raises(TooMany):
        bucket.take("often", 0.0)


def test_more_credentials_than_are_kept() -> None:
    """What has been good is remembered, up to a bound."""
    proven = Proven()
    for number in range(PROVEN_MOST + 10):
        proven.add(number)
    assert 0 not in proven
    assert PROVEN_MOST in proven
    assert len(proven._known) == PROVEN_MOST


class Door:
    """The HTTP room over the real verbs, and what is asked of the store."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.service = Service(rig.service.deps)
        self.app = build(self.service, rig.settings)

    def caller(self, address: str, headers: dict[str, str]) -> httpx.AsyncClient:
        """Somebody at that address."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 40_000))
        return httpx.AsyncClient(transport=transport, base_url="http://door", headers=headers)

    async def token(self, user: str) -> str:
        """A token that has never been used."""
        return (await self.service.create_token("project", user, "operator"))[0]

    def looked(self) -> int:
        """How often the store was asked who somebody is."""
        return self.rig.spy.asked["token_holder"] + self.rig.spy.asked["key_holder"]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A service that suffers few strangers."""
    async with rigged(tmp_path, stranger_rate=RATE) as rig:
        yield Door(rig)


def signature(number: int) -> dict[str, str]:
    """The headers of a signature by nobody."""
    access = f"NOBODY{number:014d}"
    signed = f"SDK-HMAC-SHA256 Access={access}, SignedHeaders=host;x-sdk-date, Signature={number:064x}"
    return {"Authorization": signed, "X-Sdk-Date": datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")}


def credentials(kind: str, number: int) -> dict[str, str]:
    """What a stranger says of himself, never twice the same."""
    match kind:
        case "a wrong token":
            return {"X-Auth-Token": f"wrong-{number}"}
        case "a signature of nobody's":
            return signature(number)
        case "another scheme":
            return {"Authorization": f"Bearer {number}"}
        case _:
            return {}


@pytest.mark.parametrize("kind", ["nothing", "a wrong token", "a signature of nobody's", "another scheme"])
async def test_a_flood_is_bounded(door: Door, kind: str) -> None:
    """After the first ones it is refused as documented, and asks little of the store; other addresses are served."""
    said: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    async with door.caller("192.0.2.7", {}) as stranger:
        began, number = loop.time(), 0
        while number < 200 or loop.time() - began < 1.0:
            number += 1
            answer = await stranger.get(PATH, headers=credentials(kind, number))
            said[answer.status_code] += 1
            if answer.status_code == 429:
                assert answer.json() == SAID
                assert int(answer.headers["retry-after"]) >= 1
        seconds = loop.time() - began
    assert set(said) == {401, 429}
    assert BURST <= said[401] <= BURST + RATE * (seconds + 1)
    assert door.looked() <= BURST + (seconds + 1) / TURN_SECONDS
    async with door.caller("192.0.2.8", {}) as other:
        assert (await other.get(PATH)).status_code == 401


async def test_who_is_known_does_not_feel_it(door: Door) -> None:
    """From an address that is flooded a token that was good before is served, and so is one nobody has used yet."""
    known, fresh = await door.token("ann"), await door.token("bob")
    async with (
        door.caller("192.0.2.7", {"X-Auth-Token": known}) as ann,
        door.caller("192.0.2.7", {"X-Auth-Token": fresh}) as bob,
        door.caller("192.0.2.7", {}) as stranger,
    ):
        assert (await ann.get(PATH)).status_code == 200
        wrong = [stranger.get(PATH, headers={"X-Auth-Token": f"wrong-{number}"}) for number in range(BURST + 10)]
        assert {answer.status_code for answer in await asyncio.gather(*wrong)} == {401, 429}
        door.service.forget()
        going_on = [
            asyncio.create_task(_flood(stranger, start)) for start in range(0, FLOOD, FLOOD // (LINE_MOST // 2))
        ]
        while not all(task.done() for task in going_on):
            assert (await ann.get(PATH)).status_code == 200
            door.service.forget()
            await asyncio.sleep(0.001)
        for task in going_on:
            task.result()
        assert (await bob.get(PATH)).status_code == 200


async def test_one_wrong_token_over_and_over_is_in_nobodys_way(door: Door) -> None:
    """A client that has lost its token, and repeats it: the store is asked once a second, and a new user is served."""
    fresh = [await door.token(f"user-{number}") for number in range(3)]
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    async def repeat(stranger: httpx.AsyncClient) -> None:
        while not over.is_set():
            assert (await stranger.get(PATH)).status_code in {401, 429}
            await asyncio.sleep(0)

    async with door.caller("192.0.2.7", {"X-Auth-Token": "withdrawn"}) as stranger:
        await asyncio.gather(*(stranger.get(PATH) for _ in range(BURST + 10)))
        asked, began = door.looked(), loop.time()
        repeating = [asyncio.create_task(repeat(stranger)) for _ in range(LINE_MOST + 8)]
        for token in fresh:
            async with door.caller("192.0.2.7", {"X-Auth-Token": token}) as newcomer:
                assert (await newcomer.get(PATH)).status_code == 200
        over.set()
        await asyncio.gather(*repeating)
    assert door.looked() - asked - len(fresh) <= 2 * (loop.time() - began + 1)


async def _flood(stranger: httpx.AsyncClient, start: int) -> None:
    """One after the other."""
    for number in range(start, start + FLOOD // (LINE_MOST // 2)):
        answer = await stranger.get(PATH, headers={"X-Auth-Token": f"flood-{number}"})
        assert answer.status_code in {401, 429}


async def test_one_customers_addresses_are_one(door: Door) -> None:
    """Who has a /64 has not that many times the rate, nor does a header that nobody vouches for help him."""
    said: Counter[int] = Counter()
    for number in range(BURST + 30):
        claimed = {"X-Forwarded-For": f"198.51.100.{number}"}
        async with door.caller(f"2001:db8::{number:x}", claimed) as stranger:
            said[(await stranger.get(PATH)).status_code] += 1
    assert said[429] >= 10
