"""What happens in one run, as data: programs, what clients do, what breaks, how unsteady the ground is.

A scenario is made from a seed and nothing else. It can be printed, replayed and made smaller by
leaving things out. Times are virtual seconds.
"""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a statement of a program is."""

    ROWS = "rows"
    COMMAND = "command"
    WRITE = "write"
    COPY = "copy"  # its commit can be told by a file
    APPEND = "append"  # its commit is many steps: after a death nobody can tell
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    WRONG = "wrong"  # the engine says no


class Reply(StrEnum):
    """What a commit says for itself."""

    TRUE = "true"
    LOST = "lost"  # it is durable, and the engine raises
    REFUSED = "refused"  # it is not, and the engine raises
    CONFLICT = "conflict"  # it is not, and the engine knows that it lost a race
    MISTAKEN = "mistaken"  # it is durable, and the engine reports a lost race


class Death(StrEnum):
    """Where a worker dies by itself."""

    NEVER = "never"
    WORKING = "working"
    ASKING = "asking"
    COMMITTING = "committing"
    COMMITTED = "committed"
    SAID = "said"


class Breaks(StrEnum):
    """Where the engine declares itself invalid: it answers nothing but that from then on."""

    NEVER = "never"
    WORKING = "working"
    COMMITTING = "committing"  # whether its commit is durable is the reply's matter


class Opening(StrEnum):
    """How a worker takes its session."""

    WELL = "well"
    SLOW = "slow"
    REFUSED = "refused"
    DIES = "dies"
    SILENT = "silent"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a program: ``seconds`` of work, ``gap`` seconds at its beginning in which an
    interrupt is forgotten, ``lag`` seconds from an interrupt to its end; a ``deaf`` one never hears.
    Outside of a transaction its first ``losses`` commits lose a race.
    """

    kind: Kind = Kind.COMMAND
    seconds: float = 0.0
    deaf: bool = False
    gap: float = 0.0
    lag: float = 0.0
    commit_seconds: float = 0.0
    reply: Reply = Reply.TRUE
    losses: int = 0
    breaks: Breaks = Breaks.NEVER
    death: Death = Death.NEVER
    rows: int = 0

    @property
    def autocommit(self) -> bool:
        """Whether its commit is one of the catalog's, and its own unless a transaction is open."""
        return self.kind is Kind.WRITE

    @property
    def writes(self) -> bool:
        """Whether it leaves data files when it does not end well."""
        return self.kind is Kind.WRITE


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What a submitted request does. A ``hog`` takes more memory than a worker may have."""

    steps: tuple[Step, ...]
    hog: bool = False


def tag_of(program: int) -> str:
    """The tag under which a program is submitted."""
    return "odd" if program % 2 else "even"


class Moment(StrEnum):
    """What an act can wait for, in the life of a program."""

    SUBMITTED = "submitted"
    CLAIMED = "claimed"
    EXECUTING = "executing"
    ASKED = "asked"
    COMMITTING = "committing"
    COMMITTED = "committed"
    LOST = "lost"
    SAID = "said"
    INTENDED = "intended"
    ENDED = "ended"


class Act(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that happens ``at`` seconds after the beginning, or after ``moment`` of ``program``."""

    at: float
    moment: Moment | None = None
    program: int = 0


class OpenSession(Act, frozen=True, kw_only=True):
    """A client opens a session; with ``patience`` it does not wait for it, with ``leaves`` it goes away after so
    many seconds.
    """

    session: int
    endpoint: int = 0
    patience: int | None = None
    leaves: float | None = None
    opening: Opening = Opening.WELL


class Submit(Act, frozen=True, kw_only=True):
    """A client submits ``runs``, under an id of its own (``chosen``), with an idempotency key (``keyed``),
    with a lease of ``keepalive`` seconds; with ``leaves`` it goes away after so many seconds, and wants
    its statement cancelled then.
    """

    session: int
    runs: int
    sync: bool = False
    chosen: bool = False
    keyed: bool = False
    keepalive: float | None = None
    leaves: float | None = None


class Cancel(Act, frozen=True, kw_only=True):
    """A client cancels ``target``; ``part`` names a part of a script instead of the whole."""

    target: int
    part: int = 0


class CancelMany(Act, frozen=True, kw_only=True):
    """A client cancels all statements with a tag, which a program has by its number's parity."""

    tag: str
    dry: bool = False


class CancelSession(Act, frozen=True, kw_only=True):
    """A client cancels everything in a session."""

    session: int


class CloseSession(Act, frozen=True, kw_only=True):
    """A client closes a session."""

    session: int


class ShowResult(Act, frozen=True, kw_only=True):
    """A client asks for a page of ``target``."""

    target: int
    page: int = 1


class DeleteEndpoint(Act, frozen=True, kw_only=True):
    """A client deletes an endpoint."""

    endpoint: int


class KillWorker(Act, frozen=True, kw_only=True):
    """The worker of a session dies."""

    session: int


class Crash(Act, frozen=True, kw_only=True):
    """The gateway is killed, and started again after ``pause`` seconds."""

    pause: float


class Restart(Act, frozen=True, kw_only=True):
    """The gateway is stopped in good order, and started again after ``pause`` seconds."""

    pause: float


class StoreOutage(Act, frozen=True, kw_only=True):
    """The store does not answer for ``seconds``; what was not on disk is lost."""

    seconds: float


class LakeOutage(Act, frozen=True, kw_only=True):
    """The catalogs' server does not answer for ``seconds``."""

    seconds: float


class StepClock(Act, frozen=True, kw_only=True):
    """The wall clock jumps by ``seconds``."""

    seconds: float


AnyAct = (
    OpenSession
    | Submit
    | Cancel
    | CancelMany
    | CancelSession
    | CloseSession
    | ShowResult
    | DeleteEndpoint
    | KillWorker
    | Crash
    | Restart
    | StoreOutage
    | LakeOutage
    | StepClock
)


Fault = KillWorker | Crash | Restart | StoreOutage | LakeOutage | StepClock


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How unsteady the ground is. ``shuffled`` is how often the order of ready callbacks is drawn;
    ``store_seconds`` and ``pipe_seconds`` are the longest delays; the rest are probabilities: a store
    call fails before its effect, or after it; a wake is lost, or late.
    """

    shuffled: float = 0.0
    store_seconds: float = 0.0
    pipe_seconds: float = 0.0
    fails_before: float = 0.0
    fails_after: float = 0.0
    wake_lost: float = 0.0
    wake_late: float = 0.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that differ from run to run."""

    sessions: int = 4
    statements: int = 4
    statement_timeout: int = 0
    session_timeout: int = 600
    sync_wait: float = 50.0
    cancel_timeout: float = 30.0
    poll_interval: float = 1.0
    queue_timeout: float = 0.0
    total_timeout: float = 0.0
    result_rows: int = 0


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``closes`` says that clients close their sessions at the end."""

    seed: int
    programs: tuple[Program, ...]
    acts: tuple[AnyAct, ...]
    noise: Noise = Noise()
    limits: Limits = Limits()
    closes: bool = True
