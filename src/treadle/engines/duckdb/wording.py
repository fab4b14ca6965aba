"""What a caller may read of the engine's words: nothing of the inside, and no advice they cannot follow."""

import re
from collections.abc import Callable
from typing import Final

from treadle.engines.duckdb.partitions import NAME_TOO_LONG, too_long
from treadle.engines.duckdb.raised import Raised
from treadle.engines.duckdb.settings import SETTINGS

MAX_MESSAGE: Final = 8192
"""Characters of an error message."""

NO_MEMORY: Final = "Work on less at a time, or open a session with more memory."
"""What helps here where the engine speaks of settings that a session may not change."""

_FAULT: Final = "INTERNAL"
"""The engine's word for an error that it takes for its own fault."""

# Traces, and the commands to the metadata's server that a failed commit repeats.
_STACK: Final = re.compile(
    r"\n*(Stack Trace:|This error signals an assertion failure|\. Consider increasing|Failed to flush changes"
    r"|: Failed to execute query).*",
    re.DOTALL,
)
# A caret of the engine's, without the line that it points at.
_CARET: Final = re.compile(r"\n +\^\Z")
_CONNECTION: Final = re.compile(r"(hostaddr|host|port|user|password|dbname|application_name|passfile)=('[^']*'|\S+)")
_CUT_AT_NUL: Final = re.compile("data file list from DuckLake: unterminated quoted string")
# Messages with internal names of the engine, and messages that take a part of the grammar for a part of the statement.
_OURS: Final = (
    (re.compile(r"(?:T_\w+|Statement type \d+ not implemented!?)\Z"), "this statement is not supported"),
    (re.compile(r"(?:ColumnDef|ResTarget|[A-Za-z ]*[Nn]ode) type not .*"), "a part of this statement is not supported"),
    (re.compile(r"Star expression \"COLUMNS\(list_filter.*", re.DOTALL), "no column matches the pattern"),
    (
        re.compile(r"We cannot add a column with a non-literal .*"),
        "only a constant can be the DEFAULT of this column now",
    ),
    (re.compile(r"Calling \w+(?:::\w+)? on a (?:NULL value|value that is NULL)"), "an argument cannot be NULL"),
    (re.compile(r"Qualified column names in UPDATE .*"), "qualified column names in UPDATE … SET are not supported"),
    (re.compile(r"unicode_to_utf8 NOT IMPLEMENTED"), "escapes of Unicode characters in strings are not supported"),
    (re.compile(r"Values were not provided for the following [^:]*: (\w+).*"), r"parameter $\1 has no value"),
    (re.compile(r"Parameter argument/count mismatch, [^:]*: (\w+).*"), r"there is no parameter $\1"),
    (re.compile(r"Unexpected prepared parameter.*"), "a parameter cannot stand in this statement"),
    (
        re.compile(r"(?:.*: )?Failed to execute query \".*due to lock timeout.*", re.DOTALL),
        "another session holds the catalog's metadata; run the statement again",
    ),
    # The command to the metadata's server is not the caller's.
    (re.compile(r"Failed to execute query \".*\": (?:ERROR: +)?(.*)", re.DOTALL), r"the catalog's server refused: \1"),
    (
        re.compile(
            r"Failed to commit: Failed to commit DuckLake transaction\.\n"
            r"Failed to flush changes into DuckLake: unterminated quoted string at or near.*",
            re.DOTALL,
        ),
        "a catalog cannot keep text with the character NUL as a partition value or as a macro's default",
    ),
)
_UNITS: Final = re.compile(r"(\n+|(?<=[.!?;]) +)")
_ADVICE: Final = re.compile(
    r"\b(?:SET|RESET|PRAGMA)\s+(?:(?:GLOBAL|SESSION|LOCAL)\s+)?(?P<setting>[a-z_]{3,})"
    r"|\b(?:INSTALL|LOAD) +[\"']?[a-z_]+|'(?P<limit>[a-z_]+)' (?:setting|configuration option)"
    r"|See also https://\S+how_to_tune_workloads|\bset_option\b|\binstall(?:ing|ed)? (?:and load|it |the )"
    r"|\bLoad an extension that|\b(?:detach|re-?attach) "
)
_INTRODUCTIONS: Final = re.compile(
    r"(?:Possible (?:solutions|fixes)|Alternatively, consider [^\n:]*|Please try [^\n:]*):\s*(?=\Z|\n\n)"
)
_EXTENSION: Final = re.compile(r", but it exists in the (\w+) extension\.?")
# The defaults of these settings are their limits: the advice to increase them does not help.
_OPEN: Final = SETTINGS.keys() - {"max_expression_depth", "pivot_limit"}
_EXHAUSTED: Final = "Out of Memory"
_GAPS: Final = re.compile(r"\n{3,}")
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"')
_SUGGESTION: Final = re.compile(r"\n+(?:Did you mean|Candidate tables|Candidate Entries)[^\n]*")


def message_of(error: Raised) -> str:
    """DuckDB's words without stack traces, connection strings and advice that a session is refused.

    DuckDB repeats the names it was given, however long: the message is cut, because every record keeps it.
    """
    if _CUT_AT_NUL.search(error.message):
        return "text with the character NUL cannot be compared with a column of a table; use contains()"
    for theirs, ours in _OURS:
        if (found := theirs.fullmatch(error.message)) is not None:
            return found.expand(ours)
    if (found := NAME_TOO_LONG.match(error.message)) is not None:
        return too_long(found[1])
    bare = _CONNECTION.sub(r"\1=...", _STACK.sub("", _CARET.sub("", error.message)))
    kept = _without_advice(bare).strip() or "the engine failed"
    if error.kind == _EXHAUSTED and kept != bare.strip():
        kept = f"{kept}\n{NO_MEMORY}"
    if error.kind == _FAULT and " does not exist" not in kept:
        kept = f"the engine cannot run this: {kept}"
    return shortened(_EXTENSION.sub(r": the \1 extension is not available", kept))


def shortened(message: str) -> str:
    """The message, cut where it is too long to be kept."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


def without_suggestions(message: str, useless: Callable[[str], bool]) -> str:
    """The message without a list of similar names in which one is useless to the caller."""
    found = _SUGGESTION.search(message)
    if found is None:
        return message
    # A statement about a macro refers to the catalog's, but the engine suggests its own.
    names = (name.rpartition(".")[2] for name in _QUOTED.findall(found[0]))
    if not message.startswith("Macro Function") and not any(map(useless, names)):
        return message
    return message[: found.start()] + message[found.end() :]


def _without_advice(text: str) -> str:
    if _ADVICE.search(text) is None:
        return text
    pieces = _UNITS.split(text)
    kept = [pieces[0]]
    # What comes first says what is wrong, whatever words of the caller's it repeats.
    for separator, unit in zip(pieces[1::2], pieces[2::2], strict=True):
        if not _is_refused(unit):
            kept += (separator, unit)
    return _GAPS.sub("\n\n", _INTRODUCTIONS.sub("", "".join(kept)))


def _is_refused(unit: str) -> bool:
    """Whether a sentence advises what a session may not do."""
    return any((found["setting"] or found["limit"] or "").lower() not in _OPEN for found in _ADVICE.finditer(unit))
