"""Metrics: what a statement took, as far as that is known by now.

The service knows when it was submitted, started and ended; its worker measured the rest, and said so with
its last word. A statement that was over within a millisecond, or whose worker was killed, has no such
word: what only the worker can know is None then.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from treadle.model.access import Action
from treadle.model.entities import Part, Principal, Session, Statement
from treadle.model.ids import part_id
from treadle.model.profile import Operator, PartProfile, Profile, decode, walk
from treadle.model.states import StatementState
from treadle.service.deps import STATEMENT, missing
from treadle.service.results import Results, shown_parts


class Phase(StrEnum):
    """How far a statement is, in the words of workload management."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    ABORTED = "aborted"


class QueryMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """What one statement took. Times are milliseconds, sizes bytes; None is not known.

    ``query`` is the beginning of its SQL, ``plan`` its operators as text. ``queued`` is the time it waited
    for its start, ``created`` that its session took to open. ``left`` and ``total`` are estimates while it
    runs. ``memory`` is the most it held, ``spilled`` the most that lay on disk at once for want of memory.
    """

    session_id: str
    statement_id: str
    phase: Phase
    started_at: datetime | None
    duration: float | None
    schema: str
    query: str
    queued: float = 0.0
    created: float | None = None
    parsed: float | None = None
    wrote: float | None = None
    total: float | None = None
    left: float | None = None
    memory: int | None = None
    spilled: int | None = None
    plan: str = ""
    error: str = ""


class OperatorMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The operators of one statement, the last one first; None while it runs and when nothing is known of them.

    ``threads`` may have worked at the same time.
    """

    session_id: str
    statement_id: str
    endpoint_id: str
    started_at: datetime | None
    threads: int = 1
    plan: Operator | None = None


class Profiles(Results):
    """The verbs that show what statements took."""

    async def query_metrics(
        self, p: Principal, workspace_id: str, session_id: str, statement_id: str
    ) -> Sequence[QueryMetrics]:
        """What a statement took, an entry a part of a script; a part's id shows that part alone. Raises `NotFound`."""
        session, statement, number = await self._measured(p, workspace_id, session_id, statement_id)
        percent = self.deps.signals.progress(statement.session_id, statement.id)
        sheet = _Sheet(session, statement, self.deps.clock.now(), percent)
        return [sheet.query(one, self.deps.settings.record_chars) for one in sheet.numbers(number)]

    async def operator_metrics(
        self, p: Principal, workspace_id: str, session_id: str, statement_id: str
    ) -> Sequence[OperatorMetrics]:
        """What the operators of a statement did, an entry a part as for `query_metrics`. Raises `NotFound`."""
        session, statement, number = await self._measured(p, workspace_id, session_id, statement_id)
        sheet = _Sheet(session, statement, self.deps.clock.now(), None)
        return [sheet.operators(one) for one in sheet.numbers(number)]

    async def _measured(
        self, p: Principal, workspace_id: str, session_id: str, statement_id: str
    ) -> tuple[Session, Statement, int | None]:
        session = await self.permitted_session(p, Action.SHOW_METRICS, workspace_id, session_id)
        found = await self.statement_in(session, statement_id)
        if found is None:
            raise missing(STATEMENT)
        statement, number = found
        await self.keep(statement)
        return session, statement, number


class _Sheet:
    """Everything that is known of a statement at one moment."""

    def __init__(self, session: Session, statement: Statement, now: datetime, percent: float | None) -> None:
        self._session = session
        self._statement = statement
        self._now = now
        self._percent = percent
        self._parts = {part.number: part for part in shown_parts(statement)}
        self._profile = _decoded(statement.profile)

    def numbers(self, only: int | None) -> Sequence[int]:
        """The parts to tell of: those that ended, and the one that runs or waits."""
        if only is not None:
            return [only]
        ended = list(self._parts)
        return ended if self._statement.state.final else [*ended, len(ended) + 1]

    def query(self, number: int, chars: int) -> QueryMetrics:
        """A part; the time before the start is the first one's."""
        statement, part, measured = self._statement, self._parts.get(number), self._profile.part(number)
        phase, first = self._phase(number), number == 1
        duration = self._duration(number, measured)
        total, left = self._estimates(phase, duration)
        return QueryMetrics(
            session_id=statement.session_id,
            statement_id=self._id(number),
            phase=phase,
            started_at=self._started(measured) if phase is not Phase.PENDING else None,
            duration=duration,
            schema=statement.database_name,
            query=(measured.text if measured and measured.text else statement.content)[:chars],
            queued=self._queued() if first else 0.0,
            created=_millis(self._session.created_at, self._session.opened_at),
            parsed=measured.parsed if measured else None,
            wrote=measured.wrote if measured else None,
            total=total,
            left=left,
            memory=measured.measured.memory if measured else None,
            spilled=measured.measured.spilled if measured else None,
            plan=as_text(measured.measured.plan) if measured and measured.measured.plan else "",
            error=part.message if part is not None and part.failed else "",
        )

    def operators(self, number: int) -> OperatorMetrics:
        """A part's operators."""
        measured = self._profile.part(number)
        return OperatorMetrics(
            session_id=self._statement.session_id,
            statement_id=self._id(number),
            endpoint_id=self._statement.endpoint_id,
            started_at=self._started(measured),
            threads=measured.measured.threads if measured else 1,
            plan=measured.measured.plan if measured else None,
        )

    @property
    def _script(self) -> bool:
        return len(self._parts) + (not self._statement.state.final) > 1

    def _id(self, number: int) -> str:
        public_id = self._statement.public_id
        return part_id(public_id, number) if self._script else public_id

    def _phase(self, number: int) -> Phase:
        part: Part | None = self._parts.get(number)
        if part is not None:
            return Phase.ABORTED if part.failed else Phase.FINISHED
        if self._statement.state is StatementState.RUNNING and number == len(self._parts) + 1:
            return Phase.RUNNING
        return Phase.PENDING if not self._statement.state.final else Phase.ABORTED

    def _started(self, measured: PartProfile | None) -> datetime | None:
        started = self._statement.started_at
        if started is None or measured is None or measured.number == 1:
            return started
        return started + timedelta(milliseconds=measured.began)

    def _duration(self, number: int, measured: PartProfile | None) -> float | None:
        """From its start to its end, or until now; of a part of a script what its worker says."""
        statement = self._statement
        if statement.started_at is None:
            return 0.0
        if self._script or number > 1:
            return measured.millis if measured else None
        return _millis(statement.started_at, statement.ending.finished_at if statement.ending else self._now)

    def _queued(self) -> float:
        statement = self._statement
        ended = statement.ending.finished_at if statement.ending else self._now
        return _millis(statement.created_at, statement.started_at or ended) or 0.0

    def _estimates(self, phase: Phase, duration: float | None) -> tuple[float | None, float | None]:
        """How long it will take in all, and from now on."""
        if phase in (Phase.FINISHED, Phase.ABORTED):
            return duration, 0.0
        if phase is Phase.PENDING or duration is None or not self._percent:
            return None, None
        total = duration * 100 / self._percent
        return total, total - duration


def _decoded(data: bytes | None) -> Profile:
    """The profile; an empty one where there is none, or one that a newer version has written."""
    if data is None:
        return Profile()
    try:
        return decode(data)
    except msgspec.DecodeError:
        return Profile()


def _millis(since: datetime, until: datetime | None) -> float | None:
    return max((until - since) / timedelta(milliseconds=1), 0.0) if until is not None else None


def as_text(plan: Operator) -> str:
    """A plan for people: an operator a line, those it takes its rows from below it and further in."""
    return "\n".join(_line(depth, operator) for depth, operator in walk(plan))


def _line(depth: int, operator: Operator) -> str:
    expected = "" if operator.estimated is None else f" of {operator.estimated} expected"
    millis = "" if operator.millis is None else f", {operator.millis} ms"
    detail = f"  {operator.detail}" if operator.detail else ""
    return f"{'  ' * depth}{operator.name}  ({operator.rows} rows{expected}{millis}){detail}"
