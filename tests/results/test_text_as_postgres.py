"""Every type that both sides have is printed exactly as a real PostgreSQL prints it."""

import math
import random
import struct
from importlib import resources
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tests.results.conftest import Duck, Postgres
from tests.support.properties import examples
from treadle.results.text import text

prints = examples(60)

MICROS_A_DAY = 86_400_000_000
micros_of_day = st.integers(0, MICROS_A_DAY - 1) | st.integers(0, 86_399).map(lambda second: second * 1_000_000)
years_1_to_9999 = st.integers(-719_162, 2_932_896)
postgres_days = years_1_to_9999 | st.integers(-2_440_550, 106_000_000)
float4 = st.floats(width=32) | st.integers(1, 10**9).map(lambda i: struct.unpack("f", struct.pack("f", i * 1e6))[0])
float8 = (
    st.floats()
    | st.floats(1e-6, 1e17)
    | st.integers(0, 2**62).map(float)
    | st.integers(-1000, 1000).map(lambda power: math.ldexp(1.0, power))
    | st.tuples(st.integers(1, 10**17), st.integers(1, 20)).map(lambda pair: float(pair[0] * 10 ** pair[1]))
)


@prints
@given(st.lists(float8, min_size=1, max_size=200))
def test_double(postgres: Postgres, values: list[float]) -> None:
    """A DOUBLE is PostgreSQL's float8."""
    assert text(pa.array(values, pa.float64())).to_pylist() == postgres.texts("a", values)


@prints
@given(st.lists(float4, min_size=1, max_size=200))
def test_float(postgres: Postgres, values: list[float]) -> None:
    """A FLOAT is PostgreSQL's float4."""
    assert text(pa.array(values, pa.float32())).to_pylist() == postgres.texts("a::float4", values)


@prints
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integer(postgres: Postgres, values: list[int]) -> None:
    """A BIGINT is PostgreSQL's int8."""
    assert text(pa.array(values, pa.int64())).to_pylist() == postgres.texts("a", values)


@prints
@given(st.integers(0, 38), st.data())
def test_decimal(duck: Duck, postgres: Postgres, scale: int, data: st.DataObject) -> None:
    """A DECIMAL of any scale is PostgreSQL's numeric of that scale."""
    numbers = data.draw(st.lists(st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-999, 999), min_size=1))
    values = [_shift(number, scale) for number in numbers]
    kind = f"decimal(38,{scale})"
    assert text(duck.cast(values, kind)).to_pylist() == postgres.texts(f"a::{kind}", values)


def _shift(number: int, scale: int) -> str:
    digits = f"{abs(number):0{scale + 1}d}"
    return ("-" if number < 0 else "") + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)


@prints
@given(st.lists(st.integers(-(2**127), 2**127 - 1), min_size=1), st.lists(st.integers(0, 2**128 - 1), min_size=1))
def test_huge_integers(duck: Duck, postgres: Postgres, signed: list[int], unsigned: list[int]) -> None:
    """HUGEINT, UHUGEINT and BIGNUM are PostgreSQL's numeric."""
    for kind, values in (("hugeint", signed), ("uhugeint", unsigned), ("bignum", [n * 2**200 for n in signed])):
        shown = text(duck.cast([str(value) for value in values], kind)).to_pylist()
        assert shown == postgres.texts("a::numeric", [str(value) for value in values])


@prints
@given(st.lists(postgres_days, min_size=1, max_size=100))
def test_date(postgres: Postgres, days: list[int]) -> None:
    """A DATE is PostgreSQL's date, before Christ and after the year 9999 too."""
    assert text(pa.array(days, pa.date32())).to_pylist() == postgres.texts("date '1970-01-01' + a::int4", days)


@prints
@given(st.lists(st.tuples(postgres_days, micros_of_day), min_size=1, max_size=100))
def test_timestamp(postgres: Postgres, moments: list[tuple[int, int]]) -> None:
    """A TIMESTAMP is PostgreSQL's timestamp, its fraction trimmed."""
    days, micros = zip(*moments, strict=True)
    expected = postgres.texts(
        "timestamp '1970-01-01' + make_interval(days => a::int4) + b * interval '1 microsecond'", days, micros
    )
    ticks = [day * MICROS_A_DAY + micro for day, micro in moments]
    assert text(pa.array(ticks, pa.timestamp("us"))).to_pylist() == expected


ZONES = (
    "UTC",
    "Asia/Kolkata",
    "America/New_York",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "Africa/Monrovia",
    "America/St_Johns",
    "Asia/Kathmandu",
)


@prints
@given(st.sampled_from(ZONES), st.lists(st.tuples(postgres_days, micros_of_day), min_size=1, max_size=100))
def test_timestamp_with_zone(postgres: Postgres, zone: str, moments: list[tuple[int, int]]) -> None:
    """A TIMESTAMPTZ is shown in the zone of the session with that day's offset, as PostgreSQL shows it."""
    days, micros = zip(*moments, strict=True)
    utc = "timestamp '1970-01-01' + make_interval(days => a::int4) + b * interval '1 microsecond'"
    expected = postgres.texts(f"({utc}) AT TIME ZONE 'UTC'", days, micros, zone=zone)
    ticks = [day * MICROS_A_DAY + micro for day, micro in moments]
    assert text(pa.array(ticks, pa.timestamp("us", zone))).to_pylist() == expected


def test_every_zone(postgres: Postgres) -> None:
    """In every zone both know, moments of the years whose rules are settled are shown alike."""
    chance = random.Random(3)
    names = [name for (name,) in postgres.connection.execute("SELECT name FROM pg_timezone_names ORDER BY 1")]
    known = set(resources.files("tzdata").joinpath("zones").read_text().split())
    assert len(known & set(names)) > 500
    for name in (name for name in names if name in known):
        seconds = [chance.randrange(0, 1_700_000_000) for _ in range(6)]
        shown = text(pa.array(seconds, pa.timestamp("s", name))).to_pylist()
        assert shown == postgres.texts("to_timestamp(a)", seconds, zone=name), name


@prints
@given(st.lists(micros_of_day | st.just(MICROS_A_DAY), min_size=1))
def test_time(duck: Duck, postgres: Postgres, micros: list[int]) -> None:
    """A TIME is PostgreSQL's time, up to and including 24:00:00."""
    values = [f"{_hours(micro // 1_000_000)}.{micro % 1_000_000:06d}" for micro in micros]
    assert text(duck.cast(values, "time")).to_pylist() == postgres.texts("a::time", values)


@prints
@given(st.lists(st.tuples(st.times(), st.integers(-57_599, 57_599)), min_size=1))
def test_time_with_zone(duck: Duck, postgres: Postgres, values: list[tuple[object, int]]) -> None:
    """A TIMETZ keeps its own offset, seconds included."""
    literals = [f"{time}{_sign(offset)}{_hours(abs(offset))}" for time, offset in values]
    assert text(duck.cast(literals, "timetz")).to_pylist() == postgres.texts("a::timetz", literals)


def _sign(offset: int) -> str:
    return "-" if offset < 0 else "+"


def _hours(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


amounts = st.integers(-30, 30) | st.integers(-(2**30), 2**30)


@prints
@given(st.lists(st.tuples(amounts, amounts, st.integers(-(2**52), 2**52) | amounts), min_size=1))
def test_interval(postgres: Postgres, values: list[tuple[int, int, int]]) -> None:
    """An INTERVAL is PostgreSQL's in the postgres style, every mix of signs included."""
    months, days, micros = zip(*values, strict=True)
    array = pa.array([(month, day, micro * 1000) for month, day, micro in values], pa.month_day_nano_interval())
    expression = "make_interval(months => a::int4, days => b::int4) + c * interval '1 microsecond'"
    assert text(array).to_pylist() == postgres.texts(expression, months, days, micros)


@prints
@given(st.lists(st.uuids().map(str), min_size=1), st.lists(st.text("01", min_size=1), min_size=1))
def test_uuid_and_bits(duck: Duck, postgres: Postgres, uuids: list[str], bits: list[str]) -> None:
    """UUID and BIT are PostgreSQL's uuid and varbit."""
    assert text(duck.cast(uuids, "uuid")).to_pylist() == postgres.texts("a::uuid", uuids)
    assert text(duck.cast(bits, "bit")).to_pylist() == postgres.texts("a::varbit", bits)


@prints
@given(st.lists(st.binary(), min_size=1))
def test_blob(postgres: Postgres, values: list[bytes]) -> None:
    """A BLOB is PostgreSQL's bytea in hex."""
    expected = postgres.texts("decode(a, 'hex')", [value.hex() for value in values])
    assert text(pa.array(values, pa.binary())).to_pylist() == expected


def test_boolean(duck: Duck, postgres: Postgres) -> None:
    """A BOOLEAN is t or f, as PostgreSQL sends it."""
    assert text(duck.cast(["true", "false"], "boolean")).to_pylist() == ["t", "f"]
    sent = postgres.connection.execute("SELECT format('%s %s', true, false)").fetchone()
    assert sent == ("t f",)


characters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
words = st.text(characters) | st.text('ab"\\{}, \t\n\v\f') | st.sampled_from(["null", "NULL", "Null", "", "nulls"])


@prints
@given(st.lists(st.none() | words))
def test_text_array(postgres: Postgres, words: list[str | None]) -> None:
    """A list of texts is an array that PostgreSQL reads as the same list and prints the same."""
    (shown,) = text(pa.array([words], pa.list_(pa.string()))).to_pylist()
    assert postgres.value(shown, "text[]") == words
    assert postgres.texts("a::text[]", [shown]) == [shown]


numbers = st.none() | st.integers(-(2**31), 2**31 - 1)
lists_of_lists = st.lists(st.none() | st.lists(st.none() | st.lists(numbers, max_size=3), max_size=3), max_size=3)


@prints
@given(lists_of_lists)
def test_lists_of_lists_are_json(postgres: Postgres, value: list[Any]) -> None:
    """PostgreSQL reads them as the JSON of the same value, empty and missing lists included."""
    kind = pa.list_(pa.list_(pa.list_(pa.int32())))
    (shown,) = text(pa.array([value], kind)).to_pylist()
    assert postgres.value(shown, "json") == value


@prints
@given(st.lists(st.tuples(years_1_to_9999, micros_of_day), min_size=1))
def test_timestamp_array(postgres: Postgres, moments: list[tuple[int, int]]) -> None:
    """A list of timestamps is quoted as PostgreSQL quotes it."""
    array = pa.array([[day * MICROS_A_DAY + micro for day, micro in moments]], pa.list_(pa.timestamp("us")))
    (shown,) = text(array).to_pylist()
    assert postgres.texts("a::timestamp[]", [shown]) == [shown]
