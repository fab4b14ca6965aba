"""Modules in the folder in which a command is called, named as those that Python imports: none of them is run."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from treadle import interpreter

ROOT = Path(__file__).parents[2]
SCALE = "0.001"
OTHERS = ("treadle", "duckdb", "pyarrow", "msgspec", "click", "asyncpg", "pip", "sitecustomize", "usercustomize")
MODULE = """
import sys
with open({marker!r}, "a") as marker:
    marker.write(f"{{__name__}} imported by {{sys.orig_argv}}\\n")
raise ImportError(__name__)
"""
TREADLE = (sys.executable, "-I", "-c", "from treadle.cli import main; main()")


class Planted:
    """A folder with a module for each name of the standard library; one that is imported leaves a line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "planted"
        self.folder.mkdir()
        self._marker = folder / "imported"
        for name in (*sys.stdlib_module_names, *OTHERS):
            (self.folder / f"{name}.py").write_text(MODULE.format(marker=str(self._marker)))

    def imported(self) -> str:
        """What was imported, and by which command."""
        return self._marker.read_text() if self._marker.exists() else ""

    def run(self, *command: str | Path, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the folder."""
        return subprocess.run(
            command, cwd=self.folder, env=environment(env), capture_output=True, text=True, check=False, timeout=110
        )


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what the scripts and the tests say to Python."""
    unsaid = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return unsaid | dict(more or {})


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    """Modules that nobody may import."""
    return Planted(tmp_path)


def test_a_planted_module_is_seen(planted: Planted) -> None:
    """An interpreter that is started plainly in the folder imports from it."""
    for argument in (["-c", "import dis"], ["-m", "treadle.worker.zygote"]):
        assert planted.run(sys.executable, *argument).returncode == 1
        assert repr(argument[-1]) in planted.imported()


@pytest.mark.parametrize("pythonpath", ["", str(ROOT / "src")])
def test_no_child_of_ours_sees_it(planted: Planted, pythonpath: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolated where packages need no variable to be found, and with a safe path everywhere."""
    monkeypatch.setenv("PYTHONPATH", pythonpath)
    command = interpreter.command("c", "import dis, platform, sys, treadle; print(sys.flags.isolated)")
    done = planted.run(*command, PYTHONPATH=pythonpath)
    assert (done.returncode, planted.imported()) == (0, ""), done.stderr
    assert done.stdout.strip() == ("0" if pythonpath else "1")


@pytest.mark.slow
def test_the_demo_and_all_its_children_import_none(planted: Planted, tmp_path: Path) -> None:
    """The service, its database, zygote and workers, the command line and the generator of the demo."""
    data = ["--data-dir", str(tmp_path / "data")]
    done = planted.run(*TREADLE, "demo", *data, "--scale", SCALE)
    assert planted.imported() == ""
    assert "4 rows in" in done.stdout, done.stdout + done.stderr
    for command in (["backup", str(tmp_path / "all.tar.gz"), *data], ["doctor", *data], ["statements", *data]):
        planted.run(*TREADLE, *command)
    restored = planted.run(*TREADLE, "restore", tmp_path / "all.tar.gz", "--data-dir", tmp_path / "again")
    assert (restored.returncode, planted.imported()) == (0, ""), restored.stderr


def checkout(folder: Path) -> tuple[Path, dict[str, str]]:
    """A copy of the scripts whose environment is installed: where they are, and the settings that name it."""
    root, venv = folder / "checkout", folder / "venv"
    root.mkdir()
    for part in ("scripts", "requirements", "pyproject.toml", "examples"):
        (root / part).symlink_to(ROOT / part)
    (root / "scripts").unlink()
    (root / "scripts").mkdir()
    for script in (ROOT / "scripts").iterdir():
        (root / "scripts" / script.name).write_bytes(script.read_bytes())
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    here = [path for path in sys.path if "site-packages" in path or Path(path).name == "src"]
    (packages / "here.pth").write_text("\n".join(here))
    (venv / "bin" / "treadle").write_text(f"#!{venv}/bin/python\nfrom treadle.cli import main\nmain()\n")
    (venv / "bin" / "treadle").chmod(0o755)
    settings = {"TREADLE_VENV": str(venv)}
    stamp = f'. {root}/scripts/common.sh; fingerprint run >"$venv/.treadle-run"'
    subprocess.run(["/bin/bash", "-c", stamp], env=environment(settings), check=True)
    return root, settings


@pytest.mark.slow
def test_scripts_run_and_the_example_import_none(planted: Planted, tmp_path: Path) -> None:
    """`scripts/run`, called in the folder, brings everything up; the example cancels; Ctrl-C ends it."""
    data = tmp_path / "data"
    root, settings = checkout(tmp_path)
    more = {"TREADLE_DATA_DIR": str(data), "TREADLE_DEMO_SCALE": SCALE, "TREADLE_PORT": "0"}
    with subprocess.Popen(
        ["/bin/bash", root / "scripts/run"],
        cwd=planted.folder,
        env=environment(settings | more),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        told = ""
        for line in running.stderr:
            told += line
            if "runs until Ctrl-C" in line:
                break
        python = Path(settings["TREADLE_VENV"]) / "bin/python"
        example = planted.run(python, ROOT / "examples/cancel.py", data / "demo.json")
        running.send_signal(signal.SIGTERM)
        told += running.stderr.read()
    assert planted.imported() == ""
    assert (running.returncode, example.returncode) == (0, 0), told + example.stderr


@pytest.mark.slow
def test_the_scripts_install_imports_none(planted: Planted, tmp_path: Path) -> None:
    """What looks for an interpreter, makes an environment and calls pip, all in the folder."""
    script = f'. {ROOT}/scripts/common.sh; make_venv && version_of "$python" && "$python" -m pip --version'
    done = planted.run("/bin/bash", "-c", script, TREADLE_VENV=str(tmp_path / "venv"), TREADLE_PYTHON=sys.executable)
    assert (done.returncode, planted.imported()) == (0, ""), done.stderr


def test_every_script_keeps_the_folder_off_the_path() -> None:
    """Before a script calls Python it has read where the path is made safe."""
    scripts = [ROOT / ".ci/run", *(path for path in (ROOT / "scripts").iterdir() if "." not in path.name)]
    assert len(scripts) >= 10
    for script in scripts:
        text = script.read_text()
        first = re.search(r"^[^#\n]*\"?\$(python|venv|base)\b", text, re.MULTILINE)
        assert first is None or text.index("common.sh") < first.start(), script.name
    assert "export PYTHONSAFEPATH=1" in (ROOT / "scripts/common.sh").read_text()
