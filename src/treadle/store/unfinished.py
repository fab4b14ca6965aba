"""A data folder with an unfinished restore, which is neither a store nor an empty folder.

A marker file exists from before the first file until after the last. It is locked while a restore works on the folder,
so that an interrupted restore can be distinguished from a running one.
"""

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from treadle.store.errors import BackupError

MARKER: Final = "restore.unfinished"


def is_unfinished(data_dir: Path) -> bool:
    """Check whether a restore into the folder has not finished."""
    return (data_dir / MARKER).exists()


@contextmanager
def being_restored(data_dir: Path) -> Iterator[bool]:
    """Mark a folder, empty or of an interrupted restore, until the block ends without an error.

    Yields whether the folder must be cleared first. Raises `BackupError` for any other folder.
    """
    if data_dir.exists() and any(data_dir.iterdir()) and not is_unfinished(data_dir):
        raise BackupError(f"{data_dir} is not empty")
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Other users may not read the folder; the user of a running server may still have to traverse it.
    data_dir.chmod(stat.S_IMODE(data_dir.stat().st_mode) & ~0o066)
    marker = data_dir / MARKER
    with os.fdopen(os.open(marker, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"another restore works on {data_dir}") from None
        _settle(data_dir)
        yield any(path.name != MARKER for path in data_dir.iterdir())
        marker.unlink()
        _settle(data_dir)


def clear(data_dir: Path) -> None:
    """Remove all files but the marker."""
    for path in data_dir.iterdir():
        if path.name == MARKER:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _settle(folder: Path) -> None:
    """Sync the entries of the folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
