"""Checks of partition columns: their values must be usable and short enough as names of folders.

DuckLake (1.5.5) accepts any column and keeps its value as text, in the metadata and as the name of a folder; rows whose
value is not text, or too long for a name, cannot be written then.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote

from treadle.engines.base import EngineError
from treadle.engines.duckdb.lexer import NAMES, WORD, Token, name_of

_MOST_BYTES: Final = 255
"""Maximum length of a folder's name in bytes."""

_BYTES: Final = ("BLOB", "GEOMETRY")

NAME_TOO_LONG: Final = re.compile(r'^Failed to create directory "(.*)": File name too long', re.DOTALL)


def refuse_keys(tokens: Sequence[Token], columns: Sequence[tuple[str, str]]) -> None:
    """Raise `EngineError` (0A000) for a PARTITIONED BY a column whose values are not text."""
    keys = set(_keys(tokens))
    for name, kind in columns:
        if name.lower() in keys and kind.partition("(")[0] in _BYTES:
            raise EngineError(
                "0A000",
                f'column "{name}" has the type {kind}, which cannot be a partition key: '
                f"partition by bucket(n, {name}), or by a column of another type",
            )


def _keys(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the columns in PARTITIONED BY that are used without a function, in lower case."""
    lowered = [token.text.lower() if token.kind == WORD else "" for token in tokens]
    if "partitioned" not in lowered:
        return
    depth = 0
    for at in range(lowered.index("partitioned") + 1, len(tokens)):
        depth += (tokens[at].text == "(") - (tokens[at].text == ")")
        if depth == 1 and tokens[at].kind in NAMES and [token.text for token in tokens[at + 1 : at + 2]] != ["("]:
            yield name_of(tokens[at]).lower()
        if depth == 0 and tokens[at].text == ")":
            return


def too_long(path: str) -> str:
    """Build the message for a folder whose name is too long, with the column of the value."""
    longest = max(path.split("/"), key=len)
    if len(longest) <= _MOST_BYTES or "=" not in longest:
        return "the values of the partition columns are too long for the path of a file"
    column = unquote(longest.partition("=")[0])
    return (
        f'the value of partition column "{column}" is too long: with the column\'s name it makes the name of a folder '
        f"of {len(longest)} bytes (three for each byte of a special character), and {_MOST_BYTES} are possible. "
        "Partition by bucket(n, …) of the column, or by another column"
    )
