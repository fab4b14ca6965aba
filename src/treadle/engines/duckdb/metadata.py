"""What Treadle adds to the metadata of a catalog, once: rules that keep its answers right, and the mending of what
earlier versions left there.

DuckLake (1.5.5) skips data files by comparing the bounds of a FLOAT column with a DOUBLE, and keeps the bounds of a
column whose type has changed, also in the memory of a session that has read the table before. It finds no conflict when
two transactions replace the list of a file's deleted rows: both commit, the file has two lists, a scan returns its rows
twice, and what was deleted is back. The rules are triggers, so that they hold for whatever writes the catalog. Its
state is in the comment of a table, which every session reads as it attaches.
"""

from collections.abc import Sequence
from typing import Any, Final

import duckdb

from treadle.engines.duckdb.inlined import NotReadableError, mended
from treadle.engines.duckdb.storable import Place, is_exact, stored, stored_text, types_of
from treadle.engines.duckdb.types import Nested

RULES: Final = "treadle 2"
"""The state of a catalog that has all of them."""

_FEWER: Final = "treadle 1"
"""The state of a catalog with the rules of an earlier version."""

_MENDED: Final = "treadle 1 after mending"
"""The state of one whose rules are there and whose inlined text is right; inlined tables follow that stay as is."""

_CONVERTED: Final = "treadle 1 after converting"
"""The state of one whose 128-bit integers are decimals as well; its inlined data is not yet in files."""

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

-- The bounds of a whole table must not become unknown, which DuckLake takes for a table without values. Every JSON text
-- of what was no text begins before the last of these.
CREATE OR REPLACE FUNCTION public.treadle_forget_bounds_of_type() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.ducklake_column
        WHERE table_id = NEW.table_id AND column_id = NEW.column_id AND column_type <> NEW.column_type
    ) THEN
        UPDATE public.ducklake_file_column_stats SET min_value = NULL, max_value = NULL
        WHERE table_id = NEW.table_id AND column_id = NEW.column_id;
        UPDATE public.ducklake_table_column_stats
        SET min_value = CASE NEW.column_type WHEN 'json' THEN '' WHEN 'timestamptz' THEN '-infinity' ELSE '-inf' END,
            max_value = CASE NEW.column_type WHEN 'json' THEN '~' WHEN 'timestamptz' THEN 'infinity' ELSE 'inf' END
        WHERE table_id = NEW.table_id AND column_id = NEW.column_id AND min_value IS NOT NULL
            AND NEW.column_type IN ('float32', 'float64', 'json', 'timestamptz');
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER treadle_forget_bounds_of_type AFTER INSERT ON public.ducklake_column
    FOR EACH ROW EXECUTE FUNCTION public.treadle_forget_bounds_of_type();

-- They do when rows are written in the transaction that changes the type: those of the old rows hold for the new ones.
CREATE OR REPLACE FUNCTION public.treadle_keep_bounds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.min_value := OLD.min_value;
    NEW.max_value := OLD.max_value;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER treadle_keep_bounds BEFORE UPDATE ON public.ducklake_table_column_stats
    FOR EACH ROW WHEN (NEW.min_value IS NULL AND OLD.min_value IS NOT NULL)
    EXECUTE FUNCTION public.treadle_keep_bounds();

-- A session keeps the bounds of tables in memory until the next file id moves: a change of a type must move it as well.
CREATE OR REPLACE FUNCTION public.treadle_move_file_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.schema_version <> (
        SELECT schema_version FROM public.ducklake_snapshot ORDER BY snapshot_id DESC LIMIT 1
    ) THEN
        NEW.next_file_id := NEW.next_file_id + 1;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER treadle_move_file_id BEFORE INSERT ON public.ducklake_snapshot
    FOR EACH ROW EXECUTE FUNCTION public.treadle_move_file_id();

CREATE OR REPLACE FUNCTION public.treadle_refuse_inlining() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'data_inlining_row_limit is 0 in this catalog and is not supported with another value'
        USING ERRCODE = 'feature_not_supported';
END $$;
CREATE OR REPLACE TRIGGER treadle_refuse_inlining BEFORE INSERT OR UPDATE ON public.ducklake_metadata
    FOR EACH ROW WHEN (NEW.key = 'data_inlining_row_limit' AND NEW.value <> '0')
    EXECUTE FUNCTION public.treadle_refuse_inlining();

-- The words avoid those at which DuckLake tries the same commit again: conflict, concurrent, unique, primary key.
CREATE OR REPLACE FUNCTION public.treadle_one_delete_file() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.ducklake_delete_file WHERE data_file_id = NEW.data_file_id AND end_snapshot IS NULL
    ) THEN
        RAISE EXCEPTION 'attempting to delete from file with index "%" - but another transaction has deleted from it',
            NEW.data_file_id USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
END $$;
CREATE INDEX IF NOT EXISTS treadle_delete_file_in_force
    ON public.ducklake_delete_file (data_file_id) WHERE end_snapshot IS NULL;
CREATE OR REPLACE TRIGGER treadle_one_delete_file BEFORE INSERT ON public.ducklake_delete_file
    FOR EACH ROW WHEN (NEW.end_snapshot IS NULL) EXECUTE FUNCTION public.treadle_one_delete_file();
"""

_MEND: Final = """
DELETE FROM public.ducklake_metadata WHERE key = 'data_inlining_row_limit';
UPDATE public.ducklake_file_column_stats SET min_value = NULL, max_value = NULL
WHERE (table_id, column_id) IN (
    SELECT table_id, column_id FROM public.ducklake_column
    GROUP BY table_id, column_id HAVING bool_or(column_type = 'float32') OR count(DISTINCT column_type) > 1
);
UPDATE public.ducklake_table_column_stats known
SET min_value = CASE now.column_type WHEN 'json' THEN '' ELSE '-inf' END,
    max_value = CASE now.column_type WHEN 'json' THEN '~' ELSE 'inf' END
FROM public.ducklake_column now
WHERE now.table_id = known.table_id AND now.column_id = known.column_id AND now.end_snapshot IS NULL
    AND now.column_type IN ('float32', 'float64', 'json') AND known.min_value IS NOT NULL AND EXISTS (
        SELECT FROM public.ducklake_column before
        WHERE before.table_id = now.table_id AND before.column_id = now.column_id
            AND before.column_type <> now.column_type
    );
"""

_TABLES: Final = "SELECT count(*) FROM public.ducklake_table"

# A column is read as another type than its files have: the doubles in old files as the integers they stand for.
_CONVERT: Final = """
UPDATE public.ducklake_column SET column_type = 'decimal(38,0)'
WHERE column_type IN ('int128', 'uint128') AND table_id IN (
    SELECT t.table_id FROM public.ducklake_table t JOIN public.ducklake_schema s USING (schema_id)
    WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND s.schema_name = {} AND t.table_name = {}
);
"""
_WIDE: Final = """
    SELECT DISTINCT schema_name, table_name FROM duckdb_columns()
    WHERE database_name = ? AND regexp_matches(data_type, '\\bU?HUGEINT\\b') ORDER BY ALL
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

_ALL_COLUMNS: Final = """
    SELECT c.schema_name, c.table_name, c.data_type FROM duckdb_columns() c
    JOIN duckdb_tables() t USING (database_name, schema_name, table_name) WHERE c.database_name = ?
"""


class Metadata:
    """The metadata of an attached catalog, as its database ``name`` in the engine."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalog: str, name: str) -> None:
        self._con = connection
        self._catalog = catalog
        self._name = name
        self.holds_inexact = False
        """Whether a table has a column of a type that is refused by now; known after `mend`."""
        self.unmended: tuple[str, ...] = ()
        """The tables that the last step of `mend` left unchanged."""

    def mend(self) -> bool:
        """Take one step towards `RULES`; raises `duckdb.Error`.

        True when more remains, for a catalog that is attached anew: what the engine knows of it is out of date. Each
        step is one transaction, and does nothing that another session has done meanwhile.
        """
        state = self._state()
        if state == RULES:
            return False
        if state == _FEWER:
            self._execute(_SQL + _comment(RULES))
            return False
        unreadable = state.removeprefix(_MENDED).removeprefix(_CONVERTED).split()
        if state.startswith(_CONVERTED):
            self._flush_all(unreadable)
            return False
        return self._convert(unreadable) if state.startswith(_MENDED) else self._add_rules()

    def _state(self) -> str:
        [(state, self.holds_inexact)] = self._query(_STATE)
        return str(state)

    def _add_rules(self) -> bool:
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
        old = bool(self._query(_TABLES)[0][0])
        state = " ".join((_MENDED, *sorted(unreadable))) if old else RULES
        self._execute(_SQL + _MEND + "".join(updates) + _comment(state))
        return old

    def _convert(self, unreadable: Sequence[str]) -> bool:
        kept = self._tables_at(unreadable)
        tables = [names for names in self._con.execute(_WIDE, [self._catalog]).fetchall() if names not in kept]
        updates = [_CONVERT.format(*map(_literal, names)) for names in tables if self._is_convertible(*names)]
        self._execute("".join(updates) + _comment(" ".join((_CONVERTED, *unreadable))))
        return True

    def _is_convertible(self, schema: str, table: str) -> bool:
        """Whether all rows can be read as they would be then: every value is looked at."""
        place = ".".join(map(_quoted, (self._catalog, schema, table)))
        casts = (
            f"max(CAST({_quoted(column)} AS {stored_text(engine_type)}))"
            for column, engine_type in self._columns(schema, table)
            if stored(types_of(engine_type)) != types_of(engine_type)
        )
        try:
            self._con.execute(f"SELECT {', '.join(casts)} FROM {place}").fetchall()  # noqa: S608 - names in quotes
        except duckdb.ConversionException:
            return False
        return True

    def _flush_all(self, unreadable: Sequence[str]) -> None:
        """Bring inlined rows and deletes into files, of every table whose rows are the same there."""
        inlined = [(schema, table) for schema, table, _ in self._query(_INLINED)]
        kept = self._tables_at(unreadable) | self._inexact_tables()
        kept |= {names for names in sorted({*inlined, *self._query(_DELETED)} - kept) if not self._flush(*names)}
        self.unmended = tuple(f"{schema}.{table}" for schema, table in sorted(kept))
        self._execute(_SQL + _comment(RULES))

    def _inexact_tables(self) -> set[tuple[str, str]]:
        """List the tables with a column whose values a file would not hold exactly."""
        found = self._con.execute(_ALL_COLUMNS, [self._catalog]).fetchall()
        return {(schema, table) for schema, table, kind in found if not is_exact(kind, Place.TABLE)}

    def _tables_at(self, places: Sequence[str]) -> set[tuple[str, str]]:
        return {(schema, table) for schema, table, place in self._query(_INLINED) if place in places}

    def _mendings(self, place: str, column: str, found: Nested) -> list[str]:
        """The updates after which the column's inlined values are read as they were written."""
        name, rows = _quoted(column), f"public.{_quoted(place)}"
        texts = self._query(f"SELECT ctid::text, {name} FROM {rows} WHERE {name} IS NOT NULL")  # noqa: S608 - quoted
        return [
            f"UPDATE {rows} SET {name} = {_literal(mended(text, found))} WHERE ctid = {_literal(row)};\n"  # noqa: S608
            for row, text in texts
        ]

    def _flush(self, schema: str, table: str) -> bool:
        """Write the rows and deletes of a table to files; False if a value cannot be read."""
        try:
            self._con.execute(
                f"CALL ducklake_flush_inlined_data({_literal(self._catalog)}, "
                f"schema_name => {_literal(schema)}, table_name => {_literal(table)})"
            )
        except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.NotImplementedException):
            return False
        return True

    def _columns(self, schema: str, table: str) -> list[tuple[str, str]]:
        return self._con.execute(_COLUMNS, [self._catalog, schema, table]).fetchall()

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
