"""Options of a catalog: the values with which every later write still works.

DuckLake checks little. With a target size without a limit, for example, no session can write to the catalog any more.
"""

import re
from collections.abc import Sequence
from typing import Final

from treadle.engines.base import EngineError

_CODECS: Final = "uncompressed snappy gzip zstd brotli lz4 lz4_raw"
# No part of a byte, and no more bytes than a 64-bit number holds.
_SIZE: Final = r"(?=[0.]*[1-9])(\d{1,6}(\.\d{1,3})?\s*[kmgt](i?b)?|\d{1,18}\s*b(ytes?)?)"
_FRACTION: Final = r"[01]|0?\.\d{1,9}|[01]\.0{0,9}|0\.\d{1,9}"

_VALUES: Final = {
    "parquet_compression": (_CODECS.replace(" ", "|"), f"one of {_CODECS.replace(' ', ', ')}"),
    "parquet_version": ("v?[12]", "1 or 2"),
    "parquet_row_group_size": (r"0*[1-9]\d{0,18}", "a number of rows from 1 on"),
    "target_file_size": (_SIZE, "a size from 1B on with its unit, for example 512MB"),
    "rewrite_delete_threshold": (_FRACTION, "a number from 0 to 1"),
    "per_thread_output": ("true|false", "true or false"),
}
"""The values of each option: a pattern of their text, and what it stands for."""

OPTIONS: Final = frozenset(_VALUES)
"""What `set_option` may set: how files are written. Nothing that makes a write fail, hides who wrote it, or inlines
rows, which a compaction would lose (DuckLake 1.5.5).
"""

_PLAIN: Final = re.compile(r"\(?\s*'((?:[^']|'')*)'\s*\)?|\(?\s*(-?[\w.]+)\s*\)?")


def check_option(given: Sequence[str], option: str) -> None:
    """Check the value of an option, a plain string, number or truth value as SQL; raises `EngineError` (22023)."""
    pattern, meaning = _VALUES[option.lower()]
    if len(given) != 1:
        raise EngineError("42601", f"syntax error: set_option takes the name of an option and one value, {meaning}")
    plain = _PLAIN.fullmatch(given[0])
    value = given[0] if plain is None else (plain[1] if plain[1] is not None else plain[2])
    if plain is None or re.fullmatch(pattern, value.strip(), re.IGNORECASE | re.ASCII) is None:
        raise EngineError("22023", f'invalid value for option "{option}": it must be {meaning}')
