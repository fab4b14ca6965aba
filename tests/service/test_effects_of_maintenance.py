"""What the record says a maintaining call has left, and what a look into the catalog shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.test_maintenance import RETENTION, SETTINGS, code, fill, outlived, scheduled
from tests.support.world import World, until, world
from treadle.demo.client import ResultReply, Session


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service that maintains nothing by itself."""
    with world(tmp_path_factory.mktemp("effects") / "data", SETTINGS | {"TREADLE_MAINTENANCE": "false"}) as running:
        yield running


def told(world: World, session: Session, sql: str) -> tuple[str, ResultReply]:
    """The effects on the record of a statement that succeeds, and its reply."""
    reply = session.wait(session.submit(sql))
    assert reply.last.status != "PGRES_FATAL_ERROR", reply.last.message
    return str(world.record(reply.statement_id)["effects"]), reply.last


def test_effects_are_what_is_gone(idle: World) -> None:
    """Of every duty: first there is something to do, then there is not; a dry run never does anything."""
    with idle.session() as session:
        fill(session, "kept", 4)
        session.run("INSERT INTO kept FROM range(4, 9); DELETE FROM kept WHERE i = 8")
        for call in ("flush_inlined_data()", "rewrite_data_files(delete_threshold => 0)", "merge_adjacent_files()"):
            expected = ["none"] * 2 if call.startswith("flush") else ["committed", "none"]
            assert [told(idle, session, f'CALL "default".{call}')[0] for _ in expected] == expected, call
        fill(session, "more", 4)
        assert [told(idle, session, "CHECKPOINT")[0] for _ in range(2)] == ["committed", "none"]

        snapshots = "SELECT count(*) FROM ducklake_snapshots('default')"
        young = f"{snapshots} WHERE snapshot_time >= now() - INTERVAL '{RETENTION} s'"
        until(lambda: session.run(young).rows == [["0"]], "every snapshot is old")
        expire = 'CALL "default".expire_snapshots(older_than => now(){})'
        effects, dry = told(idle, session, expire.format(", dry_run => true"))
        before = int(session.run(snapshots).rows[0][0] or 0)
        assert (effects, dry.num_rows) == ("none", before - 1)
        assert told(idle, session, expire.format(""))[0] == "committed"
        assert session.run(snapshots).rows == [["1"]]
        assert told(idle, session, expire.format(""))[0] == "none"

        until(lambda: outlived(idle), "the files are older than the retention")
        clean = 'CALL "default".cleanup_old_files(cleanup_all => true{})'
        files = len(idle.data_files())
        waiting = scheduled(idle)
        effects, dry = told(idle, session, clean.format(", dry_run => true"))
        assert (effects, dry.num_rows, len(idle.data_files())) == ("none", waiting, files)
        assert told(idle, session, clean.format(""))[0] == "committed"
        assert len(idle.data_files()) == files - waiting
        assert told(idle, session, clean.format(""))[0] == "none"

        stray = next((idle.service.data_dir / "lake").glob("*/main/kept")) / "ducklake-stray.parquet"
        stray.write_bytes(b"PAR1")
        orphans = 'CALL "default".delete_orphaned_files(cleanup_all => true{})'
        until(lambda: told(idle, session, orphans.format(", dry_run => true"))[1].num_rows, "the stray file is old")
        said = [told(idle, session, orphans.format(how))[0] for how in (", dry_run => true", "", "")]
        assert said == ["none", "committed", "none"]
        assert not stray.exists()
        assert told(idle, session, "CALL \"default\".set_option('parquet_compression', 'zstd')")[0] == "committed"
        assert session.run("SELECT count(*), sum(i) FROM kept").rows == [["8", "28"]]


LOOKS = {
    "list_files": ("'seen'", 1),
    "snapshots": ("", None),
    "table_info": ("", None),
    "current_snapshot": ("", 1),
    "last_committed_snapshot": ("", 1),
    "options": ("", None),
    "settings": ("", 1),
    "table_changes": ("'seen', 0, 9", 3),
    "table_insertions": ("'seen', 0, 9", 2),
    "table_deletions": ("'seen', 0, 9", 1),
}


def test_catalog_is_looked_at_in_queries_and_by_call(tmp_path: Path) -> None:
    """Both spellings say the same either way, of the session's own catalog, without a path of the server."""
    with world(tmp_path / "data", SETTINGS | {"TREADLE_MAINTENANCE": "false"}) as running, running.session() as session:
        fill(session, "seen", 2)
        session.run("DELETE FROM seen WHERE i = 0; CREATE TABLE a (i INTEGER); CREATE TABLE b (i INTEGER)")
        session.run("CREATE TABLE c (i INTEGER); CREATE TABLE d (i INTEGER); CREATE TABLE e (i INTEGER)")
        for name, (arguments, count) in LOOKS.items():
            first = "'default', 'main'" if name.startswith("table_") and arguments else "'default'"
            forms = (
                f'"default".{name}({arguments})',
                f"ducklake_{name}({first}{', ' if arguments else ''}{arguments})",
            )
            replies = [told(running, session, f"{verb} {form}") for form in forms for verb in ("FROM", "CALL")]
            assert {effects for effects, _ in replies} == {"none"}
            rows = [session.run(f"FROM {form}").rows for form in forms] + [session.run(f"CALL {forms[0]}").rows]
            assert rows[0] == rows[1] == rows[2]
            assert count is None or len(rows[0]) == count, (name, rows[0])
            shown = [str(cell) for row in rows[0] for cell in row]
            assert not [cell for cell in shown if cell.startswith("/") or str(tmp_path) in cell], shown
        ((path, *_),) = session.run("FROM list_files('seen')").rows
        assert str(path).startswith("main/seen/")
        for sql in ("FROM ducklake_merge_adjacent_files('default')", 'FROM "default".expire_snapshots()'):
            assert code(session, sql) == "42501"
