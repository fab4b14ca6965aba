"""What the scheduler needs from outside and is given: processes, the catalogs' truth, figures."""

from collections.abc import Callable, Sequence
from typing import Protocol

from treadle.model.entities import Catalog
from treadle.model.states import CancelOutcome, Reason, Rung, StatementState
from treadle.pools.threads import Offload
from treadle.wire import FromWorker, ToWorker


class Worker(Protocol):
    """One worker process, from its birth to its burial."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def death(self) -> str:
        """The signal or exit code of the process; empty while it runs."""

    @property
    def temp_dir(self) -> str:
        """Its own folder to fill, removed at the burial."""

    @property
    def home(self) -> str:
        """Its home folder, which stays empty; removed at the burial."""

    def attend(self, hear: Callable[[FromWorker | None], None]) -> None:
        """Hear everything it says from now on; None once, when it is gone, or at once when it is already."""

    def send(self, message: ToWorker) -> None:
        """Say something to it; nothing happens when it is gone."""

    def bury_with(self, offload: Offload) -> None:
        """Have its folder removed by ``offload``, which knows the share of the worker's user."""

    def kill(self) -> None:
        """SIGKILL, once or often."""

    def memory(self) -> int:
        """Bytes it holds in memory now; 0 when it is gone."""

    async def buried(self) -> None:
        """Wait until the process has been reaped and its folder removed."""


class Workers(Protocol):
    """Where workers come from."""

    async def hire(self) -> Worker:
        """A fresh worker that has said Hello."""


class Catalogs(Protocol):
    """The truth about catalogs, which outlives the workers."""

    async def of_session(self, workspace_id: str, instance_id: str, name: str) -> Catalog | None:
        """The catalog a session names."""

    def dsn(self, catalog: Catalog, worker: str) -> str:
        """How the worker of that name reaches it: a libpq string without the password."""

    async def cut_off(self, worker: str) -> bool:
        """End what the worker left in the metadata's server; True when nothing is left."""

    async def referenced(self, catalog: Catalog, names: Sequence[str]) -> frozenset[str] | None:
        """Which of these names of data files the catalog knows of; None when nobody can tell now."""

    async def committed(self, catalog: Catalog, marker: str) -> bool | None:
        """Whether a commit with this marker is durable; None when nobody can tell now."""


class Figures(Protocol):
    """What the scheduler counts."""

    def statement_started(self, queued_seconds: float) -> None:
        """A statement left the queue."""

    def statement_ended(self, state: StatementState, reason: Reason | None, seconds: float | None) -> None:
        """A statement has ended, ``seconds`` after its start."""

    def commit_lost(self, *, again: bool) -> None:
        """A commit lost a race; ``again``: its statement is run again."""

    def cancel_ended(self, rung: Rung | None, outcome: CancelOutcome, seconds: float) -> None:
        """A cancel was confirmed ``seconds`` after it was heard of."""

    def cancel_overdue(self, count: int) -> None:
        """How many cancels are beyond their bound now."""
