"""The walk over a script's tokens: every name and every file in it is judged, and it is cut at its semicolons.

A walk knows no grammar beyond what the judgement needs: dotted names, which of them are called,
the literal arguments of functions that read files, and whether a string stands where a table could
(there the engine takes it for a file). Where it cannot tell, it refuses.
"""

import re
from typing import Final

import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb import looking
from treadle.engines.duckdb.arguments import Argument, Deferred
from treadle.engines.duckdb.edits import Edit, applied, string
from treadle.engines.duckdb.lexer import (
    END,
    LITERALS,
    NAMES,
    QUOTED,
    WORD,
    Token,
    lex,
    literal_of,
    name_of,
    plain_spaces,
)
from treadle.engines.duckdb.paths import Folders
from treadle.engines.duckdb.vocabulary import JUDGED, LOOKING, READERS, UPKEEP, Vocabulary, words

INTERNAL_PREFIX: Final = "__internal_"
HEAD: Final = 8
_DEEPEST: Final = 8
"""How deep queries may be given as text within queries given as text."""

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
# Behind one of these a table stands that may have an alias, and behind one of those a table that has none.
_ALIASED: Final = frozenset(("from", "join", "using", ",", "("))
_UNALIASED: Final = words("describe desc show summarize :")
# How a query begins that is given as text.
_ROWS: Final = words("select with from values table pivot unpivot pivot_wider pivot_longer ( ") | _UNALIASED - {":"}
# A table's name that is given as text: what the engine's two ways to read one agree about.
_TABLE_NAME: Final = re.compile(r'(?:[A-Za-z_][A-Za-z0-9_]*|"[^"]+")(?:\.(?:[A-Za-z_][A-Za-z0-9_]*|"[^"]+")){0,2}')
_FROM_IS_NO_CLAUSE: Final = frozenset(("extract", "trim", "substring", "overlay", "position"))
_OPEN: Final = frozenset("([{")
_CLOSE: Final = frozenset(")]}")

# The clause a token stands in.
_VALUE, _TABLE, _TARGET, _SPECIAL = "value", "table", "target", "special"


class Segment(msgspec.Struct, frozen=True):
    """One statement of a script: where it stands, its first tokens, whether it says RETURNING, where the engine
    gets another text, and which expressions are judged when it runs.
    """

    start: int
    end: int
    head: tuple[Token, ...]
    returning: bool
    edits: tuple[Edit, ...] = ()
    deferred: tuple[Deferred, ...] = ()

    def word(self, index: int) -> str:
        """The lower-case word at a position of the head; empty for anything else."""
        if index < len(self.head) and self.head[index].kind == WORD:
            return self.head[index].text.lower()
        return ""


class Rules(msgspec.Struct, frozen=True):
    """What a walk judges by."""

    vocabulary: Vocabulary
    folders: Folders
    catalog: str
    secrets: tuple[str, ...]
    """Names, in lower case, that may not be mentioned in any name or string."""


class Walk:
    """One walk over one script."""

    def __init__(self, rules: Rules, text: str, depth: int = 0) -> None:
        self._rules = rules
        self._text = text
        self._depth = depth
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
        self._chain_start = 0
        self._arguments: list[Argument] = []
        self._looking: tuple[str, str] | None = None
        self._edits: list[Edit] = []
        self._deferred: list[Deferred] = []
        self._last_start = 0

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
            if error.position is None:
                error.position = current.start + 1
            raise
        self._close()
        return self._segments

    def _close(self) -> None:
        if self._head:
            self._segments.append(
                Segment(
                    self._start,
                    self._end,
                    tuple(self._head),
                    self._returning,
                    tuple(self._edits),
                    tuple(self._deferred),
                )
            )
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
        self._arguments = [argument for argument in self._arguments if not self._ended(argument, token)]
        if self._looking is not None:
            self._close_call(*self._looking, token, following)
        if token.kind in NAMES:
            self._name(token, following)
        elif token.kind in LITERALS:
            self._literal(token)
        else:
            self._sign(token.text)
        self._last_but_one = self._last
        self._last_start = token.start
        self._last = token.text.lower() if token.kind == WORD else token.text if len(token.text) == 1 else token.kind

    # -- names ------------------------------------------------------------------------------

    def _name(self, token: Token, following: Token) -> None:
        name = name_of(token)
        if self._last == "." and self._chain:
            self._chain.append(name)
        else:
            self._chain = [name]
            self._chain_start = token.start
            self._before_chain = self._last
        if token.kind == WORD and len(self._chain) == 1 and following.text != ".":
            self._keyword(name.lower(), following)
        self._judge_name(name.lower(), token, following)
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

    def _judge_name(self, name: str, token: Token, following: Token) -> None:
        if self._calls_upkeep(name):
            return
        if name in self._rules.vocabulary.refused or name.startswith(INTERNAL_PREFIX):
            raise EngineError("42501", f"permission denied for {name}")
        if name in LOOKING and following.text != ".":
            self._look(name, token, following)
        if name == "databases" and self._last in ("show", "describe", "desc") and following.text != ".":
            self._edits.append(Edit(self._last_start, token.end, looking.databases(self._rules.catalog)))
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
        known = self._rules.vocabulary
        if name in known.uncallable or (name in known.unreadable and self._reads()):
            raise EngineError("42501", f"permission denied for function {name}")
        if name in JUDGED:
            self._arguments.append(Argument(name, method=self._last == "."))

    def _reads(self) -> bool:
        stands = self._clause == _TABLE and self._before_chain != "copy" and self._table_may_stand(self._before_chain)
        return stands or self._before_chain == "call"

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

    # -- arguments --------------------------------------------------------------------------

    def _ended(self, argument: Argument, token: Token) -> bool:
        """Give a token to an argument, and judge the argument when it ends; whether it has."""
        if not argument.take(token):
            return False
        try:
            self._judge(argument)
        except EngineError as error:
            # Also of a query in a string: its own places are none of the script.
            error.position = (argument.tokens[0] if argument.tokens else token).start + 1
            raise
        return True

    def _judge(self, argument: Argument) -> None:
        values = argument.literals()
        if values is not None:
            self._judge_argument(argument, values)
        elif self._depth:
            raise argument.refusal("must be a plain string within a query that is a string itself")
        else:
            self._deferred.append(argument.deferred())

    def _judge_argument(self, argument: Argument, values: list[str]) -> None:
        if argument.function in READERS:
            for path in values:
                self._rules.folders.readable(path)
        elif argument.function == "query_table":
            for name in values:
                self._judge_table_name(name)
        elif len(values) > 1 or argument.tokens[0].text == "[":
            raise argument.refusal("must be a plain string")
        elif argument.function == "current_setting":
            if values[0].lower() not in looking.READABLE:
                raise EngineError("42501", f'permission denied for parameter "{values[0]}"')
        elif argument.method and argument.function == "json_serialize_plan":
            raise argument.refusal("must stand in its parentheses")
        else:
            self._judge_query(argument, values[0])

    def _judge_query(self, argument: Argument, query: str) -> None:
        """Judge a query given as text as one that stands alone; the engine gets the text that was judged."""
        if self._depth >= _DEEPEST:
            raise argument.refusal("has too many queries in queries")
        readable = plain_spaces(query)
        segments = Walk(self._rules, readable, self._depth + 1).run()
        for segment in segments:
            if segment.head[0].text.lower() not in _ROWS:
                raise argument.refusal("must be a query")
        told = applied(readable, [edit for segment in segments for edit in segment.edits])
        if told != query:
            token = argument.tokens[0]
            self._edits.append(Edit(token.start, token.end, string(told)))

    def _judge_table_name(self, name: str) -> None:
        if _TABLE_NAME.fullmatch(name) is None or plain_spaces(name) != name:
            raise EngineError("42501", f'permission denied for table "{name}": it must be a plain name')
        if any(segment.edits for segment in Walk(self._rules, f"FROM {name}", self._depth + 1).run()):
            raise EngineError("42501", f'permission denied for table "{name}" in query_table')

    # -- relations of ours ------------------------------------------------------------------

    def _look(self, name: str, token: Token, following: Token) -> None:
        """Put a relation of ours in the place of one of the engine's; raises `EngineError` (42501) elsewhere."""
        called = following.text == "("
        sql = looking.relation(name, self._rules.catalog, called=called)
        before = self._before_chain
        in_place = self._clause == _TABLE and (before in _ALIASED or before in _UNALIASED)
        if sql is None or not in_place or not looking.QUALIFIERS.issuperset(map(str.lower, self._chain[:-1])):
            raise EngineError("42501", f"permission denied for {name}")
        if called:
            self._looking = name, sql
        else:
            self._replace_relation(name, sql, token, following)

    def _close_call(self, name: str, sql: str, token: Token, following: Token) -> None:
        """Take one of the two parentheses behind the name of a function of ours."""
        if token.text == ")" and self._last == "(":
            self._looking = None
            self._replace_relation(name, sql, token, following)
        elif token.text != "(" or self._last == "(":
            raise EngineError("42501", f"permission denied for {name} with arguments")

    def _replace_relation(self, name: str, sql: str, token: Token, following: Token) -> None:
        alias = ""
        if self._before_chain in _ALIASED and not self._is_alias(following):
            alias = f" AS {name}"
        self._edits.append(Edit(self._chain_start, token.end, f"({sql}){alias}"))

    def _is_alias(self, token: Token) -> bool:
        word = token.text.lower()
        return token.kind == QUOTED or (
            token.kind == WORD and (word == "as" or word not in self._rules.vocabulary.keywords)
        )

    # -- signs ------------------------------------------------------------------------------

    def _sign(self, sign: str) -> None:
        if sign in _OPEN:
            self._outer.append(self._clause)
            self._clause = self._inner(sign)
        elif sign in _CLOSE and self._outer:
            self._clause = self._outer.pop()

    def _inner(self, sign: str) -> str:
        if self._last in _FROM_IS_NO_CLAUSE:
            return _SPECIAL
        opens = self._last in _TABLES or self._last in (",", "(", ":")
        return _TABLE if sign == "(" and self._clause == _TABLE and opens else _VALUE


def _database_refusal(path: str) -> EngineError:
    return EngineError("42501", f'permission denied for database file "{path}"')
