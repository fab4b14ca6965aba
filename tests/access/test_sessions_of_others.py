"""A session belongs to the user who opened it: others need the right to use it."""

from pathlib import Path

import pytest

from tests.access.rig import rigged
from treadle.model.access import BUILT_IN, Action, Effect, Policy, Rule


def allowing(name: str, *actions: str) -> Policy:
    """A policy that allows these actions everywhere."""
    return Policy(name=name, rules=(Rule(effect=Effect.ALLOW, actions=actions),))


@pytest.mark.parametrize("version", ["sessions", "aura-sessions"])
async def test_only_who_opened_it_and_who_may_use_it_submit(tmp_path: Path, version: str) -> None:
    """By both versions; the others may look at it, stop what runs in it and close it, as their role lets them."""
    async with rigged(tmp_path) as rig:
        place = rig.a.places[0]
        lake = {"instance_id": "default", "catalog": "default"}
        base = rig.a.base if version == "sessions" else rig.a.base.replace("/v1/", "/v2/")
        async with rig.client("developer") as mine, rig.client("operator") as operator, rig.client("one") as other:
            body = {"endpoint_id": place.endpoint.id, "lake_formation_config": lake, "wait_timeout": 300}
            session_id = (await mine.post(f"{rig.a.base}/sessions", json=body)).json()["session_id"]
            submit = {"session_id": session_id, "statement": "SELECT 1", "is_sync": False}
            for client in (mine, mine, operator, other):
                assert (await client.post(f"{base}/{version}/statements", json=submit)).status_code == 200
            theirs = {**submit, "session_id": place.session.id}
            refused = await mine.post(f"{base}/{version}/statements", json=theirs)
            assert refused.status_code == 403
            assert (await mine.get(f"{rig.a.base}/sessions/{place.session.id}")).status_code == 200
            assert (await mine.get(f"{rig.a.base}/sessions/{place.session.id}/statements")).status_code == 200
            assert (await mine.post(f"{rig.a.base}/sessions/{place.session.id}/cancel")).status_code == 200
            (entry,) = [one for one in await rig.audit() if one.event.action == Action.USE_SESSION]
            assert (entry.event.outcome, entry.event.by.user_name) == ("refused", "developer")


def test_the_right_is_one_of_its_own() -> None:
    """The operator has it, the developer has not, and a policy may give it."""
    assert Action.USE_SESSION.value == "DataArtsFabric:workspace:useSession"
    may = {name: any(rule.speaks_of(Action.USE_SESSION) for rule in one.rules) for name, one in BUILT_IN.items()}
    assert may == {"viewer": False, "developer": False, "operator": True, "admin": True}
    assert allowing("guest", Action.USE_SESSION).rules[0].speaks_of(Action.USE_SESSION)
