"""Every type DuckDB has survives the way through Arrow into text."""

import json
import random
import re
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.results.conftest import Duck
from tests.results.values import NUMERICS, SCALARS, Value
from tests.support.properties import examples
from treadle.results.text import text
from treadle.results.text_few import few_texts

ALL_TYPES = {
    "bool": ("f", "t"),
    "tinyint": ("-128", "127"),
    "smallint": ("-32768", "32767"),
    "int": ("-2147483648", "2147483647"),
    "bigint": ("-9223372036854775808", "9223372036854775807"),
    "hugeint": (str(-(2**127)), str(2**127 - 1)),
    "uhugeint": ("0", str(2**128 - 1)),
    "utinyint": ("0", "255"),
    "usmallint": ("0", "65535"),
    "uint": ("0", "4294967295"),
    "ubigint": ("0", "18446744073709551615"),
    "bignum": (str(-int(1.7976931348623157e308)), str(int(1.7976931348623157e308))),
    "date": ("5877642-06-25 BC", "5881580-07-10"),
    "time": ("00:00:00", "24:00:00"),
    "timestamp": ("290309-12-22 00:00:00 BC", "294247-01-10 04:00:54.775806"),
    "timestamp_s": ("290309-12-22 00:00:00 BC", "294247-01-10 04:00:54"),
    "timestamp_ms": ("290309-12-22 00:00:00 BC", "294247-01-10 04:00:54.775"),
    "timestamp_ns": ("1677-09-22 00:00:00", "2262-04-11 23:47:16.854775806"),
    "time_tz": ("00:00:00+15:59:59", "24:00:00-15:59:59"),
    "timestamp_tz": ("290309-12-22 00:00:00+00 BC", "294247-01-10 04:00:54.775806+00"),
    "float": ("-3.4028235e+38", "3.4028235e+38"),
    "double": ("-1.7976931348623157e+308", "1.7976931348623157e+308"),
    "dec_4_1": ("-999.9", "999.9"),
    "dec_9_4": ("-99999.9999", "99999.9999"),
    "dec_18_6": ("-999999999999.999999", "999999999999.999999"),
    "dec38_10": ("-9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"),
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "interval": ("00:00:00", "83 years 3 mons 999 days 00:16:39.999999"),
    "varchar": ("🦆🦆🦆🦆🦆🦆", "goo\0se"),
    "blob": ("\\x746869736973616c6f6e67626c6f6200776974686e756c6c6279746573", "\\x00000061"),
    "bit": ("0010001001011100010101011010111", "10101"),
    "small_enum": ("DUCK_DUCK_ENUM", "GOOSE"),
    "medium_enum": ("enum_0", "enum_299"),
    "large_enum": ("enum_0", "enum_69999"),
    "int_array": ("{}", "{42,999,NULL,NULL,-42}"),
    "double_array": ("{}", "{42,NaN,Infinity,-Infinity,NULL,-42}"),
    "date_array": ("{}", "{1970-01-01,infinity,-infinity,NULL,2022-05-12}"),
    "timestamp_array": ("{}", '{"1970-01-01 00:00:00",infinity,-infinity,NULL,"2022-05-12 16:23:45"}'),
    "timestamptz_array": ("{}", '{"1970-01-01 00:00:00+00",infinity,-infinity,NULL,"2022-05-12 23:23:45+00"}'),
    "varchar_array": ("{}", '{🦆🦆🦆🦆🦆🦆,goose,NULL,""}'),
    "nested_int_array": ("[]", "[[],[42,999,null,null,-42],null,[],[42,999,null,null,-42]]"),
    "struct": ('{"a":null,"b":null}', '{"a":42,"b":"🦆🦆🦆🦆🦆🦆"}'),
    "struct_of_arrays": (
        '{"a":null,"b":null}',
        '{"a":[42,999,null,null,-42],"b":["🦆🦆🦆🦆🦆🦆","goose",null,""]}',
    ),
    "array_of_structs": ("[]", '[{"a":null,"b":null},{"a":42,"b":"🦆🦆🦆🦆🦆🦆"},null]'),
    "map": ("{}", '{"key1":"🦆🦆🦆🦆🦆🦆","key2":"goose"}'),
    "union": ('{"name":"Frank"}', '{"age":5}'),
    "fixed_int_array": ("{NULL,2,3}", "{4,5,6}"),
    "fixed_varchar_array": ("{a,NULL,c}", "{d,e,f}"),
    "fixed_nested_int_array": ("[[null,2,3],null,[null,2,3]]", "[[4,5,6],[null,2,3],[4,5,6]]"),
    "fixed_nested_varchar_array": (
        '[["a",null,"c"],null,["a",null,"c"]]',
        '[["d","e","f"],["a",null,"c"],["d","e","f"]]',
    ),
    "fixed_struct_array": (
        '[{"a":null,"b":null},{"a":42,"b":"🦆🦆🦆🦆🦆🦆"},{"a":null,"b":null}]',
        '[{"a":42,"b":"🦆🦆🦆🦆🦆🦆"},{"a":null,"b":null},{"a":42,"b":"🦆🦆🦆🦆🦆🦆"}]',
    ),
    "struct_of_fixed_array": ('{"a":[null,2,3],"b":["a",null,"c"]}', '{"a":[4,5,6],"b":["d","e","f"]}'),
    "fixed_array_of_int_list": (
        "[[],[42,999,null,null,-42],[]]",
        "[[42,999,null,null,-42],[],[42,999,null,null,-42]]",
    ),
    "list_of_fixed_int_array": ("[[null,2,3],[4,5,6],[null,2,3]]", "[[4,5,6],[null,2,3],[4,5,6]]"),
    "time_ns": ("00:00:00", "24:00:00"),
    "geometry": ("\\x0101000000000000000000f87f000000000000f87f", "\\x01070000000d000000"),
}


@pytest.mark.parametrize("large_buffers", ["true", "false"])
def test_every_type(duck: Duck, large_buffers: str) -> None:
    """The least, the greatest and no value of every DuckDB type, whole and in slices of one row."""
    duck.connection.execute(f"SET arrow_large_buffer_size = {large_buffers}")
    try:
        batch = duck.batch("FROM test_all_types()")
    finally:
        duck.connection.execute("SET arrow_large_buffer_size = true")
    assert set(batch.schema.names) == set(ALL_TYPES)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        shown = text(column).to_pylist()
        least, most, nothing = shown
        expected_least, expected_most = ALL_TYPES[name]
        if name == "geometry":  # a long one
            most = most[: len(expected_most)]
        assert (least, most, nothing) == (expected_least, expected_most, None), name
        assert [text(column.slice(row, 1)).to_pylist()[0] for row in range(3)] == shown, name


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("DATE '0044-03-15 (BC)'", "0044-03-15 BC"),
        ("DATE '-infinity'", "-infinity"),
        ("'infinity'::TIMESTAMP", "infinity"),
        ("'infinity'::TIMESTAMP_NS", "infinity"),
        ("'-infinity'::TIMESTAMP_S", "-infinity"),
        ("'infinity'::TIMESTAMP_MS", "infinity"),
        ("'-infinity'::TIMESTAMPTZ", "-infinity"),
        ("'2020-01-02 03:04:05.123456789'::TIMESTAMP_NS", "2020-01-02 03:04:05.123456789"),
        ("'2020-01-02 03:04:05.100'::TIMESTAMP_MS", "2020-01-02 03:04:05.1"),
        ("'03:04:05.000000009'::TIME_NS", "03:04:05.000000009"),
        ("INTERVAL '1 year 2 months 3 days 04:05:06.5'", "1 year 2 mons 3 days 04:05:06.5"),
        ("INTERVAL '-1 day' + INTERVAL '2 hours 3 minutes'", "-1 days +02:03:00"),
        ("1e15::DOUBLE", "1e+15"),
        ("1e14::DOUBLE", "100000000000000"),
        ("100000::FLOAT", "100000"),
        ("123456789012345680::DOUBLE", "1.2345678901234568e+17"),
        ("-0.0::DOUBLE", "-0"),
        ("0.00001::DOUBLE", "1e-05"),
        ("0::DECIMAL(38,20)", "0.00000000000000000000"),
        ("0::BIGNUM", "0"),
        ("-256::BIGNUM", "-256"),
        ("(1::UBIGINT << 63)::UBIGINT", "9223372036854775808"),
        ("NULL", None),
        ("'{\"a\": [1, 2]}'::JSON", '{"a": [1, 2]}'),
        ("'null'::JSON", "null"),
        ("['1'::JSON, '{\"a\":\"b\"}'::JSON]", '{1,"{\\"a\\":\\"b\\"}"}'),
        ("{'j': '[1, NaN]'::JSON, 'k': '[1, 2]'::JSON}", '{"j":"[1, NaN]","k":[1, 2]}'),
        (
            "{'n': 'NaN'::DOUBLE, 'i': '-inf'::FLOAT, 'e': 1e20, 'z': -0.0::DOUBLE}",
            '{"n":"NaN","i":"-Infinity","e":1e+20,"z":-0}',
        ),
        (
            "{'h': 5::HUGEINT, 'd': 1.50, 'b': true, 't': DATE '2020-01-01', 'x': '\\xAB'::BLOB}",
            '{"h":5,"d":1.50,"b":true,"t":"2020-01-01","x":"\\\\xab"}',
        ),
        ("{'a\"b': 'c\\d\n'}", '{"a\\"b":"c\\\\d\\n"}'),
        ("row(1, 'x')", '{"f1":1,"f2":"x"}'),
        ("MAP {1: 'a', 2: NULL}", '[{"key":1,"value":"a"},{"key":2,"value":null}]'),
        ("MAP {'a'::ENUM('a', 'b'): [1]}", '{"a":[1]}'),
        ("[MAP {'a': 1}, NULL]", '[{"a":1},null]'),
        ("[union_value(a := 1), NULL]", '[{"a":1},null]'),
        ("union_value(b := NULL::INTEGER)::UNION(a INTEGER, b INTEGER)", '{"b":null}'),
        ("union_value(a := 1)::UNION(a INTEGER, b HUGEINT)", '{"a":1}'),
        ("union_value(b := 1::HUGEINT)::UNION(a INTEGER, b HUGEINT)", '{"b":1}'),
        ("[]::INTEGER[]", "{}"),
        ("[]::INTEGER[][]", "[]"),
        ("[[]]::INTEGER[][]", "[[]]"),
        ("[[], []]::INTEGER[][]", "[[],[]]"),
        ("[[1], [2]]", "[[1],[2]]"),
        ("{'a': 'null'::JSON, 'b': NULL::JSON}", '{"a":"null","b":null}'),
        ("""{'a': '"x"'::JSON, 'b': 'x'}""", '{"a":"\\"x\\"","b":"x"}'),
        ("{'a': '[1, null]'::JSON}", '{"a":[1, null]}'),
        ("MAP {1: 'a'}", '[{"key":1,"value":"a"}]'),
        ("MAP {'1': 'a'}", '{"1":"a"}'),
        ("MAP {}::MAP(INTEGER, INTEGER)", "[]"),
        ("MAP {}::MAP(VARCHAR, INTEGER)", "{}"),
        ("[[1], NULL]", "[[1],null]"),
        ("[[1], [2, 3]]", "[[1],[2,3]]"),
        ("[[[1]], [[2]]]", "[[[1]],[[2]]]"),
        ("[[[[[[1]]]]]]", "[[[[[[1]]]]]]"),
        ("[[[[[[[1]]]]]]]", "[[[[[[[1]]]]]]]"),
        ("['t'::BOOLEAN, NULL]", "{t,NULL}"),
        ("[[true, false], [true]]", "[[true,false],[true]]"),
        ("['a'::ENUM('a', 'b c'), 'b c']", '{a,"b c"}'),
        ("['\\xAB'::BLOB]", '{"\\\\xab"}'),
        ("[INTERVAL '1 day']", '{"1 day"}'),
        ("['10'::BIT, '1'::BIT]", "{10,1}"),
        ("[340282366920938463463374607431768211455::UHUGEINT]", "{340282366920938463463374607431768211455}"),
    ],
)
def test_value(duck: Duck, expression: str, expected: str | None) -> None:
    """A value of DuckDB has one text."""
    column = duck.column(f"SELECT {expression}")
    assert text(column).to_pylist() == [expected]


@pytest.mark.parametrize(
    "expression",
    ["row(1, [2], {'a': 3})", "[1]", "MAP {'a': 1}", "union_value(a := 1)", "[[1], [2]]", "[1]::INTEGER[1]"],
)
def test_no_rows(duck: Duck, expression: str) -> None:
    """An empty array of a nested type has no texts."""
    column = duck.column(f"SELECT {expression} AS x").slice(0, 0)
    assert text(column).to_pylist() == []


def test_nothing_but_nulls() -> None:
    """A column without a type has only nulls."""
    assert text(pa.nulls(2)).to_pylist() == [None, None]


@pytest.mark.parametrize("name", ["Nowhere/Land", "", "../tzdata/zones", "/etc/passwd", "SystemV/EST5EDT"])
def test_unknown_zone_is_shown_as_utc(name: str) -> None:
    """A zone that nobody knows does not hide the moment: it is shown in UTC."""
    assert text(pa.array([0], pa.timestamp("us", name or "?"))).to_pylist() == ["1970-01-01 00:00:00+00"]


def test_every_zone_of_duckdb(duck: Duck) -> None:
    """In every zone DuckDB has, its own short names included, the text has the offset DuckDB reckons with."""
    moments = pa.array(random.Random(4).sample(range(86_400, 1_700_000_000), 8))
    query = """SELECT name, list(strftime(timezone(name, to_timestamp(s)), '%Y-%m-%d %H:%M:%S') ORDER BY n)
        FROM pg_timezone_names(), unnest(?::BIGINT[]) WITH ORDINALITY AS given(s, n)
        WHERE name NOT LIKE 'SystemV/%' GROUP BY name"""
    zones = duck.connection.cursor().execute(query, [moments.to_pylist()]).fetchall()
    assert len(zones) > 600
    for name, theirs in zones:
        ours = text(moments.cast(pa.timestamp("s", name))).to_pylist()
        assert [shown[:19] for shown in ours] == theirs, name


KINDS = st.sampled_from(SCALARS) | NUMERICS
FORMS = ("{}", "[{}]", "[[{}], NULL]", "{{'a': {}}}", "[{{'a': {}}}]", "MAP {{1: {}}}", "union_value(a := {})")


@examples(120)
@given(KINDS.flatmap(lambda kind: st.lists(kind.values | st.just(kind.null), min_size=1, max_size=30)), st.data())
def test_few_rows_have_the_texts_of_many(duck: Duck, values: list[Value], data: st.DataObject) -> None:
    """Value by value and column by column the texts are the same, whatever the type and whatever it is in."""
    form = data.draw(st.sampled_from(FORMS))
    rows = ", ".join(f"({form.format(value.duckdb)})" for value in values)
    column = duck.column(f"SELECT * FROM (VALUES {rows}) AS given(v)")
    start = data.draw(st.integers(0, len(values) - 1))
    for part in (column, column.slice(start)):
        assert few_texts(part) == text(part).to_pylist()


NUMBERS = re.compile(r"-?[0-9].*")


@examples(80)
@given(KINDS.flatmap(lambda kind: kind.values))
def test_a_struct_shows_what_its_scalar_shows(duck: Duck, value: Value) -> None:
    """Within JSON a number or truth value is itself, JSON is itself, and anything else a string of its own text."""
    ((alone,),) = [text(duck.column(f"SELECT {value.duckdb}")).to_pylist()]
    ((inside,),) = [text(duck.column(f"SELECT {{'a': {value.duckdb}}}")).to_pylist()]
    assert inside.startswith('{"a":')
    shown = inside.removeprefix('{"a":').removesuffix("}")
    if "::boolean" in value.duckdb:
        assert shown == {"t": "true", "f": "false"}[alone]
    elif shown != alone:
        assert json.loads(shown) == alone
    else:
        assert NUMBERS.fullmatch(alone) or "::json" in value.duckdb


def test_unknown_arrow_type_is_refused() -> None:
    """A type no engine delivers raises instead of being shown wrongly."""
    with pytest.raises(TypeError, match="duration"):
        text(pa.array([1], pa.duration("s")))


leaves: st.SearchStrategy[Any] = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.none() | st.integers(-(2**31), 2**31 - 1)
fields = st.fixed_dictionaries({"a": numbers, 'b "\\': leaves, "c": st.lists(leaves)})
STRUCTS = pa.list_(pa.struct([("a", pa.int32()), ('b "\\', pa.large_string()), ("c", pa.list_(pa.string()))]))


@examples(100)
@given(st.lists(st.none() | st.lists(st.none() | fields), min_size=1), st.data())
def test_lists_of_structs_are_json(rows: list[Any], data: st.DataObject) -> None:
    """Structs in lists, at any depth and in any slice, are the JSON of the same value."""
    start = data.draw(st.integers(0, len(rows) - 1))
    shown = text(pa.array(rows, STRUCTS).slice(start)).to_pylist()
    assert [None if cell is None else msgspec.json.decode(cell) for cell in shown] == rows[start:]
