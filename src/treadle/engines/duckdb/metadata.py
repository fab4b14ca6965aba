"""What Treadle adds to the metadata of a catalog, once: rules that keep its answers right, and the mending of what
earlier versions left there.

DuckLake (1.5.5) skips data files by comparing the bounds of a FLOAT column with a DOUBLE, and keeps the bounds of a
column whose type has changed. The rules are triggers, so that they hold for whatever writes the catalog. Its state is
in the comment of a table, which every session reads as it attaches.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb

from treadle.engines.duckdb.inlined import NotReadableError, mended
from treadle.engines.duckdb.storable import Place, is_exact, types_of
from treadle.engines.duckdb.types import Nested

RULES: Final = "treadle 1"
"""The state of a catalog that has them."""

_MENDED: Final = f"{RULES} but for inlined data"
"""The state of one whose inlined data is not yet in files; the tables follow that cannot be brought there."""

_STATE: Final = """
    SELECT coalesce(obj_description('public.ducklake_metadata'::regclass), ''), EXISTS (
        SELECT FROM public.ducklake_column WHERE end_snapshot IS NULL
        AND column_type IN ('int128', 'uint128', 'interval', 'timetz', 'time_ns', 'variant')
    )
"""

_SQL: Final = r"""
CREATE INDEX IF NOT EXISTS treadle_columns ON public.ducklake_column (table_id, column_id);

CREATE OR REPLACE FUNCTION public.treadle_forget_float_bounds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.ducklake_column
        WHERE table_id = NEW.table_id AND column_id = NEW.column_id AND column_type = 'float32'
    ) THEN
        NEW.min_value := NULL;
        NEW.max_value := NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER treadle_forget_float_bounds BEFORE INSERT OR UPDATE ON public.ducklake_file_column_stats
    FOR EACH ROW WHEN (NEW.min_value ~ '^-?([0-9]+[.e][-+0-9.e]+|inf)$')
    EXECUTE FUNCTION public.treadle_forget_float_bounds();

-- The bounds of a whole table must not become unknown, which DuckLake takes for a table without values.
CREATE OR REPLACE FUNCTION public.treadle_forget_bounds_of_type() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.ducklake_column
        WHERE table_id = NEW.table_id AND column_id = NEW.column_id AND column_type <> NEW.column_type
    ) THEN
        UPDATE public.ducklake_file_column_stats SET min_value = NULL, max_value = NULL
        WHERE table_id = NEW.table_id AND column_id = NEW.column_id;
        UPDATE public.ducklake_table_column_stats
        SET min_value = CASE WHEN NEW.column_type IN ('float32', 'float64') THEN '-inf' ELSE '' END, max_value = NULL
        WHERE table_id = NEW.table_id AND column_id = NEW.column_id AND min_value IS NOT NULL
            AND NEW.column_type IN ('float32', 'float64', 'json', 'varchar');
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER treadle_forget_bounds_of_type AFTER INSERT ON public.ducklake_column
    FOR EACH ROW EXECUTE FUNCTION public.treadle_forget_bounds_of_type();

CREATE OR REPLACE FUNCTION public.treadle_refuse_inlining() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'data_inlining_row_limit is 0 in this catalog and is not supported with another value'
        USING ERRCODE = 'feature_not_supported';
END $$;
CREATE OR REPLACE TRIGGER treadle_refuse_inlining BEFORE INSERT OR UPDATE ON public.ducklake_metadata
    FOR EACH ROW WHEN (NEW.key = 'data_inlining_row_limit' AND NEW.value <> '0')
    EXECUTE FUNCTION public.treadle_refuse_inlining();
"""

_MEND: Final = """
DELETE FROM public.ducklake_metadata WHERE key = 'data_inlining_row_limit';
UPDATE public.ducklake_file_column_stats SET min_value = NULL, max_value = NULL
WHERE (table_id, column_id) IN (
    SELECT table_id, column_id FROM public.ducklake_column
    GROUP BY table_id, column_id HAVING bool_or(column_type = 'float32') OR count(DISTINCT column_type) > 1
);
-- A column is read as another type than its files have: the doubles in old files as the integers they stand for.
UPDATE public.ducklake_column SET column_type = 'decimal(38,0)'
WHERE column_type IN ('int128', 'uint128') AND NOT EXISTS (
    SELECT FROM public.ducklake_table_column_stats known
    WHERE known.table_id = ducklake_column.table_id AND known.column_id = ducklake_column.column_id
        AND greatest(abs(min_value::numeric), abs(max_value::numeric)) >= 1e38
);
"""

_INLINED: Final = """
SELECT s.schema_name, t.table_name, i.table_name AS place
FROM public.ducklake_inlined_data_tables i
JOIN public.ducklake_table t ON t.table_id = i.table_id AND t.end_snapshot IS NULL
JOIN public.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
"""
_DELETED: Final = """
SELECT DISTINCT s.schema_name, t.table_name
FROM pg_class c
JOIN public.ducklake_table t ON c.relname = 'ducklake_inlined_delete_' || t.table_id AND t.end_snapshot IS NULL
JOIN public.ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
"""
_COLUMNS: Final = """
    SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? AND table_name = ?
"""


class Metadata:
    """The metadata of an attached catalog, as its database ``name`` in the engine."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalog: str, name: str) -> None:
        self._con = connection
        self._catalog = catalog
        self._name = name

    def bring_up_to_date(self) -> bool:
        """Add the rules and mend what an earlier version left, unless that is done; raises `duckdb.Error`.

        True when a table has a column of a type that is refused by now. Two sessions that do this at once disturb one
        another: the loser tries again.
        """
        state, inexact = self._query(_STATE)[0]
        if state != RULES:
            if not state.startswith(_MENDED):
                with self._transaction():
                    state = self._mend()
            self._flush(frozenset(state.removeprefix(_MENDED).split()))
            self._execute(_comment(RULES))
        return bool(inexact)

    def _mend(self) -> str:
        """Everything that must happen once; the state it leaves."""
        updates: list[str] = []
        unreadable: set[str] = set()
        for schema, table, place in self._query(_INLINED):
            for column, engine_type in self._columns(schema, table):
                found = types_of(engine_type)
                if isinstance(found, Nested) and found.name == "STRUCT":
                    try:
                        updates += self._mendings(place, column, found)
                    except NotReadableError:
                        unreadable.add(place)
        state = " ".join((_MENDED, *sorted(unreadable)))
        self._execute(_SQL + _MEND + "".join(updates) + _comment(state))
        return state

    def _mendings(self, place: str, column: str, found: Nested) -> list[str]:
        """The updates after which the column's inlined values are read as they were written."""
        name, rows = _quoted(column), f"public.{_quoted(place)}"
        texts = self._query(f"SELECT ctid::text, {name} FROM {rows} WHERE {name} IS NOT NULL")  # noqa: S608 - quoted
        return [
            f"UPDATE {rows} SET {name} = {_literal(mended(text, found))} WHERE ctid = {_literal(row)};\n"  # noqa: S608
            for row, text in texts
        ]

    def _flush(self, unreadable: frozenset[str]) -> None:
        """Bring inlined rows and deletes into files, of every table whose rows are the same there."""
        inlined = self._query(_INLINED)
        kept = {(schema, table) for schema, table, place in inlined if place in unreadable}
        tables = {(schema, table) for schema, table, *_ in (*inlined, *self._query(_DELETED))}
        for schema, table in sorted(tables - kept):
            if all(is_exact(engine_type, Place.TABLE) for _, engine_type in self._columns(schema, table)):
                self._flush_table(schema, table)

    def _flush_table(self, schema: str, table: str) -> None:
        try:
            self._con.execute(
                f"CALL ducklake_flush_inlined_data({_literal(self._catalog)}, "
                f"schema_name => {_literal(schema)}, table_name => {_literal(table)})"
            )
        except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.NotImplementedException):
            return  # a value that cannot be read stays as it is

    def _columns(self, schema: str, table: str) -> list[tuple[str, str]]:
        return self._con.execute(_COLUMNS, [self._catalog, schema, table]).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._con.execute("BEGIN TRANSACTION")
        try:
            yield
            self._con.execute("COMMIT")
        except duckdb.Error:
            with contextlib.suppress(duckdb.Error):
                self._con.execute("ROLLBACK")
            raise

    def _query(self, sql: str) -> Sequence[tuple[Any, ...]]:
        return self._con.execute("FROM postgres_query(?, ?)", [self._name, sql]).fetchall()

    def _execute(self, sql: str) -> None:
        self._con.execute("CALL postgres_execute(?, ?)", [self._name, sql])


def _comment(state: str) -> str:
    return f"COMMENT ON TABLE public.ducklake_metadata IS {_literal(state)};\n"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
