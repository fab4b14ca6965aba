"""The data folder of a service, and the lock that admits one service at a time to it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from treadle.config import Settings
from treadle.model.errors import ConfigError


def require_data(settings: Settings) -> None:
    """Raise `ConfigError` unless there is service data: a server of the operator, or a private one."""
    if settings.database_url is None and not (settings.data_dir / "postgres").is_dir():
        raise ConfigError(f"data_dir: there is no service data in {settings.data_dir}")


@contextmanager
def sole_owner(data_dir: Path) -> Iterator[None]:
    """Lock the data folder, for one service at a time; raises `ConfigError` when another service holds it."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "serve.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"data_dir: another service runs on {data_dir}") from None
        yield


def is_served(data_dir: Path) -> bool:
    """Check whether a service holds the data folder."""
    try:
        with (data_dir / "serve.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
