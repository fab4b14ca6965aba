"""Give back the memory that DuckDB's own allocator keeps after a large statement (C11)."""

import ctypes
import os
import resource
from typing import Final

import _duckdb

_PAGE: Final = resource.getpagesize()
_PURGE_ALL_ARENAS: Final = b"arena.4096.purge"


def resident() -> int:
    """Bytes this process holds in memory."""
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(statm, 128).split()[1]) * _PAGE
    finally:
        os.close(statm)


def trim() -> None:
    """Return freed memory to the system, which takes milliseconds.

    Where DuckDB has no allocator of its own only the C library's is trimmed.
    """
    library = ctypes.CDLL(_duckdb.__file__)
    purge = getattr(library, "duckdb_je_mallctl", None)
    if purge is not None:
        purge(_PURGE_ALL_ARENAS, None, None, None, ctypes.c_size_t(0))
    ctypes.CDLL(None).malloc_trim(0)
