"""A service of one's own for a while: started as a child on a free port, stopped at the end."""

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from treadle import interpreter

READY: Final = "treadle ready "
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0

# The console script may not be on the PATH of whoever runs the interpreter.
TREADLE: Final = tuple(interpreter.command("c", "from treadle.cli import main; main()"))


class ServiceFailed(Exception):
    """The service did not start, or a command beside it failed."""


def make_token(
    data_dir: Path,
    project: str = "demo",
    user: str = "demo",
    settings: Mapping[str, str] | None = None,
    *,
    role: str = "operator",
) -> str:
    """A fresh token for a running service, through `treadle token create`; ``settings`` are the service's own."""
    whose = ["--project", project, "--user", user, "--role", role]
    command = [*TREADLE, "token", "create", "--data-dir", str(data_dir), *whose, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | dict(settings or {}))
    if done.returncode:
        raise ServiceFailed(f"treadle token create: {done.stderr.strip()}")
    return str(json.loads(done.stdout)["token"])


class LocalService:
    """`treadle serve` on a free port as a child process; ``settings`` go to its environment.

    Its log goes to ``<data_dir>/serve.log``.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.url = ""
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process id of `treadle serve`."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        log = self.data_dir / "serve.log"
        command = [*TREADLE, "serve", "--host", "127.0.0.1", "--port", "0", "--data-dir", str(self.data_dir)]
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=os.environ | self._settings
            )
        try:
            self.url = self._ready_url(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Tell the service to go down and wait until it has; kill it when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _ready_url(self, process: subprocess.Popen[str]) -> str:
        """Read standard output up to the line that says where the service answers."""
        assert process.stdout is not None
        deadline = time.monotonic() + START_SECONDS
        text = ""
        while (left := deadline - time.monotonic()) > 0 and select.select([process.stdout], [], [], left)[0]:
            chunk = os.read(process.stdout.fileno(), 4096).decode()
            text += chunk
            for line in text.splitlines(keepends=True):
                if line.startswith(READY) and line.endswith("\n"):
                    return line.removeprefix(READY).strip()
            if not chunk:
                break
        tail = (self.data_dir / "serve.log").read_text(errors="replace")[-2000:]
        raise ServiceFailed(f"the service did not become ready; the end of its log:\n{tail}")
