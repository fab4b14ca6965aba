"""The whole life of a session with the official client of version 2, the engine looked at."""

from typing import Any

import pytest
from huaweicloudsdkaidatalake.v2 import (
    CancelAuraSqlStatementRequest,
    CatalogContext,
    CloseAuraSqlSessionRequest,
    CreateAuraSqlSessionRequest,
    CreateSessionRequestBodyV2,
    ExecuteAuraSqlStatementRequest,
    ListAuraSessionStatementRecordsRequest,
    ListAuraSqlSessionsRequest,
    ListAuraStatementRecordsRequest,
    ShowAuraSqlSessionRequest,
    ShowAuraSqlStatementResultRequest,
    StatementExecuteRequestBody,
)
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

from tests.sdk.doors import Door
from tests.sdk.places import Place
from tests.service.caller import ENDLESS
from tests.support.world import alive, spent, until, worker_of


class Session:
    """A session, spoken to with the client."""

    def __init__(self, place: Place, **fields: Any) -> None:
        self.place = place
        self.aura = place.door.aura
        body = CreateSessionRequestBodyV2(
            endpoint_name="duck", catalog_context=CatalogContext(catalog_name="default"), **fields
        )
        made = self.aura.create_aura_sql_session(
            CreateAuraSqlSessionRequest(workspace_id=place.workspace_id, body=body)
        )
        assert made.status == "RUNNING"
        assert made.x_request_id
        self.id = str(made.session_id)

    def execute(self, statement: str, **fields: Any) -> dict[str, Any]:
        """The StatementResponse of a statement."""
        body = StatementExecuteRequestBody(session_id=self.id, statement=statement, **fields)
        request = ExecuteAuraSqlStatementRequest(workspace_id=self.place.workspace_id, body=body)
        told: dict[str, Any] = self.aura.execute_aura_sql_statement(request).to_json_object()
        return told

    def show(self, statement_id: str, **query: Any) -> dict[str, Any]:
        """The StatementResponse of ShowAuraSqlStatementResult."""
        request = ShowAuraSqlStatementResultRequest(
            workspace_id=self.place.workspace_id, session_id=self.id, statement_id=statement_id, **query
        )
        told: dict[str, Any] = self.aura.show_aura_sql_statement_result(request).to_json_object()
        return told

    def cancel(self, statement_id: str) -> Any:
        """The answer to CancelAuraSqlStatement."""
        return self.aura.cancel_aura_sql_statement(
            CancelAuraSqlStatementRequest(
                workspace_id=self.place.workspace_id, session_id=self.id, statement_id=statement_id
            )
        )

    def status(self) -> str:
        """How the session stands."""
        request = ShowAuraSqlSessionRequest(workspace_id=self.place.workspace_id, session_id=self.id)
        return str(self.aura.show_aura_sql_session(request).status)

    def close(self) -> None:
        """Close the session."""
        self.aura.close_aura_sql_session(
            CloseAuraSqlSessionRequest(workspace_id=self.place.workspace_id, session_id=self.id)
        )


def test_the_life_of_a_session(door: Door) -> None:
    """Open, run, page, cancel what runs, look back, close, delete."""
    with Place(door) as place:
        session = Session(place, priority=7, cpu=1500, memory=512)
        pid = worker_of(door.service, session.id)

        done = session.execute("SELECT i FROM range(2500) t(i) ORDER BY i", is_sync=True, limit=2400)
        (result,) = done["results"]
        assert (done["status"], result["num_rows"], result["page_count"], result["row_count"]) == (0, 2400, 3, 1000)
        (last,) = session.show(done["statement_id"], page_num=3)["results"]
        assert last["result_set"]["rows"][-1] == ["2399"]
        (past,) = session.show(done["statement_id"], page_num=4)["results"]
        assert past["result_set"]["rows"] == []
        bound = session.execute("SELECT $1::int + 1", bindings=[["41"]])
        assert bound["results"][0]["result_set"]["rows"] == [["42"]]
        wrong = session.execute("SELEKT 1")
        assert (wrong["status"], wrong["results"][0]["sql_state"]) == (-1, "42601")

        running = session.execute(ENDLESS, is_sync=False, statement_name="nightly", statement_type="JOB")
        assert set(running) == {"status", "session_id", "statement_id"}
        until(lambda: spent(pid, 0.1) > 0.03, "the engine works")
        cancelled = session.cancel(running["statement_id"])
        assert (cancelled.status_code, cancelled.raw_content) == (200, b"")
        assert spent(pid, 0.5) < 0.1
        shown = session.show(running["statement_id"])
        assert (shown["status"], shown["results"][0]["sql_state"]) == (4, "57014")
        assert session.execute("SELECT 1")["status"] == 0

        _look_back(session, running["statement_id"])
        session.close()
        assert session.status() == "CLOSED"
        assert not alive(pid)
    with pytest.raises(ClientRequestException) as gone:
        session.status()
    assert gone.value.status_code == 404


def _look_back(session: Session, cancelled: str) -> None:
    """The lists of the client: sessions, records of the session and of the workspace."""
    aura, room = session.aura, session.place.workspace_id
    listed = aura.list_aura_sql_sessions(
        ListAuraSqlSessionsRequest(workspace_id=room, endpoint_name="duck", limit=10, marker="")
    )
    assert (listed.total, listed.next_marker, [one.session_id for one in listed.sessions]) == (1, "", [session.id])
    ids: list[str] = []
    marker = ""
    while True:
        page = aura.list_aura_session_statement_records(
            ListAuraSessionStatementRecordsRequest(workspace_id=room, session_id=session.id, limit=2, marker=marker)
        )
        assert page.current_count == len(page.records) <= 2
        ids += [one.statement_id for one in page.records]
        marker = page.next_marker
        if not marker:
            break
    assert (len(ids), len(set(ids)), ids[1]) == (5, 5, cancelled)
    records = aura.list_aura_statement_records(
        ListAuraStatementRecordsRequest(workspace_id=room, endpoint_name="duck", status="CANCELED")
    )
    (record,) = records.records
    assert (record.id, record.status, record.user_name, record.session_id) == (
        cancelled,
        "CANCELED",
        "ann",
        session.id,
    )
