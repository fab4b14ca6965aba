"""What the audit says of an attempt that was refused: what was asked for, whoever asked."""

from pathlib import Path

from tests.access.rig import rigged


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
