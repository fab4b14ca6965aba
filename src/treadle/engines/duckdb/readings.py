"""Read-only functions of the catalog whose results contain paths of the server.

They are used in FROM or after CALL, as ``catalog.name(…)`` or ``ducklake_name('catalog', …)``. The call is wrapped in a
query that shows paths relative to the catalog's folder. Functions without paths need no query.
"""

from typing import Final

import msgspec

from treadle.engines.duckdb.edits import string

PREFIX: Final = "ducklake_"


def relative(column: str) -> str:
    """Build the column of a path relative to the catalog's folder."""
    return f"regexp_replace({column}, '^/proc/self/fd/[0-9]+/', '') AS {column}"


_SHOWN: Final = {
    "list_files": (
        f"{relative('data_file')}, data_file_size_bytes, data_file_footer_size, "
        f"{relative('delete_file')}, delete_file_size_bytes",
        "",
    ),
    "options": ("option_name, description, value, scope, scope_entry", " WHERE option_name <> 'data_path'"),
    "settings": ("catalog_type, extension_version, NULL::VARCHAR AS data_path", ""),
}
"""The shown columns and the filter of each method."""

METHODS: Final = frozenset(_SHOWN)
"""The function names after that of the catalog."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A call in a statement: the replacement text, and the positions of its parentheses.

    ``opening`` replaces the name and the opening parenthesis, ``closing`` the closing one. ``aliased``: the engine
    would name the relation after the function; ``called``: the call follows CALL.
    """

    name: str
    depth: int
    opening: str
    closing: str
    aliased: bool
    called: bool = False


def named(name: str, *, method: bool) -> str | None:
    """Find the method of a name; None for any other name."""
    bare = name.removeprefix(PREFIX)
    return bare if bare in METHODS and not (method and bare != name) else None


def reading(name: str, catalog: str, *, depth: int, aliased: bool) -> Reading:
    """Build the reading for a name that `named` knows."""
    method = name.removeprefix(PREFIX)
    columns, rows = _SHOWN[method]
    # Only this one of the methods takes more arguments than the catalog.
    first = f"{string(catalog)}{', ' if method == 'list_files' else ''}" if method == name else ""
    opening = f"SELECT {columns} FROM {PREFIX}{method}({first}"  # noqa: S608 - all of it is ours
    return Reading(name=name, depth=depth, opening=opening, closing=f"){rows}", aliased=aliased)
