"""The name of the user, as the engine has it: macros that come before its own functions, which know none."""

from typing import Final

from treadle.engines.duckdb.edits import string

_USERS: Final = ("current_user", "session_user", "user", "current_role")


def macros(user_name: str) -> str:
    """The statements that make them: they give the name of the user of the session."""
    users = (f'CREATE OR REPLACE TEMP MACRO "{name}"() AS {string(user_name)}' for name in _USERS)
    return "; ".join(users)
