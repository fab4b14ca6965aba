"""How SET, RESET, USE and SHOW speak of a session's settings."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb import engine_settings
from treadle.engines.duckdb.lexer import LITERALS, NAMES, NUMBER, QUOTED, SIGN, WORD, Token, lex, literal_of, name_of
from treadle.engines.duckdb.settings import (
    ALL,
    MAIN,
    PROFILING,
    SETTINGS,
    Change,
    SessionSettings,
    Show,
    set_profiling,
    set_time_zone,
    use_schemas,
    value_of,
    wrong_value,
)

_PRAGMAS: Final = frozenset(("timezone", "calendar", "default_order"))
"""The settings beside the engine's parameters that a PRAGMA may set."""

_OTHER_CATALOGS: Final = frozenset(("memory", "system"))


class Dialect(msgspec.Struct, frozen=True):
    """What the reading of SET and SHOW depends on: the session's catalog and threads, and the parameters the
    engine knows.
    """

    catalog: str
    known: frozenset[str]
    threads: int


def read(dialect: Dialect, tokens: Sequence[Token]) -> Change | Show | None:
    """What a SET, RESET, USE or SHOW asks for; None when it is the engine's (variables, tables).

    Raises `EngineError`: 42601 malformed, 42704 unknown, 42501 not for sessions, 22023 wrong value.
    """
    words = _Words(tokens)
    match words.word():
        case "set":
            return _read_set(dialect, words)
        case "reset":
            return _read_reset(dialect, words)
        case "use":
            if not words.rest():
                raise _malformed(words.rest())
            return _schema_change(dialect, words.rest())
        case "pragma":
            return _read_pragma(dialect, words)
        case "show":
            return _read_show(words)
        case _:
            return None


class _Words:
    """The tokens of a statement, taken from the left."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def word(self) -> str:
        """Take one token: the lower-case word, or empty if it is none."""
        token = self._tokens[self._next] if self._next < len(self._tokens) else None
        self._next += 1
        return token.text.lower() if token is not None and token.kind == WORD else ""

    def take(self, *words: str) -> bool:
        """Take these words if they come next."""
        coming = self._tokens[self._next : self._next + len(words)]
        if tuple(token.text.lower() for token in coming) != words:
            return False
        self._next += len(words)
        return True

    def name(self) -> str:
        """Take a name; raises `EngineError` (42601)."""
        rest = self.rest()
        if not rest or rest[0].kind not in NAMES:
            raise _malformed(rest)
        self._next += 1
        return name_of(rest[0])

    def rest(self) -> Sequence[Token]:
        """What is left."""
        return self._tokens[self._next :]


def _read_set(dialect: Dialect, words: _Words) -> Change | None:
    if words.take("variable"):
        return None
    scope = next((scope for scope in ("session", "local", "global") if words.take(scope)), "session")
    if words.take("time", "zone"):
        return _scoped(_change(dialect, "TimeZone", words.rest()), scope)
    if words.take("names"):
        return _scoped(_change(dialect, "client_encoding", words.rest()), scope)
    if any(words.take(what) for what in ("characteristics", "transaction", "role", "authorization", "constraints")):
        raise EngineError("0A000", "this form of SET is not supported")
    name = words.name()
    if not (words.take("=") or words.take("to")) and name.lower() != "schema":
        raise _malformed(words.rest())
    return _scoped(_change(dialect, name, words.rest()), scope)


def _scoped(change: Change, scope: str) -> Change:
    if scope == "global":
        raise EngineError("42501", f'permission denied to set parameter "{change.name}" for all sessions')
    if scope == "local":
        return msgspec.structs.replace(change, local=True)
    return change


def _read_pragma(dialect: Dialect, words: _Words) -> Change | None:
    """A PRAGMA that gives one of the engine's parameters a value; other settings have no such spelling."""
    name = words.name()
    if (name.lower() not in engine_settings.NAMES and name.lower() not in _PRAGMAS) or not words.take("="):
        return None
    if not words.rest():
        raise _malformed(())
    return _change(dialect, name, words.rest())


def _read_reset(dialect: Dialect, words: _Words) -> Change | None:
    if words.take("variable"):
        return None
    if words.take("time", "zone"):
        name = "TimeZone"
    else:
        words.take("session")
        name = words.name()
    if words.rest():
        raise _malformed(words.rest())
    if name.lower() == ALL:
        opening = SessionSettings({"threads": str(dialect.threads)}, catalog=dialect.catalog)
        return Change(ALL, None, opening.engine())
    return _change(dialect, name, ())


def _read_show(words: _Words) -> Show | None:
    if words.take("time", "zone"):
        name = "timezone"
    elif words.take("transaction", "isolation", "level"):
        name = "transaction_isolation"
    elif len(words.rest()) == 1:
        token = words.rest()[0]
        name = name_of(token).lower() if token.kind in NAMES else ""
    else:
        return None
    if name == ALL:
        return Show(ALL)
    setting = SETTINGS.get("search_path" if name == "schema" else engine_settings.NAMES.get(name, name))
    return None if setting is None else Show(setting.name)


def _change(dialect: Dialect, name: str, tokens: Sequence[Token]) -> Change:
    """The change of one setting; no tokens at all means its default."""
    key = name.lower()
    if key in ("search_path", "schema"):
        return _schema_change(dialect, tokens)
    if key in engine_settings.NAMES:
        return _engine_change(engine_settings.of_session(dialect.threads)[key], tokens)
    setting = SETTINGS.get(key)
    if setting is None:
        if key in dialect.known:
            raise EngineError("42501", f'permission denied to set parameter "{name}"')
        raise EngineError("42704", f'unrecognized configuration parameter "{name}"')
    value = value_of(setting.name, _scalar(tokens)) if tokens and not _is_default(tokens) else None
    if key == "timezone":
        return Change(setting.name, value, (set_time_zone(setting.default if value is None else value),))
    if key == PROFILING:
        return Change(setting.name, value, (set_profiling(setting.default if value is None else value),))
    return Change(setting.name, value)


def _engine_change(setting: engine_settings.EngineSetting, tokens: Sequence[Token]) -> Change:
    """The change of one of the engine's own parameters."""
    given = setting.default if not tokens or _is_default(tokens) else _scalar(tokens)
    value = setting.read(given)
    if value is None:
        raise wrong_value(setting.name, given)
    return Change(setting.name, value, (engine_settings.statement(setting.name, value),))


def _is_default(tokens: Sequence[Token]) -> bool:
    return len(tokens) == 1 and tokens[0].kind == WORD and tokens[0].text.lower() == "default"


def _scalar(tokens: Sequence[Token]) -> str:
    """The value as text; several values are joined as PostgreSQL shows them."""
    pieces = []
    for token in tokens:
        if token.kind in LITERALS and (value := literal_of(token)) is not None:
            pieces.append(value)
        elif token.kind in (WORD, QUOTED):
            pieces.append(name_of(token))
        elif token.kind == NUMBER or token.text in ("-", "+"):
            pieces.append(token.text)
        elif token.text == ",":
            pieces.append(", ")
        else:
            raise _malformed([token])
    return "".join(pieces)


def _malformed(tokens: Sequence[Token]) -> EngineError:
    if not tokens:
        return EngineError("42601", "syntax error at end of input")
    first = tokens[0]
    return EngineError(
        "42601", f'syntax error at or near "{first.text}"', first.start + 1 if first.start >= 0 else None
    )


def _schema_change(dialect: Dialect, tokens: Sequence[Token]) -> Change:
    if not tokens or _is_default(tokens):
        return Change("search_path", None, use_schemas(((dialect.catalog, MAIN),)))
    if len(tokens) == 1 and tokens[0].kind in LITERALS:
        # The places of the tokens are those in the literal's value, not in the script.
        tokens = tuple(token._replace(start=-1) for token in lex(literal_of(tokens[0]) or ""))
    path = tuple(_schema(dialect.catalog, names) for names in _dotted_names(tokens))
    shown = ", ".join(schema if catalog == dialect.catalog else f"{catalog}.{schema}" for catalog, schema in path)
    return Change("search_path", shown, use_schemas(path))


def _dotted_names(tokens: Sequence[Token]) -> Iterator[list[str]]:
    names: list[str] = []
    for index, token in enumerate((*tokens, Token(SIGN, ",", -1, -1))):
        if index % 2 == 0 and token.kind in NAMES:
            names.append(name_of(token))
        elif index % 2 == 1 and token.text == ",":
            yield names
            names = []
        elif index % 2 == 0 or token.text != ".":
            raise _malformed([token] if token.end >= 0 else [])


def _schema(catalog: str, names: list[str]) -> tuple[str, str]:
    """The catalog and schema a name of one or two parts means; raises `EngineError` (42501)."""
    first = names[0].lower()
    match names:
        case [_] if first == catalog.lower():
            return catalog, MAIN
        case [_] if first == "temp":
            return "temp", MAIN
        case [schema] if first not in _OTHER_CATALOGS:
            return catalog, schema
        case [_, schema] if first == catalog.lower():
            return catalog, schema
        case [_, schema] if first == "temp":
            return "temp", schema
        case _:
            raise EngineError("42501", f'permission denied for catalog "{names[0]}"')
