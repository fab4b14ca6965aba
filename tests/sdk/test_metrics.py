"""The metrics of statements, as the official client of version 2 reads them into its own models."""

from typing import Any

import pytest
from huaweicloudsdkaidatalake.v2 import (
    AuraStatementOperatorMetrics,
    OperatorMetric,
    ShowAuraStatementOperatorMetricsRequest,
    ShowAuraStatementQueryMetricsRequest,
    StatementQueryMetrics,
)
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

from tests.sdk.doors import Door
from tests.sdk.places import Place
from tests.sdk.test_life_v2 import Session
from tests.service.caller import ENDLESS
from tests.support.world import until

JOIN = "SELECT sum(hash(a.i)::HUGEINT) FROM range(300000) a(i) JOIN range(1000) b(i) ON a.i % 1000 = b.i"


def query_metrics(session: Session, statement_id: str) -> Any:
    """The client's answer."""
    request = ShowAuraStatementQueryMetricsRequest(
        workspace_id=session.place.workspace_id, session_id=session.id, statement_id=statement_id
    )
    return session.aura.show_aura_statement_query_metrics(request)


def operator_metrics(session: Session, statement_id: str) -> Any:
    """The client's answer."""
    request = ShowAuraStatementOperatorMetricsRequest(
        workspace_id=session.place.workspace_id, session_id=session.id, statement_id=statement_id
    )
    return session.aura.show_aura_statement_operator_metrics(request)


def test_metrics_are_the_client_s_models(signed: Door) -> None:
    """Every field of the client is sent, and nothing that it does not know."""
    with Place(signed) as place:
        session = Session(place)
        statement_id = session.execute(JOIN)["statement_id"]
        answer = query_metrics(session, statement_id)
        [took] = answer.body
        assert isinstance(took, StatementQueryMetrics)
        assert set(answer.to_json_object()[0]) == set(StatementQueryMetrics.attribute_map.values())
        assert (took.session_id, took.statement_id, took.status) == (session.id, statement_id, "finished")
        assert took.query == JOIN
        assert took.duration > 0
        assert took.dn_max_peak_memory > 0

        answer = operator_metrics(session, statement_id)
        [did] = answer.body
        assert isinstance(did, AuraStatementOperatorMetrics)
        assert (did.session_id, did.statement_id, did.endpoint_id) == (session.id, statement_id, place.endpoint_id)
        [root] = did.operator_metrics
        assert set(answer.to_json_object()[0]["operator_metrics"][0]) == set(OperatorMetric.attribute_map.values())
        below = root
        names = []
        while below is not None:
            assert isinstance(below, OperatorMetric)
            names.append(below.plan_node_name)
            if below.plan_node_name == "HASH-JOIN":
                assert below.tuple_processed == 300_000
                assert len(below.sub_operator_metrics) == 2
            below = below.sub_operator_metrics[0] if below.sub_operator_metrics else None
        assert "HASH-JOIN" in names
        session.close()


def test_metrics_of_what_runs_and_of_what_is_not_there(signed: Door) -> None:
    """The client reads live figures, an aborted end, and the 404."""
    with Place(signed) as place:
        session = Session(place)
        statement_id = session.execute(ENDLESS, is_sync=False)["statement_id"]
        until(lambda: query_metrics(session, statement_id).body[0].status == "running", "it runs")
        assert operator_metrics(session, statement_id).body[0].operator_metrics == []
        session.cancel(statement_id)
        [took] = query_metrics(session, statement_id).body
        assert (took.status, took.error_info) == ("aborted", "canceling statement due to user request: canceled by ann")
        with pytest.raises(ClientRequestException) as unknown:
            query_metrics(session, "unknown")
        assert unknown.value.status_code == 404
        session.close()
