"""The command line of a child process in Python: nothing of the current folder can be imported by it."""

import os
import site
import sys
from typing import Final, Literal

_ISOLATED: Final = "I"
_SAFE_PATH: Final = "P"


def command(how: Literal["m", "c"], what: str) -> list[str]:
    """Make the command that runs a module (``m``) or a text (``c``); further arguments may follow.

    The child is isolated as well: it has no ``PYTHON…`` variables and no packages of the user's.
    """
    return [sys.executable, f"-{_SAFE_PATH if _extended() else _ISOLATED}{how}", what]


def _extended() -> bool:
    # An isolated child would not find packages that came from either place.
    return bool(os.environ.get("PYTHONPATH")) or site.getusersitepackages() in sys.path
