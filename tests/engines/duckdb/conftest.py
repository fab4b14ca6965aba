"""A real instance with a DuckLake catalog attached, and the guard of a session on it."""

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import psycopg
import pytest

from tests.engines.duckdb.sessions import Place, Session, session
from treadle.engines.duckdb.extensions import extension_path
from treadle.engines.duckdb.guard import Guard, Vocabulary
from treadle.engines.duckdb.script import Planned, split
from treadle.store.dsn import Address
from treadle.store.embedded import EmbeddedPostgres

METADATA = "__ducklake_metadata_5f0c9a"
CATALOG = "default"


class Lake(NamedTuple):
    """The instance, and the folders around it."""

    connection: duckdb.DuckDBPyConnection
    vocabulary: Vocabulary
    files: Path
    data: Path
    other: Path


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """One instance for all tests; none of them runs what it has judged without care."""
    root = tmp_path_factory.mktemp("lake")
    files, data, other = (root / name for name in ("files", "data", "other"))
    for folder in (files, data, other):
        folder.mkdir()
    connection = duckdb.connect(
        ":memory:",
        config={
            "allow_unsigned_extensions": "true",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        },
    )
    for name in ("postgres_scanner", "ducklake"):
        connection.execute(f"LOAD '{extension_path(name)}'")
    vocabulary = Vocabulary.of(connection)
    connection.execute(
        f"ATTACH 'ducklake:{root}/meta.ducklake' AS \"{CATALOG}\" "
        f"(DATA_PATH '{data}/', METADATA_CATALOG '{METADATA}', META_HIDDEN true)"
    )
    connection.execute(f'USE "{CATALOG}"')
    connection.execute("CREATE TABLE t (i INTEGER, s VARCHAR)")
    connection.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    yield Lake(connection, vocabulary, files, data, other)
    connection.close()


@pytest.fixture
def guard(lake: Lake) -> Guard:
    """The guard of a fresh session."""
    return Guard(
        lake.vocabulary,
        catalog=CATALOG,
        metadata_name=METADATA,
        files_dir=lake.files,
        allowed_dirs=(lake.files,),
        denied_dirs=(lake.data,),
        threads=4,
    )


Judge = Callable[[str], list[Planned]]


@pytest.fixture
def judge(lake: Lake, guard: Guard) -> Judge:
    """Split a script as the session would."""
    return lambda script: split(lake.connection, script, guard)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """A private PostgreSQL for catalogs, in a folder that its user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="treadle-engines-"))
    folder.chmod(0o711)
    started = EmbeddedPostgres.start(folder / "data")
    yield started
    started.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def place_of(server: EmbeddedPostgres) -> Iterator[Callable[[Path], Place]]:
    """A catalog that nobody has attached yet, with its files in a folder."""
    made = []

    def make(folder: Path) -> Place:
        name = f"lake_{uuid.uuid4().hex}"
        made.append(name)
        with psycopg.connect(server.service_dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return Place(Address.parse(server.service_dsn).at(database=name), folder)

    yield make
    with psycopg.connect(server.service_dsn, autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def place(place_of: Callable[[Path], Place], tmp_path: Path) -> Place:
    """A catalog for one test."""
    return place_of(tmp_path)


@pytest.fixture
def sql(place: Place) -> Iterator[Session]:
    """A session on a fresh catalog."""
    with session(place) as opened:
        yield opened
