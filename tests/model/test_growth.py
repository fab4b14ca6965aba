"""What the scripts of a workspace beyond a quota may make more of."""

import pytest

from treadle.model.growth import Beyond, Full, Space, growth

ROWS = {Space.RESULTS, Space.SPILL}
WRITES = {Space.FILES, Space.SPILL}
EVERYTHING = set(Space)

CASES: dict[str, set[Space]] = {
    "SELECT 1": ROWS,
    "  -- a note\n/* another /* within */ */ select * FROM t WHERE s = 'copy t to x'": ROWS,
    "FROM t": ROWS,
    "(SELECT 1) UNION ALL (SELECT 2)": ROWS,
    "VALUES (1)": ROWS,
    "WITH a AS (SELECT 1), b(x) AS MATERIALIZED (SELECT 2) SELECT * FROM a, b": ROWS,
    "SHOW TABLES": ROWS,
    "EXPLAIN INSERT INTO t SELECT 1": ROWS,
    "EXECUTE p(1)": ROWS,
    "CALL cat.cleanup_old_files(older_than => now())": ROWS,
    "CALL ducklake_expire_snapshots('cat', older_than => now())": ROWS,
    'SELECT "insert", update FROM t': ROWS,
    "SELECT $$ ; DROP TABLE t; COPY t TO 'x' $$": ROWS,
    "SELECT e'it\\'s; copy', E'' AS x": ROWS,
    "DELETE FROM t WHERE i > 1": set(),
    "DELETE FROM t USING u WHERE t.i = u.i; TRUNCATE u": set(),
    "DROP TABLE t": set(),
    "DROP TABLE t; DROP VIEW v CASCADE;": set(),
    "BEGIN; DELETE FROM t; COMMIT": set(),
    "ROLLBACK": set(),
    "SET query_profiling = 'off'; RESET ALL; USE main": set(),
    "CREATE VIEW v AS SELECT 1": set(),
    "PREPARE p AS INSERT INTO t VALUES ($1)": set(),
    "ALTER TABLE t DROP COLUMN i": set(),
    "": set(),
    " ;; -- nothing": set(),
    "DELETE FROM t RETURNING *": ROWS,
    "COPY t TO 'x.csv'": WRITES,
    "copy(select 1)to'x'": WRITES,
    "/**/COPY/**/t TO 'x'": WRITES,
    "INSERT INTO t SELECT 1": WRITES,
    "INSERT INTO t VALUES (1) RETURNING i": EVERYTHING,
    "WITH a AS (SELECT 1) INSERT INTO t FROM a": WRITES,
    "WITH a AS (SELECT 1), b AS (SELECT 2)\nUPDATE t SET i = 1 FROM a": WRITES,
    "WITH a AS (SELECT 1) DELETE FROM t USING a": set(),
    "UPDATE t SET i = 1": WRITES,
    "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE": WRITES,
    "CREATE TABLE t AS SELECT 1": WRITES,
    "CREATE OR REPLACE TEMP TABLE t (i INTEGER)": WRITES,
    "EXPLAIN ANALYZE INSERT INTO t SELECT 1": WRITES,
    "EXPLAIN (ANALYZE, FORMAT json) CREATE TABLE t AS SELECT 1": WRITES,
    "EXPLAIN ANALYZE DELETE FROM t": set(),
    "CALL dbgen(sf = 1)": EVERYTHING,
    "DROP TABLE t; COPY u TO 'x'": WRITES,
    "SELECT 1; INSERT INTO t SELECT 2": EVERYTHING,
    "SELECT ';'; DROP TABLE t": ROWS,
    "SELECT /* ; */ 1 -- ; COPY t TO 'x'": ROWS,
    "NOSUCH THING": EVERYTHING,
    "WITH": EVERYTHING,
}


@pytest.mark.parametrize(("script", "spaces"), CASES.items())
def test_growth_of_a_script(script: str, spaces: set[Space]) -> None:
    """By the words its statements begin with, wherever strings, comments and parentheses stand."""
    assert growth(script) == spaces


def test_a_long_text_is_read_once() -> None:
    """Also one whose strings and comments have no end."""
    for text in ("SELECT '" + "x" * 10**6, "/*" * 10**5, "SELECT " + "(" * 10**5 + "$a" * 10**5):
        assert growth(text) <= EVERYTHING


def test_a_full_workspace_meets_what_takes_more() -> None:
    """Of several quotas the first that is met is named; what takes nothing of them meets none."""
    files, spill = Beyond("files", "remove some"), Beyond("spill", "wait")
    assert Full({Space.FILES: files, Space.SPILL: spill}).met_by("COPY t TO 'x'") is files
    assert Full({Space.FILES: files, Space.SPILL: spill}).met_by("SELECT 1") is spill
    assert Full({Space.FILES: files}).met_by("SELECT 1") is None
    assert Full({Space.FILES: files}).met_by("DROP TABLE t") is None
