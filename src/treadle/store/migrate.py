"""Bring the tables up to date.

An advisory lock of PostgreSQL, which dies with its connection, decides who migrates. yoyo's own lock
is a row that outlives a killed process; whoever holds the advisory lock may break it after a while.
Each migration can be run again: a process killed between a migration and its mark does no harm.
"""

import getpass
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, Final

from treadle.store.errors import MigrationError, StoreUnavailable
from treadle.store.sql import sql

if TYPE_CHECKING:
    import psycopg

ADVISORY_KEY: Final = 7_328_331_204_113
WAIT_FOR_OTHERS: Final = "60s"
WAIT_FOR_YOYO: Final = 3.0
CONNECT_TIMEOUT: Final = 10


def migrate(dsn: str) -> None:
    """Apply what is pending at a ``postgresql://`` dsn; nothing happens when nothing is.

    Blocking. Raises `StoreUnavailable` when PostgreSQL does not answer and `MigrationError` when
    another process migrates for more than a minute or a migration fails.
    """
    with _alone(dsn), _yoyo(dsn) as (backend, migrations), backend.lock(timeout=WAIT_FOR_YOYO):
        backend.apply_migrations(backend.to_apply(migrations))


def pending(dsn: str) -> list[str]:
    """The names of the migrations that `migrate` would apply, in their order."""
    with _alone(dsn), _yoyo(dsn) as (backend, migrations):
        return [migration.id for migration in backend.to_apply(migrations)]


@contextmanager
def _alone(dsn: str) -> Iterator["psycopg.Connection"]:
    """Hold the advisory lock."""
    import psycopg

    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_TIMEOUT) as connection:
            connection.execute(sql("set_lock_timeout"), (WAIT_FOR_OTHERS,))
            connection.execute(sql("advisory_lock"), (ADVISORY_KEY,))
            yield connection
    except psycopg.errors.LockNotAvailable:
        raise MigrationError("another process has been migrating for a minute") from None
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"the store does not answer: {type(error).__name__}") from error
    except psycopg.Error as error:
        raise MigrationError(f"a migration failed: {error}") from error


@contextmanager
def _yoyo(dsn: str) -> Iterator[tuple[Any, Any]]:
    """Yoyo's backend and the migrations of this package."""
    with _user_name():
        from yoyo import get_backend, read_migrations

        logging.getLogger("yoyo").setLevel(logging.WARNING)
        scheme, _, rest = dsn.partition("://")
        if scheme not in ("postgresql", "postgres"):
            raise MigrationError("the dsn is not a postgresql:// one")
        with as_file(files("treadle.store") / "migrations") as folder:
            migrations = read_migrations(str(folder))
            with get_backend(f"postgresql+psycopg://{rest}") as backend:
                _free_lock(backend)
                yield backend, migrations


def _free_lock(backend: Any) -> None:
    """Wait a little for yoyo's lock, then break it: nobody who uses this module can hold it now."""
    from yoyo.exceptions import LockTimeout

    try:
        with backend.lock(timeout=WAIT_FOR_YOYO):
            return
    except LockTimeout:
        backend.break_lock()


@contextmanager
def _user_name() -> Iterator[None]:
    """Yoyo logs who migrates and fails for a user id without a name, as containers have it."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = "treadle"
        try:
            yield
        finally:
            del os.environ["LOGNAME"]
    else:
        yield
