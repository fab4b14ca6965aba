"""How the tests run a command."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from treadle.cli import main

TREADLE = (sys.executable, "-c", "from treadle.cli import main; main()")


class Cli:
    """Commands on one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def run(self, *args: str, env: Mapping[str, str] | None = None, stdin: str | None = None) -> Result:
        """Run a command in this process, its exit code unseen."""
        result = CliRunner().invoke(main, [*args, "--data-dir", str(self.data_dir)], env=env, input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def ok(self, *args: str) -> str:
        """What a command prints that must succeed and complain of nothing."""
        result = self.run(*args)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def json(self, *args: str) -> Any:
        """What a command prints as JSON, on one line."""
        printed = self.ok(*args, "--json")
        assert printed.count("\n") == 1
        return json.loads(printed)

    def fails(self, *args: str) -> str:
        """What a command complains of that must fail: one line, nothing printed, exit code 1."""
        result = self.run(*args)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("treadle: ")
        assert result.stderr.count("\n") == 1
        return result.stderr

    def process(self, *args: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as a process of its own."""
        command = [*TREADLE, *args, "--data-dir", str(self.data_dir)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
