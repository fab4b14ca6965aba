"""The judgement of a request is bounded and linear, and given up when the request is to be stopped."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.engines.duckdb.conftest import CATALOG, METADATA, Judge, Lake
from treadle.engines.base import EngineError, Interrupted
from treadle.engines.duckdb.bounds import DEEPEST_COMMENT, MANY_STATEMENTS, MOST_CONDITIONS, Bounds, require_parsable
from treadle.engines.duckdb.guard import Guard
from treadle.engines.duckdb.script import split

NAMES = 10_000


def listed(form: str, count: int) -> str:
    """As many strings, with commas between."""
    return ", ".join(f"'{form.format(number)}'" for number in range(count))


def nested(depth: int) -> str:
    """A query in queries."""
    text = "SELECT 1"
    for _ in range(depth):
        text = f"FROM query('{text.replace(chr(39), chr(39) * 2)}')"
    return text


def comments(depth: int) -> str:
    """A comment in comments."""
    return f"SELECT 1 {'/* ' * depth}{'*/ ' * depth}"


BEYOND: dict[str, tuple[str, str]] = {
    "names of tables": ("54000", f"FROM query_table([{listed('t{}', NAMES + 1)}])"),
    "paths in a list": ("54000", f"FROM read_csv([{listed('{}.csv', NAMES + 1)}])"),
    "paths as tables": ("54000", f"FROM {listed('{}.csv', NAMES + 1)}"),
    "readers": ("54000", "SELECT 1" + " UNION ALL FROM read_text('a')" * (NAMES + 1)),
    "relations of ours": ("54000", "FROM pg_settings;" * (NAMES + 1)),
    "relations of ours in a string": ("54000", f"SELECT json_serialize_plan('{'FROM pg_settings;' * (NAMES + 1)}')"),
    "queries in queries": ("54001", nested(9)),
    "readers in readers": ("54001", f"FROM {'read_csv(' * 9}'a'{')' * 9}"),
    "comments in comments": ("54001", comments(DEEPEST_COMMENT + 1)),
    "conditions": ("54001", f"SELECT 1{' AND 1' * (MOST_CONDITIONS + 1)}"),
    "conditions of either kind": ("54001", f"SELECT 1{' or i = 1 AND j = 2' * MOST_CONDITIONS}"),
}


@pytest.mark.parametrize("what", BEYOND)
def test_what_is_beyond_a_bound_is_refused(judge: Judge, what: str) -> None:
    """With a code that says which program limit it is."""
    sql_state, script = BEYOND[what]
    with pytest.raises(EngineError) as refusal:
        judge(script)
    assert refusal.value.sql_state == sql_state


WITHIN = {
    "names of tables": f"FROM query_table([{listed('t{}', 500)}])",
    "queries in queries": nested(8),
    "comments in comments": comments(DEEPEST_COMMENT),
    "comments after each other": "SELECT 1 " + "/* */ " * 5 * DEEPEST_COMMENT,
    "conditions of several statements": f"SELECT 1{' AND 1' * (MOST_CONDITIONS // 2)};" * 3,
    "words in a string": f"SELECT '{' and' * 2 * MOST_CONDITIONS}'",
    "many statements": "SELECT 1;" * 2 * MANY_STATEMENTS,
}


@pytest.mark.parametrize("what", WITHIN)
def test_what_is_within_the_bounds_is_taken(judge: Judge, what: str) -> None:
    """Such as programs write."""
    assert judge(WITHIN[what])


GROWING: dict[str, Callable[[int], str]] = {
    "brackets": lambda n: f"SELECT {'(' * n}1{')' * n} FROM query('SELECT 1')",
    "lists": lambda n: f"SELECT {'[' * n}1{']' * n}, current_setting('threads')",
    "subqueries": lambda n: f"FROM {'(FROM ' * n}query('SELECT 1'){')' * n}",
    "operators": lambda n: f"SELECT {'+'.join('1' * n)}, current_setting('threads')",
    "a plan": lambda n: f"SELECT json_serialize_plan('SELECT {'+'.join('1' * n)}')",
    "names": lambda n: f"FROM query_table([{listed('t{}', n // 4)}])",
    "paths": lambda n: f"FROM read_csv([{listed('{}.csv', n // 4)}])",
    "a DEFAULT": lambda n: f"ALTER TABLE t ADD COLUMN d INTEGER DEFAULT {'(' * n}1 + 1{')' * n}",
    "a literal DEFAULT": lambda n: f"ALTER TABLE t ADD COLUMN d INTEGER DEFAULT {'(' * n}1{')' * n}",
    "explained": lambda n: f"{'EXPLAIN ' * n}SELECT 1",
    "dots": lambda n: f"SELECT {'.'.join('a' * n)}, current_setting('threads')",
    "columns": lambda n: f"CREATE TABLE wide ({', '.join(f'c{i} INTEGER' for i in range(n))})",
    "statements": lambda n: f"{'SELECT 1;' * n} SELECT current_setting('threads')",
}

SMALL, TIMES = 2_000, 8
SHARE = 4.0
"""How much more than in proportion the larger of two may take, on a machine that does other things as well."""


@pytest.mark.alone
@pytest.mark.parametrize("what", GROWING)
def test_judgement_takes_no_more_than_in_proportion(judge: Judge, what: str) -> None:
    """Eight times as much takes at most so many times as long; the square would be sixty-four."""
    small, large = GROWING[what](SMALL), GROWING[what](SMALL * TIMES)
    shares = (seconds(judge, large) / seconds(judge, small) for _ in range(5))
    assert any(share < TIMES * SHARE for share in shares)


def seconds(judge: Judge, script: str) -> float:
    """How long it takes to judge a script, whatever comes of it."""
    began = time.perf_counter()
    with suppress(EngineError):
        judge(script)
    return time.perf_counter() - began


@pytest.fixture
def stopping(lake: Lake) -> tuple[Guard, list[int]]:
    """A guard whose request is to be stopped after so many looks, as told by the list."""
    looks = [0]

    def stopped() -> bool:
        looks[0] -= 1
        return looks[0] <= 0

    made = Guard(
        lake.vocabulary,
        catalog=CATALOG,
        metadata_name=METADATA,
        files_dir=lake.files,
        allowed_dirs=(lake.files,),
        stopped=stopped,
    )
    return made, looks


@pytest.mark.parametrize(
    "script",
    [
        f"SELECT {'+'.join('1' * 3000)}, current_setting('threads')",
        "SELECT 1;" * 2 * MANY_STATEMENTS,
        f"FROM read_csv([{', '.join(['$$a.csv$$'] * 100)}])",
        f"SELECT json_serialize_plan('SELECT {'+'.join('1' * 3000)}')",
    ],
)
def test_judgement_ends_when_the_request_is_to_be_stopped(
    lake: Lake, stopping: tuple[Guard, list[int]], script: str
) -> None:
    """At whichever of its looks that is."""
    guard, looks = stopping
    looks[0] = 10**9
    with suppress(EngineError):
        split(lake.connection, script, guard)
    taken = 10**9 - looks[0]
    for number in {1, taken // 2 + 1, taken}:
        looks[0] = number
        with pytest.raises(Interrupted):
            split(lake.connection, script, guard)


def test_bound_is_a_setting() -> None:
    """The most names are given from outside, and counted over the whole request."""
    bounds = Bounds(3, lambda: False)
    bounds.take(2)
    bounds.take(1)
    with pytest.raises(EngineError, match="max_judged_names"):
        bounds.take(1)


def test_short_text_is_not_counted() -> None:
    """One that cannot have as many is let through at once."""
    require_parsable("SELECT 1 OR " * 10)
