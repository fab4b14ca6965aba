"""Rights by endpoint: lists and their counts, cancels of many, and what one caller's answer leaves for another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from tests.access.rig import Place, Rig, rigged
from treadle.model.access import Action, Effect, Policy, Rule
from treadle.model.states import StatementState


async def got(client: httpx.AsyncClient, path: str, **query: str | int) -> dict[str, Any]:
    """The answer to a GET that must succeed."""
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    reply: dict[str, Any] = answer.json()
    return reply


def states(rig: Rig) -> list[StatementState]:
    """How the statements that waited stand, place by place."""
    return [rig.memory._statements[place.waiting.id].state for place in rig.a.places]


LISTS: dict[str, tuple[str, str, Callable[[Place], set[str]]]] = {
    "/sessions": ("sessions", "session_id", lambda place: {place.session.id}),
    "/endpoints": ("endpoints", "id", lambda place: {place.endpoint.id}),
    "/statement-records": ("records", "id", lambda place: {place.waiting.public_id, place.ended.public_id}),
}


@pytest.mark.parametrize("tail", LISTS)
async def test_lists_and_counts_leave_out_what_is_elsewhere(tail: str, tmp_path: Path) -> None:
    """Who may look at one endpoint sees what is there, and counts nothing else; also page by page."""
    field, key, ids = LISTS[tail]
    async with rigged(tmp_path) as rig, rig.client("one") as one, rig.client("viewer") as viewer:
        everything = set().union(*(ids(place) for place in rig.a.places))
        all_of_it = await got(viewer, rig.a.base + tail)
        assert ({row[key] for row in all_of_it[field]}, all_of_it["total"]) == (everything, len(everything))
        mine = ids(rig.a.places[0])
        some = await got(one, rig.a.base + tail)
        assert ({row[key] for row in some[field]}, some["total"]) == (mine, len(mine))
        paged = await got(one, rig.a.base + tail, limit=1)
        assert (len(paged[field]), paged["total"]) == (1, len(mine))
        other = rig.a.places[1].endpoint.id
        assert (await got(one, rig.a.base + tail, endpoint_id=other))["total"] == 0


async def test_a_workspace_without_any_right_is_not_listed(tmp_path: Path) -> None:
    """It is neither in the list nor in its count, and the one with rights is."""
    async with rigged(tmp_path) as rig, rig.client("one") as one, rig.client("admin") as admin:
        made = await admin.post("/v1/workspaces", json={"name": "closed"})
        assert (await got(admin, "/v1/workspaces"))["total"] == 2
        seen = await got(one, "/v1/workspaces")
        assert (seen["total"], [row["id"] for row in seen["workspaces"]]) == (1, [rig.a.workspace.id])
        answers = [await one.get(f"/v1/workspaces/{w}/endpoints") for w in (made.json()["id"], "unknown")]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content


@pytest.mark.parametrize(("name", "cancelled"), [("one", 0), ("denied", 1)])
async def test_a_cancel_of_many_covers_the_endpoints_it_may(name: str, cancelled: int, tmp_path: Path) -> None:
    """By filter and by id, planned or done: statements elsewhere are not found, and wait on."""
    async with rigged(tmp_path) as rig, rig.client(name) as client:
        path = f"{rig.a.base}/statements/cancel"
        ids = [place.waiting.public_id for place in rig.a.places]
        planned = (await client.post(path, json={"dry_run": True})).json()
        assert [entry["statement_id"] for entry in planned["outcomes"]] == [ids[cancelled]]
        told = (await client.post(path, json={"statement_ids": ids})).json()
        outcomes = {entry["statement_id"]: entry["outcome"] for entry in told["outcomes"]}
        assert outcomes == {ids[cancelled]: "cancelled", ids[1 - cancelled]: "not_found"}
        expected = [StatementState.QUEUED, StatementState.QUEUED]
        expected[cancelled] = StatementState.CANCELLED
        assert states(rig) == expected


async def test_a_cancel_without_the_right_leaves_the_statement_alone(tmp_path: Path) -> None:
    """Refused by id, by session, by tombstone: the statement waits on, and no cancel is kept for later."""
    async with rigged(tmp_path) as rig, rig.client("denied") as client:
        session = f"{rig.a.base}/sessions/{rig.a.places[0].session.id}"
        for tail in (
            f"/statements/{rig.a.places[0].waiting.public_id}/cancel",
            "/statements/not-yet/cancel?before_submit=true",
            "/cancel",
        ):
            assert (await client.post(session + tail)).status_code == 403
        assert states(rig) == [StatementState.QUEUED, StatementState.QUEUED]
        assert rig.memory._tombstones == {}


async def test_a_page_that_is_remembered_is_not_shown_to_who_may_not(tmp_path: Path) -> None:
    """What was just looked up for one user of a project is refused to another as before."""
    async with rigged(tmp_path, page_rows=1) as rig:
        place = rig.a.places[1]
        path = f"{rig.a.base}/sessions/{place.session.id}/statements/{place.ended.public_id}"
        for _ in range(2):
            async with rig.client("viewer") as viewer:
                assert (await viewer.get(path)).status_code == 200
            async with rig.client("one") as one:
                assert (await one.get(path)).status_code == 404


async def test_rights_that_hang_on_the_endpoint_cost_one_look_a_session(tmp_path: Path) -> None:
    """Who has rights everywhere makes no look for them, who has them by endpoint one for the first submit."""
    async with rigged(tmp_path) as rig:
        place = rig.a.places[0]
        body = {"session_id": place.session.id, "statement": "SELECT 1", "is_sync": False}
        for name, looks in (("operator", (0, 0)), ("one", (1, 0))):
            async with rig.client(name) as client:
                for expected in looks:
                    rig.spy.asked.clear()
                    answer = await client.post(f"{rig.a.base}/sessions/statements", json=body)
                    assert answer.status_code == 200
                    assert rig.spy.asked["session"] == expected
                    assert rig.spy.asked["submit"] == 1


async def test_a_right_to_one_action_is_a_right_to_that_action(tmp_path: Path) -> None:
    """Who may only cancel can cancel, and is refused, not fooled, with everything else."""
    async with rigged(tmp_path) as rig:
        only = Rule(effect=Effect.ALLOW, actions=(Action.CANCEL,), resources=(f"workspace:{rig.a.workspace.id}",))
        people = rig.service.people
        people["canceller"] = replace(people["nobody"], policies=(Policy(name="only", rules=(only,)),))
        place = rig.a.places[0]
        session = f"{rig.a.base}/sessions/{place.session.id}"
        async with rig.client("canceller") as client:
            assert (await client.get(session)).status_code == 403
            assert (await client.get("/v1/workspaces")).status_code == 403
            assert (await client.post(f"{session}/statements/{place.waiting.public_id}/cancel")).status_code == 200
        assert states(rig)[0] is StatementState.CANCELLED
