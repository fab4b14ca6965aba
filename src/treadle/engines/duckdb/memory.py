"""Give back the memory that DuckDB's own allocator keeps after a large statement (C11)."""

import ctypes
import resource
from pathlib import Path
from typing import Final

import _duckdb

_PURGE_ALL_ARENAS: Final = b"arena.4096.purge"


def resident() -> int:
    """Bytes this process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def trim() -> None:
    """Return freed memory to the system, which takes milliseconds.

    Where DuckDB has no allocator of its own only the C library's is trimmed.
    """
    library = ctypes.CDLL(_duckdb.__file__)
    purge = getattr(library, "duckdb_je_mallctl", None)
    if purge is not None:
        purge(_PURGE_ALL_ARENAS, None, None, None, ctypes.c_size_t(0))
    ctypes.CDLL(None).malloc_trim(0)
