"""The part of the twin that knows what statements took: statement ``t1`` of session ``s1``, a join."""

from collections.abc import Sequence
from datetime import UTC, datetime

from treadle.model.entities import Principal
from treadle.model.errors import NotFound
from treadle.model.profile import Operator
from treadle.service.profiles import OperatorMetrics, Phase, QueryMetrics

STARTED = datetime(2026, 7, 13, 12, 0, 0, 125_000, UTC)
SCAN = Operator(name="DUCKLAKE_SCAN ", rows=25, scanned=25, estimated=24, millis=0.6)
JOIN = Operator(name="HASH_JOIN", rows=5, millis=1.5, children=(SCAN, Operator(name="∑")))
TOOK = QueryMetrics(
    session_id="s1",
    statement_id="t1",
    phase=Phase.FINISHED,
    started_at=STARTED,
    duration=1500.9,
    schema="default",
    query="SELECT 1",
    queued=3.4,
    created=12.0,
    parsed=0.4,
    wrote=2.0,
    total=1500.9,
    left=0.0,
    memory=2**20 + 1,
    spilled=0,
    plan="HASH_JOIN",
)
DID = OperatorMetrics(session_id="s1", statement_id="t1", endpoint_id="e1", started_at=STARTED, threads=2, plan=JOIN)


class MeteringTwin:
    """What statements took, as far as tests of the HTTP room need it."""

    async def query_metrics(
        self, p: Principal, workspace_id: str, session_id: str, statement_id: str
    ) -> Sequence[QueryMetrics]:
        if (workspace_id, session_id, statement_id) != ("w1", "s1", "t1"):
            raise NotFound
        return [TOOK]

    async def operator_metrics(
        self, p: Principal, workspace_id: str, session_id: str, statement_id: str
    ) -> Sequence[OperatorMetrics]:
        if (workspace_id, session_id, statement_id) != ("w1", "s1", "t1"):
            raise NotFound
        return [DID]
