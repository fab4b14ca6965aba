"""The DuckDB engine: one session is one in-memory instance with a DuckLake catalog attached.

Autocommit writes run inside a transaction of ours, so that the commit is a step of its own which
the owner can allow or refuse (C7). Queries have one as well, because the engine looks into the catalog
twice for each: for its columns, and to run it. A transaction that a cancel hit stays aborted until the
caller rolls back, as in PostgreSQL (C10).
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb
import msgspec
import pyarrow as pa

from treadle.engines.base import Command, EngineError, Interrupted, Rows
from treadle.engines.duckdb import (
    conflicts,
    copying,
    explaining,
    kept,
    memory,
    naming,
    opening,
    storing,
    temporary,
    type_changes,
    upkeep,
)
from treadle.engines.duckdb.binding_sets import Bindings, refuse_sets
from treadle.engines.duckdb.bound import require_values
from treadle.engines.duckdb.changes import Changes
from treadle.engines.duckdb.deferring import resolved
from treadle.engines.duckdb.errors import RAISED, LostError, WrappedInterrupt, placed, translate
from treadle.engines.duckdb.gathering import run_all
from treadle.engines.duckdb.guard import Guard, Vocabulary
from treadle.engines.duckdb.profile import Profiler
from treadle.engines.duckdb.query import Query, parameters
from treadle.engines.duckdb.reporting import Reporter
from treadle.engines.duckdb.script import Kind, Planned, parsed_again, split
from treadle.engines.duckdb.settings import SessionSettings
from treadle.engines.duckdb.settings_in_engine import EngineSettings
from treadle.engines.duckdb.steps import Steps, steps_of
from treadle.engines.duckdb.temporaries import Temporaries
from treadle.engines.duckdb.transaction import State, Transaction
from treadle.engines.duckdb.transaction_control import TransactionControl
from treadle.engines.duckdb.validity import validated
from treadle.model.entities import Evidence
from treadle.model.profile import Measured
from treadle.wire import Attach, Open, Upkeep

_PING: Final = re.compile(r"\s*select\s+(?:[0-9.]+|'[^']*'|true|false|null)\s*;?\s*", re.IGNORECASE)
"""What drivers and pools ask to see whether anybody is there: it looks for nothing in the catalog."""


class DuckDB:
    """One DuckDB session; implements `treadle.engines.base.Engine`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, vocabulary: Vocabulary) -> None:
        self._con = connection
        self._vocabulary = vocabulary
        self._guard: Guard | None = None
        self._settings = EngineSettings(connection)
        self._profiler = Profiler(connection)
        self._transaction = Transaction(connection)
        self._changes = Changes(connection)
        self._control = TransactionControl(connection, self._transaction, self._settings, self._changes)
        self._copy: copying.Staged | None = None
        self._query: Query | None = None
        self._struck = False
        self._sets_done = 0.0
        self._parsing: tuple[str, ...] | None = None
        self._catalog = self._metadata = ""
        self._inexact = False
        self._sequences = conflicts.Sequences(connection)
        self._temporaries = Temporaries(connection)
        self._rest = 0
        # Errors with their place; only of this connection, because DuckLake repeats those of its own ones as text.
        connection.execute("SET SESSION errors_as_json = true")
        self._reporter = Reporter(connection, vocabulary)

    @classmethod
    def preload(cls) -> "DuckDB":
        """An instance with everything loaded and nothing attached: what the zygote forks from."""
        connection = opening.preload()
        return cls(connection, Vocabulary.of(connection))

    # -- life -------------------------------------------------------------------------------

    def attach(self, order: Attach) -> tuple[str, ...]:
        """Attach the catalog, then lock the engine down; returns the tables that could not be brought up to date.

        Raises `EngineError`.
        """
        self._catalog, self._metadata = order.catalog.name, order.catalog.metadata_name
        self._profiler.attach(order.limits.threads, order.temp_dir)
        settings = SessionSettings.from_wire(order.settings, catalog=order.catalog.name, threads=order.limits.threads)
        self._reporter.attach(order)
        with opening.explained(), self._reporter.reported():
            opening.limit(self._con, order)
            lake = opening.attach(self._con, order.catalog)
            self._inexact = lake.holds_inexact
            self._settings.start(settings)
            opening.lock(self._con, order, lake.path)
        self._guard = Guard(
            self._vocabulary,
            catalog=order.catalog.name,
            metadata_name=order.catalog.metadata_name,
            files_dir=Path(order.copy_dirs[0]),
            allowed_dirs=tuple(Path(folder) for folder in order.copy_dirs),
            denied_dirs=(Path(order.catalog.data_path), Path(order.temp_dir)),
            threads=order.limits.threads,
            most_names=order.limits.judged_names,
            stopped=lambda: self._struck,
        )
        return lake.unmended

    def open(self, order: Open) -> None:
        """Make sure that the catalog still answers; raises `EngineError`."""
        self._control.user = order.user_name
        with self._reporter.reported():
            self._con.execute(naming.macros(order.user_name))
            opening.touch(self._con, self._catalog)
        self._rest = memory.resident()
        self._profiler.rest(self._rest)

    def trim(self, least: int) -> None:
        """Give memory that a stopped statement used back to the system, if it is ``least`` bytes or more."""
        if memory.resident() >= self._rest + least:
            memory.trim()

    def close(self) -> None:
        """Let go of the catalog and the instance."""
        with contextlib.suppress(duckdb.Error):
            self._con.close()

    def interrupt(self) -> None:
        """Raise DuckDB's interrupt flag on the connection."""
        self._struck = True
        # Whatever goes wrong here must not end the thread that strikes.
        with contextlib.suppress(duckdb.Error):
            self._con.interrupt()
        self._reporter.locator.interrupt()

    def progress(self) -> float | None:
        """Percent done, None when DuckDB does not know."""
        if self._sets_done:
            return 100 * self._sets_done
        # Whatever goes wrong here must not end the thread that asks.
        with contextlib.suppress(duckdb.Error):
            percent = self._con.query_progress()
            # Of what it does not count DuckDB says -1, or 0 all the time.
            return percent if percent > 0 else None
        return None

    def measured(self) -> Measured:
        """What DuckDB and the kernel know of the work since the last `split` or `execute`."""
        return self._profiler.measured()

    def settings(self) -> dict[str, str]:
        """The time-outs of the session in seconds, and whether its transaction is open or aborted."""
        return {**self._settings.session.as_wire(), "transaction": self._transaction.state.value}

    # -- statements -------------------------------------------------------------------------

    def permit(self, upkeep: Upkeep | None) -> None:
        """Take the right to maintain the catalog, for what is split next."""
        if self._guard is not None:
            self._guard.upkeep = upkeep

    def split(self, script: str) -> Sequence[Planned]:
        """The statements of a script, judged; raises `EngineError`."""
        if self._guard is None:
            raise EngineError("08003", "the session is not open")
        self._struck = False  # not later: a cancel may come from the moment the statement enters the fence
        self._profiler.begin()
        self._reporter.script = script
        self._parsing = self._settings.parsing()
        with validated(self._con), self._reporter.reported():
            return split(self._con, script, self._guard)

    def execute(
        self, prepared: Planned, marker: str, bindings: Sequence[Bindings] | None, row_limit: int | None
    ) -> Rows | Command:
        """Run one statement up to, not including, its commit; raises `EngineError`."""
        self._profiler.begin()
        self._sets_done = 0.0
        sets = bindings or ()
        if len(sets) > 1:
            refuse_sets(prepared)
        if self._transaction.state is State.ABORTED and prepared.kind not in (Kind.COMMIT, Kind.ROLLBACK):
            raise EngineError(
                "25P02", "current transaction is aborted, commands ignored until end of transaction block"
            )
        if self._transaction.state is not State.ABORTED:
            self._settings.settle()
            self._settings.require_profiler(prepared)
        with validated(self._con), self._honest(prepared):
            prepared = self._resolved(prepared)
            require_values(prepared, sets)
            self._changes.look(prepared)
            self._temporaries.look(prepared)
            match prepared.kind:
                case Kind.BEGIN:
                    return self._control.begin(prepared)
                case Kind.COMMIT:
                    return self._control.prepare_commit(self._catalog, marker)
                case Kind.ROLLBACK:
                    return self._control.roll_back()
                case Kind.SET | Kind.SHOW:
                    in_transaction = self._transaction.state is not State.NONE
                    return self._settings.run(prepared, row_limit, in_transaction=in_transaction)
                case Kind.QUERY:
                    return self._stream(prepared, sets[0] if sets else None, row_limit)
                case Kind.EXECUTE:
                    return self._execute(prepared, marker, sets, row_limit)
                case _:
                    return self._command(prepared, marker, sets, row_limit)

    def _resolved(self, planned: Planned) -> Planned:
        """Prepare a statement for its run: parsed under the current settings, with the values of its checked
        expressions.
        """
        guard = self._guard
        if guard is not None and (planned.kind is Kind.UNPARSED or self._parsing != self._settings.parsing()):
            planned = parsed_again(self._con, planned, guard)
        if not planned.deferred or guard is None:
            return planned
        return resolved(self._con, guard.vocabulary, planned, lambda sql: split(self._con, sql, guard))

    def evidence(self) -> tuple[Evidence, str]:
        """Where the truth about the coming commit will lie."""
        if self._copy is not None:
            kind = Evidence.NOBODY if copying.merges(self._copy.target) else Evidence.FILE
            return kind, str(self._copy.staged)
        return Evidence.CATALOG, ""

    def commit(self) -> bool:
        """Commit what `execute` left open, publish the file it wrote; whether either has changed anything.

        Raises `EngineError`.
        """
        changed = self._copy is not None
        with validated(self._con), self._reporter.reported():
            if self._copy is not None:
                copying.publish(self._copy)
                self._copy = None
            if self._transaction.to_commit:
                changed = self._control.commit(self._catalog, self._metadata) or changed
        return changed

    def rollback(self) -> None:
        """Undo what `execute` did; a transaction that its user opened is left aborted."""
        if self._query is not None:
            self._query.close()
            self._query = None
        if self._copy is not None:
            copying.discard(self._copy)
            self._copy = None
        self._control.abandon()

    # -- what runs --------------------------------------------------------------------------

    def _stream(self, planned: Planned, bindings: Sequence[str | None] | None, row_limit: int | None) -> Rows:
        if self._transaction.state is State.NONE and not _PING.fullmatch(planned.text):
            self._transaction.open()
        query = self._query = Query(self._con, planned, bindings)
        return Rows(columns=query.columns, schema=query.schema, batches=self._drain(query, planned, row_limit))

    def _command(
        self, planned: Planned, marker: str, bindings: Sequence[Bindings], row_limit: int | None
    ) -> Rows | Command:
        """Run a statement to its end; one that writes outside a transaction gets one of ours."""
        own = planned.writes and self._transaction.state is State.NONE
        if planned.kind is Kind.UPKEEP and not own:
            raise upkeep.within_transaction()
        private = temporary.private(self._con, planned) if own and self._temporaries.possible else None
        if own:
            self._transaction.open()
            self._sequences.begin(planned)
            self._changes.begin()
        if planned.kind is Kind.UPKEEP:
            upkeep.prepare(self._con, self._metadata)
        outcome = self._run(planned, marker, bindings, row_limit, private, alone=own)
        kept.refuse_after(self._con, planned)
        self._temporaries.refuse(planned)
        self._reporter.locator.remember(planned)
        if planned.writes and self._copy is None and private is None:
            self._changes.note(planned, outcome.changed, alone=own)
        if own and private is None:
            self._control.mark(self._catalog, marker)
        self._transaction.to_commit = self._transaction.to_commit or own
        commits = own or self._copy is not None
        repeatable = own and private is None and conflicts.repeatable(planned) and self._sequences.untouched()
        return msgspec.structs.replace(outcome, commits=commits, repeatable=repeatable, private=private is not None)

    def _run(
        self,
        planned: Planned,
        marker: str,
        bindings: Sequence[Bindings],
        row_limit: int | None,
        private: Steps | None,
        *,
        alone: bool,
    ) -> Rows | Command:
        first = bindings[0] if bindings else None
        steps = private or steps_of(self._con, self._catalog, planned, marker, parameters(first), inexact=self._inexact)
        (*preludes, final), insertion, self._copy = steps
        for prelude in preludes:
            self._con.execute(prelude)
            self._require_exact(planned, made=False)
        kept.refuse_before(self._con, planned, alone=alone)
        rewritten = type_changes.written(self._con, self._catalog, planned.defines)
        with placed(insertion), self._settings.analyzing(planned), rewritten:
            if len(bindings) > 1:
                outcome: Rows | Command = self._run_sets(planned, final, bindings)
            else:
                outcome = explaining.run(self._con, planned, final, parameters(first), row_limit)
            self._profiler.end()
        self._require_exact(planned, made=True)
        return outcome

    def _run_sets(self, planned: Planned, statement: duckdb.Statement, sets: Sequence[Bindings]) -> Command:
        def advance(done: int) -> None:
            # An interrupt that falls between two sets is forgotten by the engine.
            if self._struck:
                raise Interrupted
            self._sets_done = min(done, len(sets) - 1) / len(sets)

        changed = run_all(self._con, planned, statement, sets, advance)
        return Command(tag=f"{planned.tag} {changed}", changed=changed)

    def _execute(
        self, planned: Planned, marker: str, bindings: Sequence[Bindings], row_limit: int | None
    ) -> Rows | Command:
        """EXECUTE: parameters that do not fit are a mistake in the statement, as in PostgreSQL."""
        try:
            with self._reporter.reported(planned):
                if planned.returns_rows and not planned.writes:
                    return self._stream(planned, bindings[0] if bindings else None, row_limit)
                return self._command(planned, marker, bindings, row_limit)
        except EngineError as error:
            if error.sql_state != "08P01":
                raise
            message = f"wrong number of parameters for prepared statement: {error.message}"
            raise EngineError("42601", message) from error

    def _require_exact(self, planned: Planned, *, made: bool) -> None:
        """Refuse what a definition has made of a table before anything more is done with it."""
        if planned.defines is not None:
            made = made and planned.defines.creates
            storing.require_exact_columns(self._con, self._catalog, planned.defines, made=made)

    @contextlib.contextmanager
    def _honest(self, planned: Planned) -> Iterator[None]:
        """Raise what DuckDB raises as `EngineError`; `Interrupted` only when somebody interrupted.

        One thread's error interrupts the others, and the reader of a stream may see that before the error.
        """
        try:
            yield
        except RAISED as error:
            told = translate(error)
            if isinstance(told, Interrupted) and not self._struck:
                told = told.error if isinstance(told, WrappedInterrupt) else LostError()
            found = self._reporter.report(told, planned)
            if found is error:
                raise
            raise found from error

    def _drain(self, query: Query, planned: Planned, row_limit: int | None) -> Iterator[pa.RecordBatch]:
        with validated(self._con):
            try:
                with self._honest(planned):
                    yield from query.batches(row_limit)
                    self._query = None
                    self._profiler.end()
                    self._transaction.end_reading()
            except LostError as error:
                raise self._found(query, planned) or error from None

    def _found(self, query: Query, planned: Planned) -> EngineError | None:
        """The error that a stream lost: the query is run again for it, but not in a transaction of the caller's."""
        if not self._transaction.implicit:
            return None
        try:
            with self._honest(planned):
                self._transaction.open_anew()
                self._settings.turn_on_profiler()
                query.run_unread()
        except EngineError as error:
            return error
        return None
