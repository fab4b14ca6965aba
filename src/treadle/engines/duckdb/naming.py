"""Macros that return the name of the user; they replace the engine's own functions, which do not know it."""

from typing import Final

from treadle.engines.duckdb.edits import string

_USERS: Final = ("current_user", "session_user", "user", "current_role")


def macros(user_name: str) -> str:
    """Build the statements that create the macros for the user of a session."""
    users = (f'CREATE OR REPLACE TEMP MACRO "{name}"() AS {string(user_name)}' for name in _USERS)
    return "; ".join(users)
