"""Tokens, workspaces, endpoints, catalogs, and what an operator sees and stops."""

import asyncio
import hashlib
import json
import time
from pathlib import Path

import pytest
import uvloop

from tests.cli.running import UNKNOWN, Cli
from tests.store import things
from treadle import config
from treadle.app import operator
from treadle.model.entities import Statement
from treadle.model.states import CancelOutcome, Reason, Rung, StatementState
from treadle.store.base import Store

CATALOG_KEYS = {"id", "workspace_id", "instance_id", "name", "database", "data_path"}


def holds(folder: Path, word: str) -> list[Path]:
    """The files below that have the word in them."""
    return [p for p in folder.rglob("*") if p.is_file() and word.encode() in p.read_bytes()]


@pytest.fixture
def workspace_id(cli: Cli, request: pytest.FixtureRequest) -> str:
    """A workspace of the test's own."""
    return cli.ok("workspace", "create", "--project", "p", request.node.name).strip()


# -- tokens ------------------------------------------------------------------------------------


def test_a_token_is_made_each_time(cli: Cli) -> None:
    """Two calls for one user give two tokens of one project, as a process and as text too."""
    first = cli.json("token", "create", "--project", "p", "--user", "u")
    assert set(first) == {"token", "project_id"}
    done = cli.process("token", "create", "--project", "p", "--user", "u", "--role", "viewer", "--lifetime", "60")
    assert (done.returncode, done.stderr) == (0, "")
    words = done.stdout.split()
    assert words[::2] == ["token", "project_id"]
    assert words[3] == first["project_id"]
    assert words[1] != first["token"]
    assert min(len(words[1]), len(first["token"])) >= 43
    other = cli.json("token", "create", "--project", "other", "--user", "u")
    assert other["project_id"] != first["project_id"]


def test_no_token_is_stored(cli: Cli) -> None:
    """A token is in no file of the data folder, PostgreSQL's log of changes included, only its digest."""
    token = cli.json("token", "create", "--project", "p", "--user", "grep")["token"]
    assert holds(cli.data_dir, token) == []
    assert holds(cli.data_dir, "grep") != []
    digest = hashlib.sha256(token.encode()).digest()
    assert any(digest in p.read_bytes() or holds_hex(p, digest) for p in cli.data_dir.rglob("*") if p.is_file())


def holds_hex(path: Path, digest: bytes) -> bool:
    """Whether the file has the digest as text in it."""
    return digest.hex().encode() in path.read_bytes()


# -- workspaces, endpoints, catalogs -----------------------------------------------------------


def test_the_life_of_a_workspace(cli: Cli) -> None:
    """Made with its catalog `default`, listed, deleted with it; its name is taken meanwhile."""
    made = cli.json("workspace", "create", "--project", "life", "--description", "d", "w1")
    assert (made["name"], made["description"]) == ("w1", "d")
    assert made["create_user_name"] == "operator"
    assert made in cli.json("workspace", "list")
    assert f"{made['id']}  w1" in cli.ok("workspace", "list")
    (catalog,) = cli.json("catalog", "list", "--workspace", made["id"])
    assert (catalog["instance_id"], catalog["name"]) == ("default", "default")
    assert "w1" in cli.fails("workspace", "create", "--project", "life", "w1")
    assert cli.ok("workspace", "create", "--project", "another", "w1").strip() != made["id"]
    assert cli.ok("workspace", "delete", made["id"]) == ""
    assert made["id"] not in cli.ok("workspace", "list")
    assert cli.fails("workspace", "delete", made["id"]) == UNKNOWN
    assert not Path(catalog["data_path"]).exists()


def test_the_life_of_an_endpoint(cli: Cli, workspace_id: str) -> None:
    """Made with its limits, listed, deleted; a workspace that has one stays."""
    place = ("--workspace", workspace_id)
    made = cli.json("endpoint", "create", *place, "--max-sessions", "3", "e1")
    assert (made["name"], made["engine"], made["max_sessions"]) == ("e1", "duckdb", 3)
    assert made["max_statements"] == config.load().endpoint_statements
    assert cli.json("endpoint", "list", *place) == [made]
    assert cli.ok("endpoint", "list", *place).split() == [made["id"], "e1", "duckdb", "RUNNING"]
    assert "e1" in cli.fails("endpoint", "create", *place, "e1")
    assert "oracle" in cli.fails("endpoint", "create", *place, "--engine", "oracle", "e2")
    assert "endpoints" in cli.fails("workspace", "delete", workspace_id)
    assert cli.ok("endpoint", "delete", *place, made["id"]) == ""
    assert cli.json("endpoint", "list", *place) == []
    assert cli.ok("workspace", "delete", workspace_id) == ""


def test_the_life_of_a_catalog(cli: Cli, workspace_id: str) -> None:
    """Made in its instance, listed without its password, deleted with its data."""
    place = ("--workspace", workspace_id)
    made = cli.json("catalog", "create", *place, "--instance", "i1", "c1")
    assert set(made) == CATALOG_KEYS
    assert (made["instance_id"], made["name"], made["workspace_id"]) == ("i1", "c1", workspace_id)
    listed = cli.json("catalog", "list", *place)
    assert made in listed
    assert {one["name"] for one in listed} == {"default", "c1"}
    assert "i1" in cli.ok("catalog", "list", *place)
    assert "c1" in cli.fails("catalog", "create", *place, "--instance", "i1", "c1")
    assert "name" in cli.fails("catalog", "create", *place, "no spaces")
    assert cli.fails("catalog", "delete", *place, "c1") == UNKNOWN
    assert cli.ok("catalog", "delete", *place, "--instance", "i1", "c1") == ""
    assert cli.fails("catalog", "delete", *place, "--instance", "i1", "c1") == UNKNOWN


@pytest.mark.parametrize(
    "args",
    [
        ["workspace", "delete", "nope"],
        ["endpoint", "list", "--workspace", "nope"],
        ["endpoint", "create", "--workspace", "nope", "e"],
        ["endpoint", "delete", "--workspace", "nope", "e"],
        ["catalog", "list", "--workspace", "nope"],
        ["catalog", "create", "--workspace", "nope", "c"],
        ["catalog", "delete", "--workspace", "nope", "c"],
        ["cancel", "nope"],
    ],
)
def test_unknown_ids(cli: Cli, args: list[str]) -> None:
    """Whatever is unknown has one answer and exit code 1, with and without JSON."""
    assert cli.fails(*args) == UNKNOWN
    assert cli.fails(*args, "--json") == UNKNOWN


def test_unknown_ids_as_a_process(cli: Cli) -> None:
    """The shell sees the exit code and the line."""
    done = cli.process("cancel", "nope")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", UNKNOWN)


# -- what runs ---------------------------------------------------------------------------------


def queued_statement(data_dir: Path, workspace_id: str, **changes: object) -> Statement:
    """A statement that waits in a session without an owner."""

    async def work() -> Statement:
        async with operator(config.load(data_dir=data_dir)) as service:
            store = service.deps.store
            place = things.endpoint(workspace_id)
            assert await store.add_endpoint(place)
            session = things.session(place)
            await store.add_session(session)
            return await things.new_statement(store, session, **changes)

    return uvloop.run(work())


def test_nothing_runs(cli: Cli, workspace_id: str) -> None:
    """Where nothing runs the lists are empty."""
    for command in ("sessions", "statements"):
        assert cli.json(command, "--workspace", workspace_id) == []
        assert cli.ok(command, "--workspace", workspace_id) == ""
    assert cli.ok("endpoint", "list", "--workspace", workspace_id) == ""


@pytest.mark.parametrize(
    "args",
    [
        ["workspace", "list"],
        ["workspace", "delete", "w"],
        ["endpoint", "create", "--workspace", "w", "e"],
        ["endpoint", "list", "--workspace", "w"],
        ["endpoint", "delete", "--workspace", "w", "e"],
        ["catalog", "create", "--workspace", "w", "c"],
        ["catalog", "list", "--workspace", "w"],
        ["catalog", "delete", "--workspace", "w", "c"],
        ["sessions"],
        ["statements"],
        ["cancel", "s"],
        ["backup", "/nowhere/backup.tar.gz"],
    ],
)
def test_where_there_is_no_service(bare: Cli, args: list[str]) -> None:
    """A command that looks, or stops, or copies, makes no service where there is none, and says where it looked."""
    assert bare.fails(*args) == f"treadle: data_dir: there is no service data in {bare.data_dir}\n"
    assert not bare.data_dir.exists()


async def wanted(store: Store, statement_id: str) -> None:
    """Return when the statement is to be cancelled."""
    seen = None
    while seen is None or seen.cancel is None:
        seen = await store.statement(statement_id)


def test_a_stop_is_told_when_it_is_made(cli: Cli, workspace_id: str) -> None:
    """A cancel beside the service, where nobody wakes it, returns soon after the owner has written the end."""

    async def work() -> float:
        async with operator(config.load(data_dir=cli.data_dir)) as service:
            store = service.deps.store
            place = things.endpoint(workspace_id)
            assert await store.add_endpoint(place)
            session = things.session(place)
            await store.add_session(session)
            running = await things.new_running(store, session)
            stopping = asyncio.create_task(service.stop(running, "operator", Reason.OPERATOR))
            await wanted(store, running.id)
            end = things.ending(StatementState.CANCELLED, reason=Reason.OPERATOR, rung=Rung.INTERRUPTED)
            assert await store.finish(running.id, things.OWNER, end, [], things.at(1e9))
            written = time.monotonic()
            assert (await stopping).outcome is CancelOutcome.CANCELLED
            return time.monotonic() - written

    assert uvloop.run(work()) < 0.2


def test_see_it_and_stop_it(cli: Cli, workspace_id: str) -> None:
    """A waiting statement is listed, cancelled without having started, and a second cancel says so."""
    statement = queued_statement(cli.data_dir, workspace_id)
    (session,) = cli.json("sessions", "--workspace", workspace_id, "--status", "CREATING")
    assert session["id"] == statement.session_id
    assert cli.json("sessions", "--workspace", workspace_id, "--status", "FAIL") == []
    (listed,) = cli.json("statements", "--session", statement.session_id)
    assert (listed["id"], listed["state"]) == (statement.id, "queued")
    assert "SUBMITTED" in cli.ok("statements", "--workspace", workspace_id)

    first = cli.json("cancel", statement.id)
    assert set(first) == {"state", "outcome", "rung", "millis"}
    assert (first["state"], first["outcome"], first["rung"]) == ("CANCELED", "cancelled", "dequeued")
    assert first["millis"] < 2000
    assert cli.json("cancel", statement.id)["outcome"] == "already_cancelled"
    assert cli.ok("cancel", statement.id).startswith("already_cancelled (CANCELED, dequeued) after ")

    (ended,) = cli.json("statements", "--workspace", workspace_id, "--status", "CANCELED")
    assert (ended["ending"]["reason"], ended["ending"]["actor"]) == ("operator", "operator")
    assert "operator by operator" in cli.ok("statements", "--session", statement.session_id)


def test_long_statements_are_cut_in_the_list(cli: Cli, workspace_id: str) -> None:
    """A list shows the beginning of a long statement, on one line."""
    statement = queued_statement(cli.data_dir, workspace_id, content="SELECT\n1 -- " + "x" * 5000)
    (line,) = cli.ok("statements", "--session", statement.session_id).splitlines()
    assert "SELECT 1 -- xxx" in line
    assert len(line) < 200
    (listed,) = cli.json("statements", "--session", statement.session_id)
    assert len(listed["content"]) == config.load().record_chars


def test_the_newest_come_first_up_to_the_limit(cli: Cli, workspace_id: str) -> None:
    """`--limit` shows the newest."""
    made = [queued_statement(cli.data_dir, workspace_id, created_at=things.at(n)) for n in range(3)]
    listed = cli.json("statements", "--workspace", workspace_id, "--limit", "2")
    assert [one["id"] for one in listed] == [made[2].id, made[1].id]


def test_a_server_that_was_not_running_is_stopped_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A command without a service starts the private PostgreSQL for itself, keeps its work, and leaves none running."""
    cli = Cli(tmp_path_factory.mktemp("alone") / "data")
    done = cli.process("workspace", "create", "--project", "p", "--json", "kept")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (cli.data_dir / "postgres" / "postmaster.pid").exists()
    assert json.loads(done.stdout) in cli.json("workspace", "list")
    assert not (cli.data_dir / "postgres" / "postmaster.pid").exists()
    assert cli.data_dir.stat().st_mode & 0o077 & ~0o001 == 0
