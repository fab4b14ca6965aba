"""What the scripts show while they install: how far they are, and nothing a package client says, unless it fails."""

import subprocess
from pathlib import Path

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
