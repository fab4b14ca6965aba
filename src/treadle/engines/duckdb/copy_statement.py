"""How a COPY is read: its file, which must be a plain string, and the options that decide what is written."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.json_files import JsonSource
from treadle.engines.duckdb.lexer import LITERALS, NAMES, WORD, Token, literal_of, name_of
from treadle.engines.duckdb.paths import Folders

_FORMATS: Final = frozenset(("csv", "parquet", "json", "blob"))
_NAME_OPTIONS: Final = ("filename_pattern", "file_extension")
_REPORT_OPTIONS: Final = ("return_files", "return_stats")
_DIRECTORY_OPTIONS: Final = ("partition_by", "file_size_bytes", "row_groups_per_file")
_READ_OPTIONS: Final = {
    "dateformat": "dateformat",
    "date_format": "dateformat",
    "timestampformat": "timestampformat",
    "timestamp_format": "timestampformat",
    "compression": "compression",
}
"""The options of a COPY … FROM of JSON that become arguments of `read_json`, with their names there."""

_JSON_FILE: Final = re.compile(r"\.(?:json|jsonl|ndjson)(?:\.gz|\.zst)?$", re.IGNORECASE)
_FALSE: Final = frozenset(("false", "0", "off", "no"))


class CopyTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where a ``COPY … TO`` writes.

    ``path`` is absolute, ``given`` is what the statement says, ``root`` is the allowed folder above
    it. ``directory`` says that the output is a folder of files; ``overwrite``,
    ``overwrite_or_ignore`` and ``append`` are the statement's options. ``parquet`` says that it may be
    Parquet, ``query`` gives the rows that are written.
    """

    path: Path
    given: str
    root: Path
    before: str
    after: str
    directory: bool = False
    overwrite: bool = False
    overwrite_or_ignore: bool = False
    append: bool = False
    parquet: bool = False
    query: str = ""

    def staged(self, staging_path: str) -> str:
        """The statement with another file in the place of its own."""
        literal = staging_path.replace("'", "''")
        return f"{self.before}'{literal}'{self.after}"


def read_copy(text: str, tokens: Sequence[Token], folders: Folders) -> CopyTarget | JsonSource | None:
    """Read the target of a ``COPY … TO`` or the source of a ``COPY … FROM`` of JSON; None for other formats.

    ``text`` is the text of the tokens. Raises `EngineError`: 42501 for a file outside the session's folders, 0A000 for
    unsupported options.
    """
    at = _direction(tokens)
    file = tokens[at + 1]
    path = literal_of(file) if file.kind in LITERALS else None
    if path is None or (at + 2 < len(tokens) and tokens[at + 2].text != "(" and tokens[at + 2].kind != WORD):
        raise EngineError("0A000", "COPY takes a plain string as its file")
    options = _options(tokens[at + 2 :])
    _judge_options(options)
    if tokens[at].text.lower() == "from":
        folders.readable(path)
        return _json_source(text, tokens[1:at], path, options)
    directory = any(name in options for name in _DIRECTORY_OPTIONS) or _is_on(options, "per_thread_output")
    place = folders.writable(path.rstrip("/") if directory else path)
    return CopyTarget(
        path=place.path,
        given=path,
        root=place.root,
        before=text[tokens[0].start : file.start],
        after=text[file.end : tokens[-1].end],
        directory=directory,
        overwrite=_is_on(options, "overwrite"),
        overwrite_or_ignore=_is_on(options, "overwrite_or_ignore"),
        append=_is_on(options, "append"),
        parquet=_is_parquet(path, options),
        query=_query(text, tokens[1:at]),
    )


def _json_source(
    text: str, target: Sequence[Token], path: str, options: Mapping[str, Sequence[Token]]
) -> JsonSource | None:
    """Read the source if its format or its name is JSON; None also if the engine will refuse an option."""
    named = _simple(options["format"]) == "json" if "format" in options else _JSON_FILE.search(path)
    if not named or not set(options) <= {"format", "array", "auto_detect", *_READ_OPTIONS}:
        return None
    at = next((index for index, token in enumerate(target) if token.text == "("), len(target))
    arguments = {_READ_OPTIONS[name]: _written(value) for name, value in options.items() if name in _READ_OPTIONS}
    if "array" in options or "auto_detect" in options:
        arguments["format"] = "auto" if _is_on(options, "auto_detect") else "newline_delimited"
        arguments["format"] = "array" if _is_on(options, "array") else arguments["format"]
    return JsonSource(
        table=text[target[0].start : target[at - 1].end],
        columns=[name_of(token) for token in target[at:] if token.kind in NAMES],
        path=path,
        arguments=arguments,
    )


def _written(tokens: Sequence[Token]) -> str:
    """Evaluate one literal, word or number."""
    return "".join((literal_of(token) or "") if token.kind in LITERALS else name_of(token) for token in tokens)


def _is_parquet(path: str, options: Mapping[str, Sequence[Token]]) -> bool:
    """Whether Parquet is written; where only the file's name tells, also one that merely resembles it."""
    if "format" in options:
        return _simple(options["format"]) == "parquet"
    return ".parquet" in path.lower()


def _query(text: str, source: Sequence[Token]) -> str:
    """What is copied as a query: a query in parentheses, or a table with or without columns."""
    if source[0].text == "(":
        return text[source[0].start : source[-1].end]
    at = next((index for index, token in enumerate(source) if token.text == "("), len(source))
    columns = text[source[at + 1].start : source[-2].end] if at < len(source) else "*"
    return f"SELECT {columns} FROM {text[source[0].start : source[at - 1].end]}"  # noqa: S608 - the caller's own


def _direction(tokens: Sequence[Token]) -> int:
    """Where the statement says FROM or TO; something follows it."""
    depth = 0
    for index, token in enumerate(tokens[:-1]):
        if token.text == "(":
            depth += 1
        elif token.text == ")":
            depth -= 1
        elif depth == 0 and token.kind == WORD and token.text.lower() in ("from", "to"):
            if index == 1:
                raise EngineError("42501", "permission denied for COPY FROM DATABASE")
            return index
    raise EngineError("42601", "syntax error: COPY without FROM or TO")


def _options(tokens: Sequence[Token]) -> Mapping[str, Sequence[Token]]:
    """The options in lower case with the tokens of their values."""
    rest = list(tokens)
    if rest and rest[0].text.lower() == "with":
        rest = rest[1:]
    if not rest or rest[0].text != "(":
        return _plain_options(rest)
    options: dict[str, Sequence[Token]] = {}
    item: list[Token] = []
    depth = 0
    for token in rest:
        depth -= token.text in (")", "}", "]")
        if (depth == 1 and token.text == ",") or depth == 0:
            if item:
                options[name_of(item[0]).lower()] = item[1:]
            item = []
        else:
            item.append(token)
        depth += token.text in ("(", "{", "[")
    return options


def _plain_options(tokens: Sequence[Token]) -> Mapping[str, Sequence[Token]]:
    """The options of the old form, without parentheses: ``CSV HEADER DELIMITER ','``."""
    options: dict[str, Sequence[Token]] = {}
    for index, token in enumerate(tokens):
        if token.kind == WORD:
            options[token.text.lower()] = tokens[index + 1 : index + 2]
    if "partition" in options:
        raise EngineError("0A000", "PARTITION BY is supported as an option in parentheses")
    return options


def _judge_options(options: Mapping[str, Sequence[Token]]) -> None:
    for name in _REPORT_OPTIONS:
        if name in options:
            raise EngineError("0A000", f"the COPY option {name.upper()} is not supported")
    if "format" in options and (file_format := _simple(options["format"])) not in _FORMATS:
        raise EngineError("0A000", f'the COPY format "{file_format}" is not supported')
    for name in _NAME_OPTIONS:
        if name in options:
            value = _simple(options[name])
            if value is None or "/" in value or "\\" in value:
                raise EngineError("42501", f"permission denied for the COPY option {name.upper()} with a path")


def _is_on(options: Mapping[str, Sequence[Token]], name: str) -> bool:
    if name not in options:
        return False
    return not options[name] or _simple(options[name]) not in _FALSE


def _simple(tokens: Sequence[Token]) -> str | None:
    """The value of one literal, word or number, in lower case; None for anything else."""
    if len(tokens) != 1:
        return None
    token = tokens[0]
    if token.kind in LITERALS:
        value = literal_of(token)
        return None if value is None else value.lower()
    return name_of(token).lower() if token.kind in NAMES else token.text
