"""A query whose rows stream from the engine: nothing is materialised, whatever its size."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from treadle.engines.duckdb.errors import translated
from treadle.engines.duckdb.leaving import export_projection
from treadle.engines.duckdb.lexer import lex
from treadle.engines.duckdb.planned import Kind, Planned
from treadle.engines.duckdb.types import column
from treadle.model.columns import Column

BATCH_ROWS: Final = 2_048
"""Rows that leave the engine together, which is as many as it makes together: of large ones more would not fit."""

_ANALYZE: Final = "EXPLAIN ANALYZE "
_WRAPPING: Final = "Invalid Input Error: Attempting to get collection from an unsuccessful query result\n: Error "
"""What EXPLAIN puts before the error of what it explains."""


class Query:
    """One query that runs on a connection; its rows can be read once."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, planned: Planned, bindings: Sequence[str | None] | None
    ) -> None:
        self._con = connection
        self._planned = planned
        self._parameters = parameters(bindings)
        self._text = planned.statements[-1].query.strip()
        self._shift: int | None = None
        """As in `errors.DuckDBError`."""
        # The engine makes no relation of the one, and would keep all rows of the other.
        self._plain = planned.kind is not Kind.EXECUTE and self._parameters is None
        self.columns, self._reader = self._related() if self._plain else self._executed()
        self.schema: pa.Schema = self._reader.schema

    def _related(self) -> tuple[tuple[Column, ...], pa.RecordBatchReader]:
        relation = self._relation()
        return columns_of(relation.columns, relation.types), _exported(relation).to_arrow_reader(BATCH_ROWS)

    def _relation(self) -> duckdb.DuckDBPyRelation:
        for prelude in self._planned.statements[:-1]:
            self._con.execute(prelude)
        return self._con.sql(self._planned.statements[-1])

    def _executed(self) -> tuple[tuple[Column, ...], pa.RecordBatchReader]:
        """As a statement, once more with what it needs around its text where columns cannot leave as they are."""
        names, types = self._execute(self._planned.statements[-1])
        if self._planned.kind is Kind.QUERY:
            projection = export_projection(names, types)
            if projection is not None:
                before = f"SELECT {projection} FROM ("  # noqa: S608 - it is the caller's own
                self._text = f"{before}{_bare(self._text)})"
                self._shift = len(before.encode())
                with translated(self._shift):
                    self._execute(self._text)
        return columns_of(names, types), self._con.to_arrow_reader(BATCH_ROWS)

    def _execute(self, sql: "duckdb.Statement | str") -> tuple[list[str], list[str]]:
        self._con.execute(sql, self._parameters)
        described = self._con.description or []
        return [told[0] for told in described], [str(told[1]) for told in described]

    def batches(self, row_limit: int | None) -> Iterator[pa.RecordBatch]:
        """The rows, up to a limit; raises what DuckDB and Arrow raise, and `EngineError`."""
        left = row_limit
        with contextlib.nullcontext() if self._shift is None else translated(self._shift):
            for batch in self._reader:
                if left is not None:
                    batch = batch.slice(0, left)
                    left -= batch.num_rows
                yield batch
                if left == 0:
                    break
        self.close()

    def run_unread(self) -> None:
        """Run it once more, to its end, without keeping a row; raises errors in the form that reading does."""
        if not self._plain:
            with (
                translated(len(_ANALYZE) + (self._shift or 0)),
                contextlib.suppress(duckdb.ParserException),  # a CALL cannot be explained
            ):
                self._con.execute(_ANALYZE + self._text, self._parameters)
            return
        relation = _exported(self._relation())
        try:
            relation.explain("analyze")
        except duckdb.InvalidInputException as error:
            raise OSError(str(error).removeprefix(_WRAPPING)) from None

    def close(self) -> None:
        """Let the engine forget the rows that were not read."""
        with contextlib.suppress(pa.ArrowException, OSError):
            self._reader.close()


def _exported(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    projection = export_projection(relation.columns, [str(kind) for kind in relation.types])
    return relation if projection is None else relation.project(projection)


def _bare(sql: str) -> str:
    """The text of a statement from its first word to its last."""
    *_, last = (token for token in lex(sql) if token.text != ";")
    return sql[: last.end]


def columns_of(names: Sequence[str], types: Sequence[object]) -> tuple[Column, ...]:
    """The columns of a result, numbered from 1."""
    return tuple(column(name, str(kind), at) for at, (name, kind) in enumerate(zip(names, types, strict=True), start=1))


def parameters(bindings: Sequence[str | None] | None) -> list[str | None] | None:
    """Values to bind as DuckDB takes them: None where there are none."""
    return list(bindings) if bindings else None
