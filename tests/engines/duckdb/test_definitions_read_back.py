"""Definitions drawn from a grammar: each is refused, or means the same in its transaction, after it, and re-opened."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.duckdb.conftest import CATALOG, METADATA
from tests.support.properties import examples
from treadle.engines.base import EngineError, Rows
from treadle.engines.duckdb.adapter import DuckDB
from treadle.engines.duckdb.extensions import extension_path
from treadle.engines.duckdb.guard import Guard, Vocabulary
from treadle.store.embedded import EmbeddedPostgres

NAMES = ("a", "B", '"a b"', '"q""r"', '"it\'s"', '"select"', "ü")
STRINGS = ("''", "'x'", "'it''s'", "'a\\b'", "'NULL'", "'null'", "'[1]'", "' '", "'\"'", "E'\\n'", "'ü𝄞'", "$$a'b$$")
NUMBERS = (
    "0",
    "-1",
    "1.50",
    "1e3",
    "0.1e0",
    "1e-7",
    "-2.5E+20",
    "9223372036854775807",
    "12::hugeint",
    "3 + 4",
    "1_0e1",
)
OTHERS = (
    "NULL",
    "NULL::int",
    "NULL::varchar",
    "true",
    "DATE '2020-01-01'",
    "TIMESTAMP '2020-01-01 01:02:03.123456'",
    "INTERVAL 1 month",
    "'\\xAA'::blob",
    "'11111111-1111-1111-1111-111111111111'::uuid",
    "'nan'::double",
    "1::tinyint",
    "1.5::decimal(18, 3)",
    "'{}'::json",
    "'x'::ENUM('x', 'y')",
    "'101'::bit",
    "[]",
    "[1, 2]",
    "{'x': 1}",
    "MAP {'x': 1}",
    "(1, 2)",
    "1::VARIANT",
)
TYPES = ("int", "varchar", "double", "decimal(10, 2)", "hugeint", "int[]", "STRUCT(x int)", "MAP(varchar, int)", "json")
PLAIN = ("int", "varchar", "double", "decimal(10, 3)", "boolean", "date", "timestamp", "uuid", "blob")
LAYOUTS = (
    "SORTED BY (b)",
    "SORTED BY (b DESC NULLS FIRST, b + 1)",
    "SORTED BY (nosuch(b))",
    "SORTED BY ((SELECT 1))",
    "SORTED BY (sum(b))",
    "SORTED BY (row_number() OVER ())",
    "PARTITIONED BY (b)",
    "PARTITIONED BY (bucket(4, b))",
    "PARTITIONED BY (year(b))",
    "PARTITIONED BY (year(d), b)",
)
BODIES = (
    "{v}",
    "list_transform([1, 2], lambda x: x)",
    "CASE WHEN {v} IS NULL THEN 'none' ELSE 'some' END",
    "coalesce({v}::varchar, '') || 'it''s'",
    "(SELECT max(x) FROM (VALUES ({v}), ({v})) t(x))",
)


class Lake(NamedTuple):
    """Where the scratch catalog is."""

    dsn: str
    data: Path


class Definition(NamedTuple):
    """What defines something called ``kept``, and what asks for it."""

    script: tuple[str, ...]
    question: str


literals = st.sampled_from(STRINGS + NUMBERS + OTHERS)


@st.composite
def macros(draw: st.DrawFn) -> Definition:
    """A macro with up to three parameters, of values or of rows."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    parameters, given = [], []
    for name in names:
        kind = draw(st.sampled_from(("", "", "", *TYPES)))
        default = draw(st.none() | literals)
        parameters.append(f"{name} {kind}" + (f" := {default}" if default else ""))
        if default is None:
            given.append(f"{name} := NULL::{kind}" if kind else f"{name} := 1")
    body = draw(st.sampled_from(BODIES)).format(v=draw(st.sampled_from(names) | literals))
    table = draw(st.booleans())
    define = f"CREATE MACRO kept({', '.join(parameters)}) AS " + (f"TABLE SELECT {body} AS x" if table else body)
    call = f"kept({', '.join(given)})"
    return Definition(
        (define,), f"SELECT x::varchar, typeof(x) FROM {call}" if table else f"SELECT {call}::varchar, typeof({call})"
    )


@st.composite
def views(draw: st.DrawFn) -> Definition:
    """A view of some values under some names."""
    values = draw(st.lists(literals, min_size=1, max_size=3))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=len(values), max_size=len(values), unique=True))
    columns = [draw(st.sampled_from(BODIES)).format(v=value) for value in values]
    if draw(st.booleans()):
        text = f"CREATE VIEW kept({', '.join(names)}) AS SELECT {', '.join(columns)}"
    else:
        text = "CREATE VIEW kept AS SELECT " + ", ".join(f"{c} AS {n}" for c, n in zip(columns, names, strict=True))
    seen = ", ".join(f"{name}::varchar, typeof({name})" for name in names)
    return Definition((text,), f"SELECT {seen} FROM kept")


@st.composite
def tables(draw: st.DrawFn) -> Definition:
    """A table whose column has a default, from the beginning or added, with rows of before and after."""
    kind, default = draw(st.sampled_from(PLAIN)), draw(literals)
    name = draw(st.sampled_from([name for name in NAMES if name != "B"]))
    row = "INSERT INTO kept(b) VALUES ({})"
    if draw(st.booleans()):
        script: tuple[str, ...] = (f"CREATE TABLE kept (b int, {name} {kind} DEFAULT {default})", row.format(1))
    else:
        added = f"ALTER TABLE kept ADD COLUMN {name} {kind} DEFAULT {default}"
        script = ("CREATE TABLE kept (b int)", row.format(1), added, row.format(2))
    return Definition(script, f"SELECT b, {name}::varchar FROM kept ORDER BY b")


@st.composite
def comments(draw: st.DrawFn) -> Definition:
    """A comment on a table or on a column, which may not be there."""
    name, text = draw(st.sampled_from(NAMES)), draw(st.sampled_from((*STRINGS, "NULL")))
    what = draw(st.sampled_from(("TABLE kept", f"COLUMN kept.{name}", "COLUMN kept.nosuch", "COLUMN kept.rowid")))
    here = "schema_name = current_schema() AND table_name = 'kept'"
    seen = f"SELECT comment FROM duckdb_tables() WHERE {here} UNION ALL SELECT comment FROM duckdb_columns()"
    return Definition((f"CREATE TABLE kept ({name} int)", f"COMMENT ON {what} IS {text}"), f"{seen} WHERE {here}")


@st.composite
def layouts(draw: st.DrawFn) -> Definition:
    """A sort or a partition, and a row for it."""
    layout = draw(st.sampled_from(LAYOUTS))
    script = (
        "CREATE TABLE kept (b int, d date)",
        f"ALTER TABLE kept SET {layout}",
        "INSERT INTO kept VALUES (1, NULL)",
    )
    return Definition(script, "FROM kept")


NUMBERS_OF_SCHEMAS = itertools.count()

definitions = st.one_of(macros(), views(), tables(), comments(), layouts())


class Opened:
    """A session of the engine in a schema of its own of the scratch catalog."""

    def __init__(self, instance: duckdb.DuckDBPyConnection, vocabulary: Vocabulary, lake: Lake, schema: str) -> None:
        self.connection = instance
        instance.execute(
            f"ATTACH 'ducklake:postgres:{lake.dsn}' AS \"{CATALOG}\" "
            f"(DATA_PATH '{lake.data}/', METADATA_CATALOG '{METADATA}', META_HIDDEN true, DATA_INLINING_ROW_LIMIT 0)"
        )
        instance.execute(f'CREATE SCHEMA IF NOT EXISTS "{CATALOG}"."{schema}"')
        instance.execute(f'USE "{CATALOG}"."{schema}"')
        self.engine = DuckDB(instance, vocabulary)
        self.engine._catalog, self.engine._metadata = CATALOG, METADATA
        self.engine._guard = Guard(
            vocabulary, catalog=CATALOG, metadata_name=METADATA, files_dir=lake.data, allowed_dirs=(lake.data,)
        )

    def run(self, script: str) -> list[tuple[object, ...]]:
        """The rows of the last statement; its transaction is committed."""
        rows: list[tuple[object, ...]] = []
        try:
            for planned in self.engine.split(script):
                outcome = self.engine.execute(planned, "marker", None, None)
                if isinstance(outcome, Rows):
                    rows = [tuple(row.values()) for batch in outcome.batches for row in batch.to_pylist()]
                if outcome.commits:
                    self.engine.commit()
        except EngineError:
            self.engine.rollback()
            raise
        return rows

    def answer(self, question: str) -> object:
        """The rows, or the state of the error."""
        try:
            return self.run(question)
        except EngineError as error:
            return honest(error)


def honest(error: EngineError) -> str:
    """The state of an error, which must not be one of the engine's own."""
    assert not error.sql_state.startswith("XX"), error.message
    return error.sql_state


Opening = Callable[[str], AbstractContextManager[Opened]]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opening]:
    """How the catalog is opened for a while, by an instance of its own each time."""
    folder = tmp_path_factory.mktemp("definitions")
    server = EmbeddedPostgres.start(folder)
    lake = Lake(server.service_dsn, folder / "lake")
    lake.data.mkdir()
    extensions = [extension_path(name) for name in ("postgres_scanner", "ducklake")]

    @contextmanager
    def open_it(schema: str) -> Iterator[Opened]:
        with duckdb.connect(":memory:", config={"allow_unsigned_extensions": "true", "threads": "1"}) as instance:
            for path in extensions:
                instance.execute(f"LOAD '{path}'")
            yield Opened(instance, Vocabulary.of(instance), lake, schema)

    yield open_it
    server.stop()


@given(definition=definitions)
@examples(30)
def test_a_definition_is_refused_or_read_back(opened: Opening, definition: Definition) -> None:
    """Never an error of the engine's own, never another answer, never a catalog that cannot be opened."""
    schema = f"s{next(NUMBERS_OF_SCHEMAS)}"
    with opened(schema) as session:
        within = attempt(session, definition)
    if within is not None:
        with opened(schema) as session:
            assert session.answer(definition.question) == within
            for statement in definition.script:
                if statement.startswith("INSERT"):
                    session.run(statement)


def attempt(session: Opened, definition: Definition) -> object:
    """The answer to the question when the definition is committed; None where it is refused, or nothing answers."""
    session.run("BEGIN")
    try:
        for statement in definition.script:
            session.run(statement)
    except EngineError as error:
        honest(error)
        session.run("ROLLBACK")
        return None
    within = session.answer(definition.question)
    if isinstance(within, str):
        session.run("ROLLBACK")
        return None
    session.run("COMMIT")
    assert session.answer(definition.question) == within
    return within


def test_the_grammar_has_both(opened: Opening) -> None:
    """A definition of each kind that is taken, so that the property is not about refusals alone."""
    schema = "plain"
    with opened(schema) as session:
        session.run("CREATE MACRO kept(a, b := 1e3) AS a + b")
        assert session.run("SELECT kept(1), typeof(kept(1))") == [(1001.0, "DOUBLE")]
        with pytest.raises(EngineError):
            session.run("CREATE MACRO other(a := [1]) AS a")
    with opened(schema) as session:
        assert session.run("SELECT kept(1), typeof(kept(1))") == [(1001.0, "DOUBLE")]
