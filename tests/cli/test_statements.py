"""What an operator sees of statements, and stops: by the id the API shows."""

import asyncio
import fcntl
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvloop

from tests.cli.running import TREADLE, Cli
from tests.store import things
from treadle import config
from treadle.app import operator
from treadle.model.entities import Part, Statement
from treadle.model.states import CancelOutcome, PartStatus, Reason, Rung, StatementState
from treadle.store.base import Store


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


async def wanted(store: Store, statement_id: str) -> None:
    """Return when the statement is to be cancelled."""
    seen = None
    while seen is None or seen.cancel is None:
        seen = await store.statement(statement_id)


@pytest.mark.alone
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
    assert (listed["statement_id"], listed["state"]) == (statement.id, "queued")
    assert listed["status"] == "SUBMITTED"
    assert "SUBMITTED" in cli.ok("statements", "--workspace", workspace_id)

    first = cli.json("cancel", statement.id)
    assert set(first) == {"statement_id", "state", "outcome", "rung", "millis"}
    assert first["statement_id"] == statement.id
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
    headings, line = cli.ok("statements", "--session", statement.session_id).splitlines()
    assert headings.split() == [
        "STATEMENT",
        "STATUS",
        "USER",
        "ENDPOINT",
        "SUBMITTED",
        "AGE",
        "DURATION",
        "ENDED",
        "SQL",
    ]
    assert "SELECT 1 -- xxx" in line
    assert len(line) < 200
    (listed,) = cli.json("statements", "--session", statement.session_id)
    assert len(listed["content"]) == config.load().record_chars


def test_the_newest_come_first_up_to_the_limit(cli: Cli, workspace_id: str) -> None:
    """`--limit` shows the newest."""
    made = [queued_statement(cli.data_dir, workspace_id, created_at=things.at(n)) for n in range(3)]
    listed = cli.json("statements", "--workspace", workspace_id, "--limit", "2")
    assert [one["id"] for one in listed] == [made[2].id, made[1].id]


def test_they_are_found_by_user_tag_and_time(cli: Cli, workspace_id: str) -> None:
    """Each filter by itself; a line tells whose it is, on which endpoint, and how old it is."""
    now = datetime.now(UTC)
    ann = queued_statement(cli.data_dir, workspace_id, tags=("nightly", "eu"), created_at=now)
    bob = queued_statement(cli.data_dir, workspace_id, user_name="bob", created_at=now - timedelta(days=3))
    here = ("statements", "--workspace", workspace_id)

    def found(*filters: str) -> list[str]:
        return [one["statement_id"] for one in cli.json(*here, *filters)]

    assert found() == [ann.id, bob.id]
    assert found("--user", "bob") == [bob.id]
    assert found("--tag", "eu") == found("--since", "1h") == found("--tag", "nightly", "--user", "ann") == [ann.id]
    assert found("--tag", "eu", "--user", "bob") == found("--user", "carl") == []
    headings, first, second = cli.ok(*here).splitlines()
    assert [headings.index(word) for word in ("USER", "AGE")] == [first.index(" ann ") + 1, second.index(" 3d ") + 1]
    place = cli.json(*here)[0]["endpoint_name"]
    assert place
    assert first.index(f" {place} ") + 1 == headings.index("ENDPOINT")

    sessions = ("sessions", "--workspace", workspace_id)
    assert {one["endpoint_name"] for one in cli.json(*sessions)} >= {place}
    assert (
        cli.json(*sessions, "--user", "nobody") == cli.json(*sessions, "--since", "2020-01-01", "--user", "bob") == []
    )
    assert len(cli.json(*sessions, "--user", "ann")) == 2
    assert cli.ok(*sessions).splitlines()[0].split() == [
        "SESSION",
        "STATUS",
        "USER",
        "ENDPOINT",
        "OPENED",
        "AGE",
        "DURATION",
        "MESSAGE",
    ]


def test_many_are_stopped_at_once_for_a_reason(cli: Cli, workspace_id: str) -> None:
    """By tag and by user; a dry run stops nothing, and the record has the reason in words."""
    ann = queued_statement(cli.data_dir, workspace_id, tags=("nightly",))
    bob = queued_statement(cli.data_dir, workspace_id, tags=("nightly",), user_name="bob")
    place = ("--workspace", workspace_id)
    (planned,) = cli.json("cancel", *place, "--tag", "nightly", "--user", "bob", "--dry-run")
    assert (planned["statement_id"], planned["outcome"]) == (bob.id, "would_cancel")
    (stopped,) = cli.json("cancel", *place, "--tag", "nightly", "--user", "bob", "--reason", "wrong\nmonth")
    assert (stopped["statement_id"], stopped["outcome"], stopped["rung"]) == (bob.id, "cancelled", "dequeued")
    shown = {one["statement_id"]: one for one in cli.json("statements", *place)}
    assert shown[ann.id]["state"] == "queued"
    ending = shown[bob.id]["ending"]
    assert (ending["reason"], ending["actor"], ending["detail"]) == ("operator", "operator", "wrong month")
    headings, line = cli.ok("cancel", *place, "--session", ann.session_id).splitlines()
    assert headings.split() == ["STATEMENT", "OUTCOME", "STATUS", "RUNG", "MILLIS"]
    assert line.split()[:4] == [ann.id, "cancelled", "CANCELED", "dequeued"]
    assert cli.ok("cancel", *place) == ""
    entry = cli.json("audit", *place, "--action", "cancelStatement")[-1]
    assert (entry["resource"], entry["detail"]) == (f"statement:{bob.id}", "wrong month")


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["s1", "--user", "ann"],
        ["s1", "--tag", "t"],
        ["s1", "--dry-run"],
        ["s1", "--reason", " "],
        ["s1", "--reason", "x" * 513],
    ],
)
def test_a_cancel_that_says_too_little_or_too_much(cli: Cli, args: list[str]) -> None:
    """It is wrong usage, and stops nothing."""
    assert cli.run("cancel", *args).exit_code == 2


def test_a_list_may_be_watched(cli: Cli, workspace_id: str) -> None:
    """Look after look until it is interrupted, which is no failure."""
    queued_statement(cli.data_dir, workspace_id)
    command = [*TREADLE, "statements", "--workspace", workspace_id, "--watch", "0.1", "--json"]
    process = subprocess.Popen(
        [*command, "--data-dir", str(cli.data_dir)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    looks = [process.stdout.readline() for _ in range(3)]
    assert len(set(looks)) == 1
    assert looks[0].startswith("[{")
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, "")


# -- ids of the caller's own, and of parts -----------------------------------------------------


def running_script(data_dir: Path, workspace_id: str) -> Statement:
    """A script that runs, so the store says, of which one part has ended."""

    async def work() -> Statement:
        async with operator(config.load(data_dir=data_dir)) as service:
            store = service.deps.store
            place = things.endpoint(workspace_id)
            assert await store.add_endpoint(place)
            session = things.session(place)
            await store.add_session(session)
            running = await things.new_running(store, session, chosen_id="nightly")
            part = Part(number=1, status=PartStatus.COMMAND_OK, message="INSERT 0 1")
            assert await store.add_parts(running.id, things.OWNER, [part])
            return running

    return uvloop.run(work())


def test_a_chosen_id_is_what_is_shown_and_taken(cli: Cli, workspace_id: str) -> None:
    """The id its caller chose stands in the list and stops the statement; the hidden one does too."""
    statement = queued_statement(cli.data_dir, workspace_id, chosen_id="report-2026")
    (listed,) = cli.json("statements", "--workspace", workspace_id, "--statement", "report-2026")
    assert listed["statement_id"] == "report-2026"
    assert cli.ok("statements", "--workspace", workspace_id).splitlines()[1].split()[0] == "report-2026"
    assert cli.json("statements", "--workspace", workspace_id, "--statement", "another") == []
    first = cli.json("cancel", "report-2026")
    assert (first["statement_id"], first["outcome"]) == ("report-2026", "cancelled")
    assert cli.json("cancel", statement.id)["outcome"] == "already_cancelled"


def test_an_id_in_several_workspaces_asks_for_one(cli: Cli, workspace_id: str) -> None:
    """Nothing is stopped by a guess: the workspaces are told, and one of them does."""
    other = cli.ok("workspace", "create", "--project", "p", "second-home").strip()
    for place in (workspace_id, other):
        queued_statement(cli.data_dir, place, chosen_id="twice")
    said = cli.fails("cancel", "twice")
    assert "--workspace" in said
    assert workspace_id in said
    assert other in said
    assert cli.json("cancel", "twice", "--workspace", other)["outcome"] == "cancelled"
    assert cli.json("statements", "--workspace", workspace_id)[0]["status"] == "SUBMITTED"


def test_an_unknown_statement(cli: Cli, workspace_id: str) -> None:
    """Unknown everywhere, or in the workspace that is named: one answer, exit code 1."""
    statement = queued_statement(cli.data_dir, workspace_id)
    other = cli.ok("workspace", "create", "--project", "p", "elsewhere").strip()
    assert cli.fails("cancel", "nope") == "treadle: no such statement: nope\n"
    assert cli.fails("cancel", "nope_2", "--json") == "treadle: no such statement: nope_2\n"
    assert cli.fails("cancel", statement.id, "--workspace", other) == f"treadle: no such statement: {statement.id}\n"
    assert cli.fails("statements", "--session", "nope") == "treadle: no such session: nope\n"
    done = cli.process("cancel", "nope")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "treadle: no such statement: nope\n")


def test_parts_and_no_service(cli: Cli, workspace_id: str) -> None:
    """A part that has ended stays as it is, the next one stands for its script; without a service the stop waits."""
    running = running_script(cli.data_dir, workspace_id)
    assert cli.json("cancel", "nightly_1")["outcome"] == "already_succeeded"
    began = time.monotonic()
    said = cli.fails("cancel", "nightly_2")
    assert said == f"treadle: no service runs on {cli.data_dir}: what was asked is done when it starts\n"
    assert time.monotonic() - began < 10
    (listed,) = cli.json("statements", "--workspace", workspace_id)
    assert (listed["id"], listed["status"]) == (running.id, "RUNNING")
    assert listed["cancel"]["reason"] == "operator"


@pytest.fixture
def served(cli: Cli) -> Iterator[None]:
    """The data folder is held, as by a service."""
    with (cli.data_dir / "serve.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("served")
def test_a_service_that_takes_long_is_waited_for(cli: Cli, workspace_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a service holds the folder the answer waits for it, up to ``cancel_timeout``."""
    monkeypatch.setenv("TREADLE_CANCEL_TIMEOUT", "2")
    running_script(cli.data_dir, workspace_id)
    assert "could not be proven within 2 s" in cli.fails("cancel", "nightly", "--workspace", workspace_id)


def test_a_reader_that_has_seen_enough(cli: Cli) -> None:
    """`treadle ... | head` complains of nothing."""
    listing = [*TREADLE, "config", "--data-dir", str(cli.data_dir)]
    done = subprocess.run(
        f"{shlex.join(listing)} | true", shell=True, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
