"""Which files a session may touch: those below its own folders, whatever way leads there."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from treadle.engines.base import EngineError
from treadle.staging import STAGING

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_GLOB: Final = re.compile(r"[*?\[]")


def denied(path: str) -> EngineError:
    """The refusal of a path."""
    return EngineError("42501", f'permission denied for file "{path}"')


class Place(msgspec.Struct, frozen=True):
    """A path that was allowed: where it really lies, and the allowed folder above it, as given."""

    path: Path
    root: Path


class Folders:
    """The folders of one session.

    A relative path starts in ``files_dir``, which must be the working directory of the engine as
    well. ``denied_dirs`` are refused even below an allowed folder.
    """

    def __init__(self, files_dir: Path, allowed_dirs: Sequence[Path], denied_dirs: Sequence[Path] = ()) -> None:
        self._files_dir = os.path.abspath(files_dir)
        self._allowed = tuple((os.path.realpath(folder), folder) for folder in allowed_dirs)
        self._denied = tuple(os.path.realpath(folder) for folder in denied_dirs)

    def readable(self, path: str) -> None:
        """Judge a path or pattern to be read; raises `EngineError` (42501)."""
        fixed, pattern = _split(self._absolute(path))
        if ".." in pattern:
            raise denied(path)
        place = self._place(path, fixed)
        if pattern and any(_below(folder, str(place.path)) for folder in self._denied):
            raise denied(path)

    def writable(self, path: str) -> Place:
        """Judge a path to be written; it must lie below an allowed folder. Raises `EngineError` (42501)."""
        place = self._place(path, self._absolute(path))
        if str(place.path) == os.path.realpath(place.root) or path.endswith("/"):
            raise denied(path)
        return place

    def _absolute(self, path: str) -> str:
        # The engine takes `~` for a home folder and a backslash in a pattern for an escape.
        if not path or path.startswith("~") or "\\" in path or "\0" in path or _SCHEME.match(path):
            raise denied(path)
        return os.path.join(self._files_dir, path)

    def _place(self, path: str, absolute: str) -> Place:
        real = os.path.realpath(absolute)
        if any(_below(real, folder) for folder in self._denied):
            raise denied(path)
        for folder, given in self._allowed:
            if _below(real, folder) and STAGING not in real[len(folder) :].split("/"):
                return Place(Path(real), given)
        raise denied(path)


def _split(path: str) -> tuple[str, list[str]]:
    """The part before the first wildcard, and the components from there on."""
    parts = path.split("/")
    for index, part in enumerate(parts):
        if _GLOB.search(part):
            return "/".join(parts[:index]) or "/", parts[index:]
    return path, []


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
