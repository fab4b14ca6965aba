"""Scripts: a part of a script does what it does alone, whatever its text and its neighbours are."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.results.conftest import Postgres
from tests.results.conftest import postgres as real_postgres
from tests.service.caller import Caller, Sql
from tests.support.properties import examples

postgres = real_postgres

TUPLES = "PGRES_TUPLES_OK"

CHARACTERS = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS, max_size=12) | st.text("ab;'\"$\\-/* \n\té", max_size=12)
TAGS = st.sampled_from(["", "a", "tag_1", "é"])


def plain(text: str) -> str:
    """A string in quotes."""
    return "'" + text.replace("'", "''") + "'"


def escaped(text: str) -> str:
    """A string with escapes."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def in_dollars(text: str, tag: str) -> str:
    """A string in dollars; in quotes if the text would end it."""
    fence = f"${tag}$"
    return plain(text) if fence in f"{text}$" or "$" in text[-1:] else f"{fence}{text}{fence}"


def in_lines(text: str, cut: int) -> str:
    """A string in two pieces with a line break between them."""
    return f"{plain(text[:cut])} \n {plain(text[cut:])}"


literals = st.one_of(
    TEXTS.map(lambda text: (text, plain(text))),
    TEXTS.map(lambda text: (text, escaped(text))),
    st.builds(lambda text, tag: (text, in_dollars(text, tag)), TEXTS, TAGS),
    st.builds(lambda text, cut: (text, in_lines(text, cut)), TEXTS, st.integers(0, 12)),
)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8) | st.sampled_from(
    [";", "a;b", "--", "/*", "*/", "$$", "select", 'q"q', "é", "'"]
)
spaces = st.sampled_from(
    [" ", "\n", "\t ", "\u00a0", "\u3000", " -- ; '\n", " /* ; */ ", "/* /* ; */ ' */", " --\n", "\r\n", ' /*"*/ ']
)
gaps = st.lists(st.sampled_from([";", ";;", "; ;", ";\n", "; -- 'x;\n", "; /* ; /* ; */ $$ */ ;", ";\u00a0;"])).map(
    lambda gap: "".join(gap) or ";"
)


class Statement(NamedTuple):
    """A query, the name of its column and its only value."""

    text: str
    name: str
    value: str


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """A query of one literal, with any white space and comments where some is allowed."""
    value, literal = draw(literals)
    name = draw(names)
    quoted = '"' + name.replace('"', '""') + '"'
    form = draw(st.sampled_from(["SELECT{0}{1}{2}AS{3}{4}", "WITH{0}w({4})AS({2}SELECT{3}{1}){0}FROM{2}w"]))
    return Statement(form.format(draw(spaces), literal, draw(spaces), draw(spaces), quoted), name, value)


@examples(40)
@given(st.lists(st.tuples(statements(), gaps), min_size=1, max_size=6), st.sampled_from(["", ";", "-- only;\n", " "]))
@example([(Statement('SELECT $$;$$ AS "x"', "x", ";"), ";")], "")
def test_a_script_is_its_statements(sql: Sql, parts: list[tuple[Statement, str]], before: str) -> None:
    """Each statement of a script is one part, in order, with its own column and value."""
    reply = sql.execute(before + "".join(one.text + gap for one, gap in parts))
    assert reply["status"] == 0, reply
    shown = [(part["result_set"]["columns"][0]["name"], part["result_set"]["rows"]) for part in reply["results"]]
    assert shown == [(one.name, [[one.value]]) for one, _ in parts]


@examples(20)
@given(statements(), st.sampled_from(["", ";", ";;", " ; -- end", "; /* end; */", "-- end"]))
def test_a_statement_alone(sql: Sql, one: Statement, after: str) -> None:
    """What follows a statement makes no second one."""
    (result,) = sql.execute(one.text + after)["results"]
    assert result["result_set"]["rows"] == [[one.value]]


NOTHING = st.lists(st.sampled_from([";", " ", "\n", "-- ;\n", "/* ; */", "\u00a0"])).map("".join)


@examples(15)
@given(NOTHING)
def test_nothing(sql: Sql, text: str) -> None:
    """A text without a statement is no error and has no result."""
    reply = sql.execute(text)
    assert reply["status"] == 2, reply
    assert [part["status"] for part in reply["results"]] == ["PGRES_COMMAND_OK"]


# -- one by one, at once, and as PostgreSQL does it -----------------------------------------------

PORTABLE = [
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "INSERT INTO work VALUES (1)",
    "INSERT INTO work VALUES (2), (3)",
    "UPDATE work SET i = i + 10",
    "DELETE FROM work WHERE i > 10",
    "SELECT count(*) AS n, sum(i) AS s FROM work",
    "SELECT i FROM work ORDER BY i",
    "SELECT nothing FROM nowhere",
    "SELECT 'x'::int4",
    "PREPARE p AS SELECT i + $1::int4 AS i FROM work ORDER BY i",
    "EXECUTE p(100)",
    "DEALLOCATE p",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET TimeZone = 'UTC'",
    "SHOW TimeZone",
]
histories = st.lists(st.sampled_from(PORTABLE), max_size=12)


class Outcome(NamedTuple):
    """What is seen of one statement: whether it went well, and its rows."""

    well: bool
    rows: list[list[str | None]] | None


def outcome(result: dict[str, Any]) -> Outcome:
    """What is seen of a StatementResult."""
    return Outcome(result["err_code"] == "0", result["result_set"]["rows"] if result["status"] == TUPLES else None)


def until_it_fails(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """As far as a script goes."""
    for one in outcomes:
        yield one
        if not one.well:
            return


@pytest.fixture
def pair(caller: Caller) -> Iterator[tuple[Sql, Sql]]:
    """Two sessions that are alike."""
    with caller.session() as one, caller.session() as other:
        yield one, other


def renewed(sql: Sql) -> Sql:
    """A session as it was at first."""
    sql.execute("ROLLBACK")
    for text in ("DEALLOCATE p", "RESET TimeZone", "DROP TABLE IF EXISTS work", "CREATE TEMP TABLE work (i INTEGER)"):
        sql.execute(text)
    return sql


@examples(15)
@given(histories.filter(len))
def test_a_script_does_what_its_statements_do(pair: tuple[Sql, Sql], history: list[str]) -> None:
    """Parts have the outcomes of the same statements one by one, and nothing runs after the first failure."""
    one, other = map(renewed, pair)
    alone = list(until_it_fails(outcome(one.last(text)) for text in history))
    together = other.execute(";\n".join(history))
    assert [outcome(part) for part in together["results"]] == alone
    assert together["status"] == (-1 if not alone[-1].well else 0 if any(o.rows is not None for o in alone) else 2)
    look = "SELECT count(*), sum(i) FROM work"
    assert outcome(one.last(look)) == outcome(other.last(look))


def as_postgres(connection: "psycopg.Connection[Any]", history: Sequence[str]) -> list[Outcome]:
    """What PostgreSQL says to the same statements, one by one."""
    seen = []
    for text in history:
        try:
            cursor = connection.execute(text.encode())
        except psycopg.Error:
            seen.append(Outcome(False, None))
            continue
        rows = None
        if cursor.description:
            assert cursor.pgresult is not None
            sent = cursor.pgresult
            cells = [[sent.get_value(r, c) for c in range(sent.nfields)] for r in range(sent.ntuples)]
            rows = [[None if cell is None else bytes(cell).decode() for cell in row] for row in cells]
        seen.append(Outcome(True, rows))
    return seen


@examples(15)
@given(st.lists(st.sampled_from([text for text in PORTABLE if " p" not in text]), max_size=12))
def test_transactions_are_as_in_postgres(sql: Sql, postgres: Postgres, history: list[str]) -> None:
    """Statements one by one, in transactions and out of them, succeed, fail and answer as in PostgreSQL.

    Prepared ones are left out: DuckDB lets a PREPARE replace another, and a DEALLOCATE find nothing.
    """
    renewed(sql)
    postgres.connection.execute("ROLLBACK")
    postgres.connection.execute("DEALLOCATE ALL")
    postgres.connection.execute("RESET TimeZone")
    postgres.connection.execute("SET TimeZone = 'UTC'")
    postgres.connection.execute("DROP TABLE IF EXISTS work")
    postgres.connection.execute("CREATE TEMP TABLE work (i INTEGER)")
    assert [outcome(sql.last(text)) for text in history] == as_postgres(postgres.connection, history)
