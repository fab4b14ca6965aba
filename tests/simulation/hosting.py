"""The inside of a scripted worker: the real fence, and an engine that does as a program says.

A coroutine stands for the executing thread, callbacks for the listening one, and the fence's own loop,
one round at a time, for the striking one. What a part goes through follows `treadle.worker.script`
step by step.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import NoReturn

from msgspec.structs import replace

from tests.simulation.ground import Ground
from tests.simulation.lake import Landing, Overtaken, Refused
from tests.simulation.rounds import Rounds
from tests.simulation.rows import COLUMNS, file_of_rows, inline_rows
from tests.simulation.scenario import Breaks, Death, Kind, Opening, Program, Reply, Step
from treadle.model.entities import CommitPoint, Evidence, Part
from treadle.model.ids import part_id
from treadle.model.states import Effects, PartStatus
from treadle.results.layout import data_path
from treadle.staging import STAGING
from treadle.wire import (
    AtCommit,
    Attach,
    Attached,
    AttachFailed,
    BeforeStart,
    Cancel,
    Cancelled,
    Close,
    Commit,
    CommitLost,
    Exceeded,
    Excess,
    Execute,
    Failed,
    Finished,
    FromWorker,
    HowFar,
    Open,
    Opened,
    OpenFailed,
    Progress,
    Retry,
    SoFar,
    ToWorker,
)
from treadle.worker.fence import Fence

Last = Finished | Failed | Cancelled


class EngineError(Exception):
    """The scripted engine said no."""

    fatal = False

    def __init__(self, sql_state: str, message: str, effects: Effects = Effects.NONE) -> None:
        super().__init__(message)
        self.sql_state = sql_state
        self.message = message
        self.effects = effects


class Interrupted(EngineError):
    """It stopped because it was told to."""

    def __init__(self) -> None:
        super().__init__("57014", "interrupted")


class EngineInvalid(EngineError):
    """The engine declares itself invalid, or has done so before."""

    fatal = True

    def __init__(self, effects: Effects = Effects.NONE) -> None:
        super().__init__("XX001", "the engine is unusable", effects)


class LostRace(EngineError):
    """Its commit was overtaken by another transaction's."""


class Hosting:
    """The inside of a worker: what its threads do."""

    def __init__(self, ground: Ground, pid: int, say: Callable[[FromWorker], None], die: Callable[[], None]) -> None:
        self._ground = ground
        self._truth = ground.truth
        self._pid = pid
        self._say = say
        self._die = die
        self._orders: deque[ToWorker] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._fence = Fence(self._interrupt)
        self._rounds = Rounds(ground)
        self._rounds.drive(self._fence)
        self._labour: asyncio.Future[bool] | None = None
        self._step: Step | None = None
        self._step_since = 0.0
        self._struck = False
        self._part: tuple[str, int] | None = None
        self._committing = False
        self._undoing: str | None = None
        self._place: Attach | None = None
        self._session: Open | None = None
        self._settings: dict[str, str] = {}
        self._wrote = False
        # The data files of the open transaction.
        self._written: list[Path] = []
        self._inline: bytes | None = None
        self.current: str | None = None
        self.hogs = False
        self._invalid = False
        self._thread = ground.outside.copy().run(ground.loop.create_task, self._serve())

    @property
    def hears(self) -> bool:
        """Whether an engine works that would have stopped at an interrupt, and had none for a second."""
        step = self._step
        if self._labour is None or step is None or step.deaf or self._struck:
            return False
        return self._ground.loop.time() - self._step_since > step.gap + 1.0

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, or waits to be rolled back."""
        return self._settings.get("transaction", "none") != "none"

    @property
    def session_id(self) -> str | None:
        """The session it hosts."""
        return self._session.session_id if self._session is not None else None

    def stop(self) -> None:
        """The process is gone."""
        self._rounds.stop()
        self._thread.cancel()

    # -- the listening thread ---------------------------------------------------------------

    def heard(self, message: ToWorker) -> None:
        """As `treadle.worker.host.Host` hears."""
        match message:
            case Execute():
                self._fence.announce(message.statement_id)
            case Cancel():
                self._fence.cancel(message.statement_id)
            case HowFar():
                self._ground.later(self._ground.moment(), self._gauge, message.statement_id)
                return
            case _:
                pass
        self._orders.append(message)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _gauge(self, statement_id: str) -> None:
        """The gauging thread answers about the statement that runs."""
        if self._part is not None and self._part[0] == statement_id:
            self._say(SoFar(statement_id=statement_id, part=self._part[1], percent=self._ground.random.random() * 100))

    # -- the striking thread ----------------------------------------------------------------

    def _interrupt(self) -> None:
        """The engine's interrupt: addressed to the connection, forgotten when it comes too early."""
        if self._undoing is not None:
            self._truth.wrong("C10", f"an interrupt hits the undoing of {self._undoing}")
        if self._part is None:
            return
        self._ground.note("strikes", self._pid, self._part[0])
        self._truth.struck(self._part[0], committing=self._committing)
        self._struck = True
        step, labour = self._step, self._labour
        if step is None or labour is None or step.deaf:
            return
        if self._ground.loop.time() >= self._step_since + step.gap:
            self._ground.later(step.lag, _stop, labour)

    # -- the executing thread ---------------------------------------------------------------

    async def _next(self) -> ToWorker:
        while not self._orders:
            self._arrival = self._ground.loop.create_future()
            await self._arrival
        return self._orders.popleft()

    async def _serve(self) -> None:
        while True:
            match await self._next():
                case Attach() as order:
                    await self._attach(order)
                case Open() as order:
                    await self._open(order)
                case Execute() as order:
                    await self._execute(order)
                case Cancel() | Commit() | Retry() | HowFar():
                    pass
                case Close():
                    await self._moment()
                    self._end_transaction()
                    await self._death()

    async def _attach(self, order: Attach) -> None:
        luck = self._ground.random.random()
        await asyncio.sleep(luck * 0.05 if luck < 0.98 else 4.0)
        if luck > 0.99:
            self._say(AttachFailed(message="no"))
            return
        self._place = order
        self._settings = {**order.settings, "transaction": "none"}
        self._say(Attached())

    async def _open(self, order: Open) -> None:
        opening = self._ground.openings(order.session_id)
        await asyncio.sleep(5.0 if opening is Opening.SLOW else self._ground.random.random() * 0.01)
        match opening:
            case Opening.SILENT:
                await self._ground.loop.create_future()
            case Opening.DIES:
                await self._death()
            case Opening.REFUSED:
                self._say(OpenFailed(session_id=order.session_id, message="no"))
            case _:
                self._session = order
                self._say(Opened(session_id=order.session_id))

    async def _execute(self, order: Execute) -> None:
        program = self._ground.programs[int(order.content.split()[1])]
        self.current = order.statement_id
        self.hogs = program.hog
        last = await self._script(order, program)
        self._fence.forget(order.statement_id)
        self.hogs = False
        self._truth.says(last)
        self._say(last)
        self.current = None
        if program.steps[-1].death is Death.SAID:
            await self._death()

    async def _script(self, order: Execute, program: Program) -> Last:
        number, part, self._inline = 1, Part(number=1, status=PartStatus.COMMAND_OK), None
        count = len(program.steps)
        try:
            for number, step in enumerate(program.steps, start=1):
                part = await self._run_part(order, number, step, last=number == count)
                if number < count:
                    self._say(Progress(statement_id=order.statement_id, part=part, settings=self._settings))
        except EngineError as error:
            if isinstance(error, Interrupted) and self._fence.wants(order.statement_id):
                await self._moment()
                return Cancelled(
                    statement_id=order.statement_id, number=number, wrote=self._wrote, settings=self._settings
                )
            failed = Part(
                number=number,
                status=PartStatus.FATAL_ERROR,
                sql_state=error.sql_state,
                message=error.message,
                effects=error.effects,
            )
            return Failed(
                statement_id=order.statement_id,
                part=failed,
                wrote=self._wrote,
                fatal=error.fatal,
                settings=self._settings,
            )
        return Finished(statement_id=order.statement_id, part=part, inline=self._inline, settings=self._settings)

    async def _run_part(self, order: Execute, number: int, step: Step, *, last: bool) -> Part:
        if step.losses and step.autocommit and self._ground.random.random() < 0.5:
            await self._allowed(BeforeStart(statement_id=order.statement_id, part=number))
        for losses_left in count(step.losses, -1):
            tried = step
            if losses_left > 0 and step.autocommit:
                # Short, so that cancels which come near a loss come to the next try.
                tried = replace(step, reply=Reply.CONFLICT, seconds=step.seconds / 10)
            try:
                return await self._try_part(order, number, tried, last=last)
            except LostRace:
                self._truth.loses_race(order.statement_id, number)
                if not await self._allowed(CommitLost(statement_id=order.statement_id, part=number)):
                    raise
        raise AssertionError

    async def _allowed(self, question: BeforeStart | CommitLost) -> bool:
        statement_id, number = question.statement_id, question.part
        self._say(question)
        while True:
            match await self._next():
                case Retry(statement_id=meant, part=part) as answer if meant == statement_id and part == number:
                    return answer.granted
                case Cancel(statement_id=unwanted) if unwanted == statement_id:
                    raise Interrupted
                case _:
                    continue

    async def _try_part(self, order: Execute, number: int, step: Step, *, last: bool) -> Part:
        await self._moment()
        if not self._fence.enter(order.statement_id):
            raise Interrupted
        self._wrote = step.writes
        self._part = order.statement_id, number
        self._truth.begins(order.statement_id, number, self._pid)
        try:
            try:
                await self._work(order, number, step)
                return await self._settle(order, number, step, last=last)
            except EngineError:
                self._fence.leave()
                self._part, self._committing = None, False
                self._undoing = order.statement_id
                await self._roll_back(step)
                raise
        finally:
            self._fence.leave()
            self._part, self._committing, self._undoing = None, False, None
            self._truth.leaves(order.statement_id)

    async def _work(self, order: Execute, number: int, step: Step) -> None:
        loop = self._ground.loop
        if self._invalid:
            raise EngineInvalid
        if self._settings["transaction"] == "aborted" and step.kind not in (Kind.ROLLBACK, Kind.COMMIT):
            raise EngineError("25P02", "current transaction is aborted")
        if step.writes:
            file = self._file(order.statement_id, number)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
            if self.in_transaction:
                self._written.append(file)
        self._step, self._step_since, self._labour, self._struck = step, loop.time(), loop.create_future(), False
        try:
            if step.death is Death.WORKING:
                self._ground.later(step.seconds * self._ground.random.random(), self._die)
            timer = self._ground.later(step.seconds, _finish, self._labour)
            stopped = await self._labour
            timer.cancel()
        finally:
            self._labour = None
        if stopped:
            raise Interrupted
        if step.breaks is Breaks.WORKING:
            self._invalid = True
            raise EngineInvalid
        if step.kind is Kind.WRONG:
            raise EngineError("42P01", "there is no such table")

    async def _settle(self, order: Execute, number: int, step: Step, *, last: bool) -> Part:
        effects = Effects.NONE
        if self._commits(step):
            effects = await self._commit(order.statement_id, number, step, last=last)
        match step.kind:
            case Kind.BEGIN:
                self._settings = {**self._settings, "transaction": "open"}
            case Kind.COMMIT | Kind.ROLLBACK:
                self._end_transaction()
            case _:
                pass
        if step.kind is not Kind.ROWS:
            return Part(number=number, status=PartStatus.COMMAND_OK, message="DONE", effects=effects)
        if step.rows > self._attached.limits.result_rows > 0:
            await self._wait_for_cancel(order.statement_id)
        self._write_rows(order, number, step, alone=last and number == 1)
        return Part(number=number, status=PartStatus.TUPLES_OK, rows=step.rows, columns=COLUMNS, effects=effects)

    def _commits(self, step: Step) -> bool:
        transaction = self._settings["transaction"]
        if step.kind is Kind.COMMIT:
            return transaction == "open"
        return step.kind in (Kind.COPY, Kind.APPEND) or (step.kind is Kind.WRITE and transaction == "none")

    async def _wait_for_cancel(self, statement_id: str) -> NoReturn:
        self._say(Exceeded(statement_id=statement_id, what=Excess.ROWS))
        while True:
            match await self._next():
                case Cancel(statement_id=unwanted) if unwanted == statement_id:
                    raise Interrupted
                case _:
                    continue

    def _write_rows(self, order: Execute, number: int, step: Step, *, alone: bool) -> None:
        if alone and not order.as_file and step.rows < 5:
            self._inline = inline_rows(step.rows)
            return
        place = data_path(self._attached.results_dir, order.statement_id, number)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file_of_rows(step.rows))

    async def _roll_back(self, step: Step) -> None:
        await asyncio.sleep(step.lag / 4)
        if self._settings["transaction"] != "open":
            return
        if step.kind is Kind.COMMIT:
            self._end_transaction()
        else:
            self._settings = {**self._settings, "transaction": "aborted"}

    def _end_transaction(self) -> None:
        """The engine removes the files of a transaction that it rolls back."""
        self._discard(self._written)
        self._written.clear()
        self._settings = {**self._settings, "transaction": "none"}

    def _discard(self, files: list[Path]) -> None:
        for file in files:
            if not self._ground.lake.knows(file):
                file.unlink(missing_ok=True)

    async def _commit(self, statement_id: str, number: int, step: Step, *, last: bool) -> Effects:
        point = self._commit_point(statement_id, number, step, last=last)
        self._say(AtCommit(statement_id=statement_id, point=point))
        self._truth.asks(statement_id)
        if step.death is Death.ASKING:
            await self._death()
        while True:
            match await self._next():
                case Commit(statement_id=allowed, part=part) if allowed == statement_id and part == number:
                    break
                case Cancel(statement_id=unwanted) if unwanted == statement_id:
                    raise Interrupted
                case _:
                    continue
        await self._moment()
        if not self._fence.shield():
            raise Interrupted
        self._committing = True
        self._truth.commits(statement_id, number)
        try:
            await self._make_durable(statement_id, number, step, point)
        finally:
            self._invalid = step.breaks is Breaks.COMMITTING
        if self._invalid:
            raise EngineInvalid(Effects.UNKNOWN)
        await self._moment()
        self._committing = False
        self._fence.unshield()
        return Effects.COMMITTED

    def _commit_point(self, statement_id: str, number: int, step: Step, *, last: bool) -> CommitPoint:
        staged = ""
        if step.kind is Kind.COPY:
            folder = Path(self._attached.copy_dirs[0]) / STAGING / part_id(statement_id, number)
            folder.mkdir(parents=True, exist_ok=True)
            staged = str(folder / "out")
            Path(staged).write_bytes(b"")
        evidence = {Kind.COPY: Evidence.FILE, Kind.APPEND: Evidence.NOBODY}.get(step.kind, Evidence.CATALOG)
        return CommitPoint(part=number, last=last, evidence=evidence, staged=staged)

    async def _make_durable(self, statement_id: str, number: int, step: Step, point: CommitPoint) -> None:
        if step.death is Death.COMMITTING:
            self._ground.later(step.commit_seconds * self._ground.random.random(), self._die)
        if point.evidence is Evidence.CATALOG:
            landing = Landing(
                self._attached.catalog.dsn, statement_id, number, step.reply, self._ground.loop.create_future()
            )
            own = [self._file(statement_id, number)] if step.writes else []
            if self.in_transaction and landing.reply in (Reply.CONFLICT, Reply.MISTAKEN):
                # Of a transaction of the user's a lost race is an error like another.
                landing.reply = Reply.REFUSED if landing.reply is Reply.CONFLICT else Reply.LOST
            landing.files = tuple(file.name for file in (*own, *self._written))
            try:
                await self._ground.lake.commit(landing, step.commit_seconds)
            except Overtaken as error:
                self._discard(own)
                raise LostRace("40001", str(error), Effects.UNKNOWN) from error
            except Refused as error:
                if step.breaks is Breaks.COMMITTING:
                    raise EngineInvalid(Effects.UNKNOWN) from error
                raise EngineError("40001", str(error), Effects.UNKNOWN) from error
        else:
            await asyncio.sleep(step.commit_seconds)
            if point.staged:
                _publish(Path(point.staged))
            self._truth.endures(statement_id, number)
        if step.death is Death.COMMITTED:
            await self._death()

    @property
    def _attached(self) -> Attach:
        if self._place is None:
            raise RuntimeError("a statement came before its catalog")
        return self._place

    def _file(self, statement_id: str, number: int) -> Path:
        return self._ground.lake_dir / "main" / "t" / f"{part_id(statement_id, number)}.parquet"

    async def _moment(self) -> None:
        if seconds := self._ground.moment():
            await asyncio.sleep(seconds)

    async def _death(self) -> None:
        self._die()
        await self._ground.loop.create_future()


def _publish(staged: Path) -> None:
    staged.unlink()


def _stop(labour: "asyncio.Future[bool]") -> None:
    if not labour.done():
        labour.set_result(True)


def _finish(labour: "asyncio.Future[bool]") -> None:
    if not labour.done():
        labour.set_result(False)
