"""One trial: run a kind, cancel it at a moment, then look at the engine and not at the label."""

import random
import time
from enum import StrEnum
from typing import NamedTuple, Self

from tests.conformance.zoo.kind import Kind
from tests.conformance.zoo.stock import Stock
from tests.support.world import BOUND, alive, rests, temp_files, until
from treadle.demo.client import CancelReply, StatementReply
from treadle.demo.processes import cpu_seconds

Rows = list[list[str | None]]

RUNNING = 1


class Moment(StrEnum):
    """When the cancel comes: at once, while the engine works, or about when the statement ends by itself."""

    EARLY = "early"
    MIDDLE = "middle"
    END = "end"


class Trial(NamedTuple):
    """What a cancel was answered; ``seconds`` are the caller's, from the request to the 200."""

    moment: Moment
    outcome: str
    rung: str
    seconds: float


class Files(NamedTuple):
    """What is on disk: files under the workspace and data files of the catalog."""

    stray: list[str]
    data: list[str]


class Seat:
    """A session for the trials of one kind, opened anew after a kill.

    ``busy`` are the most processor seconds the engine works before a cancel in the middle, for
    ``look`` seconds the worker is watched afterwards.
    """

    def __init__(self, stock: Stock, kind: Kind, *, busy: float = 0.3, look: float = 0.15) -> None:
        stock.bring(kind.needs)
        self.kind = kind
        self._stock = stock
        self._world = stock.world
        self._busy = busy
        self._look = look
        self._random = random.Random(kind.name)
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the session."""
        self.session.close()

    def renew(self) -> None:
        """Go on in a new session."""
        self.close()
        self._open()

    def _open(self) -> None:
        self.session = self._world.session()
        self._pid = self._world.worker(self.session.id)
        if self.kind.setup:
            self.session.run(self.kind.setup)

    def duration(self) -> float:
        """Seconds the statement of a finite kind takes when nobody stops it."""
        self._prepare()
        started = time.monotonic()
        ended = self.session.wait(self.session.submit(self.kind.sql), poll=0.005)
        taken = time.monotonic() - started
        assert ended.last.status != "PGRES_FATAL_ERROR", f"{self.kind.name}: {ended.last.message}"
        self._clear()
        return taken

    def trial(self, moment: Moment, typical: float = 0.0) -> Trial:
        """Cancel the statement at a moment and check everything; ``typical`` is its `duration`, if it has one."""
        files = self._files()
        self._prepare()
        rows = self._rows()
        busy_from = cpu_seconds(self._pid) or 0.0
        reply = self.session.submit(self.kind.sql)
        self._wait(moment, typical, reply, busy_from)
        verdict = self.session.cancel(reply.statement_id)
        if self._stopped(reply, verdict, must=moment is Moment.MIDDLE and not self.kind.finite):
            self._check_session(killed=verdict.rung == "killed")
            self._check_left(files, rows, killed=verdict.rung == "killed")
        else:
            self._clear()
        return Trial(moment, verdict.outcome, verdict.rung, verdict.seconds)

    def _prepare(self) -> None:
        if self.kind.before:
            self.session.run(self.kind.before)

    def _wait(self, moment: Moment, typical: float, reply: StatementReply, busy_from: float) -> None:
        """Let it run up to the moment."""
        if moment is Moment.EARLY:
            time.sleep(self._random.uniform(0, 0.005))
        elif self.kind.finite:
            low, high = (0.9, 1.05) if moment is Moment.END else (0.2, 0.8)
            time.sleep(typical * self._random.uniform(low, high))
        elif self.kind.idle:
            until(lambda: self.session.show(reply.statement_id).status == RUNNING, f"{self.kind.name} runs")
            time.sleep(0.2)
        else:
            busy = self._random.uniform(0.1, self._busy)
            until(
                lambda: (cpu_seconds(self._pid) or 0.0) - busy_from >= busy, f"{self.kind.name} keeps its worker busy"
            )

    # -- what is looked at ------------------------------------------------------------------

    def _stopped(self, reply: StatementReply, verdict: CancelReply, *, must: bool) -> bool:
        """Whether it was stopped; fails unless engine, answer and record agree (C2, C3, C7, C14)."""
        name, record = self.kind.name, self._world.record(reply.statement_id)
        assert rests(self._pid, self._look), f"{name}: the worker works on after {verdict}"
        assert record["status"] == verdict.state, f"{name}: {record} does not say {verdict}"
        if verdict.outcome == "already_succeeded" and not must:
            assert record["status"] == "SUCCESSFUL"
            return False
        assert (verdict.outcome, verdict.state) == ("cancelled", "CANCELED"), f"{name}: {verdict}"
        assert record["effects"] in self.kind.effects, f"{name}: {record}"
        assert (record["reason"], record["rung"]) == ("user", verdict.rung), f"{name}: {record}"
        if self.kind.family != "script":
            assert self._world.result_files(reply.statement_id) == [], f"{name}: result files are left"
        return True

    def _check_session(self, *, killed: bool) -> None:
        """The session goes on as it was, or says why it does not."""
        if killed:
            assert not alive(self._pid), f"{self.kind.name}: the killed worker is there"
            assert self.session.status() == "FAIL"
            self.renew()
            return
        if self.kind.family == "transaction":
            self.session.run("ROLLBACK")
        assert self.session.run("SELECT 41 + 1").rows == [["42"]]

    def _check_left(self, files: Files, rows: Rows, *, killed: bool) -> None:
        """No file and no row stays (C7, C11); those of a transaction that its user has to roll back go after that."""
        if self.kind.family == "transaction":
            until(lambda: self._files() == files, f"{self.kind.name}: its files are gone", timeout=BOUND)
        elif self.kind.effects == ("none",):
            assert self._files() == files, f"{self.kind.name}: files are left"
        assert temp_files(self._world) == [], f"{self.kind.name}: spill files are left"
        if not (killed and self.kind.private):
            assert self._rows() == rows, f"{self.kind.name}: rows have changed"

    def _files(self) -> Files:
        return Files(self._world.stray_files(), self._world.data_files())

    def _rows(self) -> Rows:
        """The answer that must not change: the session's own, or what any other session sees."""
        if not self.kind.unchanged:
            return []
        run = self.session.run if self.kind.private else self._stock.run
        return run(self.kind.unchanged).rows

    def _clear(self) -> None:
        """Make it possible to run the statement again after one that was not stopped."""
        if self.kind.family == "transaction":
            self.session.run("ROLLBACK")
        if self.kind.reset:
            self.session.run(self.kind.reset)
