"""The output of ``COPY … TO``: written beside its place, moved there at the commit.

A cancelled or failed COPY leaves nothing. What the moving can promise:

- one file, or a folder where none was: one rename, all or nothing;
- OVERWRITE of a folder: two renames; after a crash between them the old folder is put back;
- APPEND or OVERWRITE_OR_IGNORE into a folder with files: file by file; a crash leaves a part moved,
  and nobody can tell.
"""

import contextlib
import os
import shutil
from pathlib import Path
from uuid import uuid4

import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.copy_statement import CopyTarget
from treadle.staging import STAGING, replace


class Staged(msgspec.Struct, frozen=True):
    """Output on its way: ``sql`` writes it to ``staged``, which is gone once it is published."""

    target: CopyTarget
    folder: Path
    staged: Path
    sql: str


def stage(target: CopyTarget, marker: str) -> Staged:
    """Make room for the output; ``marker`` names it among all statements.

    Raises `EngineError` when the output could not be published: 58P01 no such folder, 58P02 it is
    there already, 42809 a folder is in the way.
    """
    if not target.path.parent.is_dir():
        raise EngineError("58P01", f'cannot write "{target.given}": no such directory')
    _judge_present(target)
    folder = target.root / STAGING / marker
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    staged = folder / target.path.name
    return Staged(target, folder, staged, target.staged(str(staged)))


def publish(staged: Staged) -> None:
    """Move the output to its place; raises `EngineError` or `OSError`, and then nothing is in its place."""
    if staged.staged.exists():
        _judge_present(staged.target)
        _put_in_place(staged)
    discard(staged)


def discard(staged: Staged) -> None:
    """Remove what was written, or what is left of it."""
    shutil.rmtree(staged.folder, ignore_errors=True)


def merges(target: CopyTarget) -> bool:
    """Whether the output is moved file by file into a folder that has files: then no one rename decides."""
    path = target.path
    return target.directory and not target.overwrite and path.is_dir() and any(path.iterdir())


def _put_in_place(staged: Staged) -> None:
    path = staged.target.path
    if merges(staged.target):
        _merge(staged)
    elif staged.target.directory and path.exists():
        replace(path, staged.staged, staged.folder)
    else:
        os.replace(staged.staged, path)


def _judge_present(target: CopyTarget) -> None:
    """Refuse what the engine would refuse if it wrote to the place itself."""
    path, given = target.path, target.given
    if not target.directory:
        if path.is_dir():
            raise EngineError("42809", f'cannot write "{given}": it is a directory')
    elif path.is_dir():
        if not (target.overwrite or target.overwrite_or_ignore or target.append) and any(path.iterdir()):
            raise EngineError("58P02", f'directory "{given}" is not empty; use OVERWRITE to replace its files')
    elif path.exists() and not target.overwrite:
        raise EngineError("58P02", f'"{given}" is a file, not a directory; use OVERWRITE to replace it')


def _merge(staged: Staged) -> None:
    for folder, _, names in os.walk(staged.staged):
        place = staged.target.path / Path(folder).relative_to(staged.staged)
        place.mkdir(exist_ok=True)
        for name in names:
            goal = place / name
            if staged.target.append and goal.exists():
                goal = place / f"{goal.stem}_{uuid4()}{goal.suffix}"
            os.replace(Path(folder) / name, goal)
