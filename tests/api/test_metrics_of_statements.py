"""Metrics of statements over HTTP: the documented fields, all of them, in the documented units."""

from typing import Any

import httpx
import pytest

from treadle.api.v2.metrics import AuraStatementOperatorMetrics, OperatorMetric, StatementQueryMetrics

STATEMENT = "/v2/workspaces/w1/aura-sessions/s1/statements/t1"
NO_SUCH_THING = (
    "startup_coordinator_duration",
    "enqueue_statement_duration",
    "dn_time_skew_percent",
    "dn_spill_skew_percent",
    "dn_spill_obs_total_size",
    "cn_spill_obs_size",
)
NOT_KNOWN = (
    "estimate_memory",
    "disk_cache_hit_ratio",
    "obs_io_req_avg_latency",
    "obs_io_req_latency_gt_1s",
    "obs_io_req_latency_gt_10s",
)


async def test_what_a_statement_took(client: httpx.AsyncClient) -> None:
    """An array at the top; whole milliseconds, and megabytes of which begun ones count."""
    [took] = (await client.get(STATEMENT + "/query-metrics")).json()
    assert tuple(took) == StatementQueryMetrics.__struct_fields__
    known = {name: value for name, value in took.items() if name not in (*NO_SUCH_THING, *NOT_KNOWN)}
    assert known == {
        "session_id": "s1",
        "statement_id": "t1",
        "start_time": "2026-07-13T12:00:00.125Z",
        "duration": 1500,
        "schema_name": "default",
        "query": "SELECT 1",
        "query_plan": "HASH_JOIN",
        "estimate_total_time": 1500,
        "estimate_left_time": 0,
        "create_session_duration": 12,
        "queue_duration": 3,
        "write_resultset_duration": 2,
        "parse_time": 0,
        "status": "finished",
        "error_info": "",
        "dn_max_peak_memory": 2,
        "dn_average_peak_memory": 2,
        "dn_write_disk_total_size": 0,
    }
    assert {took[name] for name in NO_SUCH_THING} == {0}
    assert {took[name] for name in NOT_KNOWN} == {None}


async def test_what_its_operators_did(client: httpx.AsyncClient) -> None:
    """A tree, numbered from the last operator down, under names of letters, digits and hyphens."""
    [entry] = (await client.get(STATEMENT + "/operator-metrics")).json()
    assert (entry["session_id"], entry["statement_id"], entry["endpoint_id"]) == ("s1", "t1", "e1")
    [join] = entry["operator_metrics"]
    assert tuple(join) == OperatorMetric.__struct_fields__
    scan, odd = join["sub_operator_metrics"]
    assert [one["plan_node_id"] for one in (join, scan, odd)] == [1, 2, 3]
    assert [one["plan_node_name"] for one in (join, scan, odd)] == ["HASH-JOIN", "DUCKLAKE-SCAN", "OPERATOR"]
    assert [one["tuple_processed"] for one in (join, scan)] == [5, 25]
    assert [one["estimated_rows"] for one in (join, scan)] == [None, 24]
    assert [one["duration"] for one in (join, scan)] == [2, 1]
    assert {(one["query_dop"], one["start_time"]) for one in (join, scan)} == {(2, "2026-07-13T12:00:00.125Z")}
    assert len({one["query_id"] for one in (join, scan, odd)}) == 1
    assert 1 <= join["query_id"] < 2**53
    assert scan["sub_operator_metrics"] == []


@pytest.mark.parametrize("what", ["query-metrics", "operator-metrics"])
async def test_what_is_not_there(client: httpx.AsyncClient, what: str) -> None:
    """An unknown statement and an unknown session look the same; a malformed id is a 400."""
    unknown = await client.get(f"/v2/workspaces/w1/aura-sessions/s1/statements/t9/{what}")
    other = await client.get(f"/v2/workspaces/w1/aura-sessions/s9/statements/t1/{what}")
    assert (unknown.status_code, unknown.json()) == (other.status_code, other.json())
    assert unknown.status_code == 404
    assert (await client.get(f"/v2/workspaces/w1/aura-sessions/s1/statements/t%21/{what}")).status_code == 400


async def test_the_description_has_them(client: httpx.AsyncClient) -> None:
    """As arrays of the documented models."""
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    path = "/v2/workspaces/{workspace_id}/aura-sessions/{session_id}/statements/{statement_id}"
    for what, model in (("query-metrics", StatementQueryMetrics), ("operator-metrics", AuraStatementOperatorMetrics)):
        reply = document["paths"][f"{path}/{what}"]["get"]["responses"]["200"]
        schema = reply["content"]["application/json"]["schema"]
        assert schema == {"type": "array", "items": {"$ref": f"#/components/schemas/{model.__name__}"}}
        assert set(document["components"]["schemas"][model.__name__]["properties"]) == set(model.__struct_fields__)
