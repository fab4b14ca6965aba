"""Output of COPY on its way: it waits in a folder of its own and is put in its place by renames.

The worker puts it there; after the worker's death the owner clears up, and what a replacement had
moved aside and not yet replaced goes back to its place.
"""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

STAGING: Final = ".treadle"
"""The folder in each copy folder where output waits, one folder in it for each part of a statement."""

_OLD: Final = "replaced.old"
_PLACE: Final = "replaced.place"


def replace(place: Path, successor: Path, aside: Path) -> None:
    """Put ``successor`` in the place of a file or folder, which goes ``aside``.

    Two renames: a death between them is mended by `clear`. Raises `OSError` with the old one back.
    """
    (aside / _PLACE).write_text(str(place))
    os.rename(place, aside / _OLD)
    try:
        os.rename(successor, place)
    except OSError:
        _put_back(aside)
        raise


def clear(folder: Path) -> None:
    """Remove the staging folder of a part; it may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        _put_back(folder)
        shutil.rmtree(folder)


def _put_back(aside: Path) -> None:
    old, note = aside / _OLD, aside / _PLACE
    if old.exists() and note.exists() and not (place := Path(note.read_text())).exists():
        os.rename(old, place)
