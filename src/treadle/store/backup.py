"""A backup of everything that must be remembered, in one archive, and the way back.

The archive holds ``manifest.json``, one dump of the store (``store.dump``) with the key of what is
sealed in it (``credential.key``), one of each catalog (``catalogs/<id>.dump``) and the Parquet files
(``lake/<id>/…``), in this order: what the store says was committed is in the catalogs' dumps, and the
files a dump speaks of are still there when they are copied, for they never change. Roles are made
again from the store's list of catalogs, which knows their passwords; hence the archive is as secret as
the data folder. Results are not kept.
"""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from treadle.model.entities import Catalog
from treadle.model.words import counted
from treadle.store import lakes
from treadle.store.catalogs import catalog_address, lake_path
from treadle.store.cluster import bin_path
from treadle.store.dsn import Address
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.errors import BackupError
from treadle.store.migrate import migrate
from treadle.store.sealing import KEY_FILE
from treadle.store.unfinished import being_restored, clear

FORMAT: Final = 1
EVERY: Final = 1000
"""Files between two words of progress."""

Say = Callable[[str], None]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds, and where it was made."""

    format: int
    created_at: datetime
    catalogs: tuple[str, ...]


def backup(source: EmbeddedPostgres | str, data_dir: Path, target: Path, say: Say) -> None:
    """Write the archive ``target`` (``.tar.gz``) while the service may go on.

    ``source`` is the private server or the dsn of the operator's; ``say`` hears what is being done.
    Blocking. Raises `BackupError`; then there is no ``target``.
    """
    dsn = source if isinstance(source, str) else source.service_dsn
    fresh = target.with_name(target.name + ".part")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
                _write(dsn, data_dir.resolve(), archive, say)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    except OSError as error:
        raise BackupError(f"the archive cannot be written: {error}") from error
    finally:
        fresh.unlink(missing_ok=True)
    say(f"wrote {target}")


def restore(source: Path, data_dir: Path, say: Say) -> None:
    """Restore an archive into an empty ``data_dir``, with a private server that keeps running.

    Blocking. After `BackupError` no service starts in ``data_dir``, and the restore can be repeated.
    """
    with being_restored(data_dir) as left:
        data_dir = data_dir.resolve()
        server = EmbeddedPostgres(data_dir, restoring=True)
        if left:
            say("removing what an unfinished restore left")
            server.stop()
            clear(data_dir)
        try:
            _restore(source, data_dir, server, say)
        except BaseException:
            server.stop()
            clear(data_dir)
            raise
    say(f"restored into {data_dir}")


def _restore(source: Path, data_dir: Path, server: EmbeddedPostgres, say: Say) -> None:
    with tempfile.TemporaryDirectory(prefix="restore.", dir=data_dir) as folder:
        dumps = Path(folder)
        try:
            with tarfile.open(source, "r:gz") as archive:
                _unpack(archive, dumps, data_dir, say)
        except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
            raise BackupError(f"the archive cannot be read: {error}") from error
        manifest = _read_manifest(dumps)
        say("starting the private PostgreSQL")
        server.ensure_running()
        say("restoring the store")
        _restore_dump(Address.parse(server.service_dsn), dumps / "store.dump")
        migrate(server.service_dsn)
        lakes.forget_results(server.service_dsn, datetime.now(UTC))
        _restore_catalogs(server.service_dsn, data_dir, dumps, manifest, say)


def _write(dsn: str, data_dir: Path, archive: tarfile.TarFile, say: Say) -> None:
    with tempfile.TemporaryDirectory(prefix="backup.", dir=data_dir) as folder:
        say("dumping the store")
        store = Path(folder) / "store.dump"
        # The row of the gateway is valid for the original only.
        _dump(Address.parse(dsn), store, "--exclude-table-data=gateway")
        catalogs = lakes.all_catalogs(dsn)
        manifest = Manifest(
            format=FORMAT, created_at=datetime.now(UTC), catalogs=tuple(catalog.id for catalog in catalogs)
        )
        _add_bytes(archive, "manifest.json", msgspec.json.encode(manifest))
        archive.add(store, "store.dump")
        if (data_dir / KEY_FILE).is_file():
            _add_bytes(archive, KEY_FILE, (data_dir / KEY_FILE).read_bytes())
        for catalog in catalogs:
            say(f"dumping catalog {catalog.name} ({catalog.id})")
            dump = Path(folder) / "catalog.dump"
            _dump(catalog_address(dsn, catalog), dump)
            archive.add(dump, f"catalogs/{catalog.id}.dump")
    for catalog in catalogs:
        _add_files(archive, catalog, say)
    say(f"copied {counted(len(catalogs), 'catalog')}")


def _add_files(archive: tarfile.TarFile, catalog: Catalog, say: Say) -> None:
    root = Path(catalog.data_path)
    if "://" in catalog.data_path:
        say(f"the files of catalog {catalog.name} are in an object store and stay there")
        return
    for number, path in enumerate(_files(root), 1):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # a file of an abandoned write, cleaned up meanwhile
        with file:
            info = archive.gettarinfo(arcname=f"lake/{catalog.id}/{path.relative_to(root)}", fileobj=file)
            archive.addfile(info, file)
        if number % EVERY == 0:
            say(f"catalog {catalog.name}: {counted(number, 'file')}")


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            yield Path(folder) / name


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o600
    archive.addfile(info, io.BytesIO(content))


def _unpack(archive: tarfile.TarFile, dumps: Path, data_dir: Path, say: Say) -> None:
    """Dumps aside, Parquet files to their place. By hand: the filters of `tarfile` came after Python 3.11.0."""
    say("unpacking")
    for number, member in enumerate(archive, 1):
        path = _inner_path(member)
        target = (data_dir if path.parts[0] in ("lake", KEY_FILE) else dumps) / path
        content = archive.extractfile(member)
        assert content is not None, "a regular file has content"
        _make_folder(target.parent)
        # What is there already, a link too, is never written to.
        made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with content, os.fdopen(made, "wb") as file:
            shutil.copyfileobj(content, file)
        if number % EVERY == 0:
            say(f"unpacked {counted(number, 'file')}")


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents with access for the service's user only."""
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700)


def _inner_path(member: tarfile.TarInfo) -> PurePosixPath:
    """The path of a member below the folder it is unpacked to; raises `BackupError` for any but a plain file."""
    path = PurePosixPath(member.name)
    if not member.isreg() or path.is_absolute() or not path.parts or ".." in path.parts or "\0" in member.name:
        raise BackupError(f"the archive is no backup: it holds {member.name!r}, which is no file inside it")
    return path


def _read_manifest(dumps: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode((dumps / "manifest.json").read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        raise BackupError("the archive holds no manifest: it is not a backup") from None
    if manifest.format != FORMAT:
        raise BackupError(f"the archive has format {manifest.format}, this is {FORMAT}")
    return manifest


def _restore_catalogs(dsn: str, data_dir: Path, dumps: Path, manifest: Manifest, say: Say) -> None:
    for catalog in lakes.all_catalogs(dsn):
        if "://" not in catalog.data_path:
            catalog = msgspec.structs.replace(catalog, data_path=lake_path(data_dir, catalog.id))
            _make_folder(Path(catalog.data_path))
            lakes.move(dsn, catalog)
        lakes.provision_now(dsn, catalog)
        if catalog.id in manifest.catalogs:
            say(f"restoring catalog {catalog.name} ({catalog.id})")
            _restore_dump(catalog_address(dsn, catalog), dumps / "catalogs" / f"{catalog.id}.dump")
            lakes.point_to_files(catalog_address(dsn, catalog), catalog.data_path)


def _dump(address: Address, target: Path, *options: str) -> None:
    form = ("--format=custom", "--compress=1", "--no-owner", "--no-acl", f"--file={target}")
    _client("pg_dump", address, [*form, *options])


def _restore_dump(address: Address, dump: Path) -> None:
    _client("pg_restore", address, ["--no-owner", "--no-acl", "--exit-on-error", "--single-transaction", str(dump)])


def _client(program: str, address: Address, args: list[str]) -> None:
    """Run a client program; the password goes by its environment, where no other user sees it."""
    done = subprocess.run(
        [bin_path() / program, f"--dbname={address.libpq}", "--no-password", *args],
        env={**os.environ, "PGPASSWORD": address.password},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupError(f"{program} of database {address.database} failed: {done.stderr.strip()}")
