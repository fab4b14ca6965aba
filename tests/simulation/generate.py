"""From a seed to a scenario."""

from collections.abc import Callable
from random import Random
from typing import Final

from msgspec.structs import replace

from tests.simulation.scenario import (
    AnyAct,
    Breaks,
    Cancel,
    CancelMany,
    CancelSession,
    CloseSession,
    Crash,
    Death,
    DeleteEndpoint,
    KillWorker,
    Kind,
    LakeOutage,
    Limits,
    Moment,
    Noise,
    Opening,
    OpenSession,
    Program,
    Reply,
    Restart,
    Scenario,
    ShowResult,
    Step,
    StepClock,
    StoreOutage,
    Submit,
)

SPAN: Final = 6.0
"""Seconds within which clients begin what they do."""

MOMENTS: Final = tuple(moment for moment in Moment if moment is not Moment.ENDED)


def scenario(seed: int) -> Scenario:
    """The run of a seed."""
    return _Writer(seed).write()


class _Writer:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = Random(seed)
        # Of its own, so that the rest of a scenario is what it was without races.
        self._races = Random(f"races {seed}")
        self._breaks = Random(f"breaks {seed}")
        self._openers = Random(f"openers {seed}")
        self._sessions = 0
        self._acts: list[AnyAct] = []
        self._programs: list[Program] = []

    def write(self) -> Scenario:
        for session in range(self._random.choice((1, 1, 2, 2, 3))):
            self._session(session)
        for _ in range(self._random.choice((0, 0, 0, 1, 1, 2))):
            self._acts.append(self._fault())
        return Scenario(
            seed=self._seed,
            programs=tuple(self._programs),
            acts=tuple(self._acts),
            noise=self._noise(),
            limits=self._limits(),
            closes=self._maybe(0.5),
        )

    # -- clients ----------------------------------------------------------------------------

    def _session(self, session: int) -> None:
        self._sessions += 1
        self._acts.append(
            OpenSession(
                at=self._within(0.3),
                session=session,
                endpoint=self._random.choice((0, 0, 0, 1)),
                patience=self._random.choice((None, None, 2, 10)),
                leaves=self._leaving(),
                opening=self._random.choice((Opening.WELL,) * 12 + tuple(Opening)),
            )
        )
        if self._openers.random() < 0.06:
            # While sessions are being opened.
            self._acts.append(Crash(at=self._openers.random() * 0.6, pause=0.3 + self._openers.random()))
        for program in self._requests():
            self._programs.append(program)
            number = len(self._programs) - 1
            self._submit(session, number)
            self._surround(number)
        if self._maybe(0.1):
            tag = self._random.choice(("odd", "even"))
            self._acts.append(self._placed(CancelMany, tag=tag, dry=self._maybe(0.3)))
        for act in (CancelSession, CloseSession):
            if self._maybe(0.15):
                self._acts.append(self._placed(act, session=session))

    def _leaving(self) -> float | None:
        """When the opener of a session goes away, if they do."""
        if self._openers.random() >= 0.25:
            return None
        return self._openers.choice((0.0, 0.02, 0.1, 0.2, 0.4, 1.0)) * (0.5 + self._openers.random())

    def _submit(self, session: int, program: int) -> None:
        sync = self._maybe(0.4)
        act = Submit(
            at=0.5 + self._within(SPAN / 2),
            session=session,
            runs=program,
            sync=sync,
            chosen=self._maybe(0.2),
            keyed=self._maybe(0.15),
            keepalive=self._random.choice((0.5, 2.0)) if self._maybe(0.08) else None,
            leaves=self._within(3.0) if sync and self._maybe(0.2) else None,
        )
        self._acts.append(act)
        if act.keyed:
            self._acts.append(replace(act, at=act.at + self._within(0.2)))

    def _requests(self) -> list[Program]:
        if self._maybe(0.12):
            kinds = (Kind.BEGIN, Kind.WRITE, self._random.choice((Kind.COMMIT, Kind.ROLLBACK)))
            return [Program(steps=(self._step(kind),)) for kind in kinds]
        return [self._program() for _ in range(self._random.choice((1, 1, 2, 2, 3, 4)))]

    def _program(self) -> Program:
        count = self._random.choice((1, 1, 1, 1, 2, 3))
        return Program(steps=tuple(self._step() for _ in range(count)), hog=self._maybe(0.02))

    def _step(self, kind: Kind | None = None) -> Step:
        kinds = (Kind.ROWS,) * 4 + (Kind.COMMAND,) * 2 + (Kind.WRITE,) * 6 + (Kind.COPY, Kind.APPEND, Kind.WRONG)
        kind = kind or self._random.choice(kinds)
        step = Step(
            kind=kind,
            seconds=self._random.choice((0.0, 0.0, 0.001, 0.001, 0.02, 0.02, 0.3, 0.3, 1.0, 4.0, 12.0))
            * (0.5 + self._random.random()),
            deaf=self._maybe(0.12),
            gap=self._random.choice((0.0, 0.0, 0.01, 0.2)),
            lag=self._random.choice((0.0, 0.002, 0.05, 0.5, 1.5)),
            commit_seconds=self._random.choice((0.0, 0.003, 0.003, 0.05, 0.05, 0.5, 5.0))
            * (0.5 + self._random.random()),
            reply=self._random.choice((Reply.TRUE,) * 12 + (Reply.LOST, Reply.REFUSED)),
            death=self._random.choice((Death.NEVER,) * 24 + tuple(Death)),
            rows=self._random.choice((0, 1, 3, 5)) if kind is Kind.ROWS else 0,
        )
        losses = self._races.choice((0,) * 12 + (1, 1, 2, 9))
        mistaken = step.reply is Reply.TRUE and step.autocommit and self._races.random() < 0.04
        breaks = self._breaks.choice((Breaks.NEVER,) * 60 + tuple(Breaks))
        return replace(step, losses=losses, reply=Reply.MISTAKEN if mistaken else step.reply, breaks=breaks)

    def _surround(self, program: int) -> None:
        """Cancels, now and then several, and looks at the result."""
        cancels = self._random.choice((0, 0, 1, 1, 1, 2, 3))
        for _ in range(cancels):
            part = self._random.choice((0, 0, 0, 0, 1, 2))
            self._acts.append(self._near(Cancel, program, target=program, part=part))
        if any(step.losses for step in self._programs[program].steps) and self._races.random() < 0.4:
            delay = self._races.choice((0.0, 0.001, 0.05, 0.3)) * self._races.random()
            self._acts.append(Cancel(at=delay, moment=Moment.LOST, program=program, target=program))
        if self._maybe(0.25):
            self._acts.append(self._near(ShowResult, program, target=program, page=self._random.choice((1, 2))))

    # -- faults -----------------------------------------------------------------------------

    def _fault(self) -> AnyAct:
        act = self._random.choice(
            (KillWorker, Crash, Crash, Restart, StoreOutage, LakeOutage, StepClock, DeleteEndpoint)
        )
        if act is KillWorker:
            return self._placed(act, session=self._random.randrange(self._sessions))
        if act is DeleteEndpoint:
            return self._placed(act, endpoint=self._random.choice((0, 1)))
        if act in (Crash, Restart):
            return self._placed(act, pause=0.3 + self._within(2.0))
        if act is StepClock:
            return self._placed(act, seconds=self._random.choice((-3600.0, -1.0, 30.0)))
        return self._placed(act, seconds=self._random.choice((0.1, 1.0, 5.0, 9.0)))

    def _placed(self, act: Callable[..., AnyAct], **fields: object) -> AnyAct:
        """At some time, or near something that happens to a program."""
        if self._programs and self._maybe(0.6):
            return self._near(act, self._random.randrange(len(self._programs)), **fields)
        return act(at=0.2 + self._within(SPAN), **fields)

    def _near(self, act: Callable[..., AnyAct], program: int, **fields: object) -> AnyAct:
        if self._maybe(0.2):
            return act(at=0.5 + self._within(SPAN), **fields)
        delay = self._random.choice((0.0, 0.0, 0.001, 0.01, 0.05, 0.3, 2.5)) * self._random.random()
        return act(at=delay, moment=self._random.choice(MOMENTS), program=program, **fields)

    # -- the ground -------------------------------------------------------------------------

    def _noise(self) -> Noise:
        unsteady = self._maybe(0.35)
        return Noise(
            shuffled=self._random.choice((0.0, 0.3, 1.0)),
            store_seconds=self._random.choice((0.0, 0.0, 0.002, 0.02, 0.15)),
            pipe_seconds=self._random.choice((0.0, 0.001, 0.03)),
            fails_before=self._random.choice((0.0, 0.02, 0.1)) if unsteady else 0.0,
            fails_after=self._random.choice((0.0, 0.02, 0.1)) if unsteady else 0.0,
            wake_lost=self._random.choice((0.0, 0.0, 0.2, 1.0)) if unsteady else 0.0,
            wake_late=self._random.choice((0.0, 0.0, 0.3)),
        )

    def _limits(self) -> Limits:
        return Limits(
            sessions=self._random.choice((1, 2, 4)),
            statements=self._random.choice((1, 2, 4)),
            statement_timeout=self._random.choice((0, 0, 0, 0, 1)),
            session_timeout=self._random.choice((600, 600, 2)),
            sync_wait=self._random.choice((50.0, 50.0, 1.0)),
            cancel_timeout=self._random.choice((30.0, 30.0, 7.0)),
            poll_interval=self._random.choice((0.5, 1.0)),
            queue_timeout=self._random.choice((0.0,) * 8 + (1.0,)),
            total_timeout=self._random.choice((0.0,) * 8 + (2.0,)),
            result_rows=self._random.choice((0, 0, 0, 4)),
        )

    def _maybe(self, share: float) -> bool:
        return self._random.random() < share

    def _within(self, seconds: float) -> float:
        return self._random.random() * seconds
