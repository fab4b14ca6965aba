"""Limits against abuse: how often, how much at once, and that cancels are not held up by them."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.access.rig import Rig, rigged
from treadle.model.errors import TooMany
from treadle.model.states import StatementState
from treadle.service.limits import KNOWN_MOST, Bucket

pytestmark = pytest.mark.alone
"""How many a second there are is what is looked at."""


def taken(bucket: Bucket, key: str, now: float, most: int = 10_000) -> int:
    """How many tokens a key gets at once."""
    for number in range(most):
        try:
            bucket.take(key, now)
        except TooMany:
            return number
    return most


def test_a_bucket_holds_a_second_of_its_rate() -> None:
    """At once a second's worth, then as much as time brings, for each by himself."""
    bucket = Bucket("user", 50)
    assert taken(bucket, "a", 10.0) == 50
    assert taken(bucket, "a", 10.1) == 5
    assert taken(bucket, "b", 10.1) == 50
    assert taken(bucket, "a", 1000.0) == 50


def test_a_slow_rate_lets_one_through() -> None:
    """Less than one a second is one, and then the wait that is told."""
    bucket = Bucket("address", 0.1)
    assert taken(bucket, "a", 5.0) == 1
    with pytest.raises(TooMany) as refused:
        bucket.take("a", 6.0)
    assert refused.value.after == pytest.approx(9.0)
    bucket.take("a", 15.01)


def test_buckets_are_not_kept_for_ever() -> None:
    """Whoever has not come for a while costs nothing."""
    bucket = Bucket("address", 10)
    for number in range(KNOWN_MOST):
        bucket.take(number, 0.0)
    bucket.take("late", 100.0)
    assert len(bucket._full_at) == 1


async def asked(client: httpx.AsyncClient, path: str, times: int) -> list[int]:
    """The statuses of so many requests."""
    return [(await client.get(path)).status_code for _ in range(times)]


async def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    """The documented body of the gateway, with the limit, and ``Retry-After``; others are served."""
    async with rigged(tmp_path, user_rate=5.0) as rig, rig.client("viewer") as viewer, rig.client("admin") as admin:
        path = f"{rig.a.base}/endpoints"
        statuses = await asked(viewer, path, 12)
        assert statuses[:5] == [200] * 5
        assert 429 in statuses
        refused = await viewer.get(path)
        while refused.status_code != 429:
            refused = await viewer.get(path)
        assert refused.json() == {
            "error_code": "APIG.0308",
            "error_msg": "The throttling threshold has been reached: policy user over ratelimit,limit:5,time:1 second",
        }
        assert refused.headers["retry-after"] == "1"
        assert (await admin.get(path)).status_code == 200


async def test_a_project_has_a_rate_of_its_own(tmp_path: Path) -> None:
    """Its users share it; another project's do not."""
    async with (
        rigged(tmp_path, project_rate=1) as rig,
        rig.client("viewer") as viewer,
        rig.client("admin") as admin,
        rig.client("stranger") as stranger,
    ):
        path = f"{rig.a.base}/endpoints"
        assert await asked(viewer, path, 2) == [200, 429]
        assert (await admin.get(path)).status_code == 429
        assert (await stranger.get(f"{rig.b.base}/endpoints")).status_code == 200


async def test_cancels_are_not_held_up_by_what_else_one_asks(tmp_path: Path) -> None:
    """Whoever has used up his rate, and his project's, still stops what he started."""
    async with rigged(tmp_path, user_rate=3.0, project_rate=3.0) as rig, rig.client("admin") as client:
        place = rig.a.places[0]
        while (await client.get(f"{rig.a.base}/endpoints")).status_code != 429:
            pass
        session = f"{rig.a.base}/sessions/{place.session.id}"
        assert (await client.post(f"{session}/statements/{place.waiting.public_id}/cancel")).status_code == 200
        assert rig.memory._statements[place.waiting.id].state is StatementState.CANCELLED
        # Cancels are counted as well, by themselves.
        assert 429 in [(await client.post(f"{session}/cancel")).status_code for _ in range(8)]


async def submitted(rig: Rig, name: str, number: int = 1) -> list[httpx.Response]:
    """The answers to submits of that user."""
    body = {"session_id": rig.a.places[0].session.id, "statement": "SELECT 1", "is_sync": False}
    async with rig.client(name) as client:
        return [await client.post(f"{rig.a.base}/sessions/statements", json=body) for _ in range(number)]


async def test_statements_at_once_are_bounded_by_user_and_project(tmp_path: Path) -> None:
    """The one too many is refused and not stored; when one has ended the next may come."""
    async with rigged(tmp_path, user_statements=3, project_statements=5) as rig:
        answers = await submitted(rig, "admin", 4)
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].json()["error_msg"].endswith("policy user over statements,limit:3")
        others = await submitted(rig, "operator", 3)
        assert [answer.status_code for answer in others] == [200, 200, 429]
        assert others[-1].json()["error_msg"].endswith("policy project over statements,limit:5")
        place = rig.a.places[0]
        stop = f"{rig.a.base}/sessions/{place.session.id}/statements/{answers[0].json()['statement_id']}/cancel"
        async with rig.client("admin") as client:
            assert (await client.post(stop)).status_code == 200
        assert [answer.status_code for answer in await submitted(rig, "admin", 2)] == [200, 429]


async def test_what_ended_unheard_of_is_found_out(tmp_path: Path) -> None:
    """A limit that seems to be reached is looked at in the store before anybody is refused."""
    async with rigged(tmp_path, user_statements=2) as rig:
        answers = await submitted(rig, "admin", 2)
        known = rig.service.deps.crowd._unfinished[("user", "project-a", "id-of-admin")]
        for answer in answers:
            del rig.memory._statements[answer.json()["statement_id"]]
        for one in known:
            known[one] -= 60.0
        assert [answer.status_code for answer in await submitted(rig, "admin", 2)] == [200, 200]


async def test_a_submit_that_is_refused_counts_for_nothing(tmp_path: Path) -> None:
    """An unknown session, a taken id: what is not stored is not counted."""
    async with rigged(tmp_path, user_statements=1) as rig, rig.client("admin") as client:
        path = f"{rig.a.base}/sessions/statements"
        body = {"session_id": "unknown", "statement": "SELECT 1", "is_sync": False}
        for _ in range(3):
            assert (await client.post(path, json=body)).status_code == 404
        taken = {"session_id": rig.a.places[0].session.id, "statement_id": rig.a.places[0].waiting.public_id}
        for _ in range(3):
            assert (await client.post(path, json=body | taken)).status_code == 409
        assert rig.service.deps.crowd._unfinished == {}


async def test_sessions_of_a_project_are_bounded(tmp_path: Path) -> None:
    """One too many is refused; those of other projects do not count."""
    async with rigged(tmp_path, project_sessions=3) as rig, rig.client("admin") as client:
        body = {
            "endpoint_id": rig.a.places[0].endpoint.id,
            "lake_formation_config": {"instance_id": "default", "catalog": "default"},
            "wait_timeout": 300,
        }
        answers = [await client.post(f"{rig.a.base}/sessions", json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[-1].json()["error_msg"].endswith("policy project over sessions,limit:3")
        closed = await client.delete(f"{rig.a.base}/sessions/{answers[0].json()['session_id']}")
        assert closed.status_code == 200
        assert (await client.post(f"{rig.a.base}/sessions", json=body)).status_code == 200


async def test_many_at_once_are_counted_one_by_one(tmp_path: Path) -> None:
    """Submits at the same time do not slip through together."""
    async with rigged(tmp_path, user_statements=5) as rig:
        answers = await asyncio.gather(*(submitted(rig, "admin") for _ in range(20)))
        assert sorted(answer[0].status_code for answer in answers) == [200] * 5 + [429] * 15
