"""Who may not cancel cannot: the engine is looked at, not the label."""

from collections.abc import Iterator

import pytest

from tests.support.tokens import make_token
from tests.support.world import ALICE, World, spent, start, until, world
from treadle.demo.client import ApiError, Session


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service."""
    with world(tmp_path_factory.mktemp("rights") / "data") as made:
        yield made


@pytest.mark.slow
def test_a_cancel_without_the_right_leaves_the_statement_running(running: World) -> None:
    """Refused by every door of version 1 and 2, while the engine works on; then its owner stops it."""
    session = running.session()
    reply = start(running, session, "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)")
    pid = running.worker(session.id)
    token = make_token(running.service.data_dir, ALICE[0], "eve", role="viewer")
    eve = running.connect(token)
    paths = (
        f"{running.base}/sessions/{session.id}/statements/{reply.statement_id}/cancel",
        f"{running.base}/sessions/{session.id}/cancel",
        f"{running.base}/statements/cancel",
        f"/v2/workspaces/{running.workspace_id}/aura-sessions/{session.id}/statements/{reply.statement_id}/cancel",
    )
    for path in paths:
        with pytest.raises(ApiError) as refused:
            eve.call("POST", path, {})
        assert refused.value.status == 403
    with pytest.raises(ApiError) as unclosed:
        eve.call("DELETE", f"{running.base}/sessions/{session.id}")
    assert unclosed.value.status == 403
    until(lambda: spent(pid, 0.5) > 0.1, "the statement runs on")
    assert Session(eve, running.workspace_id, session.id).show(reply.statement_id).status == 1
    assert session.cancel(reply.statement_id).outcome == "cancelled"
    assert spent(pid, 0.3) < 0.1
