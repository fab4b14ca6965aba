"""Maintenance of catalogs, by the service and by its users: what it does, what it never does, how it is stopped."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.catalogs import catalog
from tests.support.inlining import beside, catalogs_of
from tests.support.tokens import make_token
from tests.support.world import ALICE, BOUND, World, until, world
from treadle.demo.client import Session, StatementFailed, StatementReply

RETENTION = 0.5
SETTINGS = {
    "TREADLE_MAINTENANCE_PAUSE": "0.2",
    "TREADLE_MAINTENANCE_SMALL_FILES": "4",
    "TREADLE_MAINTENANCE_TIMEOUT": "2",
    "TREADLE_FILE_RETENTION": str(RETENTION),
    "TREADLE_CANCEL_GRACE": "1",
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service that maintains its catalogs eagerly."""
    with world(tmp_path_factory.mktemp("maintained") / "data", SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service that maintains nothing by itself."""
    off = SETTINGS | {"TREADLE_MAINTENANCE": "false"}
    with world(tmp_path_factory.mktemp("unmaintained") / "data", off) as running:
        yield running


def asked(world: World, sql: str) -> int:
    """What the metadata of the world's catalog answers."""
    with catalog(world) as connection:
        row = connection.execute(sql.encode()).fetchone()
        assert row is not None
        return int(row[0])


def live(world: World, table: str, what: str = "data") -> int:
    """How many files the newest snapshot of a table has."""
    return asked(
        world,
        f"SELECT count(*) FROM ducklake_{what}_file f JOIN ducklake_table t USING (table_id) "
        f"WHERE f.end_snapshot IS NULL AND t.end_snapshot IS NULL AND t.table_name = '{table}'",
    )


def scheduled(world: World) -> int:
    """How many files that fell out of use are still there."""
    return asked(world, "SELECT count(*) FROM ducklake_files_scheduled_for_deletion")


def outlived(world: World) -> bool:
    """Whether every file that fell out of use did so longer ago than the retention."""
    young = f"schedule_start >= now() - interval '{RETENTION} s'"
    return not asked(world, f"SELECT count(*) FROM ducklake_files_scheduled_for_deletion WHERE {young}")


def fill(session: Session, table: str, files: int) -> None:
    """A table of one-row inserts."""
    session.run(f"CREATE TABLE {table} (i INTEGER)")
    for number in range(files):
        session.run(f"INSERT INTO {table} VALUES ({number})")


def code(session: Session, sql: str) -> str:
    """The SQLSTATE of a statement that must fail."""
    with pytest.raises(StatementFailed) as failed:
        session.run(sql)
    return failed.value.sql_state


def test_small_files_are_merged_and_the_old_ones_removed(kept: World) -> None:
    """Without anybody asking for it; every row stays, and a second look finds nothing to do."""
    with kept.session() as session:
        fill(session, "merged", 12)
        until(lambda: live(kept, "merged") < 4, "small files are merged")
        until(lambda: not scheduled(kept), "the merged files are removed")
        assert session.run("SELECT count(*), sum(i) FROM merged").rows == [["12", "66"]]
    until(lambda: len(kept.data_files()) == asked(kept, "SELECT count(*) FROM ducklake_data_file"), "they are gone")


def test_deleted_rows_are_left_out(kept: World) -> None:
    """A file most of whose rows are deleted is written anew."""
    with kept.session() as session:
        session.run("CREATE TABLE thin AS SELECT i FROM range(1000) t(i)")
        session.run("DELETE FROM thin WHERE i >= 100")
        until(lambda: not live(kept, "thin", "delete"), "the file is rewritten")
        assert session.run("SELECT count(*), sum(i) FROM thin").rows == [["100", "4950"]]


def test_old_snapshots_expire_and_the_newest_stays(tmp_path: Path) -> None:
    """With a short life of snapshots only what is recent can be travelled to."""
    settings = SETTINGS | {"TREADLE_SNAPSHOT_TTL": "0.3"}
    with world(tmp_path / "data", settings) as short, short.session() as session:
        fill(session, "t", 5)
        young = f"SELECT count(*) FROM ducklake_snapshot WHERE snapshot_time >= now() - interval '{RETENTION} s'"
        until(lambda: not asked(short, young), "every snapshot is old")
        command(short, "maintain")
        assert asked(short, "SELECT min(snapshot_id) FROM ducklake_snapshot") > 5
        assert asked(short, "SELECT count(*) FROM ducklake_snapshot") >= 1
        assert session.run("SELECT count(*) FROM t").rows == [["5"]]


def removed(session: Session, call: str) -> list[str]:
    """The files of the table `read` that a clean-up names, from the catalog's folder on."""
    paths = [str(path) for (path,) in session.run(f'CALL "default".{call}').rows]
    assert not [path for path in paths if not path.startswith("main/")]
    return [path for path in paths if path.startswith("main/read/")]


def test_a_reader_keeps_the_files_it_may_need(idle: World) -> None:
    """As long as a transaction is open no clean-up, however it is asked for, removes what fell out of use since."""
    with idle.session() as writer, idle.session() as reader:
        fill(writer, "read", 6)
        reader.run("BEGIN; SELECT count(*) FROM read")
        assert writer.run("CALL \"default\".merge_adjacent_files('read')").rows == [["main", "read", "6", "1"]]
        until(lambda: outlived(idle), "the files are older than the retention")
        for call in ("cleanup_old_files(cleanup_all => true)", "cleanup_old_files(older_than => '2999-01-01')"):
            assert removed(writer, call) == []
        assert reader.run("SELECT count(*), sum(i) FROM read").rows == [["6", "15"]]
        reader.run("ROLLBACK")
        named = removed(writer, "cleanup_old_files(dry_run => true, cleanup_all => true)")
        assert sorted(removed(writer, "cleanup_old_files(cleanup_all => true)")) == sorted(named)
        assert len(named) == 6
        assert reader.run("SELECT count(*), sum(i) FROM read").rows == [["6", "15"]]
    assert len(files_of(idle, "read")) == 1


def test_no_snapshot_goes_that_an_open_transaction_must_know_of(idle: World) -> None:
    """It bears the time at which its transaction began, not that of its commit, and is needed to see the conflict."""
    with idle.session() as first, idle.session() as second, idle.session() as other:
        first.run("CREATE TABLE shared AS SELECT i FROM range(10) t(i); CREATE TABLE aside (i INTEGER)")
        first.run("BEGIN; DELETE FROM shared WHERE i = 1")
        begun = time.monotonic()
        until(lambda: time.monotonic() - begun > 2 * RETENTION, "its snapshot will look old")
        second.run("BEGIN; DELETE FROM shared WHERE i = 2")
        first.run("COMMIT")
        other.run('INSERT INTO aside VALUES (1); CALL "default".expire_snapshots(older_than => now())')
        assert code(second, "COMMIT") == "40001"
        assert other.run("SELECT count(*), sum(i) FROM shared").rows == [["9", "44"]]


def test_a_compaction_is_seen_by_an_open_transaction(idle: World) -> None:
    """However soon its snapshot is to be expired: a delete is refused, not undone."""
    with idle.session() as deleting, idle.session() as other:
        fill(other, "compacted", 5)
        other.run("CREATE TABLE apart (i INTEGER)")
        deleting.run("BEGIN; DELETE FROM compacted WHERE i = 3")
        assert other.run("CALL \"default\".merge_adjacent_files('compacted')").rows[0][2] == "5"
        other.run("INSERT INTO apart VALUES (1)")
        young = f"SELECT count(*) FROM ducklake_snapshot WHERE snapshot_time >= now() - interval '{RETENTION} s'"
        until(lambda: not asked(idle, young), "every snapshot is old")
        other.run('CALL "default".expire_snapshots(older_than => now())')
        assert code(deleting, "COMMIT") == "40001"
        assert other.run("SELECT count(*) FROM compacted").rows == [["5"]]


def files_of(world: World, table: str) -> list[Path]:
    """The data files of a table that are there."""
    return list((world.service.data_dir / "lake").glob(f"*/main/{table}/*.parquet"))


def test_orphans_are_removed_and_nothing_else(idle: World) -> None:
    """A file that no snapshot knows goes; those of the table stay."""
    with idle.session() as session:
        fill(session, "known", 3)
        stray = files_of(idle, "known")[0].parent / "ducklake-stray.parquet"
        stray.write_bytes(b"PAR1")

        def gone() -> bool:
            session.run('CALL "default".delete_orphaned_files(cleanup_all => true)')
            return not stray.exists()

        until(gone, "the stray file is removed")
        assert session.run("SELECT count(*), sum(i) FROM known").rows == [["3", "3"]]
    assert len(files_of(idle, "known")) == 3


def test_users_maintain_within_the_contract(idle: World) -> None:
    """As statements that write: committed, marked with their id, refused in a transaction, without server paths."""
    with idle.session() as session:
        fill(session, "used", 4)
        reply = session.wait(session.submit("CHECKPOINT"))
        assert (reply.last.message, idle.record(reply.statement_id)["effects"]) == ("CHECKPOINT", "committed")
        marked = f"SELECT count(*) FROM ducklake_snapshot_changes WHERE commit_extra_info LIKE '{reply.statement_id}%'"
        assert asked(idle, marked) == 1
        ((path, *_),) = session.run("CALL \"default\".list_files('used')").rows
        assert path is not None
        assert path.startswith("main/used/")
        session.run("CALL \"default\".set_option('parquet_compression', 'zstd'); INSERT INTO used VALUES (9)")
        assert code(session, "BEGIN; CHECKPOINT") == "25001"
        session.run("ROLLBACK")
        assert session.run("SELECT count(*) FROM used").rows == [["5"]]


def test_it_needs_the_right_to_maintain(idle: World) -> None:
    """Who may only work in the workspace is refused, whatever they say about their statement."""
    token = make_token(idle.service.data_dir, ALICE[0], "dave", role="developer")
    with idle.session() as owner:
        fill(owner, "held_back", 2)
        session = idle.connect(token).open_session(idle.workspace_id, idle.endpoint_id)
        for sql in ("CHECKPOINT", 'CALL "default".merge_adjacent_files()'):
            assert code(session, sql) == "42501"
        assert len(session.run("FROM ducklake_list_files('default', 'held_back')").rows) == 2
        body = {"session_id": session.id, "statement": "CHECKPOINT", "is_maintain_statement": True}
        answer = session.api.post(StatementReply, f"{idle.base}/sessions/statements", body)
        assert session.wait(answer).last.sql_state == "42501"
        assert owner.run("SELECT count(*) FROM held_back").rows == [["2"]]
        owner.run("CHECKPOINT")


def test_a_catalog_with_inlined_data_is_left_alone_until_it_is_flushed(kept: World) -> None:
    """Whoever asks, and however much there would be to do; the rows, and a delete of one of them, stay."""
    with kept.session() as session:
        fill(session, "grown", 3)
        with beside(kept, 10) as lake:
            lake.execute("CREATE TABLE inlined (i INTEGER)")
            lake.execute("INSERT INTO inlined VALUES (1), (2)")
            lake.execute("DELETE FROM inlined WHERE i = 1")
            for number in range(3, 9):
                session.run(f"INSERT INTO grown VALUES ({number})")
            for sql in (
                "CHECKPOINT",
                'CALL "default".merge_adjacent_files()',
                'CALL "default".rewrite_data_files()',
                'CALL "default".flush_inlined_data()',
                'CALL "default".expire_snapshots(older_than => now())',
                'CALL "default".cleanup_old_files(cleanup_all => true)',
            ):
                assert code(session, sql) == "55000"
            until(
                lambda: "not_maintained" in {line["event"] for line in kept.log()}, "the service looks, and leaves it"
            )
            assert session.run("SELECT i FROM inlined").rows == [["2"]]
            assert live(kept, "grown") == 9
            lake.execute("CALL ducklake_flush_inlined_data('lake')")
        session.run("INSERT INTO grown VALUES (9)")
        until(lambda: live(kept, "grown") < 4, "it is maintained again")
        assert session.run("SELECT i FROM inlined").rows == [["2"]]


DUTIES = {
    "merge": ('CALL "default".merge_adjacent_files()', "ducklake_data_file"),
    "rewrite": ('CALL "default".rewrite_data_files()', "ducklake_data_file"),
    "checkpoint": ("CHECKPOINT", "ducklake_delete_file"),
    "expire": ("CALL \"default\".expire_snapshots(older_than => '2999-01-01')", "ducklake_snapshot"),
    "clean": ('CALL "default".cleanup_old_files(cleanup_all => true)', "ducklake_files_scheduled_for_deletion"),
    "flush": ('CALL "default".flush_inlined_data()', "ducklake_snapshot"),
}


@pytest.mark.parametrize("duty", DUTIES)
def test_a_cancel_ends_it_though_it_waits_for_a_lock(idle: World, duty: str) -> None:
    """The metadata's server hears no interrupt: the ladder's last rung ends the wait, and nothing of it stays (C3)."""
    sql, table = DUTIES[duty]
    with idle.session() as session, catalog(idle) as other:
        fill(session, f"waits_{duty}", 5)
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        reply = session.submit(sql)
        waits = b"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        until(lambda: (other.execute(waits).fetchone() or (0,))[0], "it waits for the lock")
        verdict = session.cancel(reply.statement_id)
        assert (verdict.outcome, verdict.state) == ("cancelled", "CANCELED")
        assert verdict.seconds < BOUND
        assert idle.record(reply.statement_id)["effects"] == "none"
        assert (other.execute(waits).fetchone() or (1,))[0] == 0
        other.rollback()
    with idle.session() as again:
        assert again.run(f"SELECT count(*), sum(i) FROM waits_{duty}").rows == [["5", "10"]]


def test_a_step_that_takes_too_long_is_stopped_and_tried_again(kept: World) -> None:
    """Sessions open and work elsewhere meanwhile; when the lock is gone the catalog is maintained."""
    with kept.session() as session:
        fill(session, "held", 1)
        with catalog(kept) as other:
            other.execute("LOCK TABLE ducklake_files_scheduled_for_deletion IN SHARE ROW EXCLUSIVE MODE")
            for number in range(1, 9):
                session.run(f"INSERT INTO held VALUES ({number})")
            stopped = {"killed", "stopped", "failed"}

            def given_up() -> bool:
                steps = [line for line in kept.log() if line["event"] == "catalog_maintained"]
                return any(step["duty"] == "merge" and step["outcome"] in stopped for step in steps)

            until(given_up, "the merge is stopped")
            with kept.session() as neighbour:
                assert neighbour.run("SELECT count(*) FROM held").rows == [["9"]]
        until(lambda: live(kept, "held") < 4, "the merge is done in the end")
        assert session.run("SELECT count(*), sum(i) FROM held").rows == [["9", "36"]]


def test_an_operator_looks_at_a_catalog_and_has_it_maintained(kept: World) -> None:
    """`treadle catalog maintain`, `files` and `snapshots`."""
    with kept.session() as session:
        fill(session, "seen", 6)
    assert "seen" in command(kept, "maintain")
    (line,) = (line for line in command(kept, "files").splitlines() if "  seen  " in line)
    assert int(line.split()[2]) < 4
    assert "treadle" in command(kept, "snapshots")


def command(world: World, name: str) -> str:
    """What a command about the world's catalog prints."""
    start = [sys.executable, "-c", "from treadle.cli import main; main()", "catalog", name]
    where = ["--workspace", world.workspace_id, "--data-dir", str(world.service.data_dir), "default"]
    done = subprocess.run(
        [*start, *where], capture_output=True, text=True, check=False, env=os.environ | world.settings
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_deleted_catalog_is_let_go_of(kept: World) -> None:
    """Also while it is being maintained: the deletion is answered, and nothing is left of it."""
    with closing(World(kept.service, kept.token, "short-lived", SETTINGS)) as second:
        (folder,) = {Path(one.data_path) for one in catalogs_of(second)}
        with second.session() as session:
            for table in ("a", "b", "c"):
                fill(session, table, 5)
        second.api.call("DELETE", f"{second.base}/endpoints/{second.endpoint_id}")
        second.api.call("DELETE", second.base)
        assert not folder.exists()
        assert catalogs_of(second) == []
    with kept.session() as session:
        assert session.run("SELECT 1").rows == [["1"]]
