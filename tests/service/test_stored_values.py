"""Values through the HTTP door: exact, or refused in the words that the engine page documents."""

from tests.service.caller import Sql

BIG = 9_007_199_254_740_993


def test_what_a_session_wrote_another_reads(sql: Sql) -> None:
    """Members of structs, blobs and JSON among them; sums of integers to the last digit."""
    sql.execute("CREATE OR REPLACE TABLE pe (p STRUCT(name VARCHAR, b BLOB, j JSON, d DATE))")
    sql.execute(
        "INSERT INTO pe VALUES ({'name': 'O''Brien', 'b': '\\x00\\xFF'::BLOB, 'j': '{\"a\": 1}', 'd': '2020-01-01'}),"
        "({'name': 'C:\\temp', 'b': NULL, 'j': NULL, 'd': 'infinity'})"
    )
    assert sql.rows("SELECT p.name, p.b, p.j, p.d FROM pe ORDER BY 1") == [
        ["C:\\temp", None, None, "infinity"],
        ["O'Brien", "\\x00ff", '{"a": 1}', "2020-01-01"],
    ]
    sql.execute(f"CREATE OR REPLACE TABLE tot AS SELECT i AS g, sum({BIG}::BIGINT) AS t FROM range(11) r(i) GROUP BY 1")
    assert sql.rows("SELECT DISTINCT t FROM tot") == [[str(BIG)]]


def test_a_refusal_leaves_the_session_as_it_was(sql: Sql) -> None:
    """0A000 for the type, 22003 for the value; what follows runs."""
    for script, state in (
        ("CREATE TABLE n (t TIME_NS)", "0A000"),
        ("CREATE TABLE n AS SELECT INTERVAL '1194 hours' AS i", "0A000"),
        ("COPY (SELECT TIMETZ '12:00:00+01' AS t) TO 'n.parquet'", "0A000"),
        (f"CREATE TABLE n AS SELECT {10**38}::HUGEINT AS h", "22003"),
    ):
        result = sql.last(script)
        assert (result["status"], result["sql_state"]) == ("PGRES_FATAL_ERROR", state), script
        assert sql.rows("SELECT 1 AS x") == [["1"]]
