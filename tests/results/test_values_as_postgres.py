"""The same SQL to a real PostgreSQL and over HTTP to the service: the same texts, OIDs, sizes and modifiers.

What is compared is the whole way: parser, guard, engine, Arrow, file or inline result, page, JSON.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.results.conftest import Postgres
from tests.results.values import ENUM, LABELS, NUMERICS, SCALARS, TEXTS, Kind, Value, instants, quoted
from tests.service.caller import Caller, Sql, calling
from tests.support.properties import examples

MANY = 25
"""Rows from which a page is made by Arrow and no longer value by value."""

PAGE_ROWS = 50


class Shown(NamedTuple):
    """A column as a client gets it: what RowDescription says, and the values."""

    type: int
    size: int
    type_mod: int
    values: list[str | None]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """One service for all."""
    with calling(tmp_path_factory.mktemp("values") / "data", {"TREADLE_PAGE_ROWS": str(PAGE_ROWS)}) as running:
        yield running


@pytest.fixture(scope="module")
def sql(service: Caller) -> Iterator[Sql]:
    """One session for all."""
    with service.session() as session:
        yield session


def there(postgres: Postgres, query: str) -> Shown:
    """What PostgreSQL sends for the first column, as text."""
    result = postgres.connection.execute(query.encode()).pgresult
    assert result is not None
    assert result.fformat(0) == 0
    sent = [result.get_value(row, 0) for row in range(result.ntuples)]
    values = [None if value is None else bytes(value).decode() for value in sent]
    return Shown(result.ftype(0), result.fsize(0), result.fmod(0), values)


def here(sql: Sql, query: str) -> Shown:
    """What the service sends for the first column."""
    result = sql.last(query)
    assert result["status"] == "PGRES_TUPLES_OK", (query, result)
    (column,) = result["result_set"]["columns"]
    rows = result["result_set"]["rows"]
    assert len(rows) == result["num_rows"]
    return Shown(column["type"], column["size"], column["type_mod"], [value for (value,) in rows])


def listed(expressions: Sequence[str]) -> str:
    """A query for a column of these values, in this order."""
    rows = ", ".join(f"({number}, {expression})" for number, expression in enumerate(expressions))
    return f"SELECT v FROM (VALUES {rows}) AS given(n, v) ORDER BY n"


def same(postgres: Postgres, sql: Sql, values: Sequence[Value], *, many: bool = False) -> None:
    """Assert that both sides show the values alike."""
    shown = repeated(values, many)
    expected = there(postgres, listed([value.postgres for value in shown]))
    assert here(sql, listed([value.duckdb for value in shown])) == expected


def repeated(values: Sequence[Value], many: bool) -> list[Value]:
    """The values, again and again until there are enough for Arrow."""
    return list(values) * (1 + MANY // len(values) if many else 1)


def columns_of(kind: Kind) -> st.SearchStrategy[list[Value]]:
    """Some values of a type, and no value."""
    return st.lists(kind.values | st.just(kind.null), min_size=1, max_size=20)


@pytest.mark.parametrize("kind", SCALARS, ids=lambda kind: kind.postgres)
def test_scalars(postgres: Postgres, sql: Sql, kind: Kind) -> None:
    """A column of any scalar type is what PostgreSQL sends, whole column and description."""

    @examples(12)
    @given(columns_of(kind), st.booleans())
    def check(values: list[Value], many: bool) -> None:
        same(postgres, sql, values, many=many)

    check()


@examples(60)
@given(NUMERICS.flatmap(columns_of), st.booleans())
def test_numerics(postgres: Postgres, sql: Sql, values: list[Value], many: bool) -> None:
    """A numeric of any precision and scale has all its digits, and its modifier."""
    same(postgres, sql, values, many=many)


def array(kind: Kind, elements: Sequence[Value]) -> Value:
    """An array of one dimension."""
    inside = [", ".join(side) for side in zip(*elements, strict=True)] or ["", ""]
    return Value(f"ARRAY[{inside[0]}]::{kind.postgres}[]", f"[{inside[1]}]::{kind.duckdb}[]")


def arrays_of(kind: Kind) -> st.SearchStrategy[list[Value]]:
    """Some arrays of a type, with nulls in them, and none."""
    elements = kind.values | st.just(kind.null)
    arrays = st.lists(elements, max_size=5).map(lambda values: array(kind, values))
    none = Value(f"NULL::{kind.postgres}[]", f"NULL::{kind.duckdb}[]")
    return st.lists(arrays | st.just(none), min_size=1, max_size=8)


@pytest.mark.parametrize("kind", SCALARS, ids=lambda kind: kind.postgres)
def test_arrays(postgres: Postgres, sql: Sql, kind: Kind) -> None:
    """Arrays of any scalar type, empty ones and nulls inside included, are quoted as PostgreSQL quotes them."""

    @examples(8)
    @given(arrays_of(kind), st.booleans())
    def check(values: list[Value], many: bool) -> None:
        same(postgres, sql, values, many=many)

    check()


@examples(25)
@given(NUMERICS.flatmap(arrays_of), st.booleans())
def test_numeric_arrays(postgres: Postgres, sql: Sql, values: list[Value], many: bool) -> None:
    """The modifier of a numeric is on its arrays as well."""
    same(postgres, sql, values, many=many)


ENUMS = st.lists(st.sampled_from(LABELS).map(quoted).map(lambda label: Value(f"{label}::mood", f"{label}::{ENUM}")))


@examples(15)
@given(ENUMS.filter(len), ENUMS, st.booleans())
def test_enums(postgres: Postgres, sql: Sql, labels: list[Value], within: list[Value], many: bool) -> None:
    """An enum and an array of them have PostgreSQL's texts; an OID of its own is what only PostgreSQL has."""
    if postgres.connection.execute("SELECT to_regtype('mood')").fetchone() == (None,):
        postgres.connection.execute(f"CREATE TYPE mood AS {ENUM}".encode())
    kind = Kind("mood", ENUM, st.nothing())
    for values, plain in ((labels, "text"), ([array(kind, within)], "text[]")):
        shown = repeated(values, many)
        described = there(postgres, f"SELECT NULL::{plain}")
        expected = there(postgres, listed([value.postgres for value in shown])).values
        assert here(sql, listed([value.duckdb for value in shown])) == described._replace(values=expected)


ZONES = (
    *("UTC", "Asia/Kolkata", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Africa/Monrovia"),
    *("America/St_Johns", "Asia/Kathmandu", "Europe/Dublin", "America/Tijuana", "Pacific/Apia", "Etc/GMT-14"),
    *("europe/berlin", "WET", "Africa/Accra", "Asia/Tehran"),
)


@examples(40)
@given(st.sampled_from(ZONES), st.lists(instants("2024-01-01"), min_size=1, max_size=20), st.booleans())
def test_time_zones(postgres: Postgres, sql: Sql, zone: str, values: list[Value], many: bool) -> None:
    """A moment is shown in the zone of the session, also in an array, with the offset of its day."""
    postgres.connection.execute(f"SET TimeZone = '{zone}'".encode())
    sql.run(f"SET TimeZone = '{zone}'")
    try:
        same(postgres, sql, values, many=many)
        same(postgres, sql, [array(Kind("timestamptz", "timestamptz", st.nothing()), values)])
    finally:
        postgres.connection.execute("SET TimeZone = 'UTC'")
        sql.run("SET TimeZone = 'UTC'")


@examples(25)
@given(st.lists(st.none() | TEXTS, min_size=1, max_size=5))
def test_bindings(sql: Sql, texts: list[str | None]) -> None:
    """What is bound comes back as it was, by number and by place."""
    for places in ([f"${number}" for number in range(1, len(texts) + 1)], ["?"] * len(texts)):
        query = f"SELECT {', '.join(f'{place}::text' for place in places)}"
        assert sql.rows(query, bindings=[texts]) == [texts]


@examples(25)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12), min_size=1))
def test_names_of_columns(postgres: Postgres, sql: Sql, names: list[str]) -> None:
    """A column has the name it was given, whatever is in it, in its place."""
    written = ", ".join(f"{number} AS {_identifier(name)}" for number, name in enumerate(names))
    result = postgres.connection.execute(f"SELECT {written}".encode()).pgresult
    assert result is not None
    sent = [result.fname(number) for number in range(len(names))]
    columns = sql.last(f"SELECT {written}")["result_set"]["columns"]
    assert [column["name"] for column in columns] == [(name or b"").decode() for name in sent] == names


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


BOUND = 320_255_972
"""Hours that an interval may have beside its months and days."""


@examples(15)
@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["{}", "[{}]", "{{'a': {}}}", "[{{'a': [{}]}}, NULL]"]))
def test_long_intervals(sql: Sql, micros: int, form: str) -> None:
    """An interval that Arrow cannot carry is refused; it is never another interval."""
    query = f"SELECT {form.format(f'to_microseconds({micros})')}"
    if abs(micros) // 3_600_000_000 > BOUND:
        assert sql.fails(query) == "22008"
    else:
        hours, rest = divmod(abs(micros), 3_600_000_000)
        ((shown,),) = sql.rows(query)
        assert shown is not None
        assert f"{'-' if micros < 0 else ''}{hours:02d}:{rest // 60_000_000:02d}:" in shown


BATCH = 2_048
LENGTHS = st.integers(0, 3 * PAGE_ROWS) | st.sampled_from([BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 1])


@examples(15)
@given(LENGTHS, st.lists(st.integers(1, 500), max_size=4))
def test_pages_over_http(sql: Sql, length: int, some: list[int]) -> None:
    """Pages are the rows in order, each counted right, in a result of any length; past the end they are empty."""
    reply = sql.execute(f"SELECT i, 'r' || i FROM range({length}) t(i)")
    pages = -(-length // PAGE_ROWS)
    asked = range(1, pages + 2) if pages < 5 else [1, 2, pages - 1, pages, pages + 1, 65_535, *some]
    for number in asked:
        (result,) = sql.show(reply["statement_id"], page_num=number)["results"]
        expected = [[str(i), f"r{i}"] for i in range(length)[(number - 1) * PAGE_ROWS : number * PAGE_ROWS]]
        assert result["result_set"]["rows"] == expected
        assert (result["num_rows"], result["row_count"]) == (length, len(expected))
        assert (result["page_no"], result["page_count"]) == (number, pages)
