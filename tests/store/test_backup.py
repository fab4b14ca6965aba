"""There and back again: a backup restored elsewhere is the same service."""

import asyncio
import os
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.servers import Databases
from tests.store.test_catalogs import attach, commit, new_lake
from tests.store.things import OWNER, at, catalog, ending, new_running, new_session
from treadle.demo.local import TREADLE
from treadle.model.entities import Catalog, Statement
from treadle.store.backup import backup, restore
from treadle.store.catalogs import catalog_address, committed, lake_path, provision
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.errors import BackupError
from treadle.store.filters import Page, RecordFilter
from treadle.store.migrate import migrate
from treadle.store.postgres import PostgresStore
from treadle.store.sealing import KEY_FILE, Sealer
from treadle.store.unfinished import MARKER, is_unfinished


@pytest.fixture
def homes(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Two data folders whose servers are stopped in the end."""
    place = Path(tempfile.mkdtemp(dir=folder))
    yield place / "one", place / "two"
    for home in (place / "one", place / "two"):
        if home.exists():
            EmbeddedPostgres(home).stop()
    shutil.rmtree(place)


async def fill(dsn: str, data_dir: Path) -> tuple[Catalog, Statement]:
    """A store with a record and a catalog of two tables."""
    store = await PostgresStore.connect(dsn)
    of = await new_session(store)
    running = await new_running(store, of)
    assert await store.finish(running.id, OWNER, ending(), [], at(1e9))
    done = await store.statement(running.id)
    assert done is not None
    lake = new_lake(of.workspace_id, data_dir)
    unused = catalog(of.workspace_id, name="never-attached")
    for one in (lake, unused):
        assert await store.add_catalog(one)
        await provision(dsn, one)
    await store.close()
    connection = attach(catalog_address(dsn, lake), lake.data_path)
    commit(connection, "CREATE TABLE t AS SELECT range AS x FROM range(10000)", done.id)
    connection.close()
    return lake, done


def test_a_backup_restored_elsewhere_is_the_same_service(homes: tuple[Path, Path]) -> None:
    """Records, catalogs, their rows and their commits are there, in a folder of another name; results are over."""
    one, two = homes
    server = EmbeddedPostgres.start(one)
    migrate(server.service_dsn)
    lake, done = asyncio.run(fill(server.service_dsn, one))
    sealed = Sealer.at(one / KEY_FILE).seal("secret", "A")
    said: list[str] = []
    archive = one.parent / "backup.tar.gz"
    backup(server, one, archive, said.append)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert any("dumping catalog main" in line for line in said)
    server.stop()
    shutil.rmtree(one)

    restore(archive, two, said.append)
    assert readable_by_others(two) == []
    fresh = EmbeddedPostgres.start(two)
    asyncio.run(check(fresh.service_dsn, two, lake, done))
    assert Sealer.at(two / KEY_FILE).open(sealed, "A") == "secret"
    assert [path.name for path in two.iterdir() if path.name.startswith(("restore.", "backup."))] == []


def readable_by_others(data_dir: Path) -> list[str]:
    """Files and folders of a data folder that others than its user can do anything with."""
    # The server looks after its own, and its user, where that is another, must pass through the data folder.
    found = [path for path in data_dir.rglob("*") if "postgres" not in path.relative_to(data_dir).parts[0]]
    assert found
    wrong = [path for path in found if path.lstat().st_mode & 0o077]
    return [str(path) for path in [*wrong, *([data_dir] if data_dir.stat().st_mode & 0o066 else [])]]


async def check(dsn: str, data_dir: Path, lake: Catalog, done: Statement) -> None:
    """Everything `fill` made is there and can be used."""
    store = await PostgresStore.connect(dsn)
    total, records = await store.records(lake.workspace_id, RecordFilter(), Page(), 256)
    assert (total, records[0].ending, records[0].parts) == (1, done.ending, done.parts)
    found = await store.catalog(lake.workspace_id, "default", "main")
    assert found is not None
    assert found.data_path == lake_path(data_dir, lake.id)
    assert list(await store.due_results(at(2e9), 10)) == []
    expired = await store.statement(done.id)
    assert expired is not None
    assert expired.results_expire_at is not None
    assert expired.results_expire_at < at(1e9)
    await store.close()
    assert await committed(dsn, found, done.id)
    connection = attach(catalog_address(dsn, found), found.data_path)
    assert connection.execute("SELECT count(*), sum(x) FROM t").fetchall() == [(10000, 49995000)]
    connection.execute("INSERT INTO t VALUES (-1)")
    connection.close()


def test_a_backup_of_an_operators_server(stock_databases: Databases, homes: tuple[Path, Path]) -> None:
    """The dsn of any server will do, with no more rights than the service has."""
    one, two = homes
    one.mkdir()
    dsn = stock_databases.fresh()
    lake, done = asyncio.run(fill(dsn, one))
    archive = one.parent / "backup.tar.gz"
    backup(dsn, one, archive, lambda _: None)
    restore(archive, two, lambda _: None)
    asyncio.run(check(EmbeddedPostgres.start(two).service_dsn, two, lake, done))
    stock_databases.drop(dsn)


def test_a_backup_that_fails_leaves_nothing(homes: tuple[Path, Path]) -> None:
    """No archive that looks whole, no litter."""
    one, _ = homes
    one.mkdir()
    archive = one.parent / "backup.tar.gz"
    with pytest.raises(BackupError):
        backup("postgresql://u:hunter2@/d?host=/nonexistent", one, archive, lambda _: None)
    assert list(one.parent.iterdir()) == [one]
    assert list(one.iterdir()) == []


def test_only_a_backup_is_restored_and_only_into_nothing(homes: tuple[Path, Path]) -> None:
    """A folder with something in it, a file that is no archive and one that is no backup are refused."""
    one, two = homes
    one.mkdir()
    (one / "precious").touch()
    with pytest.raises(BackupError, match="not empty"):
        restore(one / "any", one, lambda _: None)
    (two.parent / "text").write_text("no archive")
    with pytest.raises(BackupError, match="cannot be read"):
        restore(two.parent / "text", two, lambda _: None)
    with tarfile.open(two.parent / "empty.tar.gz", "w:gz"):
        pass
    with pytest.raises(BackupError, match="not a backup"):
        restore(two.parent / "empty.tar.gz", two, lambda _: None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lake/link", tarfile.SYMTYPE),
        ("lake/hard", tarfile.LNKTYPE),
        ("pipe", tarfile.FIFOTYPE),
        ("folder", tarfile.DIRTYPE),
        ("/absolute", tarfile.REGTYPE),
        (".", tarfile.REGTYPE),
        ("lake/../../evil", tarfile.REGTYPE),
    ],
)
def test_only_plain_files_inside_are_unpacked(homes: tuple[Path, Path], name: str, kind: bytes) -> None:
    """Anything but a regular file with a path below the folder is refused by name, and nothing is written."""
    _, two = homes
    archive = two.parent / "odd.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "manifest.json"
        made.addfile(member)
    with pytest.raises(BackupError, match=re.escape(f"holds '{name}'")):
        restore(archive, two, lambda _: None)
    assert [path.name for path in two.iterdir()] == [MARKER]


def test_an_archive_that_was_cut_off(homes: tuple[Path, Path]) -> None:
    """Half an archive cannot be read."""
    _, two = homes
    archive = two.parent / "half.tar.gz"
    (two.parent / "payload").write_bytes(os.urandom(100_000))
    with tarfile.open(archive, "w:gz") as made:
        made.add(two.parent / "payload", "store.dump")
    archive.write_bytes(archive.read_bytes()[:50_000])
    with pytest.raises(BackupError, match="cannot be read"):
        restore(archive, two, lambda _: None)


def test_an_archive_cannot_write_elsewhere(homes: tuple[Path, Path]) -> None:
    """A member that points out of the folder is refused."""
    _, two = homes
    archive = two.parent / "evil.tar.gz"
    (two.parent / "payload").write_text("x")
    with tarfile.open(archive, "w:gz") as made:
        made.add(two.parent / "payload", "lake/../../evil")
    with pytest.raises(BackupError):
        restore(archive, two, lambda _: None)
    assert not (two.parent / "evil").exists()


@pytest.fixture
def archive(homes: tuple[Path, Path]) -> Path:
    """A backup of a service with one catalog; its folder is gone."""
    one, two = homes
    server = EmbeddedPostgres.start(one)
    migrate(server.service_dsn)
    asyncio.run(fill(server.service_dsn, one))
    made = two.parent / "backup.tar.gz"
    backup(server, one, made, lambda _: None)
    server.stop()
    shutil.rmtree(one)
    return made


def treadle(data_dir: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """A command that ends by itself."""
    words = [*TREADLE, *command, "--data-dir", str(data_dir)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def refuses(data_dir: Path) -> None:
    """Assert that no service starts in the folder and no store is made there, and that one line says why."""
    for command in (("serve", "--port", "0"), ("token", "create", "--project", "p", "--user", "u")):
        done = treadle(data_dir, *command)
        assert done.returncode == 1
        [line] = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        assert "holds an unfinished restore" in line
    assert not (data_dir / "postgres").exists()


def test_a_restore_that_failed_leaves_no_store(archive: Path, homes: tuple[Path, Path]) -> None:
    """Its folder is no empty one for a service, only for another restore."""
    _, two = homes
    broken = archive.with_name("broken.tar.gz")
    with tarfile.open(archive) as whole, tarfile.open(broken, "w:gz") as made:
        for member in whole:
            if member.name.startswith("catalogs/"):
                member.size //= 2
            made.addfile(member, whole.extractfile(member))
    with pytest.raises(BackupError, match="pg_restore"):
        restore(broken, two, lambda _: None)
    assert [path.name for path in two.iterdir()] == [MARKER]
    refuses(two)
    restore(archive, two, lambda _: None)
    assert treadle(two, "sessions").returncode == 0


def test_a_restore_that_was_killed_leaves_no_store(archive: Path, homes: tuple[Path, Path]) -> None:
    """Nor one that takes the half for the whole: it is refused until a restore has come to its end."""
    _, two = homes
    command = [*TREADLE, "restore", str(archive), "--data-dir", str(two)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as restoring:
        assert restoring.stderr is not None
        assert any("restoring the store" in line for line in restoring.stderr)
        with pytest.raises(BackupError, match="another restore works on"):
            restore(archive, two, lambda _: None)
        restoring.kill()
    assert is_unfinished(two)
    done = treadle(two, "serve", "--port", "0")
    assert (done.returncode, "unfinished restore" in done.stderr) == (1, True)
    said: list[str] = []
    restore(archive, two, said.append)
    assert "removing what an unfinished restore left" in said
    assert readable_by_others(two) == []
    assert treadle(two, "sessions").returncode == 0
