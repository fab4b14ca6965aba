"""The PostgreSQL servers the tests of the store run on."""

import os
import pwd
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import psycopg

from treadle.store.dsn import Address
from treadle.store.migrate import migrate

PASSWORD = "pw' with %signs&"
TEMPLATE = "treadle_template"
TABLES = (
    *("tombstones", "statements", "sessions", "catalogs", "endpoints", "workspaces"),
    *("tokens", "credentials", "grants", "policies", "users", "projects", "domains"),
)


class Databases:
    """Fresh databases on one server, each a copy of a migrated one."""

    def __init__(self, service_dsn: str, admin_dsn: str = "") -> None:
        self.dsn = service_dsn
        self.admin = admin_dsn
        """A superuser's, where there is one."""
        self._address = Address.parse(service_dsn)
        self.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        self.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        migrate(self._address.at(database=TEMPLATE).dsn)
        self._shared = self.fresh()

    def execute(self, command: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(command.encode())

    def fresh(self, template: str = TEMPLATE) -> str:
        name = f"t_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._address.at(database=name).dsn

    def emptied(self) -> str:
        """One database for many tests, which is quicker than one for each."""
        with psycopg.connect(self._shared) as connection:
            connection.execute("SELECT set_config('treadle.audit_before', 'infinity', true)")
            connection.execute("DELETE FROM audit")
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}".encode())
        return self._shared

    def drop(self, dsn: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {Address.parse(dsn).database} WITH (FORCE)")


class StockServer:
    """The machine's own PostgreSQL with a role for the service, as an operator would prepare it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            self._identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-D", str(folder / "data"))
        self._run("pg_ctl", "-w", "-D", str(folder / "data"), "-l", str(folder / "log"), "-o", self._options, "start")
        with psycopg.connect(f"host={folder} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute("CREATE ROLE treadle LOGIN CREATEDB CREATEROLE")
            connection.execute("CREATE DATABASE treadle OWNER treadle")
        self.dsn = Address(host=str(folder), user="treadle", database="treadle", password=PASSWORD).dsn
        self.admin_dsn = Address(host=str(folder), user="postgres", database="postgres").dsn

    @property
    def _options(self) -> str:
        return f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off"

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "-D", str(self.folder / "data"), "stop")

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._identity
        )


def has_stock_server() -> bool:
    """Whether the machine has a PostgreSQL of its own."""
    return shutil.which("initdb") is not None and shutil.which("pg_ctl") is not None
