"""Large submits under a key are hashed beside the event loop."""

import asyncio
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.service.door import ANN, Door
from treadle.model.errors import Conflict
from treadle.pools.digests import INLINE_BYTES
from treadle.service.views import Submission


async def test_a_large_submit_waits_for_its_digest_and_holds_no_other_up(tmp_path: Path) -> None:
    """Its digest stands for all of it: the same again is the same statement, another one is refused."""
    door = Door(tmp_path)
    session = await door.session()
    small = Submission(session_id=session.id, statement="SELECT 1", is_sync=False, idempotency_key="small")
    large = replace(small, statement=f"SELECT '{'x' * INLINE_BYTES}'", idempotency_key="large")
    gate = threading.Event()
    taken = asyncio.create_task(door.service.deps.pools.digests.of(ANN.project_id, ANN.user_id)(gate.wait))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(door.service.execute(ANN, session.workspace_id, large))
    try:
        await door.service.execute(ANN, session.workspace_id, small)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waiting.done()
    finally:
        gate.set()
        await taken
    first = await waiting
    again = await door.service.execute(ANN, session.workspace_id, large)
    assert again.statement_id == first.statement_id
    with pytest.raises(Conflict):
        await door.service.execute(ANN, session.workspace_id, replace(large, statement=large.statement + " "))
