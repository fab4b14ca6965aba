"""Several sets of bindings of an INSERT … VALUES: one write, with the values and the errors of each set alone."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.engines.duckdb.sessions import Place, Session, session
from treadle.engines.base import Command, EngineError

Sets = Sequence[Sequence[str | None]]

KINDS = {
    "INTEGER": ["1", "-5", " 7 "],
    "DOUBLE": ["0.1", "1e-5", "nan", "-0.0"],
    "DECIMAL(10,2)": ["1.555", "2"],
    "HUGEINT": ["9" * 38],
    "TIMESTAMP": ["infinity", "2020-01-01 00:00:00.5"],
    "BLOB": ["\\x00\\xFF", ""],
    "JSON": ['{"a": 1.50}', "null"],
    "VARCHAR": ["O'Brien", "a\0b", "", "NULL", "1.50"],
    "INTEGER[]": ["[1, NULL]", "[]"],
    "STRUCT(a DOUBLE, b VARCHAR)": ["{'a': 0.1, 'b': 'x'}"],
    "BOOLEAN": ["t", "false"],
}
MARK = "'two ; ) values'"


@pytest.fixture(scope="module")
def home(place_of: Callable[[Path], Place], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The catalog of all tests here."""
    return place_of(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def lake(home: Place) -> Iterator[Session]:
    """One session for all: what each makes, it makes anew."""
    with session(home) as opened:
        yield opened


def run(lake: Session, statement: str, sets: Sets) -> str:
    """Run a statement for several sets, and commit; its command tag."""
    [part] = lake.engine.split(statement)
    try:
        outcome = lake.engine.execute(part, uuid.uuid4().hex, [list(one) for one in sets], None)
        assert isinstance(outcome, Command)
        if outcome.commits:
            lake.engine.commit()
    except EngineError:
        lake.engine.rollback()
        raise
    return outcome.tag


def files(home: Place) -> int:
    """The data files that the catalog knows."""
    [(count,)] = home.metadata("SELECT count(*) FROM ducklake_data_file")
    return int(count)


@pytest.mark.parametrize("form", ["VALUES (?, ?)", "(v, k) VALUES ($2, $1)", f"VALUES (?, ?) /* {MARK} */;"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_value_is_the_one_it_is_alone(lake: Session, home: Place, kind: str, form: str) -> None:
    """Of every type, NULL as well, and in one file."""
    lake.run(f"CREATE OR REPLACE TABLE many (k INTEGER, v {kind}); CREATE OR REPLACE TABLE alone (k INTEGER, v {kind})")
    values = [*KINDS[kind], None] * 60
    sets = [(str(number), value) for number, value in enumerate(values)]
    before = files(home)
    assert run(lake, f"INSERT INTO main.many {form}", sets) == f"INSERT 0 {len(sets)}"
    assert files(home) == before + 1
    for number, value in sets[: len(KINDS[kind]) + 1]:
        lake.run(f"INSERT INTO alone {form}", [number, value])
    look = "SELECT v::VARCHAR AS v FROM {} WHERE k < {} ORDER BY k"
    some = len(KINDS[kind]) + 1
    assert lake.run(look.format("many", some)) == lake.run(look.format("alone", some))
    assert lake.run("SELECT count(*) AS n, count(DISTINCT k) AS k FROM many") == [(len(sets), len(sets))]


@pytest.mark.parametrize(
    ("statement", "sets", "rows"),
    [
        ("INSERT INTO t(k) VALUES (?), (?::int + 100)", [["1", "2"], ["3", "4"]], 4),
        ("INSERT INTO t(k, s) VALUES (?, {'a': ?})", [["1", "2"], ["2", None]], 2),
        ("INSERT INTO t(k, v) VALUES (?, DEFAULT)", [["1"], ["2"]], 2),
        ("INSERT INTO t(k, v) SELECT ?, 'x'", [["1"], ["2"]], 2),
        ("INSERT INTO t(k) VALUES ((SELECT count(*) FROM t) + ?)", [["1"], ["1"], ["1"]], 3),
        ('INSERT INTO "t" ("k", "V") VALUES (?, chr(0) || \'VALUES\')', [["1"], ["2"]], 2),
        ("INSERT INTO t BY NAME SELECT ?::int AS k", [["1"], ["2"]], 2),
    ],
)
def test_other_forms_are_run_as_well(lake: Session, statement: str, sets: Sets, rows: int) -> None:
    """Columns that are not named have their defaults, of each row; a set reads what the sets before it wrote."""
    lake.run(
        "CREATE OR REPLACE TABLE t (k INTEGER NOT NULL, v VARCHAR DEFAULT 'd', u UUID DEFAULT uuid(), s STRUCT(a INT))"
    )
    assert run(lake, statement, sets) == f"INSERT 0 {rows}"
    assert lake.run("SELECT count(DISTINCT u) AS u, count(v) AS v FROM t") == [(rows, rows)]
    if "count(*)" in statement:
        assert lake.run("SELECT k FROM t ORDER BY k") == [(1,), (2,), (3,)]
    if "DEFAULT" in statement:
        assert lake.run("SELECT DISTINCT v FROM t") == [("d",)]
    assert lake.run("SHOW TABLES") == lake.run("SELECT table_name AS name FROM duckdb_tables() ORDER BY 1")


@pytest.mark.parametrize("place", ["CREATE OR REPLACE TABLE", "CREATE OR REPLACE TEMP TABLE"])
def test_a_set_that_fails_has_its_number_and_the_name_of_the_table(lake: Session, place: str) -> None:
    """Whatever its number, nothing stays; within a transaction of the caller's that is aborted."""
    lake.run(f"DROP TABLE IF EXISTS lake.bad; {place} bad (k INTEGER NOT NULL, v DECIMAL(38,0))")
    good = ["1", "2"]
    for bad, state, word in (
        (["x", "2"], "22P02", "'x'"),
        ([None, "2"], "23502", "bad.k"),
        (["1", "9" * 39], "22P02", "DECIMAL"),
        (["1"], "08P01", ""),
    ):
        for number in (1, 2, 100, 101, 250):
            sets = [good] * (number - 1) + [bad] + [good] * 20
            for begin in ("", "BEGIN"):
                lake.run(begin)
                with pytest.raises(EngineError) as caught:
                    run(lake, "INSERT INTO bad VALUES (?, ?)", sets)
                assert caught.value.sql_state == state, caught.value.message
                assert caught.value.message.startswith(f"set {number} of the bindings: "), caught.value.message
                assert word in caught.value.message
                assert "__treadle" not in caught.value.message
                if begin:
                    assert lake.refusal("SELECT 1").sql_state == "25P02"
                    lake.run("ROLLBACK")
    assert lake.run("SELECT count(*) AS n FROM bad") == [(0,)]
    lake.run("DROP TABLE bad")


def test_a_thousand_sets_are_one_file(lake: Session, home: Place) -> None:
    """Not a thousand files, each of which every query opens."""
    lake.run("CREATE OR REPLACE TABLE thousand (k INTEGER, v VARCHAR)")
    sets = [[str(number), f"v{number}"] for number in range(1000)]
    before = files(home)
    assert run(lake, "INSERT INTO thousand VALUES (?, ?)", sets) == "INSERT 0 1000"
    assert files(home) == before + 1
    assert lake.run("SELECT count(DISTINCT k) AS n, min(v) AS v FROM thousand") == [(1000, "v0")]
