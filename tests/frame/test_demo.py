import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.frame.conftest import SCALE, Running
from tests.support.world import until
from treadle.demo.client import Api, ApiError, ColumnReply, ResultReply, ResultSet, Session, StatementFailed
from treadle.demo.generate import write_tpch
from treadle.demo.processes import cpu_percent, cpu_seconds, descendants, proportional_bytes
from treadle.demo.show import show, table
from treadle.demo.tables import TABLES
from treadle.demo.workspace import Demo, instructions, prepare, save, saved_token

ROOT = Path(__file__).parents[2]


@contextmanager
def opened(running: Running) -> Iterator[Session]:
    """A session on the demo endpoint."""
    demo = running.demo
    with Api(demo.url, demo.token) as api, api.open_session(demo.workspace_id, demo.endpoint_id) as session:
        yield session


def test_the_tables_of_tpch_are_there(running: Running) -> None:
    """The demo workspace has the eight tables with the rows TPC-H has at that scale."""
    with opened(running) as session:
        counts = {name: session.run(f"SELECT count(*) FROM {name}").rows[0][0] for name in TABLES}
    assert counts["region"] == "5"
    assert counts["nation"] == "25"
    assert counts["orders"] == "15000"
    assert counts["lineitem"] == "60175"


def test_a_fresh_demo_has_no_failures_in_its_history(running: Running) -> None:
    """What it asks to find out is answered, not refused: nothing a newcomer would take for an error."""
    with Api(running.demo.url, running.demo.token) as api:
        base = f"/v1/workspaces/{running.demo.workspace_id}/statement-records?limit=100"
        records = api.get(dict[str, Any], base)["records"]
        made = [one for one in records if "tpch/" in one["statement_content"]]
    assert len(made) == len(TABLES)
    first = max(at for at, one in enumerate(records) if one in made)
    assert {one["status"] for one in records[first:]} == {"SUCCESSFUL"}


@pytest.mark.parametrize("name", ["cancel.py", "sdk.py"])
def test_the_example_explains_itself(name: str) -> None:
    """`--help` is an answer, and no traceback."""
    example = [sys.executable, str(ROOT / "examples" / name)]
    explained = subprocess.run([*example, "--help"], capture_output=True, text=True, check=True)
    assert "demo.json" in explained.stdout
    wrong = subprocess.run(example, capture_output=True, text=True, check=False)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)


def test_the_instructions_say_where_the_page_is(running: Running) -> None:
    """The page of the API, which answers."""
    assert f"{running.demo.url}/docs\n" in instructions(running.demo, running.service.data_dir)
    with urlopen(f"{running.demo.url}/docs") as answer:
        assert answer.status == 200


def test_the_files_are_removed_after_loading(running: Running) -> None:
    """Nothing of the generated files stays in the workspace's files folder."""
    assert list((running.service.data_dir / "files" / running.demo.workspace_id).glob("**/*.parquet")) == []


def test_preparing_again_reuses_what_is_there(running: Running) -> None:
    """A second run makes no workspace, no endpoint and no data."""
    said: list[str] = []
    again = prepare(running.demo.url, running.demo.token, running.service.data_dir, SCALE, said.append)
    assert again == running.demo
    assert len(said) == 1
    assert any("making TPC-H" in line for line in running.said)


def test_the_saved_token_is_used_again(running: Running, tmp_path: Path) -> None:
    """The saved token is taken while the service takes it, and is for its owner's eyes only."""
    assert saved_token(running.demo.url, running.service.data_dir) == running.demo.token
    assert stat.S_IMODE((running.service.data_dir / "demo.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((running.service.data_dir / "demo.env").stat().st_mode) == 0o600
    assert saved_token(running.demo.url, tmp_path) is None
    stale = Demo(url=running.demo.url, token="no-such-token", workspace_id="w", endpoint_id="e")
    save(stale, tmp_path)
    assert saved_token(running.demo.url, tmp_path) is None


@pytest.mark.slow
def test_the_demo_stops_what_it_starts(running: Running) -> None:
    """The demo asks, cancels a heavy statement by interrupt and a deaf one by kill, and sees the work stop."""
    said: list[str] = []
    show(running.demo, running.service.pid, said.append)
    told = "\n".join(said)
    assert "cancelled, interrupted" in told
    assert "cancelled, killed" in told
    assert "is gone" in told
    assert "the session: FAIL" in told


def test_a_statement_that_fails_says_why(running: Running) -> None:
    """The client raises the SQLSTATE and the message of a statement that failed."""
    with opened(running) as session, pytest.raises(StatementFailed, match="nowhere") as failed:
        session.run("SELECT * FROM nowhere")
    assert failed.value.sql_state == "42P01"


def test_a_refused_request_says_why(running: Running) -> None:
    """The client raises the HTTP status of a request that was refused."""
    with Api(running.demo.url, "no-such-token") as api, pytest.raises(ApiError) as refused:
        api.ensure_workspace("demo")
    assert refused.value.status == 401


@pytest.mark.slow
def test_the_example_runs_as_it_is_written(running: Running) -> None:
    """examples/cancel.py cancels its statement against a real service."""
    command = [sys.executable, str(ROOT / "examples/cancel.py"), str(running.service.data_dir / "demo.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cancelled by interrupted" in done.stdout


@pytest.mark.slow
def test_the_example_of_the_sdk_runs_as_it_is_written(running: Running) -> None:
    """The commands of examples/sdk.py, which are those of the README, make a user with a key, read pages and cancel."""
    lines = [line[4:] for line in (ROOT / "examples/sdk.py").read_text().splitlines() if line.startswith("    ")]
    commands = list(takewhile(lambda line: line[:1] in ".(", lines))
    assert "\n".join(commands) + "\n" in (ROOT / "README.md").read_text()
    place = running.service.data_dir.parent
    (place / "examples").symlink_to(ROOT / "examples")
    for environment in (".venv", ".venv-sdk"):
        (place / environment).symlink_to(sys.prefix)
    installed = [line for line in commands if "-m venv" not in line and "pip install" not in line]
    assert len(installed) == len(commands) - 2 == 3
    script = "set -euo pipefail\n" + "\n".join(installed)
    done = subprocess.run(["bash", "-c", script], cwd=place, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == [
        "2500 rows",
        "running",
        "canceling statement due to user request: canceled by sdk",
    ]
    assert stat.S_IMODE((running.service.data_dir / "key.json").stat().st_mode) == 0o600


def test_the_generator_writes_every_table(tmp_path: Path) -> None:
    """Each table becomes one file, whatever the number of steps, and the scratch database goes away."""
    said: list[str] = []
    write_tpch(tmp_path / "tpch", 0.001, said.append)
    assert sorted(file.name for file in (tmp_path / "tpch").iterdir()) == sorted(f"{name}.parquet" for name in TABLES)
    assert said[0] == "generated 100%"


def test_rows_are_shown_in_columns() -> None:
    """A result becomes text with a head, a rule and one line a row; NULL is written out."""
    columns = [ColumnReply("flag", 25), ColumnReply("items", 20)]
    result = ResultReply("PGRES_TUPLES_OK", "q", 2, 1, result_set=ResultSet(columns, [["A", "14876"], [None, "1"]]))
    assert table(result).splitlines() == ["  flag  items", "  ----  -----", "  A     14876", "  NULL  1"]


def test_the_instructions_can_be_copied() -> None:
    """What is printed has the real address, token and ids in it."""
    demo = Demo(url="http://127.0.0.1:1", token="t0k3n", workspace_id="w1", endpoint_id="e1")
    told = instructions(demo, Path("/data"))
    assert "curl -X POST http://127.0.0.1:1/v1/workspaces/w1/sessions -H 'X-Auth-Token: t0k3n'" in told
    assert '"endpoint_id":"e1"' in told
    assert "`.venv/bin/treadle token list`" in told


def test_processor_time_tells_who_works() -> None:
    """A child that spins is seen among the descendants as the one that works; a dead one has no time."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            assert child.pid in descendants(os.getpid())
            until(lambda: cpu_percent({child.pid}, 0.5)[child.pid] > 10, "it is seen to work")
            assert proportional_bytes(child.pid) > 1_000_000
        finally:
            child.kill()
    assert cpu_seconds(child.pid) is None
    assert cpu_percent({child.pid}, 0.01) == {}
    assert proportional_bytes(child.pid) == 0
