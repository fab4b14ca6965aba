"""One request in the executing thread: its parts in order, their results, their commits."""

import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Final, Generic, NoReturn

from treadle.engines.base import Command, Conflict, Engine, EngineError, Interrupted, P, Rows, disk_error
from treadle.model.entities import CommitPoint, Part
from treadle.model.ids import part_id
from treadle.model.states import Effects, PartStatus
from treadle.results.output import Output
from treadle.results.paging import PageBreaks
from treadle.results.standard import holds_wide_integers
from treadle.wire import (
    AtCommit,
    Attach,
    BeforeStart,
    Cancel,
    Cancelled,
    Commit,
    CommitLost,
    Exceeded,
    Excess,
    Execute,
    Failed,
    Finished,
    Progress,
    Retry,
    ToWorker,
)
from treadle.worker.contention import Contention
from treadle.worker.fence import Fence
from treadle.worker.link import Link
from treadle.worker.timing import Timing

Last = Finished | Failed | Cancelled

LARGE: Final = 96 * 2**20
"""Bytes that are given back to the system before a cancel is answered (C11); the rest may follow."""


TOO_WIDE: Final = "integer out of range: a file of results holds at most 38 digits; cast it to varchar"


class Script(Generic[P]):
    """Runs one `Execute` order and tells the owner how each part ended."""

    def __init__(
        self,
        order: Execute,
        place: Attach,
        engine: Engine[P],
        fence: Fence,
        link: Link,
        orders: "queue.SimpleQueue[ToWorker]",
        contention: Contention,
    ) -> None:
        self._order = order
        self._place = place
        self._engine = engine
        self._fence = fence
        self._link = link
        self._orders = orders
        self._contention = contention
        self._timing = Timing(engine)
        self._wrote = False
        # The seconds of the latest try until its commit request.
        self._worked = 0.0
        self._inline: bytes | None = None
        self._json: bytes | None = None
        self.number = 1
        """The part that runs."""

    @property
    def statement_id(self) -> str:
        """The request's."""
        return self._order.statement_id

    def run(self) -> Last:
        """Run the request to its end; the last message is returned, not sent, so that the caller
        can close the fence first.
        """
        number, part = 1, Part(number=1, status=PartStatus.COMMAND_OK)
        try:
            parts = self._split()
            self._timing.split(len(parts))
            for number, prepared in enumerate(parts, start=1):
                self.number = number
                last = number == len(parts)
                self._timing.begin(number, prepared.text)
                part = self._part(number, prepared, last=last)
                self._timing.end()
                if not last:
                    self._link.send(
                        Progress(statement_id=self._order.statement_id, part=part, settings=self._engine.settings())
                    )
        except Interrupted as stop:
            return self._interrupted(number, stop)
        except EngineError as error:
            return self._failed(number, error)
        return Finished(
            statement_id=self._order.statement_id,
            part=part,
            inline=self._inline,
            rows=self._json,
            settings=self._engine.settings(),
            profile=self._timing.profile(),
        )

    def _split(self) -> Sequence[P]:
        try:
            if not self._fence.enter(self._order.statement_id):
                raise Interrupted
            self._engine.permit(self._order.upkeep)
            parts = self._engine.split(self._order.content)
            if self._order.bindings and len(parts) > 1:
                raise EngineError("42601", "cannot bind values to a script of several statements")
        except EngineError:
            self._fence.leave()
            self._engine.rollback()
            raise
        finally:
            self._fence.leave()
        return parts

    def _interrupted(self, number: int, stop: Interrupted) -> Last:
        if not self._fence.wants(self._order.statement_id):
            return self._failed(number, stop)
        self._timing.end()
        self._engine.trim(LARGE)
        return Cancelled(
            statement_id=self._order.statement_id,
            number=number,
            wrote=self._wrote,
            settings=self._engine.settings(),
            profile=self._timing.profile(),
        )

    def _failed(self, number: int, error: EngineError) -> Failed:
        self._timing.end()
        part = Part(
            number=number,
            status=PartStatus.FATAL_ERROR,
            sql_state=error.sql_state,
            message=error.message,
            position=error.position,
            effects=Effects.UNKNOWN if isinstance(error, CommitFailed) else Effects.NONE,
        )
        return Failed(
            statement_id=self._order.statement_id,
            part=part,
            wrote=self._wrote,
            fatal=error.fatal,
            settings=self._engine.settings(),
            profile=self._timing.profile(),
        )

    def _part(self, number: int, prepared: P, *, last: bool) -> Part:
        """Run one part, again and again while its commit loses a race and the owner allows it."""
        self._await_turn(number, prepared)
        while True:
            try:
                return self._try(number, prepared, last=last)
            except CommitFailed as failure:
                if not failure.repeatable:
                    raise
                self._contention.lost(prepared.text, self._worked)
                if not self._allowed(CommitLost(statement_id=self._order.statement_id, part=number)):
                    raise

    def _await_turn(self, number: int, prepared: P) -> None:
        """Wait until a part that would probably lose a race may run."""
        alone = self._engine.settings().get("transaction", "none") == "none"
        if not (prepared.writes and alone and self._contention.expected(prepared.text)):
            return
        began = perf_counter()
        self._allowed(BeforeStart(statement_id=self._order.statement_id, part=number))
        self._contention.waited(prepared.text, perf_counter() - began)

    def _allowed(self, question: BeforeStart | CommitLost) -> bool:
        """Ask the owner while no part runs; a cancel may come instead of its answer."""
        statement_id, number = question.statement_id, question.part
        with self._timing.committing():
            self._link.send(question)
            while True:
                match self._orders.get():
                    case Retry(statement_id=meant, part=part) as answer if meant == statement_id and part == number:
                        return answer.granted
                    case Cancel(statement_id=unwanted) if unwanted == statement_id:
                        raise Interrupted
                    case _:
                        continue

    def _try(self, number: int, prepared: P, *, last: bool) -> Part:
        """Run one part once: inside the fence up to its end, its commit shielded."""
        if not self._fence.enter(self._order.statement_id):
            self._engine.rollback()
            raise Interrupted
        self._wrote = prepared.writes
        began = perf_counter()
        try:
            try:
                outcome = self._engine.execute(
                    prepared,
                    part_id(self._order.statement_id, number),
                    self._order.bindings,
                    self._order.row_limit,
                )
                self._worked = perf_counter() - began
                return self._settle(number, outcome, last=last)
            except EngineError:
                # The undoing must not be interrupted: it is not the statement any more.
                self._fence.leave()
                self._engine.rollback()
                raise
        finally:
            self._fence.leave()

    def _settle(self, number: int, outcome: Rows | Command, *, last: bool) -> Part:
        if isinstance(outcome, Command):
            effects = self._commit(number, outcome, last=last)
            return Part(
                number=number,
                status=PartStatus.COMMAND_OK,
                rows=outcome.changed,
                message=outcome.tag,
                effects=effects,
            )
        output = self._write(number, outcome, alone=last and number == 1)
        try:
            effects = self._commit(number, outcome, last=last)
        except EngineError:
            output.discard()
            raise
        self._inline, self._json = output.inline, output.json
        return Part(
            number=number, status=PartStatus.TUPLES_OK, rows=output.rows, columns=outcome.columns, effects=effects
        )

    def _write(self, number: int, result: Rows, *, alone: bool) -> Output:
        """The whole result, before the commit: after that nothing may fail any more."""
        order, limits = self._order, self._place.limits
        with (
            _written(),
            Output(
                self._place.results_dir,
                order.statement_id,
                number,
                result.schema,
                result.columns,
                as_file=order.as_file or not alone,
                breaks=PageBreaks(limits.page_rows, limits.page_bytes),
            ) as output,
        ):
            for batch in result.batches:
                with self._timing.writing():
                    written = output.write(batch)
                if order.as_file and any(map(holds_wide_integers, written.columns)):
                    raise EngineError("22003", TOO_WIDE)
                if self._fence.wants(order.statement_id):
                    raise Interrupted
                excess = output.beyond(limits.result_rows, limits.result_bytes)
                if excess is not None:
                    self._wait_for_cancel(excess)
            with self._timing.writing():
                output.finish()
        return output

    def _wait_for_cancel(self, excess: Excess) -> NoReturn:
        """Say that the result is too large, and make no more of it: the cancel that follows is like any other."""
        statement_id = self._order.statement_id
        self._link.send(Exceeded(statement_id=statement_id, what=excess))
        while True:
            match self._orders.get():
                case Cancel(statement_id=unwanted) if unwanted == statement_id:
                    raise Interrupted
                case _:
                    continue

    def _commit(self, number: int, outcome: Rows | Command, *, last: bool) -> Effects:
        """Ask the owner, then commit where no interrupt can reach (C7), if there is something to commit."""
        if not outcome.commits:
            return Effects.NONE
        if outcome.private:
            self._commit_privately()
            return Effects.NONE
        with self._timing.committing():
            self._ask_to_commit(number, last=last)
            try:
                changed = self._engine.commit()
            except Conflict as error:
                raise CommitFailed(error, repeatable=outcome.repeatable) from error
            except EngineError as error:
                raise CommitFailed(error) from error
        self._fence.unshield()
        return Effects.COMMITTED if changed else Effects.NONE

    def _commit_privately(self) -> None:
        """Commit changes that are private to the session; the owner has nothing to verify."""
        with self._timing.committing():
            if not self._fence.shield():
                raise Interrupted
            self._engine.commit()
        self._fence.unshield()

    def _ask_to_commit(self, number: int, *, last: bool) -> None:
        statement_id = self._order.statement_id
        evidence, staged = self._engine.evidence()
        point = CommitPoint(part=number, last=last, evidence=evidence, staged=staged)
        self._link.send(AtCommit(statement_id=statement_id, point=point))
        while True:
            match self._orders.get():
                case Commit(statement_id=allowed, part=part) if allowed == statement_id and part == number:
                    break
                case Cancel(statement_id=unwanted) if unwanted == statement_id:
                    raise Interrupted
                case _:
                    continue
        if not self._fence.shield():
            raise Interrupted


@contextmanager
def _written() -> Iterator[None]:
    """Raise what a disk or the memory refuses as `EngineError`: the statement fails, its session goes on."""
    try:
        yield
    except OSError as error:
        raise disk_error(error) from error
    except MemoryError as error:
        raise EngineError("53200", "out of memory") from error


class CommitFailed(EngineError):
    """The engine raised out of a commit: whether it is durable must be looked up.

    ``repeatable`` says that it lost a race, and that the part may be run again.
    """

    def __init__(self, error: EngineError, *, repeatable: bool = False) -> None:
        super().__init__(error.sql_state, error.message, error.position)
        self.repeatable = repeatable
        self.fatal = error.fatal
