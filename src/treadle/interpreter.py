"""The command line of a Python child process, which imports nothing from the current folder."""

import os
import site
import sys
from typing import Final, Literal

_ISOLATED: Final = "I"
_SAFE_PATH: Final = "P"


def command(how: Literal["m", "c"], what: str) -> list[str]:
    """Build the command that runs a module (``m``) or a text (``c``); further arguments may follow.

    The child is isolated as well: it ignores ``PYTHON…`` variables and the user's site packages.
    """
    return [sys.executable, f"-{_SAFE_PATH if _extended() else _ISOLATED}{how}", what]


def _extended() -> bool:
    # An isolated child would not find packages from either place.
    return bool(os.environ.get("PYTHONPATH")) or site.getusersitepackages() in sys.path
