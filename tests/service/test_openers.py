"""Sessions belong to openers who were answered: all others end, with their workers and slots."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from tests.crashes.targets import postmaster, workers
from tests.service.caller import LAKE, Caller, calling
from tests.support.world import until

AHEAD = 2
"""Workers that stand ready for sessions to come, of each sort."""

SLOTS = 3
CROWD = 30
SETTINGS = {"TREADLE_ATTACHED_WORKERS": str(AHEAD), "TREADLE_WARM_WORKERS": str(AHEAD), "TREADLE_SESSION_WAIT": "2"}


@pytest.fixture
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service of its own."""
    with calling(tmp_path_factory.mktemp("openers") / "data", SETTINGS) as running:
        yield running


def leave_after(caller: Caller, endpoint_id: str, seconds: float, **fields: object) -> str:
    """Ask for a session over a connection of its own and close it after so long; the id, if an answer came by then."""
    where = urlsplit(str(caller.http.base_url))
    body = json.dumps({"endpoint_id": endpoint_id, "lake_formation_config": LAKE, **fields}).encode()
    token = caller.http.headers["X-Auth-Token"]
    head = f"POST {caller.base}/sessions HTTP/1.1\r\nHost: t\r\nX-Auth-Token: {token}\r\nContent-Length: {len(body)}"
    with socket.create_connection((where.hostname or "", where.port or 0)) as connection:
        connection.sendall(f"{head}\r\n\r\n".encode() + body)
        time.sleep(seconds)
        connection.setblocking(False)
        try:
            answer = connection.recv(65536)
        except BlockingIOError:
            return ""
    return str(json.loads(answer.partition(b"\r\n\r\n")[2]).get("session_id", ""))


def open_sessions(caller: Caller) -> set[str]:
    """The sessions that have not ended."""
    return {
        session["session_id"]
        for status in ("CREATING", "WAITING", "RUNNING")
        for session in caller.got(f"{caller.base}/sessions", status=status, limit=100)["sessions"]
    }


def rests(caller: Caller, answered: Sequence[str]) -> None:
    """Assert that nothing is left of openers without an answer: no session, no worker, no slot."""
    until(lambda: open_sessions(caller) <= set(answered), "no session is open that was not answered", timeout=60)
    for session_id in open_sessions(caller):
        assert caller.http.delete(f"{caller.base}/sessions/{session_id}").status_code == 200
    until(lambda: len(workers(caller.service)) <= 2 * AHEAD, "no worker is left", timeout=60)


def is_free(caller: Caller, endpoint_id: str) -> None:
    """Assert that every slot of the endpoint can be taken at once."""
    taken = [caller.session(endpoint_id) for _ in range(SLOTS)]
    for session in taken:
        session.close()


def test_openers_who_leave_at_once_leave_nothing(caller: Caller) -> None:
    """Thirty who close their connections after 10 ms, more than there are slots."""
    endpoint = caller.endpoint("hasty", max_sessions=SLOTS)
    with ThreadPoolExecutor(CROWD) as crowd:
        answered = [one for one in crowd.map(lambda _: leave_after(caller, endpoint, 0.01), range(CROWD)) if one]
    rests(caller, answered)
    is_free(caller, endpoint)


def test_an_opener_who_leaves_the_line_of_a_full_endpoint_leaves_no_place(caller: Caller) -> None:
    """The session neither waits on nor opens when the slot is free, also where its opener does not wait for it."""
    endpoint = caller.endpoint("full", max_sessions=1)
    holder = caller.session(endpoint)
    assert leave_after(caller, endpoint, 0.3) == ""
    until(lambda: open_sessions(caller) == {holder.id}, "nothing waits that has no opener")
    answered = leave_after(caller, endpoint, 5, wait_timeout=300)
    assert open_sessions(caller) == {holder.id, answered}
    holder.close()
    until(lambda: caller.got(f"{caller.base}/sessions/{answered}")["status"] == "RUNNING", "the next one runs")


def test_a_full_endpoint_is_answered_soon(caller: Caller) -> None:
    """429 with Retry-After within `session_wait` and what an opening takes; then nothing waits."""
    endpoint = caller.endpoint("busy", max_sessions=1)
    holder = caller.session(endpoint)
    began = time.monotonic()
    refused = caller.ask_session(endpoint)
    assert refused.status_code == 429, refused.text
    assert time.monotonic() - began < 20
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["error_code"] == "APIG.0308"
    assert "limit:1" in refused.json()["error_msg"]
    assert open_sessions(caller) == {holder.id}


@pytest.mark.slow
def test_openers_who_lose_the_store_leave_nothing(caller: Caller) -> None:
    """Thirty openings while PostgreSQL is killed and comes back, twice."""
    endpoint = caller.endpoint("unlucky", max_sessions=2 * CROWD)
    for _ in range(2):
        answers = _through_a_crash(caller, endpoint)
        # A 429 as well: what the last crash left may hold the slots for a while.
        assert {answer.status_code for answer in answers} <= {200, 429, 503}, [answer.text for answer in answers]
        answered = [answer.json()["session_id"] for answer in answers if answer.status_code == 200]
        until(lambda: caller.http.get("/readyz").status_code == 200, "the service is ready again", timeout=60)
        until(lambda: caller.http.get(f"{caller.base}/sessions").status_code == 200, "the store answers", timeout=60)
        rests(caller, answered)


def _through_a_crash(caller: Caller, endpoint_id: str) -> list[httpx.Response]:
    begun = threading.Semaphore(0)

    def ask(_: int) -> httpx.Response:
        begun.release()
        return caller.ask_session(endpoint_id)

    with ThreadPoolExecutor(CROWD) as crowd:
        answers = [crowd.submit(ask, number) for number in range(CROWD)]
        for _ in range(CROWD // 2):
            begun.acquire()
        until(lambda: len(workers(caller.service)) > 2 * AHEAD, "sessions are being opened")
        os.kill(postmaster(caller.service.data_dir), signal.SIGKILL)
        return [answer.result() for answer in answers]


@pytest.mark.slow
def test_what_openers_left_ends_also_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The gateway is killed while openers wait: what they asked for neither waits nor opens in the next one."""
    data_dir = tmp_path_factory.mktemp("restarted") / "data"
    patient = SETTINGS | {"TREADLE_SESSION_WAIT": "600"}
    with calling(data_dir, patient) as caller:
        endpoint = caller.endpoint("line", max_sessions=1)
        caller.session(endpoint)
        known = caller.session(endpoint, wait_timeout=300)
        with ThreadPoolExecutor(2) as crowd:
            waiting = [crowd.submit(_ask_in_vain, caller, endpoint) for _ in range(2)]
            until(lambda: len(open_sessions(caller)) == 4, "they wait")
            os.kill(caller.service.pid, signal.SIGKILL)
            assert [one.result() for one in waiting] == [None, None]
    with calling(data_dir, patient, name="second") as again:
        again.base = caller.base
        until(lambda: open_sessions(again) == {known.id}, "only the one whose opener was answered is left")
        until(lambda: again.got(f"{again.base}/sessions/{known.id}")["status"] == "RUNNING", "it runs")


def _ask_in_vain(caller: Caller, endpoint_id: str) -> httpx.Response | None:
    try:
        return caller.ask_session(endpoint_id)
    except httpx.TransportError:
        return None
