"""The names of the engine's own functions, for a process that runs no statement."""

from treadle.engines.duckdb.guard import Vocabulary
from treadle.engines.duckdb.opening import preload


def function_names() -> frozenset[str]:
    """All of them, in lower case; raises `ExtensionDamaged`."""
    connection = preload()
    try:
        return frozenset(name.lower() for name in Vocabulary.of(connection).functions)
    finally:
        connection.close()
