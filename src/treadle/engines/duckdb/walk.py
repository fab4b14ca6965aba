"""The walk over a script's tokens: every name and every file in it is judged, and it is cut at its semicolons.

A walk knows no grammar beyond what the judgement needs: dotted names, which of them are called,
the literal arguments of functions that read files, and whether a string stands where a table could
(there the engine takes it for a file). Where it cannot tell, it refuses.
"""

import re
from typing import Final

import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb import looking, readings
from treadle.engines.duckdb.arguments import Argument, Deferred
from treadle.engines.duckdb.bounds import Bounds
from treadle.engines.duckdb.clauses import Clauses
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
from treadle.engines.duckdb.readings import Reading
from treadle.engines.duckdb.vocabulary import JUDGED, LOOKING, READERS, UPKEEP, Vocabulary, words

INTERNAL_PREFIX: Final = "__internal_"
HEAD: Final = 8
_DEEPEST: Final = 8
"""Maximum nesting of queries given as text within queries given as text, and of such calls within such calls."""

FILE_ENDINGS: Final = ("csv", "tsv", "json", "jsonl", "ndjson", "parquet")
DATABASE_ENDINGS: Final = ("db", "duckdb", "ddb")

# A name with such an ending is read as a file when no table has it.
_FILE: Final = re.compile(rf"\.(?:{'|'.join(FILE_ENDINGS)})(?:(?:\.gz|\.zst)?$|\?)", re.IGNORECASE)
_DATABASE: Final = re.compile(rf"\.(?:{'|'.join(DATABASE_ENDINGS)})(?:(?:\.gz|\.zst)?$|\?)", re.IGNORECASE)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

# Behind one of these a table stands that may have an alias, and behind one of those a table that has none.
_ALIASED: Final = frozenset(("from", "join", "using", ",", "("))
_UNALIASED: Final = words("describe desc show summarize :")
# A name with a parenthesis after one of these is defined or written to, with its columns.
_DEFINED: Final = words("into table view exists with")
# A name after one of these is of a new macro; one of the engine's functions is refused as that.
_MADE: Final = frozenset(("macro", "function"))
# How a query begins that is given as text.
_ROWS: Final = words("select with from values table pivot unpivot pivot_wider pivot_longer ( ") | _UNALIASED - {":"}
# A table's name that is given as text: what the engine's two ways to read one agree about.
_TABLE_NAME: Final = re.compile(r'(?:[A-Za-z_][A-Za-z0-9_]*|"[^"]+")(?:\.(?:[A-Za-z_][A-Za-z0-9_]*|"[^"]+")){0,2}')


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

    def __init__(self, rules: Rules, text: str, bounds: Bounds, depth: int = 0) -> None:
        self._rules = rules
        self._bounds = bounds
        self._text = text
        self._depth = depth
        self._segments: list[Segment] = []
        self._reset()

    def _reset(self) -> None:
        self._head: list[Token] = []
        self._start = self._end = 0
        self._returning = False
        self._clauses = Clauses()
        self._chain: list[str] = []
        self._last = ""
        self._last_but_one = ""
        self._before_chain = ""
        self._chain_start = 0
        self._arguments: list[Argument] = []
        self._looking: tuple[str, str] | None = None
        self._readings: list[Reading] = []
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
        self._bounds.step()
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
            if token.text == ")":
                self._close_reading(token, following)
            self._clauses.sign(token.text, self._last)
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
            word = name.lower()
            self._clauses.keyword(word, self._last, self._last_but_one, first=len(self._head) == 1)
            if word == "returning" and following.text != "(":
                self._returning = True
        self._judge_name(name.lower(), token, following)
        if following.text == "(":
            self._judge_call(name.lower(), token)
        elif following.text != "." and (len(self._chain) > 1 or "." in name):
            self._judge_chain()

    def _judge_name(self, name: str, token: Token, following: Token) -> None:
        if self._calls_upkeep(name):
            return
        if self._reads_catalog(name):
            if following.text == "(" and self._before_chain not in _DEFINED:
                self._read_catalog(name, following)
            return
        if name in self._rules.vocabulary.refused or name.startswith(INTERNAL_PREFIX):
            raise _refusal(name)
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

    def _reads_catalog(self, name: str) -> bool:
        """Check whether a call of this name reads the catalog."""
        return readings.named(name, method=self._last == ".") is not None

    def _judge_mention(self, text: str) -> None:
        for secret in self._rules.secrets:
            if secret in text:
                raise EngineError("42501", "permission denied for the catalog's metadata")

    def _judge_call(self, name: str, token: Token) -> None:
        if self._calls_upkeep(name) or self._reads_catalog(name) or self._before_chain in _DEFINED:
            return
        known = self._rules.vocabulary
        if name in known.uncallable or (name in known.unreadable and self._reads()):
            raise _refusal(name, "function ")
        if name in JUDGED and self._before_chain not in _MADE:
            if len(self._arguments) >= _DEEPEST:
                raise _too_deep()
            self._arguments.append(Argument(name, self._chain_start, token.end, method=self._last == "."))

    def _reads(self) -> bool:
        """Check whether a call is a table function that reads."""
        before = self._before_chain
        stands = self._clauses.of_tables and before != "copy" and self._clauses.table_may_stand(before)
        return stands or before == "call"

    def _judge_chain(self) -> None:
        path = ".".join(self._chain)
        if _FILE.search(path):
            self._bounds.take(1)
            self._rules.folders.readable(path)
        elif _DATABASE.search(path) and self._clauses.table_may_stand(self._before_chain):
            raise _database_refusal(path)

    # -- literals ---------------------------------------------------------------------------

    def _literal(self, token: Token) -> None:
        value = literal_of(token)
        self._judge_mention((token.text if value is None else value).lower())
        if not self._clauses.table_may_stand(self._last):
            return
        if value is None:
            raise EngineError("42501", "permission denied for an escape string in place of a table")
        if _DATABASE.search(value):
            raise _database_refusal(value)
        if _FILE.search(value) or _SCHEME.match(value) or "/" in value:
            self._bounds.take(1)
            self._rules.folders.readable(value)

    # -- arguments --------------------------------------------------------------------------

    def _ended(self, argument: Argument, token: Token) -> bool:
        """Give a token to an argument, and judge the argument when it ends; whether it has."""
        if not argument.take(token):
            return False
        try:
            self._judge(argument, token)
        except EngineError as error:
            # Also within a query in a string, whose positions are not positions of the script.
            error.position = (argument.tokens[0] if argument.tokens else token).start + 1
            raise
        return True

    def _judge(self, argument: Argument, after: Token) -> None:
        values = argument.literals()
        self._bounds.take(1 if values is None else len(values))
        if values is not None:
            self._judge_argument(argument, values, after)
        elif self._depth:
            raise argument.refusal("must be a plain string within a query that is a string itself")
        else:
            self._deferred.append(argument.deferred())

    def _judge_argument(self, argument: Argument, values: list[str], after: Token) -> None:
        if argument.function in READERS:
            for path in values:
                self._rules.folders.readable(path)
        elif argument.function == "query_table":
            for name in values:
                self._judge_table_name(name)
        elif len(values) > 1 or argument.tokens[0].text == "[":
            raise argument.refusal("must be a plain string")
        elif argument.function == looking.SETTING:
            known = self._rules.vocabulary.settings
            called = looking.judged_call(values[0], known, missing_ok=after.text == ",")
            self._edits.append(Edit(argument.start, argument.end, called))
        elif argument.method and argument.function == "json_serialize_plan":
            raise argument.refusal("must stand in its parentheses")
        else:
            self._judge_query(argument, values[0])

    def _judge_query(self, argument: Argument, query: str) -> None:
        """Judge a query given as text as one that stands alone; the engine gets the text that was judged."""
        if self._depth >= _DEEPEST:
            raise _too_deep()
        readable = plain_spaces(query)
        segments = Walk(self._rules, readable, self._bounds, self._depth + 1).run()
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
        if any(segment.edits for segment in Walk(self._rules, f"FROM {name}", self._bounds, self._depth + 1).run()):
            raise EngineError("42501", f'permission denied for table "{name}" in query_table')

    # -- relations of ours ------------------------------------------------------------------

    def _look(self, name: str, token: Token, following: Token) -> None:
        """Put a relation of ours in the place of one of the engine's; raises `EngineError` (42501) elsewhere."""
        self._bounds.take(1)
        called = following.text == "("
        sql = looking.relation(name, self._rules.catalog, called=called)
        before = self._before_chain
        in_place = self._clauses.of_tables and (before in _ALIASED or before in _UNALIASED)
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

    # -- functions of the catalog -------------------------------------------------------------

    def _read_catalog(self, name: str, following: Token) -> None:
        """Begin a call that reads the catalog, in FROM or by CALL, limited to the columns that may be shown."""
        called = len(self._head) in (2, 4) and self._head[0].text.lower() == "call"
        before = self._before_chain
        in_place = self._clauses.of_tables and (before in _ALIASED or before in _UNALIASED)
        owner = self._chain[0].lower() if len(self._chain) > 1 else ""
        if not (called or in_place) or len(self._chain) > 2 or owner not in ("", self._rules.catalog.lower()):
            raise EngineError("42501", f"permission denied for {name}: use it in FROM, with the session's own catalog")
        reading = readings.reading(name, self._rules.catalog, depth=self._clauses.depth, aliased=before in _ALIASED)
        start = self._head[0].start if called else self._chain_start
        self._edits.append(Edit(start, following.end, reading.opening if called else f"({reading.opening}"))
        self._readings.append(msgspec.structs.replace(reading, called=called))

    def _close_reading(self, token: Token, following: Token) -> None:
        """Process a closing parenthesis, which may end such a call."""
        if not self._readings or self._clauses.depth != self._readings[-1].depth + 1:
            return
        reading = self._readings.pop()
        alias = f" AS {reading.name}" if reading.aliased and not self._is_alias(following) else ""
        closing = reading.closing if reading.called else f"{reading.closing}){alias}"
        self._edits.append(Edit(token.start, token.end, closing))

    def _is_alias(self, token: Token) -> bool:
        word = token.text.lower()
        return token.kind == QUOTED or (
            token.kind == WORD and (word == "as" or word not in self._rules.vocabulary.keywords)
        )


def _too_deep() -> EngineError:
    return EngineError("54001", f"queries and files given as text are nested deeper than {_DEEPEST}")


def _refusal(name: str, what: str = "") -> EngineError:
    why = ": it changes the catalog, and is allowed only after CALL" if name in UPKEEP else ""
    return EngineError("42501", f"permission denied for {what}{name}{why}")


def _database_refusal(path: str) -> EngineError:
    return EngineError("42501", f'permission denied for database file "{path}"')
