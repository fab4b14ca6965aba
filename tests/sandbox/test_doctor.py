"""`treadle doctor`: one line each, and an exit code that can be relied on."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner

from treadle.cli import main
from treadle.cli.doctor import State, confined_attempts, examine
from treadle.config import load
from treadle.worker import confine
from treadle.worker.confine import Means

CHECKS = [
    "kernel",
    "sandbox",
    "landlock",
    "seccomp",
    "confinement",
    "user",
    "limits",
    "memory",
    "postgres",
    "disk",
    "catalogs",
]


def examined(data_dir: Path, means: Means | None = None, **settings: Any) -> Mapping[str, tuple[State, str]]:
    """State and detail of each check."""
    with mock.patch.object(confine, "available", return_value=means or Means()):
        return {one.check: (one.state, one.detail) for one in examine(load(data_dir=data_dir, **settings))}


def test_each_thing_has_its_line(tmp_path: Path) -> None:
    """The command prints a line for each thing, or JSON, and makes nothing in the data folder."""
    command = [sys.executable, "-c", "from treadle.cli import main; main()", "doctor", "--data-dir", str(tmp_path)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert [one["check"] for one in found] == CHECKS
    assert all(one["detail"] for one in found)
    assert (done.returncode == 1) == any(one["state"] == "missing" for one in found)
    said = CliRunner().invoke(main, ["doctor", "--data-dir", str(tmp_path)]).output.splitlines()
    assert [line.split()[1] for line in said] == CHECKS
    assert not list(tmp_path.iterdir())


def test_what_is_required_is_missed(tmp_path: Path) -> None:
    """A kernel without the means is a warning; with `require` it is what the exit code tells."""
    found = examined(tmp_path)
    assert {found[check][0] for check in ("landlock", "seccomp", "confinement")} == {State.WARNING}
    found = examined(tmp_path, sandbox="require")
    assert {found[check][0] for check in ("landlock", "seccomp")} == {State.MISSING}
    with mock.patch.object(confine, "available", return_value=Means()):
        done = CliRunner().invoke(main, ["doctor", "--data-dir", str(tmp_path)], env={"TREADLE_SANDBOX": "require"})
    assert done.exit_code == 1


def test_an_older_landlock_has_gaps(tmp_path: Path) -> None:
    """What an older kernel does not see is named; a sandbox that is off is a warning."""
    state, detail = examined(tmp_path, Means(landlock=3))["landlock"]
    assert state is State.WARNING
    assert "TCP" in detail
    assert "short" not in detail
    assert examined(tmp_path, sandbox="off")["sandbox"][0] is State.WARNING


def test_a_lost_server_is_missing_and_its_password_is_not_told(tmp_path: Path) -> None:
    """An operator's PostgreSQL that does not answer is what the exit code tells, without its password."""
    dsn = "postgresql://treadle:very-secret@127.0.0.1:1/treadle"
    state, detail = examined(tmp_path, database_url=dsn)["postgres"]
    assert state is State.MISSING
    assert "very-secret" not in detail


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """Too little room for spill is a warning, none at all is missed."""
    for free, state in ((100, State.MISSING), (2**30, State.WARNING), (2**50, State.OK)):
        with mock.patch("shutil.disk_usage", lambda _, free=free: mock.Mock(free=free)):
            assert examined(tmp_path / "not" / "yet")["disk"][0] is state


@pytest.mark.skipif(bool(confine.available().lacking), reason="this kernel has not both Landlock and seccomp")
def test_the_confinement_is_tried() -> None:
    """It is tried in a child: with all the means nothing comes through."""
    assert confined_attempts(confine.available()) == ()


def test_a_confinement_that_does_not_hold_is_seen(tmp_path: Path) -> None:
    """Were a promised means not to work, the line would say so."""
    with mock.patch.object(confine, "confine", return_value=None):
        assert set(confined_attempts(Means(landlock=7, seccomp=True))) == {
            "reading a foreign folder",
            "a network socket",
            "a new process",
        }
    with mock.patch.object(confine, "confine", mock.Mock(side_effect=OSError)):
        state, detail = examined(tmp_path, Means(landlock=7, seccomp=True))["confinement"]
    assert state is State.WARNING
    assert "failed" in detail
