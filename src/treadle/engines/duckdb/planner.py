"""The planning of one judged statement: classed by the parser's type, an allow list; the rest is refused."""

import contextlib
from collections.abc import Sequence
from functools import reduce
from itertools import islice, takewhile
from typing import Final

import duckdb
import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb import looking, naming, set_statements, upkeep
from treadle.engines.duckdb.about import mention_of
from treadle.engines.duckdb.copy_statement import CopyTarget, read_copy
from treadle.engines.duckdb.deferring import altered_default, judge_stored
from treadle.engines.duckdb.definitions import Definition, exact_types, read_definition
from treadle.engines.duckdb.edits import Edit, applied, moved, original
from treadle.engines.duckdb.errors import DuckDBError
from treadle.engines.duckdb.guard import Guard, PreparedStatement, refused
from treadle.engines.duckdb.json_files import JsonSource, judge_columns
from treadle.engines.duckdb.kept import JUDGED
from treadle.engines.duckdb.lexer import NAMES, WORD, Token, lex, name_of
from treadle.engines.duckdb.literals import KEEPING, exact_literals
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.parsing import parse
from treadle.engines.duckdb.planned import PLAIN, Kind, Planned
from treadle.engines.duckdb.settings import Show
from treadle.engines.duckdb.vocabulary import WRITERS, words
from treadle.engines.duckdb.walk import HEAD, Segment
from treadle.engines.duckdb.written import without_nulls

_SETTING: Final = frozenset(("set", "reset", "show", "use"))
_DEFINING: Final = frozenset(("CREATE", "DROP", "ALTER"))
_TRANSACTION: Final = {
    "begin": Kind.BEGIN,
    "start": Kind.BEGIN,
    "commit": Kind.COMMIT,
    "end": Kind.COMMIT,
    "rollback": Kind.ROLLBACK,
    "abort": Kind.ROLLBACK,
}
_PRAGMAS: Final = words("version table_info show show_tables collations functions platform storage_info tpch")
_DEFINED: Final = words("table view schema macro function type sequence index")
_MODIFIERS: Final = words("or replace temp temporary persistent local global unlogged recursive unique")
_OTHER_CATALOGS: Final = frozenset(("memory", "system"))
_EXPLAIN_OPTIONS: Final = words("analyze analyse verbose costs format timing buffers summary settings")


class Planner:
    """Plans the statements of one script whose names and files have been judged."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, guard: Guard, text: str) -> None:
        self._connection = connection
        self._guard = guard
        self._text = text
        self._dialect = set_statements.Dialect(guard.catalog, guard.vocabulary.settings, guard.threads)

    def plan(self, segment: Segment) -> Planned:
        """Plan one statement; raises `EngineError`, with its place."""
        try:
            return self._planned(segment)
        except EngineError as error:
            if error.position is None and segment.word(0) not in _SETTING:
                error.position = self._refused_at(segment, error)
            raise

    def _refused_at(self, segment: Segment, error: EngineError) -> int | None:
        """Locate a refusal at the name that its message quotes, otherwise at the statement."""
        if isinstance(error, DuckDBError) and error.sql_state != "0A000":
            return None
        at = mention_of(self._source(segment), error.message)
        return segment.start + (at or 0) + 1

    def _planned(self, segment: Segment) -> Planned:
        if segment.word(0) == "alter":
            segment = self._without_default(segment)
        judge_columns(self._tokens(segment))
        planned = self._plan(segment)
        if segment.edits:
            steps = (moved(segment.edits, -segment.start), *planned.steps)
            planned = msgspec.structs.replace(planned, steps=steps)
        if not segment.deferred:
            return planned
        judge_stored(segment, self._guard.vocabulary)
        return msgspec.structs.replace(planned, deferred=tuple(one.moved(-segment.start) for one in segment.deferred))

    def _without_default(self, segment: Segment) -> Segment:
        """An ALTER with nothing in the place of a DEFAULT that is evaluated later: the parser makes three of one."""
        default = altered_default(self._text, self._tokens(segment), self._guard.vocabulary)
        if not default:
            return segment
        edits = tuple(Edit(one.start, one.end, "NULL") for one in default)
        outside = tuple(edit for edit in segment.edits if not any(one.start <= edit.start < one.end for one in default))
        return msgspec.structs.replace(segment, edits=outside + edits, deferred=segment.deferred + default)

    def _plan(self, segment: Segment) -> Planned:
        match segment.word(0):
            case "set" | "reset" | "use" | "show" | "describe" | "desc":
                return self._setting(segment) or self._parsed(segment)
            case "import" | "export" as word:
                raise refused(f"{word.upper()} DATABASE")
            case "checkpoint" | "force" | "call":
                return self._upkeep(segment) or self._parsed(segment)
            case "pragma":
                return self._setting(segment) or self._pragma(segment)
            case "copy":
                return self._copy(segment)
            case "explain":
                return self._explain(segment)
            case "prepare":
                return self._prepare(segment)
            case "execute":
                return self._execute(segment)
            case "deallocate":
                return self._deallocate(segment)
            case _:
                return self._parsed(segment)

    # -- statements that are ours ---------------------------------------------------------------

    def _setting(self, segment: Segment) -> Planned | None:
        tokens = self._tokens(segment)
        asked = set_statements.read(self._dialect, tokens)
        if asked is None:
            shown = (
                looking.shown(name_of(tokens[1]).lower()) if segment.word(0) == "show" and len(tokens) == 2 else None
            )
            return None if shown is None else self._query(segment, self._parse(shown))
        text = self._source(segment)
        if isinstance(asked, Show):
            return Planned(kind=Kind.SHOW, text=text, tag="SHOW", returns_rows=True, setting=asked)
        statements = tuple(statement for sql in asked.engine for statement in self._parse(sql))
        tag = "RESET" if segment.word(0) == "reset" else "SET"
        return Planned(kind=Kind.SET, text=text, tag=tag, statements=statements, setting=asked)

    def _pragma(self, segment: Segment) -> Planned:
        name = name_of(segment.head[1]).lower() if len(segment.head) > 1 else ""
        shown = looking.pragma(name, self._guard.catalog)
        if shown is not None and len(segment.head) == 2:
            return self._query(segment, self._parse(shown))
        if name not in _PRAGMAS or (len(segment.head) > 2 and segment.head[2].text != "("):
            raise refused(f"PRAGMA {name}")
        return self._query(segment, self._own(segment))

    def _query(self, segment: Segment, statements: tuple[duckdb.Statement, ...]) -> Planned:
        return Planned(
            kind=Kind.QUERY, text=self._source(segment), tag="SELECT", statements=statements, returns_rows=True
        )

    def _upkeep(self, segment: Segment) -> Planned | None:
        """Maintenance of the catalog; None for another CALL. Raises `EngineError`."""
        found = upkeep.read(self._tokens(segment), self._text, self._guard.catalog, self._guard.upkeep)
        if found is None:
            return None
        return Planned(
            kind=Kind.UPKEEP,
            text=self._source(segment),
            tag=found.tag,
            statements=tuple(statement for sql in found.sql for statement in self._parse(sql)),
            writes=True,
            returns_rows=found.returns_rows,
            effect=found.effect,
        )

    # -- statements with statements or files in them ----------------------------------------------

    def _copy(self, segment: Segment) -> Planned:
        sql = self._sql(segment)
        target = read_copy(sql, tuple(lex(sql)), self._guard.folders)
        statements = self._own(segment)
        if statements[-1].type.name != "COPY":
            raise refused("COPY FROM DATABASE")
        return Planned(
            kind=Kind.WRITE,
            text=self._source(segment),
            tag="COPY",
            statements=statements,
            writes=True,
            copy_to=target if isinstance(target, CopyTarget) else None,
            copy_from=target if isinstance(target, JsonSource) else None,
        )

    def _explain(self, segment: Segment) -> Planned:
        tokens = self._tokens(segment)
        start, analyze = 1, False
        if len(tokens) > 2 and tokens[1].text == "(" and tokens[2].text.lower() in _EXPLAIN_OPTIONS:
            start = next((index for index, token in enumerate(tokens) if token.text == ")"), 1) + 1
        while start < len(tokens) and tokens[start].text.lower() in ("analyze", "analyse", "verbose"):
            start += 1
        analyze = any(token.text.lower() in ("analyze", "analyse") for token in tokens[1:start])
        inner = self._inner(segment, tokens, start, "EXPLAIN")
        defines = inner.defines if analyze else None
        if defines is not None and defines.query:
            before = f"{self._text[segment.start : tokens[start].start]}{defines.before}"
            defines = msgspec.structs.replace(defines, before=before)
        return Planned(
            kind=Kind.EXPLAIN,
            text=self._source(segment),
            tag="EXPLAIN",
            statements=self._own(segment),
            writes=analyze and inner.writes,
            analyzes=analyze,
            returns_rows=True,
            defines=defines,
        )

    def _prepare(self, segment: Segment) -> Planned:
        tokens = self._tokens(segment)
        start = next((index for index, token in enumerate(tokens) if token.text.lower() == "as"), len(tokens)) + 1
        statements = self._own(segment)
        inner = self._inner(segment, tokens, start, "PREPARE")
        self._guard.remember(name_of(tokens[1]), PreparedStatement(inner.writes, inner.returns_rows, inner.tag))
        return Planned(kind=Kind.PREPARE, text=self._source(segment), tag="PREPARE", statements=statements)

    def _execute(self, segment: Segment) -> Planned:
        statements = self._own(segment)
        prepared = self._guard.recall(name_of(segment.head[1]))
        return Planned(
            kind=Kind.EXECUTE,
            text=self._source(segment),
            tag=prepared.tag,
            statements=statements,
            writes=prepared.writes,
            returns_rows=prepared.returns_rows,
        )

    def _deallocate(self, segment: Segment) -> Planned:
        """DEALLOCATE; for ALL, which the engine does not have, of every name. One that nobody has it takes as well."""
        words = [token.text.lower() for token in self._tokens(segment)]
        if words[1:] not in (["all"], ["prepare", "all"]):
            return self._parsed(segment)
        names = self._guard.prepared or ("nothing",)
        statements = tuple(one for name in names for one in self._parse(f"DEALLOCATE {quoted(name)}"))
        return Planned(kind=Kind.DEALLOCATE, text=self._source(segment), tag="DEALLOCATE ALL", statements=statements)

    def _inner(self, segment: Segment, tokens: Sequence[Token], start: int, where: str) -> Planned:
        """The statement inside another one, judged as one that stands alone."""
        head = tuple(tokens[start : start + HEAD])
        if not head:
            self._own(segment)
            raise EngineError("42601", f"syntax error: {where} of nothing")
        inner = msgspec.structs.replace(segment, start=head[0].start, head=head)
        if inner.word(0) in ("copy", "pragma", "explain", "prepare"):
            raise EngineError("0A000", f"{inner.word(0).upper()} is not supported in {where}")
        planned = self._plan(inner)
        # EXPLAIN ANALYZE runs a definition as well.
        if planned.kind not in (Kind.QUERY, Kind.WRITE, Kind.EXECUTE) or planned.tag in JUDGED | KEEPING:
            raise EngineError("0A000", f"{planned.tag} is not supported in {where}")
        return planned

    # -- statements of the engine -----------------------------------------------------------------

    def _parsed(self, segment: Segment) -> Planned:
        """A statement classed by the type the engine's parser gives it: the allow list."""
        statements = self._own(segment)
        kind, tag, rows = self._class(segment, statements[-1].type.name)
        defines = None
        steps: tuple[tuple[Edit, ...], ...] = ()
        if tag in ("CREATE TABLE", "ALTER TABLE"):
            defines, steps = self._defined(segment)
            statements = self._parse(reduce(applied, steps, self._sql(segment))) if steps else statements
        elif tag in KEEPING:
            exact, statements = self._kept(segment, statements)
            steps = (exact,) if exact else ()
        return Planned(
            kind=kind,
            text=self._source(segment),
            tag=tag,
            statements=statements,
            writes=kind is Kind.WRITE,
            returns_rows=rows,
            defines=defines,
            steps=steps,
        )

    def _defined(self, segment: Segment) -> tuple[Definition | None, tuple[tuple[Edit, ...], ...]]:
        """Find the table that a statement defines, and the edits by which its types and defaults are stored exactly."""
        sql = self._sql(segment)
        nulls = without_nulls(sql, list(lex(sql)))
        sql = applied(sql, nulls)
        tokens = list(lex(sql))
        defines = read_definition(sql, tokens)
        if defines is None:
            return None, ()
        numbers = exact_literals(sql) if defines.creates and not defines.query else ()
        return defines, tuple(edits for edits in (nulls, (*exact_types(tokens), *numbers)) if edits)

    def _kept(
        self, segment: Segment, statements: tuple[duckdb.Statement, ...]
    ) -> tuple[tuple[Edit, ...], tuple[duckdb.Statement, ...]]:
        """Rewrite a definition whose text is kept, so that it is read back unchanged; returns edits and result."""
        source = self._sql(segment)
        exact = exact_literals(source)
        # Where the grammar wants a number, as in TABLESAMPLE, its type does not matter.
        with contextlib.suppress(EngineError):
            return exact, self._parse(applied(source, exact)) if exact else statements
        return (), statements

    def _class(self, segment: Segment, statement_type: str) -> tuple[Kind, str, bool]:
        first = segment.word(0)
        if statement_type in PLAIN:
            kind, tag = PLAIN[statement_type]
            tag = "TRUNCATE TABLE" if first == "truncate" else tag
            return kind, tag, kind is Kind.QUERY or segment.returning
        if statement_type == "TRANSACTION" and first in _TRANSACTION:
            kind = _TRANSACTION[first]
            return kind, kind.value.upper(), False
        if statement_type == "DROP" and first == "deallocate":
            return Kind.DEALLOCATE, "DEALLOCATE", False
        if statement_type in _DEFINING:
            return Kind.WRITE, self._definition(segment), False
        if statement_type == "CALL":
            writes = any(name_of(token).lower() in WRITERS for token in segment.head if token.kind in NAMES)
            return Kind.WRITE if writes else Kind.QUERY, "CALL", True
        if statement_type == "VACUUM":
            return Kind.COMMAND, first.upper(), False
        if statement_type == "SET" and segment.word(1) == "variable":
            return Kind.COMMAND, first.upper(), False
        raise refused(first.upper() or statement_type)

    def _definition(self, segment: Segment) -> str:
        """The tag of a CREATE, DROP or ALTER, its object judged; raises `EngineError` (42501)."""
        verb = segment.word(0)
        if verb == "comment":
            return "COMMENT"
        tokens = list(islice(lex(self._text, segment.start), HEAD + 8))
        at = 1
        while at < len(tokens) and tokens[at].text.lower() in _MODIFIERS:
            at += 1
        defined = tokens[at].text.lower() if at < len(tokens) and tokens[at].kind == WORD else ""
        if defined not in _DEFINED:
            raise refused(f"{verb.upper()} {defined.upper()}")
        parts = self._judge_owner(defined, tokens[at + 1 :])
        if defined in ("macro", "function") and parts:
            self._judge_function(verb, parts[-1])
        return f"{verb.upper()} {defined.upper()}"

    def _judge_owner(self, defined: str, tokens: Sequence[Token]) -> list[str]:
        """Refuse to define anything in a catalog that is not the session's own; returns the parts of the name."""
        after = 0
        while after < len(tokens) and tokens[after].text.lower() in ("table", "if", "not", "exists"):
            after += 1
        parts = _dotted(tokens[after:])
        own = {self._guard.catalog.lower(), "temp"}
        qualified = len(parts) == 3 or (len(parts) == 2 and (defined == "schema" or parts[0] in _OTHER_CATALOGS))
        if qualified and parts[0] not in own:
            raise refused(f'catalog "{parts[0]}"')
        return parts

    def _judge_function(self, verb: str, name: str) -> None:
        if verb == "create" and name in self._guard.vocabulary.functions:
            # A macro of such a name would be called instead, also by the service's own SQL in every session.
            raise EngineError("42723", f'function "{name}" already exists: it is the engine\'s own')
        if name in naming.OWN:
            raise EngineError("2BP01", f'function "{name}" cannot be dropped: it is the service\'s own')

    # -- text -------------------------------------------------------------------------------------

    def _source(self, segment: Segment) -> str:
        return self._text[segment.start : segment.end]

    def _sql(self, segment: Segment) -> str:
        """The text that the engine gets."""
        return applied(self._text, segment.edits, segment.start, segment.end)

    def _tokens(self, segment: Segment) -> list[Token]:
        return list(takewhile(lambda token: token.start < segment.end, lex(self._text, segment.start)))

    def _own(self, segment: Segment) -> tuple[duckdb.Statement, ...]:
        steps = (moved(segment.edits, -segment.start),)
        return parse(self._connection, self._sql(segment), lambda at: segment.start + original(steps, at))

    def _parse(self, sql: str) -> tuple[duckdb.Statement, ...]:
        return parse(self._connection, sql)


def _dotted(tokens: Sequence[Token]) -> list[str]:
    """The parts, in lower case, of the dotted name that comes first."""
    parts: list[str] = []
    for index, token in enumerate(tokens):
        if index % 2 == 0:
            parts.append(name_of(token).lower())
        elif token.text != ".":
            break
    return parts
