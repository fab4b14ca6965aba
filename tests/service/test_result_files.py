"""The Arrow files of results: any reader reads them, and they say what the pages and the schema say."""

from typing import Any

import pyarrow as pa
import pyarrow.types as kinds
import pytest

from tests.results.test_standard import plain
from tests.service.caller import Sql, refused
from tests.service.test_results import arrow
from treadle.results.text import text

NUMERIC, TEXT, JSON = 1700, 25, 114
WIDEST = "170141183460469231731687303715884105727"
EVERY = {
    "sum(i)::HUGEINT": (NUMERIC, pa.decimal128(38)),
    "sum(i)": (NUMERIC, pa.decimal128(38)),
    "340282366920938463463374607431768211455::UHUGEINT": (NUMERIC, pa.string()),
    "'12345678901234567890123456789012345678901234567890'::BIGNUM": (NUMERIC, pa.string()),
    "'01:02:03.5+02:30'::TIMETZ": (1266, pa.string()),
    "'01:02:03.123456789'::TIME_NS": (1083, pa.time64("ns")),
    "'0101'::BIT": (1562, pa.string()),
    "'00112233-4455-6677-8899-aabbccddeeff'::UUID": (2950, pa.string()),
    "INTERVAL '3000000 hours'": (1186, pa.string()),
    "true": (16, pa.bool_()),
    "NULL": (23, pa.int32()),
    "'x'::ENUM('x', 'y')": (TEXT, None),
    "'[1]'::JSON": (JSON, None),
    "union_value(a := 1)": (JSON, None),
    "1::VARIANT": (JSON, None),
    "MAP {'k': 5::HUGEINT}": (JSON, pa.map_(pa.large_string(), pa.decimal128(38))),
    "{'a': 5::HUGEINT, 'b': true}": (JSON, None),
    "'POINT(1 2)'::GEOMETRY": (17, None),
    "'2020-01-01 00:00:00'::TIMESTAMP_S": (1114, pa.timestamp("s")),
    "[INTERVAL '1 day']": (1187, None),
    "[[1], []]": (JSON, None),
}


@pytest.mark.parametrize("rows", [1, 30_000])
def test_files_agree_with_the_pages_and_the_schema(sql: Sql, rows: int) -> None:
    """Of every type that has no place in Arrow, small or large, asked for at once or later."""
    columns = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(EVERY))
    query = f"SELECT {columns} FROM range(3) g(i) JOIN range({rows}) r(n) ON true GROUP BY n ORDER BY n"
    shown = sql.execute(query)
    assert shown["status"] == 0, shown["results"][-1]["message"]
    page = shown["results"][0]["result_set"]
    [placed] = sql.execute(query, resultset_fetch_mode="READ_OBS")["results"]
    [later] = sql.show(shown["statement_id"], is_enable_obs_path="true")["results"]
    assert page["columns"] == placed["schema"] == later["schema"]
    for result in (placed, later):
        table = arrow(result)
        assert table.num_rows == rows
        for number, (expression, (oid, kind)) in enumerate(EVERY.items()):
            column = table.column(number)
            assert result["schema"][number]["type"] == oid, expression
            assert plain(column.type), (expression, column.type)
            assert kind is None or column.type == kind, (expression, column.type)
            texts = text(column.chunk(0)).to_pylist()
            assert texts[0] == page["rows"][0][number], expression


def test_what_leaves_by_another_way_is_the_same(sql: Sql) -> None:
    """Rows of a RETURNING, of an EXECUTE and of a query with bindings are written in the same types."""
    values = "5::HUGEINT AS h, '00112233-4455-6677-8899-aabbccddeeff'::UUID AS u, true AS b, '01'::BIT AS x"
    sql.run("CREATE TEMP TABLE kept (h HUGEINT, u UUID, b BOOLEAN, x BIT)")
    sql.run(f"PREPARE every AS SELECT {values}")
    expected = ["5", "00112233-4455-6677-8899-aabbccddeeff", "t", "01"]
    for statement, fields in (
        (f"INSERT INTO kept SELECT {values} RETURNING *", {}),
        ("EXECUTE every", {}),
        (f"SELECT {values} WHERE ? = '1'", {"bindings": [["1"]]}),
    ):
        made: dict[str, Any] = fields
        assert sql.rows(statement, **made) == [expected]
        [placed] = sql.execute(statement, resultset_fetch_mode="READ_OBS", **made)["results"]
        assert [field.type for field in arrow(placed).schema] == [
            pa.decimal128(38),
            pa.string(),
            pa.bool_(),
            pa.string(),
        ]


def test_an_integer_that_no_decimal_holds_is_refused_in_files_alone(sql: Sql) -> None:
    """Pages have all its digits; a file is refused, at once or later, and its text is the way out."""
    for rows in (1, 20_000):
        query = f"SELECT {WIDEST}::HUGEINT - n AS h FROM range({rows}) r(n)"
        reply = sql.execute(query)
        assert reply["results"][0]["result_set"]["rows"][0] == [WIDEST]
        assert sql.fails(query, resultset_fetch_mode="READ_OBS") == "22003"
        answer = sql.caller.http.get(
            f"{sql.path}/statements/{reply['statement_id']}", params={"is_enable_obs_path": "true"}
        )
        refused(answer, "is_enable_obs_path: the result has an integer of more than 38 digits")
        [placed] = sql.execute(query.replace("AS h", "|| '' AS h"), resultset_fetch_mode="READ_OBS")["results"]
        assert arrow(placed).column(0)[0].as_py() == WIDEST


def test_text_forms_tell_values_apart(sql: Sql) -> None:
    """Lists of lists are JSON, so that nothing is like nothing else; a union has its tag."""
    query = """SELECT []::INT[], []::INT[][], [[]]::INT[][], [[], []]::INT[][], [[1], [2]], [1, NULL],
        union_value(num := 1), NULL::UNION(num INT), union_value(num := NULL::INT), MAP {1: 'a'}, MAP {'1': 'a'}"""
    [row] = sql.rows(query)
    assert row == [
        "{}",
        "[]",
        "[[]]",
        "[[],[]]",
        "[[1],[2]]",
        "{1,NULL}",
        '{"num":1}',
        None,
        '{"num":null}',
        '[{"key":1,"value":"a"}]',
        '{"1":"a"}',
    ]
    columns = sql.last(query)["result_set"]["columns"]
    assert [column["type"] for column in columns] == [1007, JSON, JSON, JSON, JSON, 1007, JSON, JSON, JSON, JSON, JSON]


def test_any_depth_is_delivered(sql: Sql) -> None:
    """What is nested too deeply for Arrow leaves as JSON text; where it cannot, the refusal is a clear one."""
    for levels in (50, 100):
        shown = "[" * levels + "1" + "]" * levels
        assert sql.rows(f"SELECT {shown}") == [[shown]]
    sql.run(f"PREPARE deep AS SELECT {'[' * 70}1{']' * 70}")
    assert sql.fails("EXECUTE deep") == "0A000"
    assert sql.rows("SELECT 1") == [["1"]]


def test_an_empty_text_and_null_through_csv(sql: Sql) -> None:
    """They differ in the file; reading keeps them apart where `allow_quoted_nulls` is off."""
    sql.run("CREATE TEMP TABLE texts (n int, t text)")
    sql.run("INSERT INTO texts VALUES (1, ''), (2, NULL), (3, 'x'), (4, 'NULL')")
    sql.run("COPY texts TO 'texts.csv'")
    read = "SELECT n, t FROM read_csv('texts.csv', columns = {'n': 'INT', 't': 'VARCHAR'}, allow_quoted_nulls = false)"
    assert sql.rows(f"{read} ORDER BY n") == [["1", ""], ["2", None], ["3", "x"], ["4", "NULL"]]
    sql.run("CREATE TEMP TABLE back (n int, t text)")
    sql.run("COPY back FROM 'texts.csv' (ALLOW_QUOTED_NULLS false)")
    assert sql.rows("FROM back ORDER BY n") == [["1", ""], ["2", None], ["3", "x"], ["4", "NULL"]]


def test_dictionaries_are_of_texts(sql: Sql) -> None:
    """An enum is a dictionary of its labels, which readers show as text."""
    [placed] = sql.execute("SELECT 'x'::ENUM('x', 'y') AS e", resultset_fetch_mode="READ_OBS")["results"]
    kind = arrow(placed).schema.field(0).type
    assert kinds.is_dictionary(kind)
    assert kinds.is_large_string(kind.value_type) or kinds.is_string(kind.value_type)
