"""JSON files: what comes back from one is what was written, or the statement is refused."""

import itertools
import json

import pytest

from tests.service.caller import Caller, Sql

EXACT = [
    ("decimal(18, 2)", "1234567890123.25"),
    ("decimal(18, 2)", "-0.01"),
    ("decimal(15, 2)", "9999999999999.99"),
    ("decimal(4, 3)", "0.125"),
    ("decimal(38, 10)", "99999.0123456789"),
    ("decimal(38, 10)", "-0.0000000001"),
    ("decimal(38, 0)", "99999999999999999999999999999999999999"),
    ("decimal(18, 0)", "999999999999999999"),
    ("hugeint", "-99999999999999999999999999999999999999"),
    ("ubigint", "18446744073709551615"),
    ("bigint", "-9223372036854775808"),
    ("double", "'1.7976931348623157e308'"),
    ("double", "'-inf'"),
    ("float", "'1e-45'"),
    ("blob", "'\\x00\\xFF''\"\\x5C\\x0A'"),
    ("blob", "''"),
    ("blob[]", "['\\xAA'::blob, NULL, '']"),
    ("struct(b blob, d decimal(18, 2))", "{'b': '\\xAA'::blob, 'd': 12.25}"),
    ('struct("it\'s a" struct(b blob)[])', "{'it''s a': [{'b': '\\x01'::blob}, NULL]}"),
    ("map(varchar, blob)", "MAP {'k': '\\xAA'::blob}"),
    ("map(blob, decimal(38, 2))", "MAP {'\\xAA'::blob: 7.25}"),
    ("decimal(38, 2)[]", "[1.25, NULL, 12345678901.5]"),
    ("json", """'{"a":[1,2.5,"x",null]}'"""),
    ("date", "'0044-03-15 (BC)'"),
    ("timestamp_ns", "'2020-01-01 10:00:00.123456789'"),
    ("timestamptz", "'2020-01-01 10:00:00.123456+02'"),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    ("varchar", "'it''s \\ \"x\" é \U0001d11e'"),
]
REFUSED = [
    ("decimal(18, 2)", "9007199254740993.25"),
    ("decimal(38, 10)", "100000.0000000001"),
    ("decimal(38, 20)", "1.00000000000000000001"),
    ("decimal(38, 2)[]", "[1.25, 100000000000000000.25]"),
    ("struct(d decimal(18, 2))", "{'d': 9007199254740993.25}"),
    ("map(varchar, struct(d decimal(38, 2)))", "MAP {'k': {'d': 9007199254740993.25}}"),
]
numbers = itertools.count()


def exported(sql: Sql, kind: str, value: str) -> tuple[str, str]:
    """A table with a value and without one, and the file that it is written to."""
    table = f"json_{next(numbers)}"
    sql.run(f"CREATE TABLE {table} (i int, x {kind}); INSERT INTO {table} VALUES (1, {value}), (2, NULL)")
    sql.run(f"COPY {table} TO '{table}.json'")
    return table, f"{table}.json"


@pytest.mark.parametrize(("kind", "value"), EXACT)
def test_a_value_comes_back_from_a_file_as_it_was(shared: Sql, kind: str, value: str) -> None:
    """Into a table of the catalog, into a temporary one, and from a file that is one array."""
    table, file = exported(shared, kind, value)
    shared.run(f"COPY {table} TO '{table}_array.json' (ARRAY)")
    before = shared.rows(f"SELECT i, x::VARCHAR, typeof(x) FROM {table} ORDER BY i")
    shared.run(
        f"CREATE TABLE {table}_again AS FROM {table} LIMIT 0; CREATE OR REPLACE TEMP TABLE own AS FROM {table} LIMIT 0"
    )
    for target, copy in (
        (f"{table}_again", f"COPY {table}_again FROM '{file}'"),
        ("own", f"COPY own (X, i) FROM '{table}_array.json' (FORMAT json, ARRAY true)"),
    ):
        assert shared.run(copy) == "COPY 2"
        assert shared.rows(f"SELECT i, x::VARCHAR, typeof(x) FROM {target} ORDER BY i") == before


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_a_number_that_would_be_another_one_is_refused(shared: Sql, kind: str, value: str) -> None:
    """0A000 with the column, its type and the way out, which works: CSV and Parquet."""
    table, file = exported(shared, kind, value)
    before = shared.rows(f"SELECT i, x::VARCHAR FROM {table} ORDER BY i")
    shared.run(f"CREATE TABLE {table}_again AS FROM {table} LIMIT 0")
    last = shared.last(f"COPY {table}_again FROM '{file}'")
    assert last["sql_state"] == "0A000"
    assert 'column "x" has the type ' in last["message"]
    assert "write it as a string, or use CSV or Parquet" in last["message"]
    assert shared.rows(f"FROM {table}_again") == []
    for name in (f"{table}.csv", f"{table}.parquet"):
        shared.run(f"COPY {table} TO '{name}'; DELETE FROM {table}_again; COPY {table}_again FROM '{name}'")
        assert shared.rows(f"SELECT i, x::VARCHAR FROM {table}_again ORDER BY i") == before


def test_numbers_written_as_strings_are_exact_at_any_size(caller: Caller, sql: Sql) -> None:
    """And what is not in an object is NULL, or the column's default where the COPY names its columns."""
    value = {"d": "12345678901234567890.0123456789", "l": ["9007199254740993.25", 1e10, 5], "h": 2**100}
    (caller.files / "strings.ndjson").write_text(json.dumps(value) + "\n{}\n")
    sql.run("CREATE TABLE from_strings (d decimal(38, 10), l decimal(18, 2)[], h hugeint, n int DEFAULT 7)")
    assert sql.run("COPY from_strings (d, l, h) FROM 'strings.ndjson'") == "COPY 2"
    assert sql.rows("FROM from_strings ORDER BY d") == [
        [value["d"], "{9007199254740993.25,10000000000.00,5.00}", str(2**100), "7"],
        [None, None, None, "7"],
    ]
    (caller.files / "large.json").write_text('{"h": 1e28}')
    assert sql.fails("COPY from_strings (h) FROM 'large.json'") == "0A000"


def test_options_and_errors_are_those_of_any_copy(caller: Caller, sql: Sql) -> None:
    """Formats of dates, compression, files that are not there, columns and tables that are not, broken JSON."""
    sql.run("CREATE TABLE optional (d date, t timestamp, b blob, x decimal(18, 2))")
    sql.run(
        "COPY (SELECT '31.01.2020' AS d, '31.01.2020 10' AS t, '\\xAA'::blob AS b, 1.25 AS x) TO 'dated.json' "
        "(FORMAT json, COMPRESSION gzip)"
    )
    sql.run(
        "COPY optional FROM 'dated.json' "
        "(FORMAT json, DATEFORMAT '%d.%m.%Y', TIMESTAMP_FORMAT '%d.%m.%Y %H', COMPRESSION gzip)"
    )
    assert sql.rows("FROM optional") == [["2020-01-31", "2020-01-31 10:00:00", "\\xaa", "1.25"]]
    (caller.files / "broken.json").write_text('{"x": ')
    (caller.files / "wrong.json").write_text('{"x": "y"}')
    for copy, state in {
        "COPY optional FROM 'absent.json'": "58P01",
        "COPY optional (absent) FROM 'dated.json'": "42703",
        "COPY absent FROM 'dated.json'": "42P01",
        "COPY optional FROM 'broken.json'": "22P04",
        "COPY optional FROM 'dated.json' (ABSENT true)": "0A000",
        "COPY optional FROM '/etc/passwd.json'": "42501",
    }.items():
        assert sql.fails(copy) == state, copy
    assert sql.last("COPY optional FROM 'wrong.json'")["err_code"] == "1"


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ("{b: 'BLOB'}", "BLOB"),
        ("{'b': 'bytea[]'}", "bytea[]"),
        ("{b: 'STRUCT(a int, d NUMERIC(38,10))'}", "STRUCT(a int, d NUMERIC(38,10))"),
        ("{a: 'int', b: 'DECIMAL(18,2)'}", "DECIMAL(18,2)"),
        ("{b: 'decimal'}", "decimal"),
    ],
)
def test_read_json_takes_no_type_that_it_would_change(caller: Caller, shared: Sql, columns: str, named: str) -> None:
    """With types of the caller's nothing shows in the answer that a value is another one."""
    (caller.files / "typed.json").write_text('{"b": 9007199254740993.25}')
    for sign in ("=", ":=", "=>"):
        last = shared.last(f"SELECT b FROM read_json('typed.json', columns {sign} {columns})")
        assert last["sql_state"] == "0A000"
        assert last["message"].startswith(f'column "b" has the type {named}, which is not read exactly from JSON: ')


def test_read_json_takes_the_other_types(caller: Caller, sql: Sql) -> None:
    """Text is cast exactly; a member that is called like a type is none."""
    (caller.files / "plain.json").write_text(
        json.dumps({"b": "\\xAA", "x": "9007199254740993.25", "d": 0.25, "s": {"blob": 1}})
    )
    columns = "{b: 'VARCHAR', x: 'VARCHAR', d: 'DECIMAL(15,2)', s: 'STRUCT(blob int)', h: 'DECIMAL(38,0)'}"
    query = f"SELECT b::BLOB, x::DECIMAL(18,2), d, s.blob, h FROM read_json('plain.json', columns = {columns})"
    assert sql.rows(query) == [["\\xaa", "9007199254740993.25", "0.25", "1", None]]
