"""The metrics of statements in version 2: what a statement took, and what its operators did.

The fields are those of the API documentation, in its units; docs/metrics-of-statements.md says where each
comes from. What a single process has none of is 0, what is not known is null.
"""

import math
from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Annotated, Final, Literal

from msgspec import Meta
from starlette.responses import Response

from treadle.api import render
from treadle.api.answers import answer
from treadle.api.bodies import Nothing
from treadle.api.replies import Reply, Time
from treadle.api.routes import AnyRoute, Ask, Route
from treadle.api.v2.paths import STATEMENT
from treadle.api.verbs import Verbs
from treadle.model.profile import Operator
from treadle.service.profiles import OperatorMetrics, Phase, QueryMetrics

_MEBIBYTE: Final = 2**20
_NAME_CHARS: Final = 64
_SAFE_BITS: Final = 53
"""What any JSON reader takes for a whole number."""

Millis = Annotated[int, Meta(ge=0, description="Milliseconds.")]
Megabytes = Annotated[int, Meta(ge=0, description="MB, begun ones whole.")]
Percent = Annotated[int, Meta(ge=0)]


class StatementQueryMetrics(Reply, frozen=True, kw_only=True):
    """What one statement took; of a script there is one a part."""

    session_id: str
    statement_id: str
    start_time: Time | None
    duration: Millis | None
    schema_name: str
    query: str
    query_plan: str
    estimate_total_time: Millis | None
    estimate_left_time: Millis | None
    startup_coordinator_duration: Millis = 0
    create_session_duration: Millis | None
    enqueue_statement_duration: Millis = 0
    queue_duration: Millis
    write_resultset_duration: Millis | None
    parse_time: Millis | None
    estimate_memory: Megabytes | None = None
    status: Phase
    error_info: str
    dn_time_skew_percent: Percent = 0
    dn_max_peak_memory: Megabytes | None
    dn_average_peak_memory: Megabytes | None
    dn_spill_skew_percent: Percent = 0
    dn_write_disk_total_size: Megabytes | None
    dn_spill_obs_total_size: Megabytes = 0
    cn_spill_obs_size: Megabytes = 0
    disk_cache_hit_ratio: float | None = None
    obs_io_req_avg_latency: int | None = None
    obs_io_req_latency_gt_1s: int | None = None
    obs_io_req_latency_gt_10s: int | None = None


class OperatorMetric(Reply, frozen=True, kw_only=True):
    """One operator and those it takes its rows from.

    ``duration`` is processor time, of all threads together; it is measured when the session asks for that.
    """

    query_id: Annotated[int, Meta(ge=1)]
    plan_node_id: Annotated[int, Meta(ge=1)]
    plan_node_name: Annotated[str, Meta(min_length=1, max_length=_NAME_CHARS, pattern=r"^[A-Za-z0-9-]+$")]
    start_time: Time | None
    duration: Millis | None
    status: Literal["init", "waiting", "finished", "running"] = "finished"
    query_dop: Annotated[int, Meta(ge=1)]
    estimated_rows: int | None
    tuple_processed: int
    min_peak_memory: int | None = None
    max_peak_memory: int | None = None
    average_peak_memory: int | None = None
    memory_skew_percent: Percent = 0
    min_spill_size: int | None = None
    max_spill_size: int | None = None
    average_spill_size: int | None = None
    spill_skew_percent: str = "0"
    loops: int = 1
    progress: str = "100"
    total_read_size: int | None = None
    total_write_size: int | None = None
    sub_operator_metrics: tuple["OperatorMetric", ...] = ()


class AuraStatementOperatorMetrics(Reply, frozen=True, kw_only=True):
    """The operators of one statement, which has ended; of a script there is one a part."""

    session_id: str
    statement_id: str
    endpoint_id: str
    operator_metrics: tuple[OperatorMetric, ...] = ()


def query_metrics(one: QueryMetrics) -> StatementQueryMetrics:
    """What a statement took, in the documented units."""
    memory = _megabytes(one.memory)
    return StatementQueryMetrics(
        session_id=one.session_id,
        statement_id=one.statement_id,
        start_time=_time(one.started_at),
        duration=_millis(one.duration),
        schema_name=one.schema,
        query=one.query,
        query_plan=one.plan,
        estimate_total_time=_millis(one.total),
        estimate_left_time=_millis(one.left),
        create_session_duration=_millis(one.created),
        queue_duration=int(one.queued),
        write_resultset_duration=_millis(one.wrote),
        parse_time=_millis(one.parsed),
        status=one.phase,
        error_info=one.error,
        dn_max_peak_memory=memory,
        dn_average_peak_memory=memory,
        dn_write_disk_total_size=_megabytes(one.spilled),
    )


def operator_metrics(one: OperatorMetrics) -> AuraStatementOperatorMetrics:
    """What the operators of a statement did."""
    rendered = () if one.plan is None else (_Plan(one).operator(one.plan),)
    return AuraStatementOperatorMetrics(
        session_id=one.session_id,
        statement_id=one.statement_id,
        endpoint_id=one.endpoint_id,
        operator_metrics=rendered,
    )


class _Plan:
    """The operators of a statement, numbered from the last one down."""

    def __init__(self, one: OperatorMetrics) -> None:
        self._threads = max(one.threads, 1)
        self._started = _time(one.started_at)
        digest = int.from_bytes(sha256(one.statement_id.encode()).digest()[:8])
        self._query_id = max(digest >> (64 - _SAFE_BITS), 1)
        self._numbers = count(1)

    def operator(self, node: Operator) -> OperatorMetric:
        return OperatorMetric(
            query_id=self._query_id,
            plan_node_id=next(self._numbers),
            plan_node_name=_plain(node.name),
            start_time=self._started,
            duration=None if node.millis is None else round(node.millis),
            query_dop=self._threads,
            estimated_rows=node.estimated,
            tuple_processed=node.rows,
            sub_operator_metrics=tuple(self.operator(child) for child in node.children),
        )


def _plain(name: str) -> str:
    """A name in the documented characters."""
    plain = "".join(char if char.isascii() and char.isalnum() else "-" for char in name)
    return plain[:_NAME_CHARS].strip("-") or "OPERATOR"


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else render.time(moment)


def _millis(millis: float | None) -> int | None:
    return None if millis is None else int(millis)


def _megabytes(size: int | None) -> int | None:
    return None if size is None else math.ceil(size / _MEBIBYTE)


class Metrics:
    """The operations."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    async def query(self, ask: Ask[Nothing, Nothing]) -> Response:
        """What a statement took."""
        found = await self._verbs.query_metrics(ask.caller, **ask.ids)
        return answer([query_metrics(one) for one in found])

    async def operators(self, ask: Ask[Nothing, Nothing]) -> Response:
        """What the operators of a statement did."""
        found = await self._verbs.operator_metrics(ask.caller, **ask.ids)
        return answer([operator_metrics(one) for one in found])


def routes(verbs: Verbs) -> tuple[AnyRoute, ...]:
    """The table of metrics."""
    metrics = Metrics(verbs)
    return (
        Route(
            operation="ShowAuraStatementQueryMetrics",
            method="GET",
            path=STATEMENT + "/query-metrics",
            summary="Show what a statement took, an entry a part of a script.",
            tag="Metrics of statements",
            handle=metrics.query,
            query=Nothing,
            body=Nothing,
            reply=StatementQueryMetrics,
            many=True,
        ),
        Route(
            operation="ShowAuraStatementOperatorMetrics",
            method="GET",
            path=STATEMENT + "/operator-metrics",
            summary="Show what the operators of a statement did, an entry a part of a script.",
            tag="Metrics of statements",
            handle=metrics.operators,
            query=Nothing,
            body=Nothing,
            reply=AuraStatementOperatorMetrics,
            many=True,
        ),
    )
