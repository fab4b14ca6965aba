import httpx
import pytest
from structlog.testing import capture_logs

from tests.api.twin import Twin
from treadle.api.errors import SAMPLES, HeadersTooLarge, UnknownMethod, UriTooLong, WrongMethod, fault_of
from treadle.model.errors import (
    BadRequest,
    Forbidden,
    NotApplicable,
    NotFound,
    NotStopped,
    RequestError,
    ResultExpired,
    SessionNotReady,
    TooLarge,
    Unavailable,
    WrongState,
)

SESSION = "/v1/workspaces/w1/sessions/s1"
CANCEL = SESSION + "/statements/t1/cancel"

BAD_REQUEST = (
    b'{"error_code":"common.01000001","error_msg":"failed to read http request, please check your input, '
    b'code: 400, reason: Type mismatch., cause: TypeMismatchException"}'
)
UNAUTHORIZED = b'{"error_code":"APIG.1002","error_msg":"Incorrect token or token resolution failed"}'
FORBIDDEN = (
    b'{"error":{"code":"403","message":"X-Auth-Token is invalid in the request","title":"Forbidden"},'
    b'"error_code":403,"error_msg":"X-Auth-Token is invalid in the request","title":"Forbidden"}'
)
NOT_FOUND = b'{"error_code":"common.01000001","error_msg":"response status exception, code: 404"}'
TIMEOUT = b'{"error_code":"common.00000408","error_msg":"timeout exception occurred"}'
INTERNAL = b'{"error_code":"common.00000500","error_msg":"internal error"}'
NO_API = (
    b'{"error_code":"APIG.0101","error_msg":"The API does not exist or has not been published in the environment."}'
)


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (BadRequest(), 400, BAD_REQUEST),
        (BadRequest("a detail that names no field"), 400, BAD_REQUEST),
        (Forbidden(), 403, FORBIDDEN),
        (Forbidden("x is not allowed"), 403, FORBIDDEN[:-1] + b',"solution_msg":"x is not allowed"}'),
        (NotFound(), 404, NOT_FOUND),
        (NotFound("no such session"), 404, NOT_FOUND[:-1] + b',"solution_msg":"no such session"}'),
        (
            NotApplicable("there is no catalog x in metastore default", field="lake_formation_config.catalog"),
            400,
            b'{"error_code":"common.01000001",'
            b'"error_msg":"lake_formation_config.catalog: there is no catalog x in metastore default"}',
        ),
        (
            WrongState("the session is CLOSED: idle for 600 s"),
            400,
            b'{"error_code":"common.01000001","error_msg":"the session is CLOSED: idle for 600 s"}',
        ),
        (RequestError("of no known kind"), 500, INTERNAL),
        (NotStopped(), 408, TIMEOUT),
        (
            NotStopped("it runs on"),
            408,
            b'{"error_code":"common.00000408","error_msg":"timeout exception occurred","solution_msg":"it runs on"}',
        ),
        (
            SessionNotReady("wait longer"),
            408,
            b'{"error_code":"common.00000408","error_msg":"timeout exception occurred","solution_msg":"wait longer"}',
        ),
        (ResultExpired(), 404, b'{"error_code":"common.01000001","error_msg":"the result has expired"}'),
        (
            ResultExpired("the result expired at noon"),
            404,
            b'{"error_code":"common.01000001","error_msg":"the result expired at noon"}',
        ),
        (TooLarge(), 413, b'{"error_code":"APIG.0201","error_msg":"Request entity too large."}'),
        (
            Unavailable("going down"),
            503,
            b'{"error_code":"common.00000503","error_msg":"service unavailable","solution_msg":"going down"}',
        ),
        (
            BadRequest("must be shorter", field="statement", cause="LimitException"),
            400,
            b'{"error_code":"common.01000001","error_msg":"failed to read http request, please check your input, '
            b'code: 400, reason: statement: must be shorter., cause: LimitException"}',
        ),
    ],
)
async def test_each_error_has_its_documented_body(
    client: httpx.AsyncClient, twin: Twin, error: RequestError, status: int, body: bytes
) -> None:
    """What a verb raises arrives with its status and body, byte for byte."""
    twin.failure = error
    reply = await client.post(CANCEL)
    assert (reply.status_code, reply.content) == (status, body)
    assert reply.headers["content-type"] == "application/json"


async def test_a_defect_tells_nothing_and_is_logged(client: httpx.AsyncClient, twin: Twin) -> None:
    """An unforeseen exception is a plain 500; its details are in the log with the request's name."""
    twin.failure = ZeroDivisionError("secret detail")
    with capture_logs() as logs:
        reply = await client.post(CANCEL, headers={"X-Request-Id": "r-1"})
    assert (reply.status_code, reply.content) == (500, INTERNAL)
    assert [(line["event"], line["request_id"]) for line in logs if line["log_level"] == "error"] == [
        ("internal error", "r-1")
    ]


async def test_no_error_text_is_longer_than_documented(client: httpx.AsyncClient, twin: Twin) -> None:
    """Messages are cut at 4096 characters and cannot break the body."""
    for error in (BadRequest("x" * 9000, field="statement"), NotStopped("\udc80" * 9000), ResultExpired("y" * 9000)):
        twin.failure = error
        reply = await client.post(CANCEL)
        assert {len(text) <= 4096 for text in reply.json().values()} == {True}


@pytest.mark.parametrize("token", [None, "", "wrong", "opérator"])
async def test_without_a_valid_token_nothing_is_told(client: httpx.AsyncClient, twin: Twin, token: str | None) -> None:
    """401 comes before anything about ids, queries or bodies."""
    del client.headers["X-Auth-Token"]
    headers = httpx.Headers({} if token is None else {"X-Auth-Token": token}, encoding="utf-8")
    for method, path in (("POST", CANCEL), ("GET", "/v1/workspaces/**/sessions?limit=x"), ("DELETE", SESSION)):
        reply = await client.request(method, path, headers=headers, content=b"{" * 200_000)
        assert (reply.status_code, reply.content) == (401, UNAUTHORIZED)
    assert twin.asked == []


async def test_two_tokens_are_none(client: httpx.AsyncClient) -> None:
    """A request with two tokens speaks for nobody."""
    headers = [("X-Auth-Token", "operator-token"), ("X-Auth-Token", "viewer-token")]
    del client.headers["X-Auth-Token"]
    assert (await client.get(SESSION, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/workspaces/",
        "/v1//workspaces",
        "/v2/workspaces",
        SESSION + "/",
        SESSION + "/statements/t1/cancel/now",
        "/V1/workspaces",
    ],
)
async def test_an_unknown_route_needs_no_token(client: httpx.AsyncClient, path: str) -> None:
    """A path that is no API gets the gateway's 404."""
    del client.headers["X-Auth-Token"]
    reply = await client.get(path)
    assert (reply.status_code, reply.content) == (404, NO_API)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/workspaces", "GET, HEAD, OPTIONS, POST"),
        ("GET", CANCEL, "OPTIONS, POST"),
        ("PATCH", SESSION, "DELETE, GET, HEAD, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("HEAD", CANCEL, "OPTIONS, POST"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    client: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    """405 carries Allow and the gateway's body."""
    reply = await client.request(method, path)
    assert (reply.status_code, reply.headers["allow"]) == (405, allow)
    assert reply.content == (b"" if method == "HEAD" else NO_API)
    options = await client.options(path)
    assert (options.status_code, options.headers["allow"], options.content) == (204, allow, b"")


async def test_head_is_get_without_its_body(client: httpx.AsyncClient) -> None:
    """HEAD has the headers of GET, also of an error."""
    for path in (SESSION, "/v1/workspaces/w1/sessions/other", "/docs"):
        head, get = await client.head(path), await client.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize("bad", ["w_1", "w.1", "w%2F1", "w%00", "%C3%A9", "w" * 37, "w%0A", "%FF"])
async def test_a_malformed_id_is_the_documented_400(client: httpx.AsyncClient, twin: Twin, bad: str) -> None:
    """An id of another shape than documented is a bad request that names no field."""
    for path in (
        f"/v1/workspaces/{bad}/sessions/s1",
        f"/v1/workspaces/w1/sessions/{bad}",
        f"/v1/workspaces/w1/endpoints/{bad}",
    ):
        reply = await client.get(path)
        assert (reply.status_code, reply.content) == (400, BAD_REQUEST)
    assert twin.asked == []


async def test_a_statement_id_may_be_longer_and_have_underscores(client: httpx.AsyncClient) -> None:
    """64 characters and underscores are a statement id, 65 are not."""
    statements = SESSION + "/statements/"
    for statement_id, status in (("a_" * 32, 404), ("a" * 65, 400), ("a.b", 400)):
        assert (await client.post(statements + statement_id + "/cancel")).status_code == status
        assert (await client.get(statements + statement_id)).status_code == status


@pytest.mark.parametrize("path", ["w2/sessions/s1", "w1/sessions/s2", "w" * 36 + "/sessions/s1"])
async def test_an_unknown_id_is_the_documented_404(client: httpx.AsyncClient, path: str) -> None:
    """Whatever does not exist, or is not the caller's, is the same 404."""
    for method in ("GET", "DELETE"):
        reply = await client.request(method, "/v1/workspaces/" + path)
        assert (reply.status_code, reply.content) == (404, NOT_FOUND)


MADE: dict[type[RequestError], RequestError] = {
    WrongMethod: WrongMethod("GET"),
    UnknownMethod: UnknownMethod(("password",)),
}
"""Errors that are not made without an argument."""

BEFORE_ROUTING = {WrongMethod, UriTooLong, HeadersTooLarge}
"""Errors of requests that reach no operation, so that no operation has them in its description."""


def every_error(kind: type[RequestError] = RequestError) -> set[type[RequestError]]:
    """The errors of the service below ``kind``, at any depth."""
    below = {one for one in kind.__subclasses__() if one.__module__.startswith("treadle.")}
    return below.union(*(every_error(one) for one in below))


def test_every_error_has_a_row_and_its_status_a_sample() -> None:
    """A new error is neither the 500 of a defect nor one whose body the description of the API cannot show."""
    statuses = {kind: fault_of(MADE.get(kind) or kind()).status for kind in every_error()}
    assert len(statuses) > 20
    assert {kind.__name__ for kind, status in statuses.items() if status == 500} == set()
    described = {kind: status for kind, status in statuses.items() if kind not in BEFORE_ROUTING}
    assert {kind.__name__ for kind, status in described.items() if status not in SAMPLES} == set()
