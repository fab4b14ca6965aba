"""Settings: who wins, what is refused, what is never shown."""

import os
import pkgutil
import re
import resource
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import treadle.cli
from tests.cli.running import TREADLE, Cli
from treadle import config
from treadle.cli import MODULES, main
from treadle.data_folder import sole_owner

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
    ("name", "value", "said"),
    [
        ("port", "x", "must be an integer"),
        ("port", "1.5", "must be an integer"),
        ("port", "65536", "must be at most 65535"),
        ("page_rows", "0", "must be at least 1"),
        ("cancel_grace", "0", "must be greater than 0"),
        ("cancel_grace", "soon", "must be a number"),
        ("cancel_timeout", "-1", "must be greater than 0"),
        ("warm_workers", "-1", "must be at least 0"),
        ("session_timeout", "86401", "must be at most 86400"),
        ("max_body", "much", "must be a size in bytes, or with a unit, such as 512MiB"),
        ("max_body", "5 miles", "must be a size in bytes, or with a unit, such as 512MiB"),
        ("log_level", "loud", "must be 'debug', 'info', 'warning' or 'error'"),
        ("log_sql", "perhaps", "must be true or false"),
    ],
)
def test_a_wrong_value_is_named(bare: Cli, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    """With its setting, its variable and what is allowed, in one line and with exit code 1."""
    monkeypatch.setenv(f"TREADLE_{name.upper()}", value)
    assert bare.fails("config") == f"treadle: {name} = {value} (TREADLE_{name.upper()}): {said}\n"


def test_a_wrong_list_or_option_or_file_is_named(bare: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By where it comes from; a value that may hold a password is not shown."""
    assert bare.fails("serve", "--port", "65536") == "treadle: port = 65536 (--port): must be at most 65535\n"
    toml = tmp_path / "wrong.toml"
    toml.write_text("port = 'x'\ndatabase_url = 7\n")
    assert bare.fails("config", "--config", str(toml)) == (
        f"treadle: port = x ({toml}): must be an integer; database_url ({toml}): must be a valid string\n"
    )
    monkeypatch.setenv("TREADLE_COPY_DIRS", "/not/json")
    assert bare.fails("config") == "treadle: copy_dirs (TREADLE_COPY_DIRS): must be JSON\n"


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1\n", "prot is no setting; did you mean port?"),
        ("statement_timeuot = 1\n", "statement_timeuot is no setting; did you mean statement_timeout?"),
        ("zzzzqqqq = 1\n", "zzzzqqqq is no setting"),
        (
            "[dpu_specs.big]\nmemory = '1GiB'\nthread = 1\nthreads = 1\n",
            "dpu_specs.big.thread is no setting; did you mean threads?",
        ),
        ("[engines.mine]\nknid = 'duckdb'\n", "engines.mine.knid is no setting; did you mean kind?"),
    ],
)
def test_a_key_that_is_no_setting(bare: Cli, tmp_path: Path, text: str, said: str) -> None:
    """The file, the key and the nearest name, in one line of our own."""
    toml = tmp_path / "wrong.toml"
    toml.write_text(text)
    assert bare.fails("config", "--config", str(toml)) == f"treadle: {toml}: {said}\n"


@pytest.mark.parametrize(
    "name", ["TREADLE_STATEMENT_TIMEUOT", "treadle_statement_timeuot", "TREADLE_MAX_STATEMENT_TIMEOUTS"]
)
def test_a_variable_that_is_no_setting(bare: Cli, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It stops the start: whoever wrote it believes that a limit holds."""
    monkeypatch.setenv(name, "5")
    meant = "TREADLE_STATEMENT_TIMEOUT" if "UOT" in name.upper() else "TREADLE_MAX_STATEMENT_TIMEOUT"
    for command in (["serve", "--port", "0"], ["config"]):
        said = f"treadle: {name} in the environment is no setting; did you mean {meant}?\n"
        assert bare.run(*command).stderr == said


def test_the_variables_of_the_scripts_are_no_mistakes(bare: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the scripts and the tests read are left alone, as settings in any case of their names are."""
    root = Path(__file__).parents[2]
    texts = [path.read_text() for path in (root / "scripts").iterdir() if path.is_file()]
    names = {name for text in texts for name in re.findall(r"\bTREADLE_[A-Z_]+[A-Z]\b", text)}
    assert {"TREADLE_VENV", "TREADLE_PYTHON", "TREADLE_DEMO_SCALE"} <= names
    for name in names - {f"TREADLE_{field.upper()}" for field in config.Settings.model_fields}:
        monkeypatch.setenv(name, "5")
    monkeypatch.setenv("treadle_page_rows", "77")
    assert "page_rows = 77" in bare.ok("config")


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
    for name, (_, about) in MODULES.items():
        assert f"{name} " in listed
        assert about in listed
        explained = CliRunner().invoke(main, [name, "--help"])
        assert explained.exit_code == 0
        assert "Usage: " in explained.stdout


def test_the_help_has_every_command_in_its_own_words() -> None:
    """The table from which the help is made says what the commands themselves say, and leaves none out."""
    context = click.Context(main)
    for name, (module, about) in MODULES.items():
        found = main.get_command(context, name)
        assert found is not None
        assert found.get_short_help_str(limit=200) == about
        assert found in import_module(f"treadle.cli.{module}").COMMANDS
    files = [one.name for one in pkgutil.iter_modules(treadle.cli.__path__)]
    made = [one for file in files for one in getattr(import_module(f"treadle.cli.{file}"), "COMMANDS", ())]
    assert sorted(str(one.name) for one in made) == sorted(MODULES)


def processor_seconds(*command: str) -> float:
    """The least of what a command takes of processors, started five times."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(5))


@pytest.mark.alone
@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_the_help_comes_at_once(arguments: tuple[str, ...]) -> None:
    """It takes a few times as long as an interpreter that does nothing, and loads nothing that works."""
    assert processor_seconds(*TREADLE, *arguments) < 8 * processor_seconds(sys.executable, "-c", "pass")
    program = "import sys, treadle.cli as cli; cli.main(['--help'], standalone_mode=False); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert {"pydantic", "uvloop", "asyncpg", "pyarrow", "treadle.app", "treadle.cli.common"}.isdisjoint(loaded)
