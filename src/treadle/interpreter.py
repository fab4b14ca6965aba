"""The command line of a child process in Python: nothing of the current folder can be imported by it."""

import os
import site
import sys
from typing import Final

_ISOLATED: Final = "-I"
_SAFE_PATH: Final = "-P"


def command(*arguments: str) -> list[str]:
    """Make the command that runs this interpreter with ``arguments``.

    The child is isolated as well: it has no ``PYTHON…`` variables and no packages of the user's.
    """
    return [sys.executable, _SAFE_PATH if _extended() else _ISOLATED, *arguments]


def _extended() -> bool:
    # An isolated child would not find packages that came from either place.
    return bool(os.environ.get("PYTHONPATH")) or site.getusersitepackages() in sys.path
