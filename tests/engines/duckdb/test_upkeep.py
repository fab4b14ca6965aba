"""Maintenance by SQL: what a call is taken for, what is bounded, what is refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import duckdb
import pytest

from tests.engines.duckdb.conftest import CATALOG, Judge, Lake
from treadle.engines.base import EngineError
from treadle.engines.duckdb import upkeep
from treadle.engines.duckdb.guard import Guard
from treadle.engines.duckdb.lexer import lex
from treadle.engines.duckdb.planned import Effect
from treadle.engines.duckdb.script import Kind
from treadle.engines.duckdb.upkeep_options import OPTIONS
from treadle.wire import Upkeep

BOUND = datetime(2026, 7, 1, tzinfo=UTC)
MOMENT = "TIMESTAMPTZ '2026-07-01T00:00:00+00:00'"
RIGHT = Upkeep(unused_before=BOUND)

Sql = Callable[[str], tuple[str, ...]]


@pytest.fixture
def sql() -> Sql:
    """What a statement comes to."""

    def read(statement: str) -> tuple[str, ...]:
        found = upkeep.read(list(lex(statement)), statement, CATALOG, RIGHT)
        assert found is not None
        return found.sql

    return read


CALLS = {
    'CALL "default".merge_adjacent_files()': "SELECT * FROM ducklake_merge_adjacent_files('default')",
    "call ducklake_merge_adjacent_files('default')": "SELECT * FROM ducklake_merge_adjacent_files('default')",
    "call merge_adjacent_files('t', schema => 'main')": (
        "SELECT * FROM ducklake_merge_adjacent_files('default', 't', \"schema\" => ('main'))"
    ),
    "CALL \"DEFAULT\".rewrite_data_files('t', delete_threshold := 1.0 / 4)": (
        "SELECT * FROM ducklake_rewrite_data_files('default', 't', \"delete_threshold\" => (1.0 / 4))"
    ),
    'CALL "default".flush_inlined_data()': "SELECT * FROM ducklake_flush_inlined_data('default')",
    "CALL \"default\".set_option('target_file_size', '10MB')": (
        "CALL ducklake_set_option('default', 'target_file_size', '10MB')"
    ),
}


@pytest.mark.parametrize("statement", CALLS)
def test_both_spellings_come_to_a_call_of_ducklake(sql: Sql, statement: str) -> None:
    """A call of the catalog is one of DuckLake, with the arguments as they are written."""
    assert sql(statement) == (CALLS[statement],)


def test_checkpoint_rewrites_and_merges(sql: Sql) -> None:
    """CHECKPOINT does at once what helps every reader, and expires nothing."""
    expected = ("CALL ducklake_rewrite_data_files('default')", "CALL ducklake_merge_adjacent_files('default')")
    for statement in ("CHECKPOINT", 'checkpoint "default"', "FORCE CHECKPOINT"):
        assert sql(statement) == expected


@pytest.mark.parametrize(
    ("arguments", "bounded"),
    [
        ("cleanup_all => true", f'"older_than" => {MOMENT}'),
        ("CLEANUP_ALL := TRUE", f'"older_than" => {MOMENT}'),
        ("cleanup_all = true", f'"older_than" => {MOMENT}'),
        ("older_than => now()", f'"older_than" => least((now())::TIMESTAMPTZ, {MOMENT})'),
        ("\"older_than\" => '2999-01-01'", f"\"older_than\" => least(('2999-01-01')::TIMESTAMPTZ, {MOMENT})"),
        ("dry_run => true, cleanup_all => true", f'"older_than" => {MOMENT}, "dry_run" => (true)'),
        ("cleanup_all => false, older_than => now()", f'"older_than" => least((now())::TIMESTAMPTZ, {MOMENT})'),
    ],
)
def test_no_file_is_removed_that_a_statement_may_need(sql: Sql, arguments: str, bounded: str) -> None:
    """Whatever is asked for, the engine is given the bound, and paths are shown from the catalog's folder on."""
    for name in ("cleanup_old_files", "delete_orphaned_files"):
        (made,) = sql(f'CALL "default".{name}({arguments})')
        assert made == (
            "SELECT regexp_replace(path, '^/proc/self/fd/[0-9]+/', '') AS path "
            f"FROM ducklake_{name}('default', {bounded})"
        )


def test_no_snapshot_is_expired_that_is_too_young(sql: Sql) -> None:
    """By age the bound is given to the engine, by version it is checked before."""
    (made,) = sql('CALL "default".expire_snapshots(older_than => now())')
    assert f'"older_than" => least((now())::TIMESTAMPTZ, {MOMENT})' in made
    check, made = sql('CALL "default".expire_snapshots(versions => [1, 2])')
    assert f"snapshot_time >= {MOMENT}" in check
    assert '"dry_run" => true' in check
    assert made == "SELECT * FROM ducklake_expire_snapshots('default', \"versions\" => ([1, 2]))"


def test_a_young_snapshot_is_not_expired_by_its_version(lake: Lake, sql: Sql) -> None:
    """The check before raises, as long as the snapshot is younger than the bound."""
    lake.connection.execute("CREATE TABLE young (i INTEGER); DROP TABLE young")
    (newest,) = lake.connection.execute("FROM ducklake_current_snapshot('default')").fetchone() or (0,)
    check, _ = sql(f'CALL "default".expire_snapshots(versions => [{newest - 1}])')
    with pytest.raises(duckdb.InvalidInputException, match="snapshots that young cannot be expired"):
        lake.connection.execute(check).fetchall()


REFUSED = {
    "CALL other.merge_adjacent_files()": "42501",
    "CALL ducklake_merge_adjacent_files('other')": "42501",
    "CALL ducklake_merge_adjacent_files('def' || 'ault')": "42601",
    "CALL ducklake_merge_adjacent_files()": "42601",
    "CALL \"default\".ducklake_merge_adjacent_files('default')": "42601",
    'CALL "default".merge_adjacent_files': "42601",
    "CALL \"default\".merge_adjacent_files('t',)": "42601",
    "CALL \"default\".merge_adjacent_files('t'))": "42601",
    'CALL "default".cleanup_old_files()': "22023",
    'CALL "default".cleanup_old_files(cleanup_all => true, older_than => now())': "22023",
    'CALL "default".cleanup_old_files(cleanup_all => (SELECT true))': "22023",
    'CALL "default".cleanup_old_files(cleanup_all => true, dry_run => 1 = 1)': "22023",
    'CALL "default".expire_snapshots(older_than => now(), dry_run => NULL)': "22023",
    "CALL \"default\".cleanup_old_files('t', cleanup_all => true)": "42601",
    "CALL \"default\".set_option('data_inlining_row_limit', 10)": "42501",
    "CALL \"default\".set_option('data_inlining_row_limit', 10, table_name => 't')": "42501",
    'CALL "default".set_option($$data_inlining_row_limit$$, 10)': "42501",
    "CALL \"default\".set_option('data_inlining' || '_row_limit', 10)": "42501",
    "CALL \"default\".set_option(('data_inlining_row_limit'), 10)": "42501",
    "CHECKPOINT other": "42501",
    'CHECKPOINT "default" other': "42601",
}


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_not_for_users_is_refused(judge: Judge, guard: Guard, statement: str) -> None:
    """Another catalog, an option that is not theirs, and what is no call."""
    guard.upkeep = RIGHT
    with pytest.raises(EngineError) as refusal:
        judge(statement)
    assert refusal.value.sql_state == REFUSED[statement]


ELSEWHERE = [
    "FROM ducklake_merge_adjacent_files('default')",
    'FROM "default".merge_adjacent_files()',
    "SELECT * FROM ducklake_cleanup_old_files('default', cleanup_all => true)",
    "WITH x AS (FROM ducklake_expire_snapshots('default', older_than => now())) FROM x",
    "CREATE VIEW v AS FROM ducklake_flush_inlined_data('default')",
    "EXPLAIN CALL ducklake_merge_adjacent_files('default')",
    'EXPLAIN ANALYZE CALL "default".merge_adjacent_files()',
    'PREPARE p AS CALL "default".merge_adjacent_files()',
    "CALL ducklake_merge_adjacent_files('default', (FROM ducklake_cleanup_old_files('default', cleanup_all => true)))",
    "CALL dbgen(sf = 1, catalog = ducklake_set_option('default', 'x', 1))",
    "CALL a.b.merge_adjacent_files()",
]


@pytest.mark.parametrize("statement", ELSEWHERE)
def test_it_is_maintenance_as_a_call_of_its_own_only(judge: Judge, guard: Guard, statement: str) -> None:
    """Within a query, a view, an EXPLAIN or a PREPARE the names are refused as ever."""
    guard.upkeep = RIGHT
    with pytest.raises(EngineError) as refusal:
        judge(statement)
    assert refusal.value.sql_state in ("42501", "0A000")


@pytest.mark.parametrize("statement", [*CALLS, "CHECKPOINT", "FORCE CHECKPOINT"])
def test_it_needs_the_right(judge: Judge, guard: Guard, statement: str) -> None:
    """Without it every form is refused, with it each is a write."""
    with pytest.raises(EngineError) as refusal:
        judge(statement)
    assert refusal.value.sql_state == "42501"
    guard.upkeep = RIGHT
    (planned,) = judge(statement)
    assert (planned.kind, planned.writes) == (Kind.UPKEEP, True)


EFFECTS = {
    'CALL "default".cleanup_old_files(cleanup_all => true)': Effect.ROWS,
    'CALL "default".delete_orphaned_files(older_than => now(), dry_run => FALSE)': Effect.ROWS,
    'CALL "default".expire_snapshots(older_than => now())': Effect.ROWS,
    'CALL "default".expire_snapshots(versions => [1])': Effect.ROWS,
    'CALL "default".cleanup_old_files(cleanup_all => true, dry_run => (true))': Effect.NONE,
    'CALL "default".expire_snapshots(versions => [1], dry_run := true)': Effect.NONE,
    'CALL "default".merge_adjacent_files()': Effect.SNAPSHOT,
    "CHECKPOINT": Effect.SNAPSHOT,
    "CALL \"default\".set_option('target_file_size', '10MB')": Effect.ALWAYS,
}


@pytest.mark.parametrize("statement", EFFECTS)
def test_effect_is_known_by_what_a_call_leaves(judge: Judge, guard: Guard, statement: str) -> None:
    """A snapshot, or the rows that it has removed; a dry run leaves nothing."""
    guard.upkeep = RIGHT
    (planned,) = judge(statement)
    assert planned.effect is EFFECTS[statement]


def test_options_that_may_be_set_never_keep_a_write_from_working(lake: Lake) -> None:
    """With the oddest values the engine takes for each of them."""
    values = {
        "parquet_compression": ("'uncompressed'", "'brotli'", "'lz4_raw'", "'zstd'", "'snappy'"),
        "parquet_version": ("2", "1"),
        "parquet_row_group_size": ("1", "18446744073709551615", "122880"),
        "target_file_size": ("'1B'", "'9000TB'", "'512MB'"),
        "rewrite_delete_threshold": ("0", "1", "0.95"),
        "per_thread_output": ("true", "false"),
    }
    assert values.keys() == OPTIONS
    lake.connection.execute("CREATE TABLE odd (i INTEGER)")
    for option, tried in values.items():
        for value in tried:
            lake.connection.execute(f"CALL ducklake_set_option('{CATALOG}', '{option}', {value})")
            lake.connection.execute("INSERT INTO odd FROM range(3000)")
            lake.connection.execute(f"CALL ducklake_merge_adjacent_files('{CATALOG}', 'odd')")
    written = sum(map(len, values.values())) * 3000
    assert lake.connection.execute("SELECT count(*) FROM odd").fetchall() == [(written,)]
    lake.connection.execute("DROP TABLE odd")


SETTABLE: Final = {
    "parquet_compression": ("'zstd'", "'LZ4_RAW'"),
    "parquet_version": ("1", "'2'"),
    "parquet_row_group_size": ("1", "122880", "'9223372036854775807'"),
    "target_file_size": ("'1B'", "'1 byte'", "'0.001KB'", "'512MiB'", "'999999.999TiB'", "'10g'"),
    "rewrite_delete_threshold": ("0", "1", "0.95", ".5", "'1.0'"),
    "per_thread_output": ("true", "'FALSE'"),
}
UNSETTABLE: Final = {
    "parquet_compression": ("'gzip2'", "NULL", "1", "'zs' || 'td'"),
    "parquet_version": ("0", "3", "NULL", "-1"),
    "parquet_row_group_size": ("0", "-1", "'abc'", "NULL", "1.5", "18446744073709551616"),
    "target_file_size": (
        *("'-5'", "'-1GB'", "'none'", "'unlimited'", "'null'", "'0'", "'0MB'", "'0.0001KB'", "'5'", "5", "NULL"),
        *("'1000000TB'", "'99999999999999999999B'", "'nan'", "'inf'", "'100%'", "''"),
    ),
    "rewrite_delete_threshold": ("-0.1", "1.1", "2", "'nan'", "'x'", "NULL"),
    "per_thread_output": ("'maybe'", "NULL", "2"),
}


@pytest.mark.parametrize("option", SETTABLE)
def test_value_of_an_option_that_is_accepted_lets_every_session_write(
    lake: Lake, judge: Judge, guard: Guard, option: str
) -> None:
    """What the guard lets through, DuckLake takes, and tables can still be written and merged."""
    guard.upkeep = RIGHT
    lake.connection.execute("CREATE TABLE settable (i INTEGER)")
    for value in SETTABLE[option]:
        (planned,) = judge(f"CALL \"default\".set_option('{option}', {value})")
        for statement in planned.statements:
            lake.connection.execute(statement)
        lake.connection.execute("INSERT INTO settable FROM range(3)")
        lake.connection.execute(f"CALL ducklake_merge_adjacent_files('{CATALOG}', 'settable')")
    assert lake.connection.execute("SELECT count(*) FROM settable").fetchall() == [(3 * len(SETTABLE[option]),)]
    lake.connection.execute("DROP TABLE settable")


@pytest.mark.parametrize("option", UNSETTABLE)
def test_value_of_an_option_that_would_stop_writes_is_refused(judge: Judge, guard: Guard, option: str) -> None:
    """DuckLake keeps some of them for all sessions, and no write succeeds any more."""
    guard.upkeep = RIGHT
    for value in UNSETTABLE[option]:
        for call in (
            f"\"default\".set_option('{option}', {value})",
            f"ducklake_set_option('default', '{option}', {value})",
        ):
            with pytest.raises(EngineError) as refusal:
                judge(f"CALL {call}")
            assert refusal.value.sql_state == "22023", value
    with pytest.raises(EngineError) as refusal:
        judge(f"CALL \"default\".set_option('{option}')")
    assert refusal.value.sql_state == "42601"
