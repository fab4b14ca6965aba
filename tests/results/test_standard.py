"""Files of results hold Arrow's own types, and say the same as the pages."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.results.conftest import Duck
from tests.results.values import SCALARS
from tests.support.properties import examples
from treadle.engines.duckdb.leaving import export_projection
from treadle.engines.duckdb.types import column as column_of
from treadle.results.standard import holds_wide_integers, standard_batch, standard_schema
from treadle.results.text import text

UUID = "'00112233-4455-6677-8899-aabbccddeeff'::UUID"
WIDEST = 2**127 - 1
INTEGERS = st.integers(-WIDEST, WIDEST)
JSON_OID = 114
DOCUMENTS = ("null", '"null"', "1", '"1"', "[]", "{}", '""', "[null]", "true")


def standard(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch as it is written."""
    return standard_batch(batch, standard_schema(batch.schema))


def plain(kind: Any) -> bool:
    """Whether a reader needs to know nothing but Arrow: JSON is text that says it is JSON."""
    if isinstance(kind, pa.BaseExtensionType):
        return isinstance(kind, pa.JsonType)
    if kinds.is_union(kind) or kinds.is_interval(kind) or kinds.is_decimal256(kind):
        return False
    if kinds.is_dictionary(kind):
        return plain(kind.value_type)
    return all(plain(kind.field(number).type) for number in range(kind.num_fields))


def test_every_type_is_one_that_every_reader_has(duck: Duck) -> None:
    """Of every type of the engine's, whole and in slices; what is shown of it stays the same."""
    given = duck.batch("FROM test_all_types()")
    for batch in (given, given.slice(1, 2), given.slice(2), given.slice(0, 0)):
        written = standard(batch)
        written.validate()
        for name, column in zip(batch.schema.names, written.columns, strict=True):
            assert plain(column.type), (name, column.type)
            assert text(column).equals(text(batch.column(name))), name


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("true", pa.bool_(), True),
        ("sum(9007199254740993::BIGINT)", pa.decimal128(38), 9007199254740993),
        ("-170141183460469231731687303715884105727::HUGEINT", pa.decimal128(38), -WIDEST),
        ("340282366920938463463374607431768211455::UHUGEINT", pa.string(), str(2**128 - 1)),
        ("'-123456789012345678901234567890123456789012345'::BIGNUM", pa.string(), "-" + "1234567890" * 4 + "12345"),
        ("'01:02:03.5+02:30'::TIMETZ", pa.string(), "01:02:03.5+02:30"),
        ("'0101'::BIT", pa.string(), "0101"),
        (UUID, pa.string(), "00112233-4455-6677-8899-aabbccddeeff"),
        ("INTERVAL '-14 months 3 days 2562048 hours'", pa.string(), "-1 years -2 mons +3 days 2562048:00:00"),
        ("NULL", pa.int32(), None),
        ("'2020-01-01 01:02:03'::TIMESTAMP_S", pa.timestamp("s"), None),
        (f"[{UUID}, NULL]", pa.large_list(pa.string()), ["00112233-4455-6677-8899-aabbccddeeff", None]),
        (
            f"MAP {{{UUID}: '1'::BIT}}",
            pa.map_(pa.string(), pa.string()),
            [("00112233-4455-6677-8899-aabbccddeeff", "1")],
        ),
        ("{'a': [5::HUGEINT], 'b': true}", None, {"a": [5], "b": True}),
        ("[{'a': 5::HUGEINT}, NULL]", None, [{"a": 5}, None]),
        ("array_value(true, NULL)", pa.list_(pa.bool_(), 2), [True, None]),
    ],
)
def test_type_and_value(duck: Duck, expression: str, kind: Any, value: Any) -> None:
    """The type follows from the engine's alone, and the value is exact."""
    column = standard(duck.batch(f"SELECT {expression} AS x")).column(0)
    if kind is not None:
        assert column.type == kind
    if value is not None:
        assert column.to_pylist() == [value]


@examples(60)
@given(
    st.lists(st.none() | st.lists(st.none() | st.integers(-(2**127) + 1, 2**127 - 1), max_size=4), min_size=1),
    st.data(),
)
def test_nested_values_in_any_slice(duck: Duck, rows: list[Any], data: st.DataObject) -> None:
    """Lists, structs and maps around a value of another form, at any place of a batch, with nulls at every level."""
    literal = ", ".join(
        "(NULL)" if row is None else "([" + ", ".join("NULL" if n is None else f"{n}::HUGEINT" for n in row) + "])"
        for row in rows
    )
    shaped = "v, {'a': v} AS s, [v, NULL] AS l, map(['k'], [v]) AS m"
    batch = duck.batch(f"SELECT {shaped} FROM (VALUES {literal}, ([]::HUGEINT[])) AS given(v)")
    start = data.draw(st.integers(0, len(rows)))
    length = data.draw(st.integers(0, len(rows) + 1 - start))
    written = standard(batch.slice(start, length))
    written.validate(full=False)
    expected = [*rows, []][start : start + length]
    assert written.column(0).to_pylist() == expected
    assert written.column(1).to_pylist() == [{"a": row} for row in expected]
    assert written.column(2).to_pylist() == [[row, None] for row in expected]
    assert written.column(3).to_pylist() == [[("k", row)] for row in expected]
    wide = any(n is not None and abs(n) >= 10**38 for row in expected if row for n in row)
    assert holds_wide_integers(written.column(0)) == wide
    assert holds_wide_integers(written.column(1)) == wide


def test_batches_of_plain_columns_are_themselves(duck: Duck) -> None:
    """Nothing is made anew of what has Arrow's own types already."""
    batch = duck.batch("SELECT i, 'r' || i AS s, i / 2 AS d, [i] AS l, {'a': i} AS t FROM range(10) r(i)")
    assert standard_schema(batch.schema).equals(batch.schema)
    assert standard(batch) is batch


def leaving(duck: Duck, sql: str) -> list[str | None]:
    """The texts of the one column of a query, as a session shows them."""
    relation = duck.connection.sql(sql)
    projection = export_projection(relation.columns, [str(kind) for kind in relation.types])
    (batch,) = (relation if projection is None else relation.project(projection)).to_arrow_reader(1_000_000)
    shown: list[str | None] = text(standard(batch).column(0)).to_pylist()
    return shown


Shaped = tuple[str, st.SearchStrategy[str]]


def _listed(shaped: Shaped) -> Shaped:
    kind, values = shaped
    return f"{kind}[]", st.lists(values | st.just("NULL"), max_size=3).map(lambda v: f"[{', '.join(v)}]::{kind}[]")


def _struct(pair: tuple[Shaped, Shaped]) -> Shaped:
    (first, one), (second, other) = pair
    values = st.tuples(one | st.just("NULL"), other | st.just("NULL"))
    kind = f"STRUCT(a {first}, b {second})"
    return kind, values.map(lambda v: f"{{'a': {v[0]}, 'b': {v[1]}}}::{kind}")


def _mapped(pair: tuple[Shaped, Shaped]) -> Shaped:
    (first, keys), (second, items) = pair
    kind = f"MAP({first}, {second})"
    values = st.none() | st.tuples(keys, items | st.just("NULL"))
    return kind, values.map(lambda v: f"MAP {{}}::{kind}" if v is None else f"MAP {{{v[0]}: {v[1]}}}::{kind}")


def _union(pair: tuple[Shaped, Shaped]) -> Shaped:
    (first, one), (second, other) = pair
    kind = f"UNION(a {first}, b {second})"
    tagged = (one | st.just(f"NULL::{first}")).map(lambda v: f"union_value(a := {v})::{kind}") | (
        other | st.just(f"NULL::{second}")
    ).map(lambda v: f"union_value(b := {v})::{kind}")
    return kind, tagged


LEAVES = st.sampled_from(SCALARS).map(lambda kind: (kind.duckdb, kind.values.map(lambda value: value.duckdb))) | (
    st.sampled_from(
        [
            ("VARCHAR", st.sampled_from(["''", "'NULL'", "'null'", "'{}'", "'[]'", "'a,b'", "'\"'", "'1'", "' '"])),
            ("HUGEINT", INTEGERS.map(lambda n: f"{n}::HUGEINT")),
            (
                "JSON",
                st.sampled_from(DOCUMENTS).map("'{}'::JSON".format),
            ),
        ]
    )
)


def _deeper(inner: st.SearchStrategy[Shaped]) -> st.SearchStrategy[Shaped]:
    pairs = st.tuples(inner, inner)
    return inner.map(_listed) | pairs.map(_struct) | pairs.map(_mapped) | pairs.map(_union)


SHAPED = st.recursive(LEAVES, _deeper, max_leaves=4)


def is_json(kind: str) -> bool:
    """Whether values of the type are shown as JSON."""
    return column_of("x", kind, 1).type == JSON_OID


def decoded(shown: str) -> Any:
    """What a reader of JSON makes of it; raises ValueError for what is none: NaN and Infinity are not."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    return json.loads(shown, parse_constant=refuse)


@examples(250)
@given(SHAPED, st.data())
def test_different_values_have_different_texts(duck: Duck, shaped: Shaped, data: st.DataObject) -> None:
    """Of one type, whatever is in it: two values that the engine tells apart have two texts, and NULL has none."""
    kind, values = shaped
    drawn = data.draw(st.lists(values | st.just("NULL"), min_size=2, max_size=4))
    rows = ", ".join(f"({number}, {value}::{kind})" for number, value in enumerate(drawn))
    given = f"FROM (VALUES {rows}) AS given(n, v)"
    texts = leaving(duck, f"SELECT v {given} ORDER BY n")
    missing = [row[0] for row in duck.connection.sql(f"SELECT v IS NULL {given} ORDER BY n").fetchall()]
    assert [shown is None for shown in texts] == missing
    pairs = duck.connection.sql(
        f"SELECT x.n, y.n FROM (SELECT * {given}) x, (SELECT * {given}) y WHERE x.v IS DISTINCT FROM y.v"
    ).fetchall()
    for one, other in pairs:
        assert texts[one] != texts[other], (kind, drawn[one], drawn[other])
    for shown in texts:
        if shown is not None and is_json(kind):
            decoded(shown)


@examples(150)
@given(SHAPED, st.data())
def test_a_union_or_a_variant_leaves_its_neighbours_as_they_are(
    duck: Duck, shaped: Shaped, data: st.DataObject
) -> None:
    """Within one value each part has the form that it has alone, and all of it is JSON that every reader takes."""
    kind, values = shaped
    value = f"{data.draw(values)}::{kind}"
    (alone,) = leaving(duck, f"SELECT {{'x': {value}}} AS v")
    assert alone is not None
    inside = alone.removeprefix('{"x":').removesuffix("}")
    for beside, shown in (
        ("union_value(a := 'nan'::DOUBLE)", '{"a":"NaN"}'),
        ("['-inf'::FLOAT::VARIANT]", '["-Infinity"]'),
        ("NULL::UNION(a INTEGER)", "null"),
    ):
        assert leaving(duck, f"SELECT {{'x': {value}, 'y': {beside}}} AS v") == [f'{{"x":{inside},"y":{shown}}}']
        (listed,) = leaving(duck, f"SELECT [{{'x': {value}, 'y': {beside}}}, NULL] AS v")
        assert listed == f'[{{"x":{inside},"y":{shown}}},null]'
        assert decoded(listed)[1] is None
    if alone != '{"x":null}':
        assert leaving(duck, f"SELECT union_value(t := {value}) AS v") == [f'{{"t":{inside}}}']
        assert leaving(duck, f"SELECT MAP {{'k': union_value(t := {value})}} AS v") == [f'{{"k":{{"t":{inside}}}}}']


def test_unions_show_their_tag(duck: Duck) -> None:
    """A value of nothing in a member is not NULL, and the same value in two members is two."""
    kind = "UNION(a INTEGER, b INTEGER)"
    values = ("union_value(a := 1)", "union_value(b := 1)", "union_value(a := NULL::INTEGER)", "NULL")
    rows = ", ".join(f"({number}, {value}::{kind})" for number, value in enumerate(values))
    shown = leaving(duck, f"SELECT v FROM (VALUES {rows}) g(n, v) ORDER BY n")
    assert shown == ['{"a":1}', '{"b":1}', '{"a":null}', None]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[union_value(a := 'nan'::DOUBLE), NULL]", '[{"a":"NaN"},null]'),
        ("MAP {union_value(a := 1): union_value(b := INTERVAL 1 DAY)}", '[{"key":{"a":1},"value":{"b":"1 day"}}]'),
        ("row(1, union_value(a := 2))", '{"f1":1,"f2":{"a":2}}'),
        ("[union_value(a := 1)]::UNION(a INTEGER)[1]", '[{"a":1}]'),
        ("NULL::STRUCT(u UNION(a INTEGER))", None),
        ("{'u': NULL::UNION(a INTEGER)}", '{"u":null}'),
        ("union_value(a := union_value(b := '\\x00'::BLOB))", '{"a":{"b":"\\\\x00"}}'),
        ("union_value(a := NULL::STRUCT(b INTEGER))", '{"a":null}'),
        ("union_value(a := 'null'::JSON)", '{"a":"null"}'),
        ('union_value("it\'s ""q" := 1)', '{"it\'s \\"q":1}'),
        ("{'d': 'inf'::DOUBLE, 's': 'NaN \" Infinity'}::VARIANT", '{"d":"Infinity","s":"NaN \\" Infinity"}'),
        ("'NaN'::FLOAT::VARIANT", '"NaN"'),
        ("[" * 60 + "'-inf'::DOUBLE" + "]" * 60, "[" * 60 + '"-Infinity"' + "]" * 60),
    ],
)
def test_text_of_what_has_no_form_in_arrow(duck: Duck, expression: str, expected: str | None) -> None:
    """Unions, variants and deep lists: valid JSON, in the forms of everything else."""
    assert leaving(duck, f"SELECT {expression} AS v") == [expected]


def test_what_is_nested_too_deeply_for_arrow_is_json(duck: Duck) -> None:
    """Any depth is delivered."""
    for levels in (40, 60, 100):
        shown = "[" * levels + "1" + "]" * levels
        assert leaving(duck, f"SELECT {shown} AS x") == [shown]


@pytest.mark.parametrize(
    ("number", "wide"), [(10**38 - 1, False), (1 - 10**38, False), (10**38, True), (-(10**38), True)]
)
def test_an_integer_of_39_digits_is_wide(duck: Duck, number: int, wide: bool) -> None:
    """The largest of 38 digits is not, and comes as it is."""
    written = standard(duck.batch(f"SELECT {number}::HUGEINT AS v, [NULL, {number}::HUGEINT] AS l"))
    assert [holds_wide_integers(column) for column in written.columns] == [wide, wide]
    assert written.column(0).to_pylist() == [number]
