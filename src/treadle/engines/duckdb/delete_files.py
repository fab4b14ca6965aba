"""Two deletes from one data file at once: refused by the catalog's metadata, because DuckLake lets both pass.

A data file has at most one file that lists its deleted rows. A further delete replaces it, and DuckLake 1.5.5
finds no conflict when two transactions replace the same one: both commit, the file has two lists, a scan
returns its rows twice, and what was deleted is back. A trigger in the metadata refuses the second.
"""

from typing import Final

import duckdb

# The words avoid those at which DuckLake tries the same commit again: conflict, concurrent, unique, primary key.
_TRIGGER: Final = """
DO $do$ BEGIN
IF to_regclass('public.ducklake_delete_file') IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'treadle_one_delete_file')
THEN
    PERFORM pg_advisory_xact_lock(7328332);
    CREATE OR REPLACE FUNCTION public.treadle_one_delete_file() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        IF NEW.end_snapshot IS NULL AND EXISTS (
            SELECT FROM public.ducklake_delete_file
            WHERE data_file_id = NEW.data_file_id AND end_snapshot IS NULL)
        THEN
            RAISE EXCEPTION
                'attempting to delete from file with index "%" - but another transaction has deleted from it',
                NEW.data_file_id USING ERRCODE = '40001';
        END IF;
        RETURN NEW;
    END $body$;
    CREATE INDEX IF NOT EXISTS treadle_delete_file_in_force
        ON public.ducklake_delete_file (data_file_id) WHERE end_snapshot IS NULL;
    CREATE OR REPLACE TRIGGER treadle_one_delete_file BEFORE INSERT ON public.ducklake_delete_file
        FOR EACH ROW EXECUTE FUNCTION public.treadle_one_delete_file();
END IF;
END $do$
"""


def protect(connection: duckdb.DuckDBPyConnection, metadata_name: str) -> None:
    """Have the trigger in the metadata of the attached catalog; raises `duckdb.Error`."""
    connection.execute("CALL postgres_execute(?, ?)", [metadata_name, _TRIGGER]).fetchall()
