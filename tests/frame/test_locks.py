import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The locks and the script that judges them, in a place where they may be spoilt."""
    for folder in ("scripts", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def judge(folder: Path) -> tuple[int, str]:
    """The exit code of the check over the locks of that folder, and what it says."""
    done = subprocess.run([folder / "scripts/locks-are-clean"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_locks_are_clean(copy: Path) -> None:
    """Both locks pin every package with hashes and say nothing of where it comes from."""
    assert judge(copy) == (0, "")


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index elsewhere",
        "--find-links wheels",
        "thing @ file:///srv/thing.whl",
        "thing==1 --hash=sha256:00  # via -r /srv/requirements.in",
        "thing==1 # https://registry.invalid/simple",
        "thing==1",
    ],
)
def test_a_lock_that_says_more_is_refused(copy: Path, line: str) -> None:
    """An address, a path, an option of an index or a package without a hash fails the check."""
    with (copy / "requirements/run.txt").open("a") as lock:
        lock.write(f"{line}\n")
    code, told = judge(copy)
    assert code == 1
    assert "requirements/run.txt" in told
