"""DuckDB's type texts are read as DuckDB writes them, and become PostgreSQL columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.results.conftest import Duck, Postgres
from tests.support.properties import examples
from treadle.engines.duckdb.leaving import export_projection
from treadle.engines.duckdb.types import (
    EngineType,
    ListOf,
    Nested,
    Scalar,
    TypeTextError,
    column,
    parse,
)
from treadle.results.text import text

SCALARS = (
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
    "BIGNUM",
    "FLOAT",
    "DOUBLE",
    "VARCHAR",
    "BLOB",
    "DATE",
    "TIME",
    "TIME_NS",
    "TIMESTAMP",
    "TIMESTAMP_S",
    "TIMESTAMP_MS",
    "TIMESTAMP_NS",
    "INTERVAL",
    "UUID",
    "BIT",
    "JSON",
    "GEOMETRY",
    "TIME WITH TIME ZONE",
    "TIMESTAMP WITH TIME ZONE",
)
names = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
labels = st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), min_size=1, unique=True)
scalars = st.one_of(
    st.sampled_from(SCALARS).map(Scalar),
    st.integers(1, 38).flatmap(
        lambda width: st.integers(0, width).map(lambda scale: Scalar("DECIMAL", (str(width), str(scale))))
    ),
    labels.map(lambda values: Scalar("ENUM", tuple(values))),
)


def _containers(inner: st.SearchStrategy[EngineType]) -> st.SearchStrategy[EngineType]:
    fields = st.lists(st.tuples(names, inner), min_size=1, max_size=3, unique_by=lambda field: field[0].lower())
    return st.one_of(
        st.builds(ListOf, inner, st.none() | st.integers(1, 9)),
        st.builds(Nested, st.sampled_from(["STRUCT", "UNION"]), fields.map(tuple)),
        st.tuples(inner, inner).map(lambda pair: Nested("MAP", (("", pair[0]), ("", pair[1])))),
    )


def _with_rows(inner: st.SearchStrategy[EngineType]) -> st.SearchStrategy[EngineType]:
    """Also structs without names, which a function can return and SQL cannot name."""
    rows = st.lists(inner, min_size=1, max_size=3).map(lambda kinds: tuple(("", kind) for kind in kinds))
    return _containers(inner) | rows.map(lambda fields: Nested("STRUCT", fields))


types: st.SearchStrategy[EngineType] = st.recursive(scalars, _containers, max_leaves=6)
any_types: st.SearchStrategy[EngineType] = st.recursive(scalars, _with_rows, max_leaves=6)


def sql(kind: EngineType) -> str:
    """The type as SQL, every name quoted."""
    match kind:
        case Scalar(name="ENUM", arguments=labels):
            return "ENUM(" + ", ".join("'" + label.replace("'", "''") + "'" for label in labels) + ")"
        case Scalar(name=name, arguments=arguments):
            return name + (f"({','.join(arguments)})" if arguments else "")
        case ListOf(element=element, size=size):
            return f"{sql(element)}[{'' if size is None else size}]"
        case Nested(name=name, fields=fields):
            return f"{name}({', '.join(_field(*field) for field in fields)})"


def _field(name: str, kind: EngineType) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}" {sql(kind)}' if name else sql(kind)


@examples(300)
@given(any_types)
def test_parse_reads_its_own_notation(kind: EngineType) -> None:
    """Any type written out is read back as it was."""
    assert parse(sql(kind)) == kind


@examples(150)
@given(types)
def test_parse_reads_duckdbs_notation(duck: Duck, kind: EngineType) -> None:
    """The text DuckDB gives for a type is read as that type."""
    (found,) = duck.connection.sql(f"SELECT NULL::{sql(kind)}").types
    assert parse(str(found)) == kind


@given(st.text("STRUCT(a b,)[]\"'1 WITH<:"))
def test_any_text_has_a_column(engine_type: str) -> None:
    """No text, however wrong, stops a result from having its column."""
    assert column("x", engine_type, 1).engine_type == engine_type


@pytest.mark.parametrize(
    "wrong", ["", "STRUCT(", "INTEGER[", "MAP(INTEGER", "ENUM('a", "INTEGER]", "STRUCT(1 INTEGER)", "DECIMAL(,", "<"]
)
def test_no_type(wrong: str) -> None:
    """A text that names no type is refused."""
    with pytest.raises(TypeTextError):
        parse(wrong)


@pytest.mark.parametrize(
    ("engine_type", "expected"),
    [
        ("BOOLEAN", "boolean"),
        ("TINYINT", "int2"),
        ("SMALLINT", "int2"),
        ("UTINYINT", "int2"),
        ("INTEGER", "int4"),
        ("USMALLINT", "int4"),
        ("BIGINT", "int8"),
        ("UINTEGER", "int8"),
        ("UBIGINT", "numeric"),
        ("HUGEINT", "numeric"),
        ("UHUGEINT", "numeric"),
        ("BIGNUM", "numeric"),
        ("FLOAT", "float4"),
        ("DOUBLE", "float8"),
        ("DECIMAL(18,3)", "numeric(18,3)"),
        ("DECIMAL(4,1)[]", "numeric(4,1)[]"),
        ("VARCHAR", "text"),
        ("ENUM('a', 'b')", "text"),
        ('"NULL"', "text"),
        ("BLOB", "bytea"),
        ("GEOMETRY", "bytea"),
        ("GEOMETRY('OGC:CRS84')", "bytea"),
        ("DATE", "date"),
        ("TIME", "time"),
        ("TIME_NS", "time"),
        ("TIME WITH TIME ZONE", "timetz"),
        ("TIMESTAMP", "timestamp"),
        ("TIMESTAMP_S", "timestamp(0)"),
        ("TIMESTAMP_MS", "timestamp(3)"),
        ("TIMESTAMP_NS", "timestamp"),
        ("TIMESTAMP WITH TIME ZONE", "timestamptz"),
        ("INTERVAL", "interval"),
        ("UUID", "uuid"),
        ("BIT", "varbit"),
        ("JSON", "json"),
        ("INTEGER[]", "int4[]"),
        ("INTEGER[3][]", "json"),
        ("TIMESTAMP WITH TIME ZONE[]", "timestamptz[]"),
        ("JSON[]", "json[]"),
        ("VARIANT", "json"),
        ("STRUCT(a INTEGER, b VARCHAR)", "json"),
        ("STRUCT(a INTEGER, b VARCHAR)[]", "json"),
        ("MAP(VARCHAR, INTEGER)", "json"),
        ("UNION(a INTEGER)", "json"),
        ("VARIANT[]", "json"),
    ],
)
def test_column_is_what_postgres_describes(postgres: Postgres, engine_type: str, expected: str) -> None:
    """A column has the OID, the length and the modifier of the PostgreSQL type that stands for it."""
    cursor = postgres.connection.execute(f"SELECT NULL::{expected}")
    assert cursor.pgresult is not None
    found = column("x", engine_type, 7)
    assert (found.type, found.size, found.type_mod) == (
        cursor.pgresult.ftype(0),
        cursor.pgresult.fsize(0),
        cursor.pgresult.fmod(0),
    )
    assert (found.name, found.column_id, found.engine_type) == ("x", 7, engine_type)


def test_variants_leave_as_json(duck: Duck) -> None:
    """A projection brings every VARIANT out as JSON, null as null, and leaves the other columns alone."""
    relation = duck.connection.sql(
        """SELECT 5::VARIANT AS x, NULL::VARIANT AS x, [{'a': 'b'::VARIANT}] AS "q""q", 7 AS y,
                  {'v': 1.5::VARIANT} AS s"""
    )
    projection = export_projection(relation.columns, [str(kind) for kind in relation.types])
    assert projection is not None
    projected = relation.project(projection)
    assert projected.columns[2:] == ['q"q', "y", "s"]
    (batch,) = projected.to_arrow_reader(10)
    shown = [text(column).to_pylist()[0] for column in batch.columns]
    assert shown == ["5", None, '[{"a":"b"}]', "7", '{"v":1.5}']


def test_no_projection_without_variants() -> None:
    """Where every type can leave as it is, there is nothing to project."""
    kinds = ["INTEGER[]", "STRUCT(variant INTEGER)", "AGGREGATE_STATE<sum(BIGINT)::HUGEINT>"]
    assert export_projection(["a", "b", "c"], kinds) is None
