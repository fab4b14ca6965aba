"""The settings of a session and those of its engine, which agree also after an interrupt or a rollback."""

import contextlib
from collections.abc import Iterator

import duckdb

from treadle.engines.base import Command, EngineError, Rows
from treadle.engines.duckdb import profile
from treadle.engines.duckdb.outcomes import text_rows
from treadle.engines.duckdb.planned import Planned
from treadle.engines.duckdb.settings import ALL, PROFILING, Change, SessionSettings, Show


class EngineSettings:
    """The settings of one session: ``session`` is what they are, `settle` makes the engine follow."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._con = connection
        self._unsettled = False
        self.session = SessionSettings()

    def start(self, session: SessionSettings) -> None:
        """Begin with these settings; raises `duckdb.Error`."""
        self.session = session
        for sql in session.engine():
            self._con.execute(sql)

    def parsing(self) -> tuple[str, ...] | None:
        """Get the engine's current values for parsing; None until the engine has the session's settings."""
        return None if self._unsettled else self.session.parsing()

    def run(self, planned: Planned, row_limit: int | None, *, in_transaction: bool) -> Rows | Command:
        """Carry out a SET, RESET or SHOW; raises `EngineError` and `duckdb.Error`."""
        match planned.setting:
            case Change(local=True) if not in_transaction:
                return Command(tag=planned.tag)  # PostgreSQL only warns
            case Change() as change:
                self._unsettled = bool(change.engine)
                for sql in change.engine:
                    self._con.execute(sql)
                self.session = self.session.apply(change)
                self._con.execute(self.session.published())
                self._unsettled = False
                return Command(tag=planned.tag)
            case Show(name=name) if name == ALL:
                return text_rows(("name", "setting", "description"), self.session.show_all()[:row_limit])
            case Show(name=name):
                return text_rows((name,), ((self.session.show(name),),))
            case _:
                raise EngineError("0A000", "this form of SET or SHOW is not supported")

    def require_profiler(self, planned: Planned) -> None:
        """Check that the profiler is on for an EXPLAIN ANALYZE; raises `EngineError` (55000).

        Once it was turned off, DuckDB 1.5.5 runs such a statement with an uninitialised profiler.
        """
        if planned.analyzes and (self._unsettled or self._profiler_is_off()):
            raise EngineError(
                "55000",
                f"EXPLAIN ANALYZE needs the profiler, which {PROFILING} = 'off' has turned off: "
                f"SET {PROFILING} = 'on' first",
            )

    @contextlib.contextmanager
    def analyzing(self, planned: Planned) -> Iterator[None]:
        """Enable the profile of operators for an EXPLAIN ANALYZE, without its cost for other statements."""
        if not planned.analyzes or self.session.show(PROFILING) != "on":
            yield
            return
        self._unsettled = True
        self._con.execute(profile.DETAILED)
        yield
        self._con.execute(profile.ON)
        self._unsettled = False

    def turn_on_profiler(self) -> None:
        """Turn the profiler on for an internal EXPLAIN ANALYZE, until the settings are synchronised."""
        if self._profiler_is_off():
            self._unsettled = True
            self._con.execute(profile.ON)

    def _profiler_is_off(self) -> bool:
        return self.session.show(PROFILING) == "off"

    def adopt(self, session: SessionSettings, *, later: bool = False) -> None:
        """Go on with these settings: those at the end of a transaction. ``later``: the engine follows when it can."""
        if session is not self.session:  # most commits change no settings
            self._unsettled = self._unsettled or session.engine() != self.session.engine()
        self.session = session
        if not later:
            self.settle()

    def settle(self) -> None:
        """Bring the engine to the session's settings where a transaction or an interrupted change has left others."""
        if self._unsettled:
            with contextlib.suppress(duckdb.Error):
                for sql in self.session.engine():
                    self._con.execute(sql)
                self._unsettled = False
