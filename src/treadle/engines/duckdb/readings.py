"""Functions of the catalog that look and change nothing, whose answers hold paths of the server.

They stand in FROM or behind CALL, as ``catalog.name(…)`` or ``ducklake_name('catalog', …)``. The engine gets a query
around the call, which shows paths from the catalog's folder on. Those that show no path need no such thing.
"""

from typing import Final

import msgspec

from treadle.engines.duckdb.edits import string

PREFIX: Final = "ducklake_"


def relative(column: str) -> str:
    """A column of paths from the catalog's folder on, whose own name says nothing to a caller."""
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
"""By method: the columns that are shown, and which rows."""

METHODS: Final = frozenset(_SHOWN)
"""The names behind the catalog's."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A call in a statement: the text around it for the engine, and where its parentheses stand.

    ``opening`` takes the place of its name and its opening parenthesis, ``closing`` that of the closing one.
    ``aliased`` says that the engine would name the relation by the function, ``called`` that it follows CALL.
    """

    name: str
    depth: int
    opening: str
    closing: str
    aliased: bool
    called: bool = False


def named(name: str, *, method: bool) -> str | None:
    """The method that a name means; None for any other."""
    bare = name.removeprefix(PREFIX)
    return bare if bare in METHODS and not (method and bare != name) else None


def reading(name: str, catalog: str, *, depth: int, aliased: bool) -> Reading:
    """The call of a name that `named` knows."""
    method = name.removeprefix(PREFIX)
    columns, rows = _SHOWN[method]
    # Of ours only one takes more than the catalog.
    first = f"{string(catalog)}{', ' if method == 'list_files' else ''}" if method == name else ""
    opening = f"SELECT {columns} FROM {PREFIX}{method}({first}"  # noqa: S608 - all of it is ours
    return Reading(name=name, depth=depth, opening=opening, closing=f"){rows}", aliased=aliased)
