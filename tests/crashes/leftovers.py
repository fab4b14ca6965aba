"""What a crash may leave: processes, backends, folders, files. Each look returns what should not be there."""

import os
from collections.abc import Set
from pathlib import Path
from typing import Any

import psycopg

from tests.crashes.targets import workers
from tests.support.world import World
from treadle.demo.local import LocalService
from treadle.demo.processes import command_name, descendants
from treadle.staging import STAGING
from treadle.store.catalogs import catalog_address, worker_application
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.lakes import all_catalogs


def strangers(service: LocalService) -> list[str]:
    """Engine processes of the data folder that do not belong to the running service."""
    own = descendants(service.pid)
    found: dict[int, str] = {}
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit() or int(proc.name) in own:
            continue
        try:
            words = (proc / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"treadle.worker.zygote" in words and os.fsencode(service.data_dir) in words:
            found[int(proc.name)] = command_name(int(proc.name))
    # The service forks workers all the time: those that were born since its own were counted are no strangers.
    own = descendants(service.pid)
    return [f"{pid} {name}" for pid, name in found.items() if pid not in own]


def old_backends(data_dir: Path, session_ids: Set[str]) -> list[Any]:
    """Backends of these sessions in the service's PostgreSQL."""
    server = EmbeddedPostgres.start(data_dir)
    with psycopg.connect(server.service_dsn) as connection:
        found = connection.execute("SELECT worker FROM sessions WHERE id = ANY (%s)", (list(session_ids),)).fetchall()
    names = [worker_application(worker) for (worker,) in found if worker is not None]
    with psycopg.connect(server.admin_dsn) as connection:
        return connection.execute(
            "SELECT pid, application_name, state, query FROM pg_stat_activity WHERE application_name = ANY (%s)",
            (names,),
        ).fetchall()


def idle_folders(service: LocalService) -> list[str]:
    """Workers' folders beyond those of the workers that live."""
    folders = sorted(path.name for path in (service.data_dir / "tmp").glob("*"))
    return folders if len(folders) > len(workers(service)) else []


def staged(data_dir: Path) -> list[str]:
    """Output of COPY that was never published, and results that were never finished."""
    waiting = [str(path) for path in (data_dir / "files").glob(f"*/{STAGING}/*")]
    return waiting + [str(path) for path in (data_dir / "results").rglob("*.unfinished")]


def ownerless_results(world: World, records: list[dict[str, Any]]) -> list[str]:
    """Result files of the world's statements that have none."""
    found = []
    for record in records:
        if record["status"] != "SUCCESSFUL" and not record.get("parts"):
            found += [f"{record['id']} {record['status']} {name}" for name in world.result_files(record["id"])]
    return found


def orphans(world: World) -> list[str]:
    """Parquet files of the world's catalog that its metadata does not know."""
    server = EmbeddedPostgres.start(world.service.data_dir)
    (catalog,) = (one for one in all_catalogs(server.service_dsn) if one.workspace_id == world.workspace_id)
    files = {path.name for path in Path(catalog.data_path).rglob("*.parquet")}
    with psycopg.connect(catalog_address(server.service_dsn, catalog).dsn) as connection:
        known = connection.execute(
            "SELECT path FROM ducklake_data_file UNION ALL SELECT path FROM ducklake_delete_file "
            "UNION ALL SELECT path FROM ducklake_files_scheduled_for_deletion"
        ).fetchall()
    return sorted(files - {Path(path).name for (path,) in known})
