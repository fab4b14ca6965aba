"""The DuckDB engine: one session is one in-memory instance with a DuckLake catalog attached.

Autocommit writes run inside a transaction of ours, so that the commit is a step of its own which
the owner can allow or refuse (C7). Queries have one as well, because the engine looks into the catalog
twice for each: for its columns, and to run it. A transaction that a cancel hit stays aborted until the
caller rolls back, as in PostgreSQL (C10).
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Final

import duckdb
import msgspec
import pyarrow as pa

from treadle.engines.base import Command, EngineError, Rows
from treadle.engines.duckdb import copying, memory, opening
from treadle.engines.duckdb.errors import translated
from treadle.engines.duckdb.guard import Guard, Vocabulary
from treadle.engines.duckdb.parsing import parse
from treadle.engines.duckdb.profile import Profiler
from treadle.engines.duckdb.script import Kind, Planned, split
from treadle.engines.duckdb.settings import ALL, Change, SessionSettings, Show
from treadle.engines.duckdb.types import column, export_projection
from treadle.model.columns import Column
from treadle.model.entities import Evidence
from treadle.model.profile import Measured
from treadle.wire import Attach, Open

BATCH_ROWS: Final = 10_240
COUNTED: Final = frozenset(("INSERT 0", "UPDATE", "DELETE", "MERGE", "COPY"))
"""The command tags that PostgreSQL writes with a count of rows."""

_PING: Final = re.compile(r"\s*select\s+(?:[0-9.]+|'[^']*'|true|false|null)\s*;?\s*", re.IGNORECASE)
"""What drivers and pools ask to see whether anybody is there: it looks for nothing in the catalog."""


class Transaction(Enum):
    """The transaction of the session, as its user sees it."""

    NONE = "none"
    OPEN = "open"
    ABORTED = "aborted"


class DuckDB:
    """One DuckDB session; implements `treadle.engines.base.Engine`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, vocabulary: Vocabulary) -> None:
        self._con = connection
        self._vocabulary = vocabulary
        self._guard: Guard | None = None
        self._settings = SessionSettings()
        self._unsettled = False
        self._profiler = Profiler(connection)
        self._transaction = Transaction.NONE
        self._implicit = False
        self._to_commit = False
        self._copy: copying.Staged | None = None
        self._stream: pa.RecordBatchReader | None = None
        self._catalog = ""
        self._rest = 0
        self._user = ""

    @classmethod
    def preload(cls) -> "DuckDB":
        """An instance with everything loaded and nothing attached: what the zygote forks from."""
        connection = opening.preload()
        return cls(connection, Vocabulary.of(connection))

    # -- life -------------------------------------------------------------------------------

    def attach(self, order: Attach) -> None:
        """Attach the catalog, then lock every door; raises `EngineError`."""
        self._catalog = order.catalog.name
        self._profiler.attach(order.limits.threads, order.temp_dir)
        self._settings = SessionSettings.from_wire(order.settings, catalog=order.catalog.name)
        with translated():
            opening.limit(self._con, order)
            lake_path = opening.attach(self._con, order.catalog)
            for sql in self._settings.engine():
                self._con.execute(sql)
            opening.lock(self._con, order, lake_path)
        self._guard = Guard(
            self._vocabulary,
            catalog=order.catalog.name,
            metadata_name=order.catalog.metadata_name,
            files_dir=Path(order.copy_dirs[0]),
            allowed_dirs=tuple(Path(folder) for folder in order.copy_dirs),
            denied_dirs=(Path(order.catalog.data_path), Path(order.temp_dir)),
        )

    def open(self, order: Open) -> None:
        """Make sure that the catalog still answers; raises `EngineError`."""
        self._user = order.user_name
        with translated():
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
        # Whatever goes wrong here must not end the thread that strikes.
        with contextlib.suppress(duckdb.Error):
            self._con.interrupt()

    def progress(self) -> float | None:
        """Percent done, None when DuckDB does not know."""
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
        return {**self._settings.as_wire(), "transaction": self._transaction.value}

    # -- statements -------------------------------------------------------------------------

    def split(self, script: str) -> Sequence[Planned]:
        """The statements of a script, judged; raises `EngineError`."""
        if self._guard is None:
            raise EngineError("08003", "the session is not open")
        self._profiler.begin()
        with translated():
            return split(self._con, script, self._guard)

    def execute(
        self, prepared: Planned, marker: str, bindings: Sequence[str | None] | None, row_limit: int | None
    ) -> Rows | Command:
        """Run one statement up to, not including, its commit; raises `EngineError`."""
        self._profiler.begin()
        if self._transaction is Transaction.ABORTED and prepared.kind not in (Kind.COMMIT, Kind.ROLLBACK):
            raise EngineError(
                "25P02", "current transaction is aborted, commands ignored until end of transaction block"
            )
        with translated():
            match prepared.kind:
                case Kind.BEGIN:
                    return self._begin(prepared)
                case Kind.COMMIT:
                    return self._prepare_commit(marker)
                case Kind.ROLLBACK:
                    return self._roll_back_transaction()
                case Kind.SET | Kind.SHOW:
                    return self._set_or_show(prepared, row_limit)
                case Kind.QUERY:
                    return self._query(prepared, bindings, row_limit)
                case Kind.EXECUTE:
                    return self._execute(prepared, marker, bindings, row_limit)
                case _:
                    return self._command(prepared, marker, bindings, row_limit)

    def evidence(self) -> tuple[Evidence, str]:
        """Where the truth about the coming commit will lie."""
        if self._copy is not None:
            kind = Evidence.NOBODY if copying.merges(self._copy.target) else Evidence.FILE
            return kind, str(self._copy.staged)
        return Evidence.CATALOG, ""

    def commit(self) -> None:
        """Commit what `execute` left open, publish the file it wrote; raises `EngineError`."""
        with translated():
            if self._copy is not None:
                copying.publish(self._copy)
                self._copy = None
            if self._to_commit:
                self._end_transaction()

    def _end_transaction(self) -> None:
        """COMMIT; the transaction is over also when that fails, as in PostgreSQL."""
        try:
            self._con.execute("COMMIT")
        except duckdb.Error:
            with contextlib.suppress(duckdb.Error):
                self._con.execute("ROLLBACK")
            raise
        finally:
            self._transaction = Transaction.NONE
            self._implicit = False
            self._to_commit = False
            self._settings = self._settings.end_transaction()

    def rollback(self) -> None:
        """Undo what `execute` did; a transaction that its user opened is left aborted."""
        self._close_stream()
        if self._copy is not None:
            copying.discard(self._copy)
            self._copy = None
        if self._implicit:
            with contextlib.suppress(duckdb.InterruptException):
                self._roll_back()
        elif self._transaction is Transaction.OPEN:
            self._transaction = Transaction.ABORTED
        self._to_commit = False
        self._settle_settings()

    def _settle_settings(self) -> None:
        """Bring the engine back to the session's settings where an interrupted change has left them open."""
        if self._unsettled:
            with contextlib.suppress(duckdb.Error):
                for sql in self._settings.engine():
                    self._con.execute(sql)
                self._unsettled = False

    # -- transactions -----------------------------------------------------------------------

    def _begin(self, planned: Planned) -> Command:
        if self._transaction is Transaction.OPEN:
            return Command(tag="BEGIN")  # PostgreSQL only warns
        self._open_transaction(planned.statements[-1])
        self._implicit = False
        self._transaction = Transaction.OPEN
        return Command(tag="BEGIN")

    def _open_transaction(self, begin: "duckdb.Statement | str") -> None:
        # Beforehand: a BEGIN that raises, because it was interrupted, may have opened one all the same.
        self._implicit = True
        self._con.execute(begin)

    def _prepare_commit(self, marker: str) -> Command:
        if self._transaction is Transaction.NONE:
            return Command(tag="COMMIT")  # PostgreSQL only warns
        if self._transaction is Transaction.ABORTED:
            return self._roll_back_transaction()
        self._mark(marker)
        self._to_commit = True
        return Command(tag="COMMIT", commits=True)

    def _roll_back_transaction(self) -> Command:
        if self._transaction is Transaction.NONE:
            return Command(tag="ROLLBACK")  # PostgreSQL only warns
        self._roll_back()
        self._transaction = Transaction.NONE
        self._settings = self._settings.end_transaction()
        return Command(tag="ROLLBACK")

    def _roll_back(self) -> None:
        """ROLLBACK; the transaction is over also when there was none, or its catalog is out of reach.

        Not when it was interrupted: that leaves it open, and is raised.
        """
        try:
            self._con.execute("ROLLBACK")
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            pass
        self._implicit = False

    def _mark(self, marker: str) -> None:
        """Put the statement's id beside the commit: it is how a lost commit is found again (C7)."""
        self._con.execute(
            f"CALL {opening.quoted(self._catalog)}.set_commit_message(?, ?, extra_info => ?)",
            [self._user, "treadle", marker],
        )

    # -- what runs --------------------------------------------------------------------------

    def _set_or_show(self, planned: Planned, row_limit: int | None) -> Rows | Command:
        match planned.setting:
            case Change() as change:
                self._unsettled = bool(change.engine)
                for sql in change.engine:
                    self._con.execute(sql)
                self._settings = self._settings.apply(change)
                self._unsettled = False
                return Command(tag=planned.tag)
            case Show(name=name) if name == ALL:
                return _text_rows(("name", "setting", "description"), self._settings.show_all()[:row_limit])
            case Show(name=name):
                return _text_rows((name,), ((self._settings.show(name),),))
            case _:
                raise EngineError("0A000", "this form of SET or SHOW is not supported")

    def _query(self, planned: Planned, bindings: Sequence[str | None] | None, row_limit: int | None) -> Rows:
        """Stream a result: nothing is materialised, whatever its size."""
        if self._transaction is Transaction.NONE and not _PING.fullmatch(planned.text):
            self._open_transaction("BEGIN TRANSACTION")
        for prelude in planned.statements[:-1]:
            self._con.execute(prelude)
        relation = self._con.sql(planned.statements[-1], params=_parameters(bindings))
        columns = _columns(relation.columns, relation.types)
        projection = export_projection(relation.columns, [str(kind) for kind in relation.types])
        if projection is not None:
            relation = relation.project(projection)
        self._stream = relation.to_arrow_reader(BATCH_ROWS)
        return Rows(columns=columns, schema=self._stream.schema, batches=self._drain(self._stream, row_limit))

    def _command(
        self, planned: Planned, marker: str, bindings: Sequence[str | None] | None, row_limit: int | None
    ) -> Rows | Command:
        """Run a statement to its end; one that writes outside a transaction gets one of ours."""
        own = planned.writes and self._transaction is Transaction.NONE
        if own:
            self._open_transaction("BEGIN TRANSACTION")
        *preludes, final = self._steps(planned, marker)
        for prelude in preludes:
            self._con.execute(prelude)
        self._con.execute(final, _parameters(bindings))
        outcome = self._outcome(planned, row_limit)
        self._profiler.end()
        if own:
            self._mark(marker)
            self._to_commit = True
        commits = own or self._copy is not None
        return msgspec.structs.replace(outcome, commits=commits)

    def _execute(
        self, planned: Planned, marker: str, bindings: Sequence[str | None] | None, row_limit: int | None
    ) -> Rows | Command:
        """EXECUTE: parameters that do not fit are a mistake in the statement, as in PostgreSQL."""
        try:
            with translated():
                return self._command(planned, marker, bindings, row_limit)
        except EngineError as error:
            if error.sql_state != "08P01":
                raise
            message = f"wrong number of parameters for prepared statement: {error.message}"
            raise EngineError("42601", message) from error

    def _steps(self, planned: Planned, marker: str) -> Sequence[duckdb.Statement]:
        if planned.copy_to is None:
            return planned.statements
        self._copy = copying.stage(planned.copy_to, marker)
        return parse(self._con, self._copy.sql)

    def _outcome(self, planned: Planned, row_limit: int | None) -> Rows | Command:
        described = self._con.description or []
        if not described:
            return Command(tag=planned.tag)
        if planned.returns_rows:
            reader = self._con.to_arrow_reader(BATCH_ROWS)
            columns = _columns([d[0] for d in described], [d[1] for d in described])
            # Materialised before anything else runs: a second statement would cut the stream short.
            table = reader.read_all()
            if row_limit is not None:
                table = table.slice(0, row_limit)
            return Rows(columns=columns, schema=table.schema, batches=iter(table.to_batches(BATCH_ROWS)))
        row = self._con.fetchone()
        changed = int(row[0]) if row and isinstance(row[0], int) else 0
        tag = f"{planned.tag} {changed}" if planned.tag in COUNTED else planned.tag
        return Command(tag=tag, changed=changed)

    def _drain(self, reader: pa.RecordBatchReader, row_limit: int | None) -> Iterator[pa.RecordBatch]:
        left = row_limit
        with translated():
            for batch in reader:
                if left is not None:
                    batch = batch.slice(0, left)
                    left -= batch.num_rows
                yield batch
                if left == 0:
                    break
            self._close_stream()
            self._profiler.end()
            if self._implicit:
                self._end_reading()

    def _end_reading(self) -> None:
        """COMMIT of a query's transaction; that the catalog has gone meanwhile takes nothing from its rows."""
        try:
            self._con.execute("COMMIT")
        except duckdb.InterruptException:
            raise  # `rollback` finds what there is to undo
        except duckdb.Error:
            self._roll_back()
        else:
            self._implicit = False

    def _close_stream(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            with contextlib.suppress(pa.ArrowException, OSError):
                stream.close()


def _columns(names: Sequence[str], types: Sequence[object]) -> tuple[Column, ...]:
    return tuple(column(name, str(kind), at) for at, (name, kind) in enumerate(zip(names, types, strict=True), start=1))


def _text_rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Rows:
    batch = pa.RecordBatch.from_arrays(
        [pa.array([row[at] for row in rows], pa.string()) for at in range(len(names))], names=list(names)
    )
    columns = _columns(names, ["VARCHAR"] * len(names))
    return Rows(columns=columns, schema=batch.schema, batches=iter((batch,)))


def _parameters(bindings: Sequence[str | None] | None) -> list[str | None] | None:
    return list(bindings) if bindings else None
