"""What the audit says of an attempt that was refused: what was asked for, whoever asked."""

from pathlib import Path

import httpx
import pytest

from tests.access.rig import rigged
from treadle.model.access import Action

NO_TOKEN = "X-Auth-Token is invalid in the request"


async def test_a_refused_attempt_says_what_it_was_for(tmp_path: Path) -> None:
    """Which statement, which session: the refusal names them, in printable characters, and no more than it may."""
    async with rigged(tmp_path) as rig:
        place = rig.a.places[0]
        path = f"{rig.a.base}/sessions/{place.session.id}/statements/{place.waiting.public_id}/cancel"
        async with rig.client("viewer") as viewer:
            assert (await viewer.post(path, json={})).status_code == 403
            odd = f"{rig.a.base}/endpoints/%1b%5b31m{'x' * 1000}"
            await viewer.delete(odd)
        (entry,) = [one for one in await rig.audit() if one.event.action.endswith("cancelStatement")]
        assert (entry.event.outcome, entry.event.by.user_name) == ("refused", "viewer")
        assert entry.event.detail == f"POST {path}"
        for one in await rig.audit():
            assert one.event.detail.isprintable()
            assert len(one.event.detail) <= 400


async def test_a_refused_right_says_what_is_missing_and_where(tmp_path: Path) -> None:
    """In the documented form of each version, and on record: the action, and the workspace, endpoint or project."""
    async with rigged(tmp_path) as rig, rig.client("viewer") as viewer, rig.client("denied") as denied:
        place, home = rig.a.places[0], rig.a.workspace.id
        statement = f"sessions/{place.session.id}/statements/{place.waiting.public_id}/cancel"
        aura = f"aura-sessions/{place.session.id}/statements/{place.waiting.public_id}/cancel"
        workspace, endpoint = f"workspace:{home}", f"workspace:{home}/endpoint:{place.endpoint.id}"
        for client, path, action, resource in (
            (viewer, "/v1/workspaces", Action.CREATE_WORKSPACE, "project:project-a"),
            (viewer, f"{rig.a.base}/endpoints", Action.CREATE_ENDPOINT, workspace),
            (viewer, f"{rig.a.base}/{statement}", Action.CANCEL, workspace),
            (denied, f"{rig.a.base}/{statement}", Action.CANCEL, endpoint),
        ):
            answer = await client.post(path, json={"name": "x", "type": "sql"})
            body = answer.json()
            needed = f"{action} is not allowed on {resource}: it needs a role or policy that allows it"
            assert (answer.status_code, body.pop("solution_msg")) == (403, needed)
            assert body == {
                "error": {"code": "403", "message": NO_TOKEN, "title": "Forbidden"},
                "error_code": 403,
                "error_msg": NO_TOKEN,
                "title": "Forbidden",
            }
            event = (await rig.audit())[-1].event
            assert (event.action, event.outcome, event.resource) == (action, "refused", resource)
        answer = await denied.post(f"/v2/workspaces/{home}/{aura}")
        assert (answer.status_code, answer.json()) == (
            403,
            {
                "error_code": "common.00000403",
                "error_msg": NO_TOKEN,
                "solution_msg": f"{Action.CANCEL} is not allowed on {endpoint}: "
                "it needs a role or policy that allows it",
            },
        )


@pytest.mark.parametrize("tail", ["", "/statements", "/statements/{statement}", "/statements/{statement}/cancel"])
async def test_what_may_not_be_seen_is_missing_in_the_same_words(tail: str, tmp_path: Path) -> None:
    """A session of another endpoint or tenant is as unknown as one that there is not; so is its workspace."""
    async with rigged(tmp_path) as rig, rig.client("one") as one, rig.client("admin") as admin:
        hidden, theirs = rig.a.places[1], rig.b.places[0]

        async def ask(client: httpx.AsyncClient, base: str, session_id: str, statement_id: str) -> tuple[int, bytes]:
            path = f"{base}/sessions/{session_id}{tail.format(statement=statement_id)}"
            answer = await client.request("POST" if tail.endswith("cancel") else "GET", path)
            return answer.status_code, answer.content

        unknown = await ask(one, rig.a.base, "unknown", "unknown")
        assert (unknown[0], b"no such session" in unknown[1]) == (404, True)
        assert await ask(one, rig.a.base, hidden.session.id, hidden.ended.public_id) == unknown
        nowhere = await ask(admin, "/v1/workspaces/unknown", "unknown", "unknown")
        assert (nowhere[0], b"no such workspace" in nowhere[1]) == (404, True)
        for client in (admin, one):
            assert await ask(client, rig.b.base, theirs.session.id, theirs.ended.public_id) == nowhere
            assert await ask(client, rig.b.base, "unknown", "unknown") == nowhere
