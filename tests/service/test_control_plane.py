"""The control plane over a real service: what an endpoint may do is what its engines do."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.caller import ENDLESS, Caller, Sql, calling, refused
from tests.support.tokens import make_token
from tests.support.world import alive, log_of, spent, until, worker_of
from treadle.demo.local import LocalService, ServiceFailed
from treadle.demo.processes import cpu_seconds

SPECS = {"tiny": {"memory": "256MiB", "threads": 1}, "wide": {"memory": "1GiB", "threads": 3}}
SETTINGS = {
    "TREADLE_WORKSPACE_QUOTA": "3",
    "TREADLE_DPU_SPECS": json.dumps(SPECS),
    "TREADLE_ENGINES": json.dumps({"lake": {"kind": "duckdb"}}),
    "TREADLE_ATTACHED_WORKERS": "2",
}


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service with a quota, an engine and specifications of its operator's."""
    with calling(tmp_path_factory.mktemp("control") / "data", SETTINGS) as running:
        yield running


def put(caller: Caller, path: str, **fields: object) -> httpx.Response:
    """The raw answer to a PUT."""
    return caller.http.put(path, json=fields)


def endpoint(caller: Caller, name: str, **dpu: object) -> str:
    """The id of a new endpoint that reserves."""
    body = {"name": name, "type": "sql", "reserved_resource": {"dpu": dpu}}
    return str(caller.made(f"{caller.base}/endpoints", body)["id"])


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def address_space(pid: int) -> int:
    """Bytes of address space the kernel lets a process have."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(int(line.split()[3]) for line in lines if line.startswith("Max address space"))


def test_a_workspace_is_renamed_and_names_are_taken_once(control: Caller) -> None:
    """Within a project; what is not given stays."""
    other = control.made("/v1/workspaces", {"name": "other", "tags": [{"key": "team", "value": "a"}]})
    path = f"/v1/workspaces/{other['id']}"
    changed = put(control, path, name="renamed", description="new").json()
    assert changed == {**other, "name": "renamed", "description": "new"}
    refused(put(control, path, name="service"), "name")
    refused(control.http.post("/v1/workspaces", json={"name": "renamed"}), "name")
    assert control.got("/v1/workspaces", id=other["id"])["workspaces"] == [changed]
    assert put(control, "/v1/workspaces/unknown", name="x").status_code == 404
    assert control.http.delete(path).status_code == 200


def test_a_project_has_a_quota(control: Caller) -> None:
    """One more than it may have is refused; another project is not concerned, and a deletion makes room."""
    made = [control.made("/v1/workspaces", {"name": f"quota-{n}", "enterprise_project_id": "eps-1"}) for n in range(2)]
    refused(control.http.post("/v1/workspaces", json={"name": "one-too-many"}), "name")
    with httpx.Client(base_url=control.service.url) as http:
        http.headers["X-Auth-Token"] = make_token(control.service.data_dir, "project-t", "bob", settings=SETTINGS)
        assert http.post("/v1/workspaces", json={"name": "theirs"}).status_code == 200
    listed = control.got("/v1/workspaces", enterprise_project_id="eps-1")
    assert (listed["total"], {one["id"] for one in listed["workspaces"]}) == (2, {one["id"] for one in made})
    assert control.got("/v1/workspaces", enterprise_project_id="all_granted_eps")["total"] == 3
    for one in made:
        assert control.http.delete(f"/v1/workspaces/{one['id']}").status_code == 200


def test_an_endpoint_says_where_it_is(control: Caller) -> None:
    """Whole when shown alone, and its address answers."""
    path = f"{control.base}/endpoints/{endpoint(control, 'shown', spec_code='tiny', max_num=7)}"
    shown = control.got(path)
    assert (shown["status"], shown["visibility"], shown["max_statements"]) == ("RUNNING", "PRIVATE", 7)
    assert shown["reserved_resource"] == {"dpu": {"spec_code": "tiny", "warm_up_num": 0, "max_num": 7}}
    assert shown["owner"]["user_name"] == "alice"
    (url,) = shown["urls"]
    assert (url["name"], httpx.get(f"{url['address']}/healthcheck").json()) == ("ApiInvoke", {"status": "ok"})
    listed = control.got(f"{control.base}/endpoints", name="shown", visibility="PRIVATE", model_id="any")
    assert [one["id"] for one in listed["endpoints"]] == [shown["id"]]
    assert control.got(f"{control.base}/endpoints", visibility="PUBLIC") == {"total": 0, "endpoints": []}


def test_what_an_endpoint_cannot_be(control: Caller) -> None:
    """Each refusal names its field; of two endpoints of one name there is one."""
    path = f"{control.base}/endpoints"
    new = {"name": "wrong", "type": "sql"}
    for dpu, field in (
        ({"spec_code": "huge"}, "reserved_resource.dpu.spec_code"),
        ({"spec_code": "tiny", "warm_up_num": 3, "max_num": 2}, "reserved_resource.dpu.warm_up_num"),
    ):
        refused(control.http.post(path, json={**new, "reserved_resource": {"dpu": dpu}}), field)
    refused(control.http.post(path, json={**new, "config": {"engine": "oracle"}}), "config.engine")
    refused(control.http.post(path, json={**new, "type": "ray"}), "type")
    refused(control.http.post(path, json={**new, "name": "main"}), "name")
    there = control.endpoint("there")
    refused(put(control, f"{path}/{there}", name="main"), "name")
    refused(put(control, f"{path}/{there}", config={"engine": "oracle"}), "config.engine")
    assert control.got(f"{path}/{there}")["name"] == "there"


def test_an_engine_of_the_operator_runs_sql(control: Caller) -> None:
    """Under the name the operator gave it."""
    with control.session(control.endpoint("on-lake", engine="lake")) as session:
        assert session.rows("SELECT 42") == [["42"]]


def test_a_specification_is_what_each_worker_gets(control: Caller) -> None:
    """Threads and address space of the processes differ by exactly what the specifications do."""
    tiny, wide = endpoint(control, "tiny", spec_code="tiny"), endpoint(control, "wide", spec_code="wide")
    with control.session(tiny) as small, control.session(wide) as large:
        assert [session.rows("SELECT 1") for session in (small, large)] == [[["1"]], [["1"]]]
        pids = [worker_of(control.service, session.id) for session in (small, large)]
        assert threads(pids[1]) - threads(pids[0]) == 2
        more = address_space(pids[1]) - address_space(pids[0])
        # One and a half times the memory is the bound; the processes began with nearly the same.
        assert abs(more - 768 * 2**20 * 3 // 2) < 256 * 2**20


def test_new_memory_and_threads_hold_for_the_next_session(control: Caller) -> None:
    """The one that is open keeps what it has."""
    place = endpoint(control, "grows", spec_code="tiny")
    with control.session(place) as before:
        first = worker_of(control.service, before.id)
        had = threads(first)
        answer = put(control, f"{control.base}/endpoints/{place}", reserved_resource={"dpu": {"spec_code": "wide"}})
        assert answer.json()["reserved_resource"]["dpu"]["spec_code"] == "wide"
        with control.session(place) as after:
            assert threads(worker_of(control.service, after.id)) - had == 2
        assert threads(first) == had


def test_max_num_is_how_many_statements_run(control: Caller) -> None:
    """The second waits without touching its engine, until the endpoint is allowed two."""
    place = endpoint(control, "slots", spec_code="tiny", max_num=1)
    with control.session(place) as one, control.session(place) as other:
        running = one.start(ENDLESS)
        until(lambda: one.show(running)["status"] == 1, "the statement runs")
        waiting = other.start(ENDLESS)
        idle = worker_of(control.service, other.id)
        assert spent(idle, 0.5) < 0.1
        assert other.show(waiting)["status"] == 3
        before = cpu_seconds(idle) or 0.0
        put(
            control, f"{control.base}/endpoints/{place}", reserved_resource={"dpu": {"spec_code": "tiny", "max_num": 2}}
        )
        until(lambda: other.show(waiting)["status"] == 1, "the second statement runs", timeout=10)
        until(lambda: (cpu_seconds(idle) or 0.0) - before > 0.05, "its engine works")
        assert (one.cancel(running), other.cancel(waiting)) == ("cancelled", "cancelled")


def test_workers_stand_ready_for_an_endpoint(control: Caller) -> None:
    """As many as it wants, after its first session, and the next session opens on one of them."""
    place = endpoint(control, "warm", spec_code="tiny", warm_up_num=2, max_num=2)
    seen = len(attached(control))
    with control.session(place):
        until(lambda: len(attached(control)) >= seen + 2, "two workers are attached")
        with control.session(place) as second:
            assert worker_of(control.service, second.id) in attached(control)[seen:]


def attached(caller: Caller) -> list[int]:
    """The workers that were attached ahead, by their process ids."""
    return [line["pid"] for line in log_of(caller.service) if line["event"] == "attached_ahead"]


def test_a_paused_endpoint_takes_no_new_sessions(control: Caller) -> None:
    """It is INACTIVE, and what it has goes on."""
    place = control.endpoint("paused")
    path = f"{control.base}/endpoints/{place}"
    with control.session(place) as session:
        assert put(control, path, config={"paused": True}).json()["status"] == "INACTIVE"
        answer = control.ask_session(place)
        refused(answer, "endpoint_id")
        assert "INACTIVE" in answer.json()["error_msg"]
        assert session.rows("SELECT 1") == [["1"]]
        assert put(control, path, config={}).json()["status"] == "RUNNING"
        control.session(place).close()


def test_deleting_an_endpoint_stops_what_runs_on_it(control: Caller) -> None:
    """202 with the id when its engines are gone; records stay."""
    place = control.endpoint("doomed")
    session = control.session(place)
    running = session.start(ENDLESS)
    pid = worker_of(control.service, session.id)
    until(lambda: spent(pid, 0.1) > 0.03, "its engine works")
    gone = control.http.delete(f"{control.base}/endpoints/{place}")
    assert (gone.status_code, gone.json()) == (202, {"id": place})
    assert not alive(pid)
    assert session.status() == "CLOSED"
    assert control.record(running).items() >= {"status": "CANCELED", "reason": "session_closed"}.items()
    assert control.http.get(f"{control.base}/endpoints/{place}").status_code == 404
    assert control.http.delete(f"{control.base}/endpoints/{place}").status_code == 404
    assert control.ask_session(place).status_code == 404


def test_what_was_not_asked_for_is_as_the_service_is_set(control: Caller) -> None:
    """An endpoint without a reservation has the service's own limits, and a session on it works."""
    shown = control.got(f"{control.base}/endpoints/{control.endpoint_id}")
    assert (shown["reserved_resource"], shown["max_statements"]) == ({}, 100)
    with control.session() as session:
        assert isinstance(session, Sql)
        assert session.rows("SELECT 1") == [["1"]]


def test_settings_that_make_no_sense_stop_the_start(tmp_path: Path) -> None:
    """A specification below what a worker needs, and an engine of an unknown kind."""
    for name, value in (
        ("TREADLE_DPU_SPECS", {"x": {"memory": "1MiB", "threads": 1}}),
        ("TREADLE_ENGINES", {"x": {"kind": "oracle"}}),
    ):
        with pytest.raises(ServiceFailed, match=name.removeprefix("TREADLE_").lower()):
            LocalService(tmp_path / "data", {name: json.dumps(value)}).__enter__()
