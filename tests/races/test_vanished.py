"""R17: a client dies in a synchronous call. Its statement runs on, or is cancelled where it asked for that (C16)."""

import json
import random
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.races import sender
from tests.races.lanes import Lane, lanes
from tests.races.trials import Tally, spread
from tests.support.world import World, spent, until

ENDLESS = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"
POLICY = "on_disconnect"


class Client:
    """A process that has sent a synchronous submit, and can be killed."""

    def __init__(self, lane: Lane, sql: str, **fields: str) -> None:
        target = urlsplit(lane.session.api.base_url)
        body = json.dumps({"session_id": lane.session.id, "statement": sql, "is_sync": True, **fields})
        self.request_id = uuid.uuid4().hex
        head = (
            f"POST {lane.world.base}/sessions/statements HTTP/1.1\r\nHost: {target.netloc}\r\n"
            f"X-Auth-Token: {lane.world.token}\r\nX-Request-Id: {self.request_id}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        command = [sys.executable, "-I", "-S", str(Path(sender.__file__)), str(target.hostname), str(target.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write((head + body).encode())
        self._process.stdin.close()
        assert self._process.stdout.readline() == b"sent\n"

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def listed(lane: Lane) -> dict[str, Any]:
    """The newest statement of the lane's session, and how many there are."""
    path = f"{lane.world.base}/sessions/{lane.session.id}/statements"
    return lane.session.api.get(dict[str, Any], path, limit=1)


def unread(lane: Lane, client: Client) -> bool:
    """Whether the client was gone before the service had read its request: the access log says 499."""
    return any(
        e["event"] == "request" and e["request_id"] == client.request_id and e["status"] == 499
        for e in lane.world.log()
    )


def ended(lane: Lane, client: Client, before: int) -> dict[str, Any] | None:
    """The record of what the client submitted, once it has ended; None when its request was never read.

    ``before`` is how many statements its session had.
    """

    def found() -> dict[str, Any] | None:
        newest = listed(lane)
        if newest["total"] == before:
            return None
        assert newest["total"] == before + 1
        record: dict[str, Any] = lane.record(newest["records"][0]["statement_id"])
        return None if record["status"] in ("RUNNING", "SUBMITTED") else record

    patience = time.monotonic() + 1.0
    while (record := found()) is None and time.monotonic() < patience:
        time.sleep(0.005)
    if record is None and listed(lane)["total"] == before:
        until(lambda: listed(lane)["total"] > before or unread(lane, client), "the request is read, or is not")
        if listed(lane)["total"] == before:
            return None
    return record or until(found, "the statement has ended")


@pytest.mark.race("R17a", "client killed in a synchronous call, default policy", small=24)
def test_a_statement_outlives_its_client(duck: World, tally: Tally) -> None:
    """The statement of a killed client runs to its end, once; its record says so and the session goes on."""
    with lanes(duck) as made:
        made[0].session.run("CREATE TABLE outlived (n int, rows int)")
        chance = [random.Random(lane.number) for lane in made]
        written: list[int] = []

        def trial(lane: Lane, n: int) -> None:
            slow = "SELECT count(*) FROM range(4000000) t(i) WHERE hash(i) % 7 = 3"
            before = listed(lane)["total"]
            client = Client(lane, f"INSERT INTO outlived SELECT {n}, ({slow})")
            time.sleep(chance[lane.number].uniform(0, 0.03))
            client.kill()
            record = ended(lane, client, before)
            if record is None:
                tally.count("gone before its request was read")
                return
            written.append(n)
            assert (record["status"], record["effects"]) == ("SUCCESSFUL", "committed"), record
            assert record.get("reason") is None
            tally.count("ran to its end")

        spread(tally, made, trial)
    with duck.session() as reader:
        found = reader.run("SELECT count(*), count(DISTINCT n) FROM outlived").rows
    assert found == [[str(len(written)), str(len(written))]]


@pytest.mark.race("R17b", "client killed in a synchronous call, on_disconnect: cancel", small=24)
def test_a_statement_dies_with_its_client_where_it_asked_for_that(duck: World, tally: Tally) -> None:
    """The endless statement of a killed client is cancelled with reason client_gone, and its engine is idle."""
    with lanes(duck) as made:
        chance = [random.Random(lane.number) for lane in made]
        workers = [duck.worker(lane.session.id) for lane in made]

        def trial(lane: Lane, n: int) -> None:
            before = listed(lane)["total"]
            client = Client(lane, ENDLESS, **{POLICY: "cancel"})
            time.sleep(chance[lane.number].uniform(0, 0.03))
            client.kill()
            started = time.monotonic()
            record = ended(lane, client, before)
            if record is None:
                tally.count("gone before its request was read")
                return
            assert (record["status"], record["reason"], record["effects"]) == ("CANCELED", "client_gone", "none")
            tally.count(record["rung"], time.monotonic() - started)

        spread(tally, made, trial)
        assert all(spent(pid, 0.2) < 0.05 for pid in workers)
        assert all(lane.session.run("SELECT 1").rows == [["1"]] for lane in made)
