"""Values of every type that PostgreSQL and DuckDB both have, spelled as SQL for each of them."""

import json
import struct
from datetime import datetime
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy


class Value(NamedTuple):
    """One value: an SQL expression for PostgreSQL and one for DuckDB."""

    postgres: str
    duckdb: str


class Kind(NamedTuple):
    """A type by its names on both sides, and how its values are made."""

    postgres: str
    duckdb: str
    values: SearchStrategy[Value]

    @property
    def null(self) -> Value:
        """No value of the type."""
        return Value(f"NULL::{self.postgres}", f"NULL::{self.duckdb}")


def quoted(text: str) -> str:
    """A string literal, the same on both sides (PostgreSQL with standard_conforming_strings)."""
    return "'" + text.replace("'", "''") + "'"


def _same(postgres: str, duckdb: str, texts: SearchStrategy[str]) -> Kind:
    """A type whose literals both sides read alike."""
    spelled = texts.map(quoted).map(lambda text: Value(f"{text}::{postgres}", f"{text}::{duckdb}"))
    return Kind(postgres, duckdb, spelled)


def _integers(bits: int) -> SearchStrategy[str]:
    edge = 2 ** (bits - 1)
    return (st.integers(-edge, edge - 1) | st.sampled_from([-edge, edge - 1, 0, -1])).map(str)


def _decimal(number: int, scale: int) -> str:
    digits = f"{abs(number):0{scale + 1}d}"
    return ("-" if number < 0 else "") + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)


def numeric(precision: int, scale: int) -> Kind:
    """``numeric(p,s)``: every value of every such type."""
    most = 10**precision - 1
    numbers = st.integers(-most, most) | st.sampled_from([-most, most, 0, 1, -1]) | st.integers(-min(most, 99), 0)
    name = f"numeric({precision},{scale})"
    return _same(name, name, numbers.map(lambda number: _decimal(number, scale)))


NUMERICS: SearchStrategy[Kind] = st.integers(1, 38).flatmap(
    lambda precision: st.integers(0, precision).map(lambda scale: numeric(precision, scale))
)

_SPECIAL = st.sampled_from(["NaN", "Infinity", "-Infinity", "0", "-0", "1", "-1"])


def _digits(exponents: SearchStrategy[int]) -> SearchStrategy[str]:
    """Decimals of any number of digits, which have to be rounded to the nearest float."""
    whole = st.integers(-(10**25), 10**25)
    return st.tuples(whole, st.integers(0, 10**25), exponents).map(lambda part: f"{part[0]}.{part[1]}e{part[2]}")


def _bits(form: str, code: str, bits: int) -> SearchStrategy[str]:
    """Floats of every exponent alike, subnormal ones and both infinities included, by their bits."""
    made = st.integers(0, 2**bits - 1).map(lambda number: struct.unpack(form, struct.pack(code, number))[0])
    return made.map(repr)


FLOAT4 = (
    _SPECIAL
    | st.floats(width=32).map(repr)
    | _bits("f", "I", 32)
    | st.integers(1, 2**23 - 1).map(lambda n: repr(struct.unpack("f", struct.pack("I", n))[0]))
    | _digits(st.integers(-40, 10))
)
FLOAT8 = (
    _SPECIAL
    | st.floats().map(repr)
    | _bits("d", "Q", 64)
    | st.integers(1, 2**52 - 1).map(lambda n: repr(struct.unpack("d", struct.pack("Q", n))[0]))
    | _digits(st.integers(-250, 250))
)

CHARACTERS = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
ODD_WORDS = st.sampled_from(
    [
        "",
        " ",
        "null",
        "NULL",
        "nuLL",
        "{}",
        "{,}",
        '"',
        "\\",
        "\\x",
        "'",
        "$$",
        "e\u0301",
        "é",
        "🏳️‍🌈",
        "\u202e",
        "\ufeff",
        "\r\n",
    ]
)
TEXTS = st.text(CHARACTERS) | st.text("aé\"'\\{}(), \t\n\v\f\r;-$") | ODD_WORDS


def _bytea(content: bytes) -> Value:
    here = "".join(f"\\x{byte:02X}" for byte in content)
    return Value(f"'\\x{content.hex()}'::bytea", f"'{here}'::blob")


class Day(NamedTuple):
    """A day of the calendar; the year 0 is 1 BC."""

    year: int
    month: int
    day: int

    def spelled(self, kind: Kind, time: str = "") -> Value:
        """The day, with a time behind it, as a literal."""
        shown = f"{self.year if self.year > 0 else 1 - self.year:04d}-{self.month:02d}-{self.day:02d}"
        here, there = ("", "") if self.year > 0 else (" (BC)", " BC")
        return Value(f"'{shown}{time}{there}'::{kind.postgres}", f"'{shown}{here}{time}'::{kind.duckdb}")


_YEARS = st.integers(1, 9999) | st.integers(-4711, 290_000) | st.sampled_from([-4711, 0, 1, 9999, 10_000, 290_000])
_LEAP_YEARS = st.integers(-1000, 70_000).filter(lambda n: n % 25 != 0 or n % 100 == 0).map(lambda n: n * 4)
DAYS = st.builds(Day, _YEARS, st.integers(1, 12), st.integers(1, 28)) | st.builds(
    Day, _LEAP_YEARS, st.just(2), st.just(29)
)
"""Days that both sides have in a date and in a timestamp."""

CLOCKS = st.times().map(str) | st.sampled_from(["00:00:00", "23:59:59.999999", "12:00:00.000001", "12:00:00.1"])


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _offset(seconds: int) -> str:
    return f"{'-' if seconds < 0 else '+'}{_clock(abs(seconds))}"


_OFFSETS = (st.integers(-57_599, 57_599) | st.integers(-63, 63).map(lambda quarter: quarter * 900)).map(_offset)
_WORDS = ("infinity", "-infinity", "epoch")


def _dated(postgres: str, duckdb: str, times: SearchStrategy[str], *extremes: str) -> Kind:
    """A type that begins with a day; ``times`` are what follows it."""
    kind = Kind(postgres, duckdb, st.nothing())
    words = st.sampled_from([*_WORDS, *extremes]).map(quoted)
    values = st.builds(lambda day, time: day.spelled(kind, time), DAYS, times)
    values |= words.map(lambda text: Value(f"{text}::{postgres}", f"{text}::{duckdb}"))
    return kind._replace(values=values)


def _behind(clocks: SearchStrategy[str], zone: str = "") -> SearchStrategy[str]:
    return clocks.map(lambda clock: f" {clock}{zone}")


def _interval(months: int, days: int, micros: int) -> Value:
    clock = f"{_clock(abs(micros) // 1_000_000)}.{abs(micros) % 1_000_000:06d}"
    there = f"'{months} months {days} days {'-' if micros < 0 else '+'}{clock}'::interval"
    return Value(there, f"(to_months({months}) + to_days({days}) + to_microseconds({micros}))")


_SMALL = st.integers(-30, 30)
_AMOUNTS = _SMALL | st.integers(-(2**31) + 1, 2**31 - 1)
# Beyond these hours an interval is refused (docs/limits.md).
_MOST_MICROS = 320_255_972 * 3_600_000_000
_MICROS = _SMALL | st.integers(-86_400_000_000, 86_400_000_000) | st.integers(-_MOST_MICROS, _MOST_MICROS)

_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def _json(value: Any, ascii_only: bool, indent: int | None) -> str:
    return json.dumps(value, ensure_ascii=ascii_only, indent=indent)


JSONS = st.builds(_json, _JSON_VALUES, st.booleans(), st.sampled_from([None, 0, 2])) | st.sampled_from(
    [" 1 ", "1.50", "-0", "1e5", '"\\u0041"', '{"a":1,"a":2}', "[ ]", '"\\/"', "\t[1,\n2]"]
)


def instants(latest: str) -> SearchStrategy[Value]:
    """Moments from 1900 until a day, up to which the zones' rules are settled and the same for everybody."""
    end = datetime.fromisoformat(latest)
    moments = st.datetimes(datetime(1900, 1, 1), end) | st.datetimes(datetime(1, 1, 2), datetime(1840, 1, 1))
    return moments.map(lambda at: Value(*[f"'{at.isoformat(' ')}+00'::timestamptz"] * 2))


LABELS = ("a", "B c", "it's", 'q"q', "null", "é", "{x}")
"""Of the enum."""

ENUM = f"ENUM({', '.join(map(quoted, LABELS))})"

SCALARS = (
    _same("bool", "boolean", st.sampled_from(["true", "false", "t", "f", "1", "0", "TRUE", "yes", "no"])),
    _same("int2", "int2", _integers(16)),
    _same("int4", "int4", _integers(32)),
    _same("int8", "int8", _integers(64)),
    _same("float4", "float4", FLOAT4),
    _same("float8", "float8", FLOAT8),
    _same("text", "text", TEXTS),
    Kind("bytea", "bytea", st.binary().map(_bytea)),
    _dated("date", "date", st.just(""), "5874897-12-31"),
    _same("time", "time", CLOCKS | st.just("24:00:00")),
    _same("timetz", "timetz", st.tuples(CLOCKS | st.just("24:00:00"), _OFFSETS).map("".join)),
    _dated("timestamp", "timestamp", _behind(CLOCKS), "294246-12-31 23:59:59.999999"),
    _dated("timestamp(0)", "timestamp_s", _behind(st.integers(0, 86_399).map(_clock))),
    _dated(
        "timestamp(3)",
        "timestamp_ms",
        _behind(st.times().map(lambda at: f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}")),
    ),
    _dated("timestamptz", "timestamptz", _behind(CLOCKS, "+00")),
    Kind("interval", "interval", st.builds(_interval, _AMOUNTS, _AMOUNTS, _MICROS)),
    _same("uuid", "uuid", st.uuids().map(str) | st.uuids().map(lambda value: str(value).upper())),
    _same("varbit", "bit", st.text("01", min_size=1)),
    _same("json", "json", JSONS),
)
