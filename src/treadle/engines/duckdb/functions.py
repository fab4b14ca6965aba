"""The names of the engine's own functions, for processes that run no statements."""

from treadle.engines.duckdb.guard import Vocabulary
from treadle.engines.duckdb.opening import preload


def function_names() -> frozenset[str]:
    """List all function names in lower case; raises `ExtensionDamaged`."""
    connection = preload()
    try:
        return frozenset(name.lower() for name in Vocabulary.of(connection).functions)
    finally:
        connection.close()
