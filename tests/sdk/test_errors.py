"""What the official clients make of every refusal: class, code, text and the name of the request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from huaweicloudsdkaidatalake.v2 import (
    CancelAuraSqlStatementRequest,
    CatalogContext,
    CreateAuraSqlSessionRequest,
    CreateSessionRequestBodyV2,
    ExecuteAuraSqlStatementRequest,
    ShowAuraSqlSessionRequest,
    StatementExecuteRequestBody,
)
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import (
    ClientRequestException,
    ConnectionException,
    ServerResponseException,
    ServiceResponseException,
)
from huaweicloudsdkdataartsfabric.v1 import (
    CreateWorkspaceRequest,
    CreateWorkspaceRequestInput,
    ShowEndpointRequest,
    UpdateWorkspaceRequest,
    UpdateWorkspaceRequestInput,
)

from tests.sdk.doors import Door, by_token, made_user
from tests.sdk.places import Place
from tests.sdk.test_life_v2 import Session
from tests.service.caller import ENDLESS
from tests.support.world import spent, until, worker_of
from treadle.demo.local import LocalService
from treadle.store.embedded import EmbeddedPostgres

NOWHERE = "00000000-0000-7000-8000-000000000000"


def refusal(call: Callable[[], Any], kind: type[ServiceResponseException] = ClientRequestException) -> Any:
    """What the client raises; every refusal names its request."""
    with pytest.raises(kind) as raised:
        call()
    assert raised.value.request_id, raised.value
    return raised.value


def told(error: Any) -> tuple[int, object, str]:
    """Status, code and text of a refusal."""
    return error.status_code, error.error_code, error.error_msg


def opening(place: Place, **fields: Any) -> Callable[[], Any]:
    """An attempt to open a session."""
    given = {"endpoint_name": "duck", "catalog_context": CatalogContext(catalog_name="default"), **fields}
    body = CreateSessionRequestBodyV2(**given)
    request = CreateAuraSqlSessionRequest(workspace_id=place.workspace_id, body=body)
    return lambda: place.door.aura.create_aura_sql_session(request)


def test_400(signed: Door) -> None:
    """A wrong field is named, in both versions; too much of a machine has its own code."""
    with Place(signed) as place:
        code, text = "common.01000001", "failed to read http request, please check your input, code: 400, reason: "
        error = refusal(opening(place, priority=10))
        assert told(error)[:2] == (400, code)
        assert error.error_msg.startswith(f"{text}priority: must be an integer from 1 to 9")
        error = refusal(opening(place, cpu=48001))
        assert told(error) == (400, "INVALID_PARAMETER", "cpu: must be an integer from 1 to 48000")
        body = CreateWorkspaceRequestInput(name=place.name)
        error = refusal(lambda: signed.fabric.create_workspace(CreateWorkspaceRequest(body=body)))
        assert told(error) == (400, code, f"name: a workspace named {place.name} exists already")


def test_401(service: LocalService, keys: BasicCredentials) -> None:
    """A token that is none, a signature that is wrong, and keys nobody has."""
    show = ShowAuraSqlSessionRequest(workspace_id=NOWHERE, session_id=NOWHERE)
    unknown = Door(service, by_token("no-token"))
    error = refusal(lambda: unknown.aura.show_aura_sql_session(show))
    assert told(error) == (401, "APIG.1002", "Incorrect token or token resolution failed")
    wrong = Door(service, BasicCredentials(keys.ak, "wrong-secret"))
    error = refusal(lambda: wrong.aura.show_aura_sql_session(show))
    assert told(error)[:2] == (401, "APIG.0301")
    assert error.error_msg.startswith("Incorrect IAM authentication information")
    stranger = Door(service, BasicCredentials("NOBODYSACCESSKEY0001", "secret"))
    error = refusal(lambda: stranger.aura.show_aura_sql_session(show))
    assert told(error)[:2] == (401, "APIG.0301")


def test_403(signed: Door, viewer: Door) -> None:
    """Who may only look cannot cancel, and the engine works on; version 1 has the number for a code."""
    with Place(signed) as place:
        session = Session(place)
        running = session.execute(ENDLESS, is_sync=False)["statement_id"]
        pid = worker_of(signed.service, session.id)
        until(lambda: spent(pid, 0.1) > 0.03, "the engine works")
        request = CancelAuraSqlStatementRequest(
            workspace_id=place.workspace_id, session_id=session.id, statement_id=running
        )
        error = refusal(lambda: viewer.aura.cancel_aura_sql_statement(request))
        assert told(error) == (403, "common.00000403", "X-Auth-Token is invalid in the request")
        body = CreateWorkspaceRequestInput(name="not-mine")
        error = refusal(lambda: viewer.fabric.create_workspace(CreateWorkspaceRequest(body=body)))
        assert told(error) == (403, 403, "X-Auth-Token is invalid in the request")
        until(lambda: spent(pid, 0.3) > 0.05, "the statement runs on")
        session.cancel(running)


def test_404(signed: Door) -> None:
    """What is not there, in both versions; a path nobody serves is the gateway's to refuse."""
    text = "response status exception, code: 404"
    show = ShowAuraSqlSessionRequest(workspace_id=NOWHERE, session_id=NOWHERE)
    assert told(refusal(lambda: signed.aura.show_aura_sql_session(show))) == (404, "common.01000001", text)
    endpoint = ShowEndpointRequest(workspace_id=NOWHERE, endpoint_id=NOWHERE)
    assert told(refusal(lambda: signed.fabric.show_endpoint(endpoint))) == (404, "common.01000001", text)
    nothing = signed.call("GET", "/v1/nothing")
    assert (nothing.status_code, nothing.json()["error_code"]) == (404, "APIG.0101")


def test_429_of_a_full_endpoint(signed: Door) -> None:
    """No slot came free in the time a synchronous call waits."""
    with Place(signed) as place:
        path = f"/v1/workspaces/{place.workspace_id}/endpoints/{place.endpoint_id}"
        assert signed.call("PUT", path, {"config": {"max_sessions": 1}}).status_code == 200
        Session(place)
        error = refusal(opening(place))
        assert told(error)[:2] == (429, "APIG.0308")


def test_409(signed: Door) -> None:
    """An id of one's own choice that is taken; the client passes what it does not know as a header."""
    with Place(signed) as place:
        session = Session(place)
        body = StatementExecuteRequestBody(session_id=session.id, statement="SELECT 1")
        request = ExecuteAuraSqlStatementRequest(workspace_id=place.workspace_id, body=body)

        def submit() -> Any:
            invoker = signed.aura.execute_aura_sql_statement_invoker(request)
            return invoker.add_header("X-Statement-Id", "mine").invoke()

        assert submit().status_code == 200
        assert told(refusal(submit)) == (409, "common.00000409", "conflict")


def test_429(tmp_path: Path) -> None:
    """Who asks too often; what the client makes of a GET has lost the text, and it is not to be helped from here."""
    with LocalService(tmp_path / "data", {"TREADLE_USER_RATE": "1"}) as service:
        door = Door(service, made_user(service, "ann", "operator"))
        # A place that is not there: only the number of requests counts.
        body = UpdateWorkspaceRequestInput(description="often")
        update = UpdateWorkspaceRequest(workspace_id=NOWHERE, body=body)
        create = CreateWorkspaceRequest(body=CreateWorkspaceRequestInput(name="not a name: /"))
        show = ShowEndpointRequest(workspace_id=NOWHERE, endpoint_id=NOWHERE)

        def refused(call: Callable[[], Any]) -> Any:
            try:
                call()
            except ClientRequestException as error:
                return error if error.status_code == 429 else None

        error = until(lambda: refused(lambda: door.fabric.create_workspace(create)), "too many POSTs")
        assert (error.error_code, bool(error.request_id)) == ("APIG.0308", True)
        assert error.error_msg.startswith("The throttling threshold has been reached")
        error = until(lambda: refused(lambda: door.fabric.show_endpoint(show)), "too many GETs")
        assert (error.error_code, error.request_id) == ("429", "")
        assert until(lambda: refused(lambda: door.fabric.update_workspace(update)), "too many PUTs")


def test_503(signed: Door) -> None:
    """While the store is away the client is told so, and afterwards it is served again."""
    with Place(signed) as place:
        show = ShowEndpointRequest(workspace_id=place.workspace_id, endpoint_id=place.endpoint_id)
        server = EmbeddedPostgres(signed.service.data_dir)
        errors = []

        def refused() -> bool:
            server.stop()
            try:
                signed.fabric.show_endpoint(show)
            except ServerResponseException as error:
                errors.append(error)
            return bool(errors)

        until(refused, "a call met a store that is away")
        assert told(errors[0]) == (503, "common.00000503", "service unavailable")
        assert errors[0].request_id
        until(lambda: _served(signed, show), "the store is back")


def _served(door: Door, show: ShowEndpointRequest) -> bool:
    try:
        return bool(door.fabric.show_endpoint(show).id)
    except ServerResponseException:
        return False


def test_a_read_that_takes_too_long(service: LocalService, keys: BasicCredentials) -> None:
    """The client gives up and says so in its library's words; the statement can still be cancelled."""
    impatient = Door(service, keys, read_timeout=1)
    with Place(Door(service, keys)) as place:
        session = Session(place)
        patient, session.aura = session.aura, impatient.aura
        with pytest.raises(requests.exceptions.ReadTimeout):
            session.execute(ENDLESS, is_sync=True)
        session.aura = patient
        path = f"/v1/workspaces/{place.workspace_id}/statement-records"
        (running,) = until(lambda: place.door.call("GET", path, status="RUNNING").json()["records"], "it runs")
        session.cancel(running["id"])
        assert session.show(running["id"])["status"] == 4


def test_nobody_there(keys: BasicCredentials, service: LocalService) -> None:
    """A connection that is refused."""
    away, nobody = LocalService(service.data_dir), "http://localhost:1"
    away.url = nobody
    door = Door(away, keys)
    with pytest.raises(ConnectionException):
        door.aura.show_aura_sql_session(ShowAuraSqlSessionRequest(workspace_id=NOWHERE, session_id=NOWHERE))
