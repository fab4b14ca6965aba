"""Places of the service in a message, in words the caller has for them.

The engine names files by their paths, and the catalog's server by its address. A caller knows their own files by
the names they gave them and the data files of a table by the table; of other places the message says what they are.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import duckdb

from treadle.engines.duckdb.copy_statement import CopyTarget
from treadle.staging import STAGING
from treadle.wire import METADATA_PREFIX, Attach

_DESCRIPTOR: Final = "/proc/self/fd"
_METADATA: Final = re.compile(rf"\b{METADATA_PREFIX}\w*", re.IGNORECASE)
_STAGED: Final = rf"[^\"'\n]*/{re.escape(STAGING)}/[^/\"'\n]+/"
# The engine takes what follows the last dot of a path for its ending, and so for the name of a format.
_ENDING: Final = rf"(?<![\w./]){re.escape(STAGING.lstrip('.'))}/[^/\"'\n]+/"
_SETTING: Final = re.compile(r"(\w+)=('(?:[^'\\]|\\.)*'|\S+)")
_SHORTEST: Final = 6
"""Characters of a database or role whose name is taken out; a shorter one could be any word of the caller's."""

_Say = Callable[[str], str]
_Rule = tuple[re.Pattern[str], _Say]


class Discretion:
    """What the messages of one session may not mention, and the words that stand there instead."""

    def __init__(self, order: Attach | None = None) -> None:
        self._rules = tuple(_rules(order))

    def reword(self, message: str, target: CopyTarget | None = None) -> str:
        """The message without places of the service; ``target`` is the file a ``COPY … TO`` writes."""
        if target is not None:
            staged = re.compile(f"(?:{_STAGED}|{_ENDING}){re.escape(target.path.name)}")
            message = staged.sub(lambda _: target.given, message)
        for pattern, say in self._rules:
            message = pattern.sub(_replacement(say), message)
        return message


def _replacement(say: _Say) -> Callable[[re.Match[str]], str]:
    return lambda found: say(found["rest"] or "")


def _rules(order: Attach | None) -> Iterator[_Rule]:
    yield from _below(_DESCRIPTOR, _data_file)
    if order is not None:
        yield re.compile(f"(?P<rest>{_STAGED})"), lambda _: ""
        yield from _below(order.temp_dir, lambda _: "a temporary file")
        yield from _below(order.results_dir, lambda _: "a result file")
        yield from _below(order.catalog.data_path, _data_file)
        yield from _below(order.copy_dirs[0], lambda rest: rest.lstrip("/") or "the folder of files")
        yield from (_word(name) for name in _names(order.catalog.dsn))
        yield _word(order.catalog.metadata_name)
    for folder in (str(Path(duckdb.__file__).parents[1]), sys.prefix, sys.base_prefix):
        yield from _below(folder, lambda _: "a file of the service")


def _below(folder: str, say: _Say) -> Iterator[_Rule]:
    """Rules for a folder and what lies below it: its path goes to the quote behind it, else to the end of the word."""
    for path in dict.fromkeys((folder.rstrip("/"), str(Path(folder).resolve()))):
        if len(path) > 1 and "://" not in path:
            begin = re.escape(path)
            yield re.compile(rf"(?<=\")(?:file://)?{begin}(?P<rest>/[^\"\n]*)?(?=\")"), say
            yield re.compile(rf"(?<=')(?:file://)?{begin}(?P<rest>/[^'\n]*)?(?=')"), say
            yield re.compile(rf"{begin}(?P<rest>/[^\s\"':,;()\[\]]*)?(?![\w.-])"), say


def _data_file(rest: str) -> str:
    """The data file of a table by the table, whose folders are those of its schema and its own."""
    folders = [part for part in rest.split("/") if part and not part.isdecimal()][:-1]
    return f"a data file of {folders[0]}.{folders[1]}" if len(folders) > 1 else "a data file"


def _names(dsn: str) -> Iterator[str]:
    """The names of a connection string that say where the metadata lies, and under which role and name it is read."""
    for key, value in _SETTING.findall(dsn):
        name = value.strip("'")
        if (key in ("dbname", "user", "application_name") and len(name) >= _SHORTEST) or name.startswith("/"):
            yield name


def _word(name: str) -> _Rule:
    return re.compile(rf"(?<![\w/])(?P<rest>{re.escape(name)})(?!\w)", re.IGNORECASE), lambda _: "the catalog"
