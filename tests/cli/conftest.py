"""The command line in this process and as a process, on one private PostgreSQL for the module."""

import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.cli.running import TREADLE, Cli
from treadle.store.embedded import EmbeddedPostgres


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests."""
    for name in os.environ:
        if name.startswith("TREADLE_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """What a command does to the logs of its process is undone."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def bare(tmp_path: Path) -> Cli:
    """Commands on an empty folder."""
    return Cli(tmp_path / "data")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder whose PostgreSQL runs, made by a first command as an operator would."""
    # The private PostgreSQL runs as a user of its own when we are root.
    folder = tmp_path_factory.mktemp("cli") / "data"
    server = EmbeddedPostgres.start(folder)
    subprocess.run([*TREADLE, "workspace", "list", "--data-dir", str(folder)], check=True, stdout=subprocess.DEVNULL)
    yield folder
    server.stop()


@pytest.fixture
def cli(data_dir: Path) -> Cli:
    """Commands on the module's data folder."""
    return Cli(data_dir)


@pytest.fixture
def workspace_id(cli: Cli, request: pytest.FixtureRequest) -> str:
    """A workspace of the test's own."""
    return cli.ok("workspace", "create", "--project", "p", request.node.name).strip()
