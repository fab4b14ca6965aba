"""What a running service tells Prometheus of the requests it answered."""

import re

from tests.service.caller import ENDLESS, Caller, Sql
from tests.support.world import until


def test_requests_are_counted_by_route(caller: Caller) -> None:
    """The histogram of requests has the route's template, never a path with ids in it."""
    caller.got(caller.base + "/sessions")
    told = caller.http.get("/metrics").text
    labels = '{method="GET",route="/v1/workspaces/{workspace_id}/sessions",status="200"}'
    assert f"treadle_http_request_seconds_count{labels} " in told
    assert caller.workspace_id not in told


def level(caller: Caller, name: str, **labels: str) -> float:
    """What /metrics tells of one level now."""
    told = "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else ""
    found = re.search(rf"^{re.escape(name + told)} (\S+)$", caller.http.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_levels_are_counted_when_asked(caller: Caller, sql: Sql) -> None:
    """What runs, what waits, the sessions, the workers and their memory are those of the moment of the question."""
    running = [sql.start(ENDLESS) for _ in range(3)]
    until(lambda: level(caller, "treadle_statements", state="running") >= 1, "a running statement in the figures")
    until(lambda: level(caller, "treadle_statements", state="queued") >= 2, "two queued statements in the figures")
    assert level(caller, "treadle_sessions", status="RUNNING") >= 1
    assert level(caller, "treadle_workers", state="busy") >= 1
    assert level(caller, "treadle_worker_memory_bytes") > 2**20
    for one in reversed(running):
        sql.cancel(one)
    until(lambda: level(caller, "treadle_statements", state="queued") == 0, "none queued any more")
