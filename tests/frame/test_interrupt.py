"""Ctrl-C, as a terminal sends it: to the command and to all it has started."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.frame.conftest import Running
from treadle.demo.client import Api
from treadle.demo.interrupt import interruptible
from treadle.demo.local import TREADLE


def stop_at(command: list[str], word: str, *, group: bool = True) -> tuple[int, str]:
    """The exit code and standard error of a command that gets SIGINT when it has printed ``word``."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if word in line:
                (os.killpg if group else os.kill)(child.pid, signal.SIGINT)
                break
        _, told = child.communicate(timeout=60)
    return child.returncode, told


def test_the_generator_says_nothing(tmp_path: Path) -> None:
    """The process that makes the data ends with 130, and its scratch database is gone."""
    command = [sys.executable, "-m", "treadle.demo.generate", str(tmp_path), "--scale", "0.5"]
    assert stop_at(command, "generated 20%") == (130, "")
    assert list(tmp_path.iterdir()) == []


def test_the_generator_without_a_listener(tmp_path: Path) -> None:
    """When whoever reads its progress has gone it ends as quietly."""
    command = [sys.executable, "-m", "treadle.demo.generate", str(tmp_path), "--scale", "0.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == ""
    assert child.returncode == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("group", [True, False])
def test_preparing_says_one_line(running: Running, group: bool) -> None:
    """Whether the signal reaches the generator too or not, there is one line and no trace of Python."""
    # The tables of the shared service are loaded: one is missing for the time of the test.
    demo, data_dir = running.demo, running.service.data_dir
    with Api(demo.url, demo.token) as api, api.open_session(demo.workspace_id, demo.endpoint_id) as session:
        session.run("ALTER TABLE region RENAME TO region_aside")
        command = [sys.executable, "-m", "treadle.demo", "--url", demo.url, "--data-dir", str(data_dir)]
        try:
            ended = stop_at([*command, "--scale", "0.5"], "generated", group=group)
        finally:
            session.run("ALTER TABLE region_aside RENAME TO region")
    assert ended == (130, "demo: interrupted\n")


@pytest.mark.slow
def test_the_demo_says_one_line(tmp_path: Path) -> None:
    """The demo and the service it has started go down together, with one line."""
    command = [*TREADLE, "demo", "--data-dir", str(tmp_path / "data"), "--scale", "0.5"]
    assert stop_at(command, "generated") == (130, "treadle: interrupted\n")


def test_what_follows_from_an_interrupt_is_not_told(capfd: pytest.CaptureFixture[str]) -> None:
    """An error on the way out of an interrupt is not the end's reason; one without an interrupt is."""

    @contextmanager
    def losing() -> Iterator[None]:
        try:
            yield
        finally:
            raise OSError("the service is gone")

    with pytest.raises(SystemExit) as ended, interruptible("stopped"), losing():
        signal.raise_signal(signal.SIGINT)
    assert ended.value.code == 130
    assert capfd.readouterr().err == "stopped\n"
    with pytest.raises(OSError, match="alone"), interruptible("stopped"):
        raise OSError("alone")
