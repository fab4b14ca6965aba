"""Macros that replace functions of the engine which do not know the session: its user and its settings."""

from typing import Final

from treadle.engines.duckdb import looking
from treadle.engines.duckdb.edits import string

_USERS: Final = ("current_user", "session_user", "user", "current_role")


OWN: Final = frozenset((*_USERS, looking.SETTING))
"""The names of these macros, which every session has."""


def macros(user_name: str) -> str:
    """Build the statements that create the macros for the user and the settings of a session."""
    users = (f'CREATE OR REPLACE TEMP MACRO "{name}"() AS {string(user_name)}' for name in _USERS)
    return "; ".join((*users, looking.setting_macro()))
