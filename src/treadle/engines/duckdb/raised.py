"""What DuckDB raised, read from the exceptions of its Python client and of Arrow.

With ``errors_as_json`` the engine says of most errors what kind they are, where in the text it parsed they lie and
which object they are about. Errors of the client itself, and those found while a relation is bound, are plain text.
"""

import json
import re
from typing import Final

import msgspec

_JSON: Final = re.compile(r'(?:[A-Z][A-Za-z ]*? Error: )?(?=\{"exception_type":)')
_PREFIX: Final = re.compile(r"^([A-Z][A-Za-z ]*?) Error: ")
_LINE: Final = re.compile(r"\n\nLINE [0-9]+: .*\Z", re.DOTALL)
_CAST: Final = "Failed to cast value: "
INTERRUPT: Final = "INTERRUPT"
_NAMING: Final = frozenset(("MISSING_ENTRY", "COLUMN_NOT_FOUND"))
"""The subtypes whose ``name`` is a word of the text; that of a function without a match may be an operator's."""


class Raised(msgspec.Struct, frozen=True):
    """One error of the engine.

    ``kind`` is the engine's word for its family (``Binder``, ``Invalid Input``), ``offset`` the place in bytes in the
    text that the engine parsed, ``name`` the object that is missing.
    """

    kind: str
    message: str
    offset: int | None = None
    name: str | None = None


class _Json(msgspec.Struct, frozen=True):
    exception_type: str
    exception_message: str
    position: str | None = None
    name: str | None = None
    error_subtype: str | None = None


_scan: Final = json.JSONDecoder(strict=False).raw_decode


def raised(error: Exception) -> Raised:
    """Read what the engine says in an exception."""
    # The engine cuts long messages without regard to characters, which the client then cannot decode.
    text = error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else str(error)
    if (found := _JSON.match(text)) is not None:
        try:
            parsed = msgspec.convert(_scan(text, found.end())[0], _Json)
        except ValueError:
            return _plain(text)
        offset = int(parsed.position) if parsed.position is not None and parsed.position.isdecimal() else None
        name = parsed.name if parsed.error_subtype in _NAMING else None
        return _unwrapped(Raised(parsed.exception_type, parsed.exception_message, offset, name))
    return _unwrapped(_plain(text))


def _unwrapped(found: Raised) -> Raised:
    """Simplify the message of a failed cast of a constant."""
    if found.kind == "Invalid Input" and found.message.startswith(_CAST):
        return msgspec.structs.replace(found, kind="Conversion", message=found.message.removeprefix(_CAST))
    return found


def _plain(text: str) -> Raised:
    prefix = _PREFIX.match(text)
    return Raised(prefix[1] if prefix else "", _LINE.sub("", text[prefix.end() :] if prefix else text))
