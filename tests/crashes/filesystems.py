"""Small filesystems that fill up and turn read-only. Only root can make them: without it the test says so."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = 4096


@contextmanager
def small(place: Path, mebibytes: int) -> Iterator["Disk"]:
    """A filesystem of that size at ``place``, which is made; skips the test where that cannot be had."""
    place.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a disk that is full or read-only; mounting a small one needs root")
    done = _mount("-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "treadle-crashes", str(place))
    if done.returncode:
        pytest.skip(f"NOT TESTED: a disk that is full or read-only; mount said: {done.stderr.strip()}")
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _mount(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["mount", *words], capture_output=True, text=True, check=False)


class Disk:
    """A filesystem of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    @contextmanager
    def full(self) -> Iterator[None]:
        """While this holds, not one block is free."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (256 * BLOCK, BLOCK):
                while _written(file.fileno(), size):
                    pass
        try:
            yield
        finally:
            self._ballast.unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """While this holds, every write is refused. The kernel wants no file to be open for writing here."""
        self._remount("ro")
        try:
            yield
        finally:
            self._remount("rw")

    def _remount(self, mode: str) -> None:
        done = _mount("-o", f"remount,{mode}", str(self.place))
        assert not done.returncode, done.stderr


def _written(descriptor: int, size: int) -> bool:
    try:
        return os.write(descriptor, b"\0" * size) == size
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
