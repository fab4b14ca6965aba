"""Maintenance of the catalog by SQL: which calls there are, and what of them is handed to DuckLake.

A call is written as ``CALL catalog.name(…)`` or ``CALL ducklake_name('catalog', …)``; both come to the same. What
would take something from a statement that still runs is bounded: no snapshot is expired and no file removed that is
younger than the right to maintain says (`treadle.wire.Upkeep`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

import duckdb
import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.lexer import NAMES, WORD, Token, literal_of, name_of
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.planned import Effect
from treadle.engines.duckdb.readings import relative
from treadle.engines.duckdb.upkeep_options import OPTIONS, check_option
from treadle.engines.duckdb.vocabulary import UPKEEP, UPKEEP_METHODS
from treadle.wire import Upkeep

LOCK_SECONDS: Final = 10
"""Seconds maintenance waits for a lock in the metadata: its server hears no interrupt."""

_PREFIX: Final = "ducklake_"
_OPEN: Final = frozenset("([{")
_CLOSE: Final = frozenset(")]}")


class Maintenance(msgspec.Struct, frozen=True, kw_only=True):
    """What one statement comes to: the SQL to run in order, the last of it with the rows of the answer."""

    sql: tuple[str, ...]
    tag: str = "CALL"
    effect: Effect = Effect.SNAPSHOT
    returns_rows: bool = True


class _Call(msgspec.Struct, frozen=True):
    """A call as it is written: its arguments as SQL, those with a name by that, in lower case."""

    name: str
    catalog: str
    given: tuple[str, ...]
    named: dict[str, str]
    right: Upkeep

    def sql(self, verb: str = "SELECT * FROM", **changed: str) -> str:
        """The call to DuckLake, with some of its named arguments changed."""
        named = [f"{quoted(name)} => {value}" for name, value in {**self.named, **changed}.items()]
        arguments = ", ".join((_literal(self.catalog), *self.given, *named))
        return f"{verb} {_PREFIX}{self.name}({arguments})"


def read(tokens: Sequence[Token], text: str, catalog: str, right: Upkeep | None) -> Maintenance | None:
    """The maintenance that a statement asks for; None when it is none. Raises `EngineError`.

    42501 for those without the right, for another catalog and for an option that is not theirs to set; 42601 for
    what is not a call.
    """
    words = [token.text.lower() for token in tokens[:2]]
    if words[0] in ("checkpoint", "force"):
        return _checkpoint(tokens[1 if words[0] == "checkpoint" else 2 :], catalog, right)
    called = _called(tokens)
    if called is None:
        return None
    call = _read_call(tokens, text, called, catalog, _granted(right, name_of(tokens[called])))
    return _MADE.get(call.name, _plain)(call)


def prepare(connection: duckdb.DuckDBPyConnection, metadata: str) -> None:
    """Make sure, in the transaction that maintains, that the catalog holds no inlined data; raises `EngineError`.

    A compaction undoes deletes that are committed beside it to inlined data, without a word.
    """
    # One at a time: of two compactions of a table DuckLake commits both, and its rows are there twice. LOCK comes
    # before the transaction has a snapshot, which therefore has what the one before has done.
    lock = "LOCK TABLE public.ducklake_metadata IN SHARE UPDATE EXCLUSIVE MODE"
    wait = f"SET LOCAL lock_timeout = {LOCK_SECONDS * 1000}; {lock}"
    connection.execute(f"CALL postgres_execute({_literal(metadata)}, {_literal(wait)})")
    (inlined,) = _asked(connection, metadata, _INLINED)[0]
    if inlined and _asked(connection, metadata, inlined):
        raise EngineError(
            "55000",
            "the catalog holds rows of an earlier version that files do not hold: copy the tables that "
            "`treadle doctor` names, and drop them",
        )


def _asked(connection: duckdb.DuckDBPyConnection, metadata: str, sql: str) -> list[tuple[str, ...]]:
    """What the server of the metadata answers, in the transaction that is open."""
    return connection.execute(f"FROM postgres_query({_literal(metadata)}, {_literal(sql)})").fetchall()


def within_transaction() -> EngineError:
    """The refusal within a transaction that its user opened: DuckLake commits either changes or a compaction."""
    return EngineError("25001", "maintenance of the catalog cannot run inside a transaction block")


_INLINED: Final = """
    SELECT string_agg(
        format(
            'SELECT 1 FROM %s
            WHERE EXISTS (SELECT FROM public.ducklake_table WHERE table_id = %s AND end_snapshot IS NULL)',
            oid::regclass, substring(relname FROM '[0-9]+')
        ),
        ' UNION ALL '
    ) AS query
    FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname ~ '^ducklake_inlined_(data_[0-9]+_[0-9]+|delete_[0-9]+)$'
"""
"""The query for inlined data of tables that are there; NULL where no table ever had any."""


# -- reading ------------------------------------------------------------------------------------


def _called(tokens: Sequence[Token]) -> int | None:
    """Where the name of the maintaining call stands; None when it is another call."""
    for at in (1, 3):
        if at < len(tokens) and tokens[at].kind in NAMES and name_of(tokens[at]).lower() in UPKEEP:
            return at if at == 1 or tokens[2].text == "." else None
    return None


def _granted(right: Upkeep | None, what: str) -> Upkeep:
    if right is None:
        raise EngineError("42501", f"permission denied for {what}: it needs the right to maintain the catalog")
    return right


def _read_call(tokens: Sequence[Token], text: str, called: int, catalog: str, right: Upkeep) -> _Call:
    name = name_of(tokens[called]).lower()
    within = tokens[called + 1 :]
    if len(within) < 2 or within[0].text != "(" or within[-1].text != ")":
        raise EngineError("42601", f"syntax error: expected {name}(…)")
    given: list[str] = []
    named: dict[str, str] = {}
    for argument in _arguments(within[1:-1]):
        key, rest = _named(argument)
        if not rest:
            raise EngineError("42601", f"syntax error: an argument of {name} is missing")
        source = f"({text[rest[0].start : rest[-1].end]})"
        if key is None:
            given.append(source if literal_of(rest[0]) is None or len(rest) > 1 else rest[0].text)
        else:
            named[key] = source
    if name in UPKEEP_METHODS:
        _require_own(name_of(tokens[1]) if called == 3 else catalog, catalog)
        return _Call(name, catalog, tuple(given), named, right)
    first = _text_of(given[0]) if given and called == 1 else None
    if first is None:
        raise EngineError(
            "42601", f"syntax error: the first argument of {name} is the name of the catalog, as a string"
        )
    _require_own(first, catalog)
    return _Call(name.removeprefix(_PREFIX), catalog, tuple(given[1:]), named, right)


def _arguments(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """The tokens of each argument, cut at the commas that are in no brackets; raises `EngineError`."""
    cuts = [-1]
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if depth < 0:
            break
        if not depth and token.text == ",":
            cuts.append(at)
    if depth:
        raise EngineError("42601", "syntax error: brackets that do not match")
    return [tokens[start + 1 : end] for start, end in pairwise((*cuts, len(tokens)))] if tokens else []


def _named(tokens: Sequence[Token]) -> tuple[str | None, Sequence[Token]]:
    """The name of an argument, in lower case, if it has one; and its expression."""
    signs = "".join(token.text for token in tokens[1:3])
    if len(tokens) > 1 and tokens[0].kind in NAMES and signs in ("=>", ":="):
        return name_of(tokens[0]).lower(), tokens[3:]
    if len(tokens) > 1 and tokens[0].kind == WORD and tokens[1].text == "=":
        return name_of(tokens[0]).lower(), tokens[2:]
    return None, tokens


def _require_own(named: str, catalog: str) -> None:
    if named.lower() != catalog.lower():
        raise EngineError("42501", f'permission denied for catalog "{named}"')


# -- what each of them comes to -----------------------------------------------------------------


def _plain(call: _Call) -> Maintenance:
    return Maintenance(sql=(call.sql(),))


def _checkpoint(rest: Sequence[Token], catalog: str, right: Upkeep | None) -> Maintenance:
    """CHECKPOINT: files with many deletes are rewritten and small ones merged, at once; nothing is expired."""
    _granted(right, "CHECKPOINT")
    if rest:
        _require_own(name_of(rest[0]), catalog)
    if len(rest) > 1:
        raise EngineError("42601", "syntax error: expected CHECKPOINT of one catalog")
    name = _literal(catalog)
    calls = tuple(f"CALL {_PREFIX}{one}({name})" for one in ("rewrite_data_files", "merge_adjacent_files"))
    return Maintenance(sql=calls, tag="CHECKPOINT", returns_rows=False)


def _remove_files(call: _Call) -> Maintenance:
    """The clean-ups: what is too young stays, whatever is asked for."""
    asked = call.named
    unknown = asked.keys() - {"dry_run", "cleanup_all", "older_than"}
    if unknown or call.given:
        raise EngineError("42601", f"syntax error: {call.name} takes dry_run, cleanup_all and older_than")
    everything = asked.get("cleanup_all", "").strip("() ").lower()
    if everything not in ("true", "false", "") or (everything == "true") == ("older_than" in asked):
        raise EngineError("22023", f"{call.name}: either cleanup_all => true or older_than must be given")
    named = {"older_than": _bounded(asked.get("older_than"), call.right)}
    if "dry_run" in asked:
        named["dry_run"] = asked["dry_run"]
    bounded = msgspec.structs.replace(call, named=named)
    return Maintenance(sql=(bounded.sql(f"SELECT {relative('path')} FROM"),), effect=_removing(call))


def _expire(call: _Call) -> Maintenance:
    """Snapshots that are too young stay: the truth about a commit may still be looked for there."""
    if "versions" in call.named:
        young = f"bool_or(snapshot_time >= {_moment(call.right.unused_before)})"
        check = f"SELECT CASE WHEN {young} THEN error('snapshots that young cannot be expired') END FROM"
        return Maintenance(sql=(call.sql(check, dry_run="true"), call.sql()), effect=_removing(call))
    if "older_than" not in call.named:
        return Maintenance(sql=(call.sql(),), effect=_removing(call))
    older_than = _bounded(call.named["older_than"], call.right)
    return Maintenance(sql=(call.sql(older_than=older_than),), effect=_removing(call))


def _removing(call: _Call) -> Effect:
    """Determine the effect of a call whose rows are the removed objects; raises `EngineError` (22023)."""
    dry = call.named.get("dry_run", "false").strip("() ").lower()
    if dry not in ("true", "false"):
        raise EngineError("22023", f"{call.name}: dry_run must be true or false")
    return Effect.NONE if dry == "true" else Effect.ROWS


def _set_option(call: _Call) -> Maintenance:
    option = _text_of(call.given[0]) if call.given else None
    if option is None or option.lower() not in OPTIONS:
        raise EngineError("42501", f"permission denied for option {option or 'without a plain name'}")
    check_option(call.given[1:], option)
    # Setting an option makes no snapshot.
    return Maintenance(sql=(call.sql("CALL"),), effect=Effect.ALWAYS, returns_rows=False)


_MADE: Final[dict[str, Callable[[_Call], Maintenance]]] = {
    "cleanup_old_files": _remove_files,
    "delete_orphaned_files": _remove_files,
    "expire_snapshots": _expire,
    "set_option": _set_option,
}


def _bounded(moment: str | None, right: Upkeep) -> str:
    bound = _moment(right.unused_before)
    return bound if moment is None else f"least({moment}::TIMESTAMPTZ, {bound})"


def _moment(at: datetime) -> str:
    return f"TIMESTAMPTZ '{at.isoformat()}'"


def _text_of(source: str) -> str | None:
    """The value of an argument that is a plain string."""
    return source[1:-1].replace("''", "'") if source.startswith("'") else None


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
