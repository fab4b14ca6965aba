"""The audit of a running service: who did what, from where, and what came of it; also after ``kill -9``."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.running import Cli
from tests.service.caller import ENDLESS, Caller, calling
from tests.support.tokens import make_token
from tests.support.world import until
from treadle.demo.local import TREADLE, LocalService

PROXIED = {"TREADLE_TRUSTED_PROXIES": '["127.0.0.0/8"]'}


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service behind a trusted proxy."""
    with calling(tmp_path_factory.mktemp("audit") / "data", PROXIED) as caller:
        yield caller


def audit(data_dir: Path, *options: str) -> list[dict[str, Any]]:
    """What `treadle audit` prints."""
    found: list[dict[str, Any]] = Cli(data_dir).json("audit", "--limit", "1000", *options)
    return found


def _outcomes(data_dir: Path) -> list[str]:
    """The outcomes of the cancels in the audit."""
    return [one["outcome"] for one in audit(data_dir, "--action", "cancelStatement")]


def told(caller: Caller, resource: str) -> dict[str, Any]:
    """The one event about something that was not refused, once it is on record with its outcome."""

    def look() -> dict[str, Any] | None:
        events = audit(caller.service.data_dir)
        found = [one for one in events if one["resource"] == resource and one["outcome"] != "refused"]
        assert len(found) <= 1
        return found[0] if found and found[0]["outcome"] != "requested" else None

    event: dict[str, Any] = until(look, f"{resource} is in the audit")
    return event


@pytest.mark.slow
def test_a_cancel_is_one_event_with_the_others_attached(audited: Caller) -> None:
    """Three cancels at once of what runs, one later: who, from where, under which name, and the outcome of the stop."""
    sql = audited.session()
    statement_id = sql.start(ENDLESS)
    until(lambda: sql.show(statement_id)["status"] == 1, "it runs")
    path = f"{sql.path}/statements/{statement_id}/cancel"
    answers: list[httpx.Response] = []

    def stop(number: int) -> None:
        headers = {"X-Request-Id": f"cancel-{number}", "X-Forwarded-For": f"203.0.113.9, 192.0.2.{number}"}
        answers.append(httpx.post(f"{audited.service.url}{path}", headers={**audited.http.headers, **headers}))

    threads = [threading.Thread(target=stop, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop(3)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200]
    event = until(
        lambda: (found := told(audited, f"statement:{statement_id}")) and len(found["others"]) == 3 and found,
        "all four are on record",
    )
    everybody = [event, *event["others"]]
    assert {one["request_id"] for one in everybody} == {f"cancel-{number}" for number in range(4)}
    assert {one["address"] for one in everybody} == {f"192.0.2.{number}" for number in range(4)}
    assert {one["user_name"] for one in everybody} == {"alice"}
    assert event["action"] == "DataArtsFabric:workspace:cancelStatement"
    assert event["outcome"] == "cancelled"
    assert (event["workspace_id"], event["times"]) == (audited.workspace_id, 1)


@pytest.mark.slow
def test_changes_closes_and_refusals_are_on_record(audited: Caller) -> None:
    """Made, closed, deleted, refused: each with who did it; no text of a statement and no token anywhere."""
    data_dir = audited.service.data_dir
    endpoint_id = audited.endpoint("short-lived")
    sql = audited.session(endpoint_id)
    sql.run("CREATE TABLE very_secret_words AS SELECT 'hush' AS w")
    sql.close()
    assert audited.http.delete(f"{audited.base}/endpoints/{endpoint_id}").status_code == 202
    token = make_token(data_dir, "project-s", "eve", role="viewer")
    with httpx.Client(base_url=audited.service.url, headers={"X-Auth-Token": token}) as eve:
        for _ in range(5):
            assert eve.delete(audited.base).status_code == 403
    made = told(audited, f"workspace:{audited.workspace_id}")
    assert (made["action"], made["user_name"], made["address"]) == (
        "DataArtsFabric:workspace:create",
        "alice",
        "127.0.0.1",
    )
    assert told(audited, f"session:{sql.id}")["action"] == "DataArtsFabric:workspace:deleteSqlSession"
    events = audit(data_dir, "--workspace", audited.workspace_id)
    about = [one["action"].rpartition(":")[2] for one in events if one["resource"] == f"endpoint:{endpoint_id}"]
    assert about == ["delete", "create"]
    refused = until(lambda: audit(data_dir, "--user", "eve"), "the refusals are on record")
    asked = ("DataArtsFabric:workspace:delete", f"workspace:{audited.workspace_id}", "refused")
    assert {(one["action"], one["resource"], one["outcome"]) for one in refused} == {asked}
    until(lambda: sum(one["times"] for one in audit(data_dir, "--user", "eve")) == 5, "all five are counted")
    everything = json.dumps(audit(data_dir))
    assert "very_secret_words" not in everything
    assert token not in everything


@pytest.mark.slow
def test_an_operators_cancel_says_where_it_came_from(audited: Caller) -> None:
    """A command beside the service is on record as such."""
    sql = audited.session()
    statement_id = sql.start(ENDLESS)
    until(lambda: sql.show(statement_id)["status"] == 1, "it runs")
    data_dir = str(audited.service.data_dir)
    subprocess.run([*TREADLE, "cancel", "--data-dir", data_dir, statement_id], check=True, capture_output=True)
    event = told(audited, f"statement:{statement_id}")
    assert (event["user_name"], event["address"], event["outcome"]) == (
        "operator",
        f"local, user id {os.getuid()}",
        "cancelled",
    )
    lines = subprocess.run(
        [*TREADLE, "audit", "--data-dir", data_dir, "--action", "cancelStatement", "--since", "1h"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert lines[1].split()[1:] == [
        *("operator", "local,", "user", "id", str(os.getuid())),
        *("cancelStatement", f"statement:{statement_id}", "cancelled"),
    ]


@pytest.mark.slow
def test_a_cancel_is_on_record_though_the_gateway_is_killed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What goes through the store is written by the step that asks for it; what is struck first, a moment later."""
    data_dir = tmp_path_factory.mktemp("killed") / "data"
    with calling(data_dir) as caller:
        sql = caller.session()
        running, *waiting = [sql.start(ENDLESS), *(sql.start("SELECT 1") for _ in range(3))]
        until(lambda: sql.show(running)["status"] == 1, "it runs")
        sql.cancel(running)
        until(lambda: _outcomes(data_dir) == ["cancelled"], "the first is on record with its outcome")
        until(lambda: sql.show(waiting[-1])["status"] != 3, "they have run")
        busy = sql.start(ENDLESS)
        waiting = [sql.start("SELECT 1") for _ in range(3)]
        until(lambda: sql.show(busy)["status"] == 1, "the next one runs")
        body = {"statement_ids": waiting}
        assert caller.http.post(f"{caller.base}/statements/cancel", json=body).status_code == 200
        os.kill(caller.service.pid, signal.SIGKILL)
        caller.service.stop()
        with LocalService(data_dir):
            on_record = {one["resource"]: one["outcome"] for one in audit(data_dir, "--action", "cancelStatement")}
    assert on_record.keys() == {f"statement:{one}" for one in (running, *waiting)}
    assert all(on_record[f"statement:{one}"] == "cancelled" for one in waiting)
    assert on_record[f"statement:{running}"] == "cancelled"
