"""Result columns as PostgreSQL's RowDescription has them (API reference §2.3)."""

import msgspec


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
