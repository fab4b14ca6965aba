"""Settings: who wins, what is refused, what is never shown."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.running import TREADLE, Cli
from treadle import config
from treadle.app import sole_owner
from treadle.cli import main

SECRET = "s3cret-pass"
URL = f"postgresql://treadle:{SECRET}@127.0.0.1:1/treadle"


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    """A settings file."""
    path = tmp_path / "treadle.toml"
    path.write_text('port = 1111\npage_rows = 11\nwarm_workers = 5\nmax_body = "3MiB"\nhost = "file"\n')
    return path


# -- precedence --------------------------------------------------------------------------------


def test_who_wins(bare: Cli, toml: Path) -> None:
    """The environment beats the file, the file beats the default; sizes may carry a unit."""
    env = {"TREADLE_PAGE_ROWS": "22", "TREADLE_HOST": "env"}
    result = bare.run("config", "--config", str(toml), env=env)
    shown = result.stdout.splitlines()
    assert result.exit_code == 0
    for line in ("page_rows = 22", 'host = "env"', "warm_workers = 5", "port = 1111", "session_timeout = 600"):
        assert line in shown
    assert f"max_body = {3 * 2**20}" in shown


def test_the_command_line_wins_over_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag beats the environment, the file and the default, for every setting that has one."""
    toml = tmp_path / "t.toml"
    toml.write_text('data_dir = "/from/file"\nport = 1\n')

    def shown(*args: str) -> str:
        return CliRunner().invoke(main, ["config", "--config", str(toml), *args]).stdout.splitlines()[0]

    assert shown() == 'data_dir = "/from/file"'
    monkeypatch.setenv("TREADLE_DATA_DIR", "/from/env")
    assert shown() == 'data_dir = "/from/env"'
    assert shown("--data-dir", "/from/flag") == 'data_dir = "/from/flag"'
    monkeypatch.setenv("TREADLE_PORT", "2")
    assert config.load(toml, port=None).port == 2
    assert config.load(toml, port=3).port == 3
    assert config.load(toml, port=0).port == 0


def test_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without anything the documented defaults hold, and the data folder is absolute."""
    monkeypatch.chdir(tmp_path)
    settings = config.load()
    assert settings.data_dir == tmp_path / "treadle-data"
    assert (settings.cancel_grace, settings.cancel_timeout) == (2.0, 30.0)
    assert (settings.sync_wait, settings.page_rows) == (50.0, 1000)
    assert (settings.result_ttl, settings.record_ttl) == (86400.0, 30 * 86400.0)


def test_every_setting_can_come_from_the_environment(bare: Cli) -> None:
    """`copy_dirs`, the only list, is a JSON array there."""
    result = bare.run("config", env={"TREADLE_COPY_DIRS": '["/a", "/b"]', "TREADLE_LOG_SQL": "true"})
    assert 'copy_dirs = ["/a","/b"]' in result.stdout
    assert "log_sql = true" in result.stdout


def test_settings_do_not_change() -> None:
    """The value is frozen."""
    with pytest.raises(ValueError, match="frozen"):
        config.load().port = 1  # type: ignore[misc]


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "x"),
        ("port", "65536"),
        ("page_rows", "0"),
        ("cancel_grace", "0"),
        ("cancel_timeout", "-1"),
        ("warm_workers", "-1"),
        ("session_timeout", "86401"),
        ("max_body", "much"),
        ("log_level", "loud"),
        ("copy_dirs", "/not/json"),
    ],
)
def test_a_wrong_value_is_named(bare: Cli, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A setting that makes no sense is refused in one line with its name, exit code 1."""
    monkeypatch.setenv(f"TREADLE_{name.upper()}", value)
    assert name in bare.fails("config")


def test_all_wrong_values_are_named_at_once(bare: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mistakes are told together."""
    monkeypatch.setenv("TREADLE_PORT", "x")
    monkeypatch.setenv("TREADLE_PAGE_ROWS", "0")
    said = bare.fails("config")
    assert "port" in said
    assert "page_rows" in said


@pytest.mark.parametrize(("text", "named"), [("prot = 1\n", "prot"), ("port = 'x'\n", "port"), ("port = [\n", "toml")])
def test_a_wrong_file(bare: Cli, tmp_path: Path, text: str, named: str) -> None:
    """An unknown name, a wrong value and a file that is no TOML are refused in one line that says where."""
    toml = tmp_path / "wrong.toml"
    toml.write_text(text)
    assert named in bare.fails("config", "--config", str(toml))


def test_no_such_file(bare: Cli, tmp_path: Path) -> None:
    """A configuration file that is not there is an error, not an empty one; a folder is none."""
    for path in (tmp_path / "none.toml", tmp_path):
        assert str(path) in bare.fails("config", "--config", str(path))


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["workspace", "create", "name"],
        ["token", "create", "--project", "p"],
        ["token", "create", "--project", "p", "--user", "u", "--role", "king"],
        ["token", "create", "--project", "p", "--user", "u", "--lifetime", "0"],
        ["endpoint", "create", "--workspace", "w", "--max-sessions", "0", "n"],
        ["sessions", "--status", "SLEEPING"],
        ["statements", "--limit", "0"],
        ["cancel"],
        ["serve", "--port", "many"],
    ],
)
def test_wrong_usage(args: list[str]) -> None:
    """Wrong usage is exit code 2 with a hint, before anything is started."""
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


# -- secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_config_shows_no_secret(bare: Cli, flags: list[str]) -> None:
    """The database's URL is masked, with its password in it."""
    result = bare.run("config", *flags, env={"TREADLE_DATABASE_URL": URL})
    assert result.exit_code == 0
    assert "***" in result.stdout
    assert SECRET not in result.output
    assert SECRET not in repr(config.load(database_url=URL))


def test_an_error_shows_no_secret(bare: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a database that does not answer nor a wrong setting beside it brings the password out."""
    monkeypatch.setenv("TREADLE_DATABASE_URL", URL)
    assert SECRET not in bare.fails("workspace", "list")
    monkeypatch.setenv("TREADLE_PORT", "x")
    assert SECRET not in bare.fails("config")
    toml = tmp_path / "typo.toml"
    toml.write_text(f'databaseurl = "{URL}"\n')
    assert SECRET not in bare.fails("config", "--config", str(toml))


# -- serve that cannot -------------------------------------------------------------------------


def test_a_data_folder_has_one_service(bare: Cli) -> None:
    """A second service on the folder is refused before it touches anything."""
    with sole_owner(bare.data_dir):
        before = sorted(bare.data_dir.iterdir())
        done = bare.process("serve", "--port", "0")
        assert done.returncode == 1
        assert f"data_dir: another service runs on {bare.data_dir}" in done.stderr
        assert done.stdout == ""
        assert sorted(bare.data_dir.iterdir()) == before


def test_a_taken_port(bare: Cli) -> None:
    """A port that is taken is refused by name, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = bare.fails("serve", "--port", str(port))
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert not (bare.data_dir / "postgres").exists()


def test_a_data_folder_that_cannot_be(tmp_path: Path) -> None:
    """A data folder below a file is one line and exit code 1."""
    (tmp_path / "file").write_text("")
    for command in (["serve", "--port", "0"], ["workspace", "list"]):
        assert "file" in Cli(tmp_path / "file" / "data").fails(*command)


def test_help_and_version() -> None:
    """Every command explains itself, also as a process."""
    done = subprocess.run([*TREADLE, "--version"], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert done.stdout.startswith("treadle, version ")
    listed = CliRunner().invoke(main, ["--help"]).stdout
    for name in main.commands:
        assert name in listed
        explained = CliRunner().invoke(main, [name, "--help"])
        assert explained.exit_code == 0
        assert "Usage: " in explained.stdout
