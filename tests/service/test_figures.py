"""What a running service tells Prometheus of the requests it answered."""

from tests.service.caller import Caller


def test_requests_are_counted_by_route(caller: Caller) -> None:
    """The histogram of requests has the route's template, never a path with ids in it."""
    caller.got(caller.base + "/sessions")
    told = caller.http.get("/metrics").text
    labels = '{method="GET",route="/v1/workspaces/{workspace_id}/sessions",status="200"}'
    assert f"treadle_http_request_seconds_count{labels} " in told
    assert caller.workspace_id not in told
