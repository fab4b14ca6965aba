"""Execute: sync and async, row limits, bindings, scripts, and texts of every length."""

from typing import Any

import pytest

from tests.service.caller import Caller, Sql, refused

MOST = 10_000_000


def test_async_answers_at_once_and_sync_with_the_result(sql: Sql) -> None:
    """is_sync false gives the ids alone; true, and its absence, the whole reply; strings are taken as well."""
    reply = sql.execute("SELECT 1 AS x", is_sync=False)
    assert set(reply) == {"status", "session_id", "statement_id"}
    assert reply["status"] in (1, 3)
    assert sql.wait(reply["statement_id"])["results"][0]["result_set"]["rows"] == [["1"]]
    for value in (True, "true", None):
        assert sql.execute("SELECT 1", is_sync=value)["status"] == 0
    for wrong in (1, "yes"):
        refused(sql.post("SELECT 1", is_sync=wrong), "is_sync: must be true or false")


def test_status_tells_rows_from_none(sql: Sql) -> None:
    """0 with a result set, 2 without, -1 for SQL that fails, always with HTTP 200."""
    assert sql.execute("SELECT 1 WHERE false")["status"] == 0
    assert sql.execute("CREATE TEMP TABLE t (x int)")["status"] == 2
    assert sql.execute("SELECT 1; DROP TABLE t")["status"] == 0
    assert sql.execute("SELECT 1; nonsense")["status"] == -1


def test_limit_caps_the_rows_of_every_result(sql: Sql) -> None:
    """It cuts queries, each part of a script, SHOW and DESCRIBE; a write it does not cut."""
    five = "SELECT * FROM range(5)"
    assert sql.rows(five, limit=1) == [["0"]]
    assert sql.rows(five, limit="2") == [["0"], ["1"]]
    for enough in (5, 6, 2_147_483_647):
        assert len(sql.rows(five, limit=enough)) == 5
    results = sql.execute(f"{five}; SHOW ALL; {five}", limit=2)["results"]
    assert [(part["num_rows"], len(part["result_set"]["rows"])) for part in results] == [(2, 2)] * 3
    sql.run("CREATE TEMP TABLE t (x int)")
    assert sql.run("INSERT INTO t SELECT * FROM range(5)", limit=2) == "INSERT 0 5"
    assert len(sql.rows("INSERT INTO t SELECT * FROM range(5) RETURNING x", limit=2)) == 2
    assert sql.rows("SELECT count(*) FROM t") == [["10"]]
    for wrong in (0, -1, 2_147_483_648, 1.5, "", True):
        refused(sql.post(five, limit=wrong), "limit: must be an integer from 1 to 2147483647")


@pytest.mark.parametrize(
    ("query", "values", "rows"),
    [
        ("SELECT $1, $2", [["a", "b"]], [["a", "b"]]),
        ("SELECT $2, $1, $2", [["a", "b"]], [["b", "a", "b"]]),
        ("SELECT ?::int + ?::int", [["1", "2"]], [["3"]]),
        ("SELECT ?", [[None]], [[None]]),
        ("SELECT ? -- ;\n;", [["x"]], [["x"]]),
        ("SELECT $a$x;y$a$, ?", [["é😀'"]], [["x;y", "é😀'"]]),
        ("SELECT * FROM range(9) t(i) WHERE i < $1", [["2"]], [["0"], ["1"]]),
        ("SELECT 1", [], [["1"]]),
        ("SELECT 1", [[]], [["1"]]),
    ],
)
def test_bindings_are_strings_cast_by_the_engine(shared: Sql, query: str, values: Any, rows: Any) -> None:
    """One set is used for `$n` and for `?`; null is NULL."""
    assert shared.rows(query, bindings=values) == rows


@pytest.mark.parametrize(
    ("query", "values", "sql_state"),
    [
        ("SELECT $1, $2", [["a"]], "08P01"),
        ("SELECT $1", [["a", "b"]], "08P01"),
        ("SELECT 1", [["a"]], "08P01"),
        ("SELECT ?::int", [["a"]], "22P02"),
        ("SELECT ?", [], "42P02"),
    ],
)
def test_bindings_that_do_not_fit_are_an_sql_error(shared: Sql, query: str, values: Any, sql_state: str) -> None:
    """Too few, too many, of the wrong type: status -1, and the session goes on."""
    assert shared.fails(query, bindings=values) == sql_state
    assert shared.rows("SELECT 1") == [["1"]]


def test_bindings_write(sql: Sql) -> None:
    """They work in INSERT, UPDATE and CREATE TABLE AS."""
    sql.run("CREATE TEMP TABLE t (a int, b text)")
    assert sql.run("INSERT INTO t VALUES (?, ?), (?, NULL)", bindings=[["1", "é", "2"]]) == "INSERT 0 2"
    assert sql.run("UPDATE t SET b = ? WHERE a = ?", bindings=[[None, "1"]]) == "UPDATE 1"
    sql.run("CREATE TEMP TABLE u AS SELECT $1::date AS d", bindings=[["2026-07-13"]])
    assert sql.rows("SELECT a, b, d FROM t, u ORDER BY a") == [["1", None, "2026-07-13"], ["2", None, "2026-07-13"]]


def test_malformed_bindings_are_refused(sql: Sql) -> None:
    """Not an array of arrays of strings, or more than 10,000 values: 400."""
    for wrong in ("x", ["x"], [[1]], [[["x"]]], [["x"] * 10_001], {"0": "x"}):
        refused(sql.post("SELECT ?", bindings=wrong), "bindings: must be an array")
    most = ", ".join(["?"] * 10_000)
    assert sql.rows(f"SELECT len([{most}])", bindings=[["x"] * 10_000]) == [["10000"]]


def test_bindings_with_a_script_are_refused(sql: Sql) -> None:
    """400, and nothing of the script ran."""
    script = "CREATE TABLE bound_script AS SELECT 1 AS x; SELECT ?"
    refused(sql.post(script, bindings=[["x"]]), "bindings: cannot be given with a script")
    assert sql.fails("FROM bound_script") == "42P01"


def test_a_script_stops_at_its_first_failure(sql: Sql) -> None:
    """The results up to and including the failed one; the rest never ran."""
    reply = sql.execute("CREATE TABLE stopped AS SELECT 1 AS x; SELECT 2 AS y; SELECT nope; DROP TABLE stopped")
    whole = reply["statement_id"]
    parts = reply["results"]
    assert [part["statement_id"] for part in parts] == [f"{whole}_{n}" for n in (1, 2, 3)]
    assert [part["status"][6:] for part in parts] == ["COMMAND_OK", "TUPLES_OK", "FATAL_ERROR"]
    assert parts[1]["result_set"]["rows"] == [["2"]]
    assert sql.rows("SELECT x FROM stopped") == [["1"]]
    record = sql.caller.record(whole)
    assert (record["status"], record["effects"], record["part_count"]) == ("FAILED", "partial", 3)
    for n in (1, 2, 3):
        shown = sql.show(f"{whole}_{n}")
        assert (shown["statement_id"], shown["results"]) == (f"{whole}_{n}", [parts[n - 1]])
    assert sql.caller.http.get(f"{sql.path}/statements/{whole}_4").status_code == 404


def test_a_script_that_does_not_parse_does_nothing(sql: Sql) -> None:
    """It is judged as a whole before its first statement runs."""
    reply = sql.execute("CREATE TABLE unparsed AS SELECT 1 AS x; SELEC 2")
    assert [part["sql_state"] for part in reply["results"]] == ["42601"]
    assert sql.fails("FROM unparsed") == "42P01"


@pytest.mark.parametrize(
    ("script", "rows"),
    [
        ("SELECT ';'; SELECT 'a;''b;'", [";", "a;'b;"]),
        ("SELECT $$a;b$$; SELECT $x$ $$;$$ $x$", ["a;b", " $$;$$ "]),
        ("SELECT 1 -- ; no\n; /* ; /* ; */ ; */ SELECT 2", ["1", "2"]),
        ('SELECT "a;b" FROM (SELECT 1 AS "a;b"); SELECT 2;;; ;', ["1", "2"]),
        (";;SELECT 1;; -- end", ["1"]),
        ("SELECT E'it\\'s;'; SELECT 2", ["it's;", "2"]),
    ],
)
def test_a_script_is_cut_by_the_parser(shared: Sql, script: str, rows: list[str]) -> None:
    """Semicolons in strings, dollar quotes, names and comments cut nothing."""
    results = shared.execute(script)["results"]
    assert [part["result_set"]["rows"][0][0] for part in results] == rows


@pytest.mark.parametrize("script", ["", "   \n\t", ";", " ; ; ", "-- nothing", "/* nothing */", "-- a\n;/* b */"])
def test_nothing_to_do_is_done(shared: Sql, script: str) -> None:
    """An empty text, only semicolons, only comments: status 2, one empty result, SUCCESSFUL."""
    reply = shared.execute(script)
    assert reply["status"] == 2
    assert [(part["status"], part["statement_id"]) for part in reply["results"]] == [
        ("PGRES_COMMAND_OK", reply["statement_id"])
    ]
    assert shared.caller.record(reply["statement_id"])["status"] == "SUCCESSFUL"


def test_is_maintain_statement_is_accepted(sql: Sql) -> None:
    """True and false run alike; anything else is a 400."""
    for value in (True, False, "true"):
        assert sql.rows("SELECT 1", is_maintain_statement=value) == [["1"]]
    refused(sql.post("SELECT 1", is_maintain_statement="perhaps"), "is_maintain_statement")


def test_what_no_database_can_keep_is_refused(sql: Sql) -> None:
    """NUL and half a character are a 400 that names the field."""
    refused(sql.post("SELECT 'a\0b'"), "statement: holds a NUL character")
    refused(sql.post("SELECT ?", bindings=[["\0"]]), "bindings: holds a NUL character")
    body = f'{{"session_id": "{sql.id}", "statement": "SELECT \'\\ud800\'"}}'
    refused(sql.caller.http.post(f"{sql.caller.base}/sessions/statements", content=body.encode()), "statement: holds")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"statement": "SELECT 1"}', b"\xff", b'{"limit": NaN}'])
def test_an_unreadable_body_is_refused(caller: Caller, body: bytes) -> None:
    """Whatever is no JSON object with the mandatory fields is a 400 in the documented shape."""
    answer = caller.http.post(f"{caller.base}/sessions/statements", content=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "common.01000001")


def _measuring(character: str) -> tuple[str, int]:
    """A statement of the greatest length that measures a string, and that string's length."""
    length = MOST - len("SELECT length('')")
    return f"SELECT length('{character * length}')", length


def test_ten_million_characters_and_not_one_more(sql: Sql) -> None:
    """The longest text runs, one character more is a 400."""
    longest, length = _measuring("x")
    assert sql.rows(longest) == [[str(length)]]
    refused(sql.post(longest + " "), "statement: must be a string of at most 10000000 characters")


@pytest.mark.slow
@pytest.mark.parametrize("character", ["é", "中", "😀"])
def test_characters_are_counted_not_bytes(sql: Sql, character: str) -> None:
    """Ten million characters beyond ASCII are accepted."""
    longest, length = _measuring(character)
    assert sql.rows(longest) == [[str(length)]]


def test_an_error_does_not_repeat_a_long_text(sql: Sql) -> None:
    """A name of millions of characters that does not exist makes no message of millions of characters."""
    reply = sql.execute("SELECT " + "x" * 3_000_000)
    assert reply["results"][0]["sql_state"] == "42703"
    assert len(reply["results"][0]["message"]) < 10_000
    assert len(str(sql.caller.record(reply["statement_id"]))) < 20_000
    assert len(sql.last("frobnicate " + "y" * 3_000_000)["message"]) < 10_000


@pytest.mark.parametrize(
    ("statement", "bindings", "sql_state", "words"),
    [
        ("SELECT $1", [], "42P02", "there is no parameter $1: the statement came without bindings"),
        ("DELETE FROM range_of WHERE a = ?", [], "42P02", "there is no parameter $1: the statement came without"),
        ("CREATE TABLE bound AS SELECT $1 AS a", [], "42P02", "there is no parameter $1: the statement came without"),
        ("DESCRIBE SELECT $2, $1", [], "42P02", "there is no parameter $1: the statement came without"),
        ("SELECT $name", [["a"]], "42P02", 'there is no parameter "$name": bindings have an order and no names'),
        ("SELECT ?, ?", [["a"]], "08P01", "1 value is bound, but the statement has 2 parameters"),
        ("SELECT $1", [["a", "b"]], "08P01", "2 values are bound, but the statement has 1 parameter"),
        ("SELECT 1", [["a"]], "08P01", "1 value is bound, but the statement has no parameters"),
        ("SELECT $2", [["a", "b"]], "42P18", "the statement has no parameter $1, but $2: count from $1 on"),
        ("INSERT INTO t VALUES (?)", [["1"], []], "08P01", "set 2 of the bindings: 0 values are bound, but"),
        (
            "EXECUTE counted(1, 2)",
            [],
            "42601",
            "wrong number of parameters for prepared statement: there is no parameter",
        ),
        (
            "EXECUTE counted",
            [],
            "42601",
            "wrong number of parameters for prepared statement: parameter $1 has no value",
        ),
    ],
)
def test_wrong_number_of_bindings_is_counted(
    sql: Sql, statement: str, bindings: list[list[str]], sql_state: str, words: str
) -> None:
    """In words about the statement and its bindings; nothing of it runs."""
    sql.run("PREPARE counted AS SELECT $1::int")
    last = sql.last(statement, bindings=bindings)
    assert last["sql_state"] == sql_state
    assert last["message"].startswith(words), last["message"]
