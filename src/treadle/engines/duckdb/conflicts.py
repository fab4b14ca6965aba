"""Commits that lose a race: DuckLake's reports of them, the message for the caller, the statements that may run again.

Transactions of DuckLake conflict by table or by file, not by row. A conflict is found before anything
is durable, so a statement whose effects all lie in its own transaction may be run again on a fresh snapshot.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Final

import duckdb

from treadle.engines.base import Conflict
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.planned import Kind, Planned
from treadle.engines.duckdb.raised import raised

_OBJECTS: Final = "TABLE VIEW SCHEMA MACRO FUNCTION"
REPEATABLE: Final = frozenset(
    (
        *("INSERT 0", "UPDATE", "DELETE", "MERGE", "TRUNCATE TABLE", "COPY", "COMMENT"),
        *(f"{verb} {name}" for verb in ("CREATE", "DROP", "ALTER") for name in _OBJECTS.split()),
    )
)
"""The command tags of statements that leave nothing outside of their transaction, sequences apart."""

# Whole texts, because an error of another kind may quote SQL with whatever words a user has put there.
_LOST: Final = re.compile(
    r"\AFailed to commit: Failed to commit DuckLake transaction\.\n"
    r"Transaction conflict - (attempting to .*)\Z",
    re.DOTALL,
)
_REFUSED: Final = re.compile(
    r'": ERROR:  (attempting to delete from file with index "\d+" - but another transaction has deleted from it)\n'
    r"CONTEXT:  PL/pgSQL function (?:public\.)?treadle_one_delete_file\(\) line \d+ at RAISE\n?\Z"
)
"""The error of the trigger in `metadata`, which follows the SQL that it refused."""

_INDEXED: Final = re.compile(r'(table|file|view|schema|macro) with index "(\d+)"')
_NAMED: Final = {
    "table": "SELECT table_name FROM {md}.ducklake_table WHERE table_id = {index} ORDER BY begin_snapshot DESC",
    "file": "SELECT table_name FROM {md}.ducklake_table JOIN {md}.ducklake_data_file USING (table_id) "
    "WHERE data_file_id = {index} ORDER BY ducklake_table.begin_snapshot DESC",
    "view": "SELECT view_name FROM {md}.ducklake_view WHERE view_id = {index} ORDER BY begin_snapshot DESC",
    "schema": "SELECT schema_name FROM {md}.ducklake_schema WHERE schema_id = {index} ORDER BY begin_snapshot DESC",
    "macro": "SELECT macro_name FROM {md}.ducklake_macro WHERE macro_id = {index} ORDER BY begin_snapshot DESC",
}
_SEQUENCES: Final = "SELECT sequence_oid, last_value FROM duckdb_sequences() WHERE database_name = 'temp'"


def conflict_of(text: str) -> str | None:
    """The cause of a conflict, if the text of an error says that a commit lost a race."""
    found = _LOST.search(text) or _REFUSED.search(text)
    return found[1] if found else None


def named(connection: duckdb.DuckDBPyConnection, metadata_name: str, what: str) -> str:
    """The cause of a conflict with the names of the objects that it refers to by an index."""

    def name(found: re.Match[str]) -> str:
        kind = found[1]
        sql = _NAMED[kind].format(md=f"{quoted(metadata_name)}.public", index=found[2])
        with contextlib.suppress(duckdb.Error):
            rows = connection.execute(f"{sql} LIMIT 1").fetchall()
            if rows:
                return f'{"table" if kind == "file" else kind} "{rows[0][0]}"'
        return found[0]

    return _INDEXED.sub(name, what)


@contextlib.contextmanager
def recognised(connection: duckdb.DuckDBPyConnection, metadata_name: str, unit: str) -> Iterator[None]:
    """Raise a lost race as `Conflict`, which advises to run the ``unit`` again."""
    try:
        yield
    except duckdb.Error as error:
        what = conflict_of(raised(error).message)
        if what is None:
            raise
        what = named(connection, metadata_name, what)
        raise Conflict(f"could not serialize access due to concurrent changes: {what}; run the {unit} again") from error


class Sequences:
    """The temporary sequences of a session: a rollback does not take their numbers back."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._con = connection
        self._any = False
        self._before: list[tuple[object, ...]] = []

    def begin(self, planned: Planned) -> None:
        """The statement is about to run, in a transaction of ours."""
        self._any = self._any or planned.tag == "CREATE SEQUENCE"
        self._before = self._values()

    def untouched(self) -> bool:
        """Whether it took no number of any sequence."""
        return self._values() == self._before

    def _values(self) -> list[tuple[object, ...]]:
        return self._con.execute(_SEQUENCES).fetchall() if self._any else []


def repeatable(planned: Planned) -> bool:
    """Whether statements of this form leave nothing outside of their transaction."""
    return planned.kind in (Kind.WRITE, Kind.EXECUTE) and planned.copy_to is None and planned.tag in REPEATABLE
