"""Which Python the scripts take, on machines that have one, several or none that is of use."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROKEN = "no version"
"""What a version manager leaves for a version that is not there: a command that runs nothing."""


class Machine:
    """A machine with these commands, each of which is a Python that answers with its version."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "bin"
        self.path.mkdir()

    def has(self, commands: Mapping[str, str]) -> None:
        """Install commands by name, each with its version."""
        for name, version in commands.items():
            self._write(self.path / name, version)

    def has_in_pyenv(self, *versions: str) -> None:
        """Install a version manager and what it has."""
        manager = self.path / "pyenv"
        manager.write_text(f"#!/bin/sh\necho {self.root}/pyenv\n")
        manager.chmod(0o755)
        for version in versions:
            folder = self.root / "pyenv" / "versions" / version / "bin"
            folder.mkdir(parents=True)
            self._write(folder / "python", version.rpartition(".")[0])

    def _write(self, file: Path, version: str) -> None:
        file.write_text("#!/bin/sh\nexit 127\n" if version is BROKEN else f"#!/bin/sh\necho {version}\n")
        file.chmod(0o755)

    def call(self, function: str, **env: str) -> tuple[int, str, str]:
        """What a function of the scripts answers here: exit code, output, and what it says."""
        done = subprocess.run(
            ["/bin/bash", "-c", f". {ROOT}/scripts/common.sh; {function}"],
            env={"PATH": f"{self.path}:{self.root}/tools", **env},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    def chosen(self, **env: str) -> str:
        """The interpreter that the scripts take, by its path below the machine's folder."""
        code, found, said = self.call("find_python", **env)
        assert code == 0, said
        return str(Path(found).relative_to(self.root))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with the tools that the scripts need, and no Python."""
    (tmp_path / "tools").mkdir()
    for tool in ("basename", "dirname", "find", "realpath", "sed", "sort"):
        (tmp_path / "tools" / tool).symlink_to(f"/usr/bin/{tool}")
    return Machine(tmp_path)


def test_the_newest_supported_one_is_taken(machine: Machine) -> None:
    """Of several the newest that is supported, under whatever name it goes."""
    machine.has({"python3.11": "3.11", "python3.12": "3.12", "python3.15": "3.15", "python3": "3.13", "python": "3.10"})
    assert machine.chosen() == "bin/python3"


def test_a_command_that_does_not_run_is_no_interpreter(machine: Machine) -> None:
    """A version manager's command without its version is passed over."""
    machine.has({"python3.14": BROKEN, "python3.13": BROKEN, "python3": "3.12"})
    assert machine.chosen() == "bin/python3"


def test_a_version_managers_own_are_found(machine: Machine) -> None:
    """What it has installed and does not show is found, the newest first."""
    machine.has({"python3.14": BROKEN, "python3": "3.11"})
    machine.has_in_pyenv("3.9.18", "3.13.2", "3.13.10", "3.12.1")
    assert machine.chosen() == "pyenv/versions/3.13.10/bin/python"


def test_one_can_be_named(machine: Machine) -> None:
    """TREADLE_PYTHON chooses; what it names must be supported."""
    machine.has({"python3.11": "3.11", "python3.13": "3.13", "python3.10": "3.10", "python3.14": BROKEN})
    assert machine.chosen(TREADLE_PYTHON="python3.11") == "bin/python3.11"
    for name in ("python3.10", "python3.14", "nothing"):
        code, _, said = machine.call("find_python", TREADLE_PYTHON=name)
        assert code == 1
        assert f"TREADLE_PYTHON: {name} is no CPython of a supported version (3.14 3.13 3.12 3.11)" in said


@pytest.mark.parametrize("version", ["3.10", "3.15"])
def test_a_distribution_whose_python_is_not_supported_is_said(machine: Machine, version: str) -> None:
    """What apt-get installs may be too old or too new."""
    machine.has({"python3": version, "id": "0", "apt-get": "", "env": ""})
    code, _, said = machine.call("install_python")
    assert code == 1
    assert f"the python3 of this distribution is {version}, and none of the supported versions" in said


def test_a_folder_that_is_no_environment_is_left_alone(machine: Machine, tmp_path: Path) -> None:
    """A wrong TREADLE_VENV costs nothing."""
    machine.has({"python3": "3.13"})
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")
    code, _, said = machine.call("make_venv", TREADLE_VENV=str(tmp_path / "home"))
    assert (code, (tmp_path / "home" / "letter").read_text()) == (1, "dear")
    assert "is no virtual environment" in said
