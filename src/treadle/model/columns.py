"""Result columns as PostgreSQL's RowDescription has them (API reference §2.3)."""

from typing import Final

import msgspec

UNION_TAG: Final = "treadle 6f1d: tag"
"""The first member of a struct that an engine sends for a union; it holds the name of the member with the value.
Arrow's own unions cannot be NULL.
"""

ENGINE_JSON: Final = "treadle 6f1d: json"
"""The only member of a struct that an engine sends for a value as JSON text."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a result.

    ``type`` is a PostgreSQL type OID, ``size`` its typlen in bytes (-1 for variable length) and
    ``type_mod`` its typmod (-1 for none). ``engine_type`` is the engine's own name of the type and
    decides the text form.
    """

    name: str
    type: int
    size: int = -1
    type_mod: int = -1
    table_id: int = 0
    column_id: int = 0
    format: int = 0
    engine_type: str = ""
