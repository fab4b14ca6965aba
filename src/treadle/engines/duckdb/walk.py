"""The walk over a script's tokens: every name and every file in it is judged, and it is cut at its semicolons.

A walk knows no grammar beyond what the judgement needs: dotted names, which of them are called,
the literal arguments of functions that read files, and whether a string stands where a table could
(there the engine takes it for a file). Where it cannot tell, it refuses.
"""

import re
from typing import Final

import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.lexer import END, LITERALS, NAMES, WORD, Token, lex, literal_of, name_of
from treadle.engines.duckdb.paths import Folders
from treadle.engines.duckdb.vocabulary import READERS, UPKEEP, Vocabulary, words

INTERNAL_PREFIX: Final = "__internal_"
HEAD: Final = 8
READABLE_SETTINGS: Final = frozenset(("timezone", "calendar", "search_path", "schema", "default_order", "null_order"))
"""What ``current_setting`` may be asked for."""

FILE_ENDINGS: Final = ("csv", "tsv", "json", "jsonl", "ndjson", "parquet")
DATABASE_ENDINGS: Final = ("db", "duckdb", "ddb")

# A name with such an ending is read as a file when no table has it.
_FILE: Final = re.compile(rf"\.(?:{'|'.join(FILE_ENDINGS)})(?:(?:\.gz|\.zst)?$|\?)", re.IGNORECASE)
_DATABASE: Final = re.compile(rf"\.(?:{'|'.join(DATABASE_ENDINGS)})(?:(?:\.gz|\.zst)?$|\?)", re.IGNORECASE)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

# What follows is a table, or the target of a write.
_TABLES: Final = words(
    "from join using lateral only summarize describe show pivot unpivot pivot_wider pivot_longer copy"
)
_TARGETS: Final = words("into update table")
# What follows is an expression. `values` and `set` are also good names, so they count only after a target.
_VALUES: Final = words(
    "select where group having window qualify order limit offset returning union except intersect when then do"
)
_AFTER_TARGET: Final = frozenset(("values", "set"))
# A string after one of these belongs to an expression.
_EXPRESSION: Final = words(
    """
    on and or not like ilike in similar between is case when then else collate escape glob as default by distinct
    any all some to date time timestamp timestamptz interval delimiter delimiters null quote header
    """
)
_OPERATORS: Final = frozenset("=<>~!+-*/%^&|@#")
_FROM_IS_NO_CLAUSE: Final = frozenset(("extract", "trim", "substring", "overlay", "position"))
_OPEN: Final = frozenset("([{")
_CLOSE: Final = frozenset(")]}")

# The clause a token stands in.
_VALUE, _TABLE, _TARGET, _SPECIAL = "value", "table", "target", "special"


class Segment(msgspec.Struct, frozen=True):
    """One statement of a script: where it stands, its first tokens, and whether it says RETURNING."""

    start: int
    end: int
    head: tuple[Token, ...]
    returning: bool

    def word(self, index: int) -> str:
        """The lower-case word at a position of the head; empty for anything else."""
        if index < len(self.head) and self.head[index].kind == WORD:
            return self.head[index].text.lower()
        return ""


class Rules(msgspec.Struct, frozen=True):
    """What a walk judges by."""

    vocabulary: Vocabulary
    folders: Folders
    secrets: tuple[str, ...]
    """Names, in lower case, that may not be mentioned in any name or string."""


class _Argument:
    """The first argument of a call, which must be a literal or a list of literals."""

    def __init__(self, function: str) -> None:
        self.function = function
        self._expected = "("

    def take(self, token: Token) -> tuple[bool, str | None]:
        """Take one token: whether the argument ended, and the literal if it is one. Raises `EngineError`."""
        literal = None
        if self._expected in ("literal", "item") and token.kind in LITERALS:
            literal = literal_of(token)
            if literal is None:
                raise self._refusal()
            self._expected = "," if self._expected == "literal" else "]"
        elif not self._sign(token.text):
            raise self._refusal()
        return self._expected == "done", literal

    def _sign(self, sign: str) -> bool:
        following = {
            ("(", "("): "literal",
            ("literal", "["): "item",
            ("]", ","): "item",
            ("]", "]"): ",",
            (",", ","): "done",
            (",", ")"): "done",
        }.get((self._expected, sign))
        if following is None:
            return False
        self._expected = following
        return True

    def _refusal(self) -> EngineError:
        return EngineError(
            "42501", f"permission denied for function {self.function}: its first argument must be a plain string"
        )


class Walk:
    """One walk over one script."""

    def __init__(self, rules: Rules, text: str) -> None:
        self._rules = rules
        self._text = text
        self._segments: list[Segment] = []
        self._reset()

    def _reset(self) -> None:
        self._head: list[Token] = []
        self._start = self._end = 0
        self._returning = False
        self._clause = _VALUE
        self._outer: list[str] = []
        self._chain: list[str] = []
        self._last = ""
        self._last_but_one = ""
        self._before_chain = ""
        self._argument: _Argument | None = None

    def run(self) -> list[Segment]:
        """The statements of the script; raises `EngineError` (42501) at the first thing that is not allowed."""
        tokens = lex(self._text)
        current = next(tokens, END)
        try:
            for following in tokens:
                self._step(current, following)
                current = following
            self._step(current, END)
        except EngineError as error:
            error.position = current.start + 1
            raise
        self._close()
        return self._segments

    def _close(self) -> None:
        if self._head:
            self._segments.append(Segment(self._start, self._end, tuple(self._head), self._returning))
        self._reset()

    def _step(self, token: Token, following: Token) -> None:
        if token is END:
            return
        if token.text == ";":
            self._close()
            return
        if not self._head:
            self._start = token.start
        if len(self._head) < HEAD:
            self._head.append(token)
        self._end = token.end
        if self._argument is not None:
            self._take_argument(self._argument, token)
        if token.kind in NAMES:
            self._name(token, following)
        elif token.kind in LITERALS:
            self._literal(token)
        else:
            self._sign(token.text)
        self._last_but_one = self._last
        self._last = token.text.lower() if token.kind == WORD else token.text if len(token.text) == 1 else token.kind

    # -- names ------------------------------------------------------------------------------

    def _name(self, token: Token, following: Token) -> None:
        name = name_of(token)
        if self._last == "." and self._chain:
            self._chain.append(name)
        else:
            self._chain = [name]
            self._before_chain = self._last
        if token.kind == WORD and len(self._chain) == 1 and following.text != ".":
            self._keyword(name.lower(), following)
        self._judge_name(name.lower())
        if following.text == "(":
            self._judge_call(name.lower())
        elif following.text != "." and (len(self._chain) > 1 or "." in name):
            self._judge_chain()

    def _keyword(self, word: str, following: Token) -> None:
        if word == "from" and (self._is_distinct_from() or self._clause == _SPECIAL):
            return
        if word in _TABLES or (word == "desc" and self._opens_statement()):
            self._clause = _TABLE
        elif word in _TARGETS:
            self._clause = _TARGET
        elif word in _VALUES or (word in _AFTER_TARGET and self._values_follow()):
            self._clause = _VALUE
        if word == "returning" and following.text != "(":
            self._returning = True

    def _is_distinct_from(self) -> bool:
        return self._last == "distinct" and self._last_but_one in ("is", "not")

    def _opens_statement(self) -> bool:
        return len(self._head) == 1 or self._last in ("(", ")", "as", "explain", "analyze")

    def _values_follow(self) -> bool:
        return self._clause == _TARGET or self._last == "("

    def _judge_name(self, name: str) -> None:
        if self._calls_upkeep(name):
            return
        if name in self._rules.vocabulary.refused or name.startswith(INTERNAL_PREFIX):
            raise EngineError("42501", f"permission denied for {name}")
        if name == "databases" and self._last in ("show", "describe", "desc") and len(self._head) != 2:
            raise EngineError("42501", "permission denied for SHOW DATABASES within a statement")
        self._judge_mention(name)

    def _calls_upkeep(self, name: str) -> bool:
        """Whether the statement is a CALL of this name, which maintains the catalog: judged when it is planned."""
        at = len(self._head)
        called = at == 2 or (at == 4 and self._last == ".")
        return called and name in UPKEEP and self._head[0].text.lower() == "call"

    def _judge_mention(self, text: str) -> None:
        for secret in self._rules.secrets:
            if secret in text:
                raise EngineError("42501", "permission denied for the catalog's metadata")

    def _judge_call(self, name: str) -> None:
        if self._calls_upkeep(name):
            return
        if name in self._rules.vocabulary.uncallable:
            raise EngineError("42501", f"permission denied for function {name}")
        if name in READERS or name == "current_setting":
            self._argument = _Argument(name)

    def _judge_chain(self) -> None:
        path = ".".join(self._chain)
        if _FILE.search(path):
            self._rules.folders.readable(path)
        elif _DATABASE.search(path) and self._table_may_stand(self._before_chain):
            raise _database_refusal(path)

    # -- literals ---------------------------------------------------------------------------

    def _literal(self, token: Token) -> None:
        value = literal_of(token)
        self._judge_mention((token.text if value is None else value).lower())
        if not self._table_may_stand(self._last):
            return
        if value is None:
            raise EngineError("42501", "permission denied for an escape string in place of a table")
        if _DATABASE.search(value):
            raise _database_refusal(value)
        if _FILE.search(value) or _SCHEME.match(value) or "/" in value:
            self._rules.folders.readable(value)

    def _table_may_stand(self, last: str) -> bool:
        """Whether a table could be named after this token."""
        return self._clause in (_TABLE, _TARGET) and last not in _EXPRESSION and last not in _OPERATORS

    def _take_argument(self, argument: _Argument, token: Token) -> None:
        ended, literal = argument.take(token)
        if literal is not None:
            if argument.function in READERS:
                self._rules.folders.readable(literal)
            elif literal.lower() not in READABLE_SETTINGS:
                raise EngineError("42501", f'permission denied for parameter "{literal}"')
        if ended:
            self._argument = None

    # -- signs ------------------------------------------------------------------------------

    def _sign(self, sign: str) -> None:
        if sign in _OPEN:
            inner = self._inner(sign)
            self._outer.append(self._clause)
            self._clause = inner
        elif sign in _CLOSE and self._outer:
            self._clause = self._outer.pop()

    def _inner(self, sign: str) -> str:
        if self._last in _FROM_IS_NO_CLAUSE:
            return _SPECIAL
        opens = self._last in _TABLES or self._last in (",", "(", ":")
        return _TABLE if sign == "(" and self._clause == _TABLE and opens else _VALUE


def _database_refusal(path: str) -> EngineError:
    return EngineError("42501", f'permission denied for database file "{path}"')
