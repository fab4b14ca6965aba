"""What the scripts show while they install: how far they are, and nothing a package client says, unless it fails."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def quietly(program: str) -> "subprocess.CompletedProcess[str]":
    """Run a program of the shell as the scripts run a package client."""
    script = f'. "{ROOT}/scripts/common.sh"; quietly packages "Collecting " 2 bash -c \'{program}\''
    return subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False, timeout=60)


def test_progress_is_shown_and_noise_is_not() -> None:
    """A line every few seconds."""
    done = quietly("echo Collecting one; echo WARNING: noise >&2; sleep 5; echo Collecting two")
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert lines
    assert all(line.startswith("  packages: 1 of 2 after ") for line in lines)


def test_what_a_failure_says_is_shown() -> None:
    """All of it, and the exit code is the client's."""
    failed = quietly("echo Collecting one; echo no such package >&2; exit 3")
    assert (failed.returncode, failed.stdout) == (3, "")
    assert failed.stderr == "Collecting one\nno such package\n"


def test_progress_shows_that_pip_installs() -> None:
    """When everything is collected, pip is silent for long."""
    done = quietly("echo Collecting one; echo Collecting two; echo Installing collected packages: one, two; sleep 3")
    assert (done.returncode, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert lines
    assert all(line.startswith("  packages: installing after ") for line in lines)


@pytest.mark.parametrize("scale", ["abc", "0", "-1", "1e999", "nan", "1 2"])
def test_a_wrong_scale_of_the_demo_starts_nothing(tmp_path: Path, scale: str) -> None:
    """It is checked before anything is installed or started."""
    done = subprocess.run(
        ["/bin/bash", ROOT / "scripts/run"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TREADLE_DEMO_SCALE": scale, "TREADLE_VENV": str(tmp_path / "venv")},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"run: TREADLE_DEMO_SCALE = {scale}: must be a number greater than 0, such as 0.01\n"
    assert list(tmp_path.iterdir()) == []
