"""`treadle demo`: a service in a temporary folder, and nothing of it left."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import TREADLE

pytestmark = pytest.mark.slow


@pytest.mark.timeout(600)
def test_the_demo_uses_a_temporary_folder(tmp_path: Path) -> None:
    """Neither the default data folder nor the one of the environment is used."""
    temporary, served = tmp_path / "temporary", tmp_path / "served"
    temporary.mkdir()
    done = subprocess.run(
        [*TREADLE, "demo", "--scale", "0.01"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(temporary), "TREADLE_DATA_DIR": str(served)},
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    assert f"Starting a service on {temporary}" in done.stdout
    assert "The data is kept" not in done.stdout
    assert os.listdir(temporary) == []
    assert [one.name for one in tmp_path.iterdir()] == ["temporary"]


def test_the_demo_leaves_the_database_of_a_service_alone() -> None:
    """A temporary service has a PostgreSQL of its own."""
    done = subprocess.run(
        [*TREADLE, "demo"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TREADLE_DATABASE_URL": "postgresql://nowhere/none"},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("treadle: database_url is set: a temporary service has a PostgreSQL of its own")
