"""The few calls of the API the demo needs, over the standard library's HTTP client."""

import http
import http.client
import time
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

T = TypeVar("T")

UNFINISHED = frozenset({1, 3})
"""The public `status` of a statement that runs or waits."""


class ApiError(Exception):
    """The service refused a request; ``status`` is the HTTP status, the message its own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


class Named(msgspec.Struct, frozen=True):
    """A workspace or an endpoint, as far as the demo looks."""

    id: str
    name: str


class SessionReply(msgspec.Struct, frozen=True):
    """A session's id and status."""

    session_id: str
    status: str


class ColumnReply(msgspec.Struct, frozen=True):
    """A column of a result set; ``type`` is a PostgreSQL type OID."""

    name: str
    type: int


class ResultSet(msgspec.Struct, frozen=True):
    """A page of rows; an empty structure where there are none."""

    columns: list[ColumnReply] = []
    rows: list[list[str | None]] = []


class ResultReply(msgspec.Struct, frozen=True):
    """The outcome of one statement of a request."""

    status: str
    statement_id: str
    num_rows: int = 0
    page_count: int = 0
    sql_state: str = ""
    message: str = ""
    result_set: ResultSet = ResultSet()

    @property
    def rows(self) -> list[list[str | None]]:
        """The rows of the page."""
        return self.result_set.rows


class StatementReply(msgspec.Struct, frozen=True):
    """The state of a request, with its results once it has ended."""

    status: int
    session_id: str
    statement_id: str
    results: list[ResultReply] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.status not in UNFINISHED

    @property
    def last(self) -> ResultReply:
        """The outcome of the last statement; raises `ApiError` when there is none."""
        if not self.results:
            raise ApiError(200, f"statement {self.statement_id} has no result (status {self.status})")
        return self.results[-1]


IDLE_SECONDS: Final = 30.0
"""How long an idle connection is trusted to be open still."""


class CancelReply(msgspec.Struct, frozen=True):
    """The verdict of a cancel. ``millis`` is the service's own measure, ``seconds`` what the caller waited."""

    state: str
    outcome: str
    rung: str
    millis: str
    seconds: float


class StatementFailed(Exception):
    """A statement of the demo failed; ``sql_state`` says why."""

    def __init__(self, sql_state: str, message: str) -> None:
        super().__init__(f"{sql_state}: {message}")
        self.sql_state = sql_state


class Api:
    """One kept connection to the service. Not for use by several threads at once; `twin` makes another."""

    def __init__(self, base_url: str, token: str, *, timeout: float = 120.0) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token
        parts = urlsplit(self.base_url)
        connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = connect(parts.netloc, timeout=timeout)
        self._prefix = parts.path
        self._used = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def twin(self) -> "Api":
        """A connection of its own to the same service, for another thread."""
        return Api(self.base_url, self.token)

    def call(self, method: str, path: str, body: object = None) -> tuple[http.client.HTTPMessage, bytes]:
        """Headers and body of the answer; raises `ApiError` for anything that is not 2xx."""
        payload = None if body is None else msgspec.json.encode(body)
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/json"}
        try:
            response, content = self._exchange(method, path, payload, headers)
        except http.client.RemoteDisconnected:
            # The service closes idle connections; asking again is safe only for what changes nothing.
            if method != "GET":
                raise
            response, content = self._exchange(method, path, payload, headers)
        if not 200 <= response.status < 300:
            raise ApiError(response.status, content.decode(errors="replace"))
        return response.headers, content

    def _exchange(
        self, method: str, path: str, payload: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._connection.close()  # the service may be about to: a call that changes something must not meet that
        self._used = time.monotonic()
        try:
            self._connection.request(method, self._prefix + path, payload, headers)
            response = self._connection.getresponse()
            return response, response.read()
        except (http.client.HTTPException, OSError):
            self._connection.close()  # the next call connects anew
            raise

    def get(self, shape: type[T], path: str, **query: str | int) -> T:
        """The answer to a GET, as ``shape``."""
        return msgspec.json.decode(self.call("GET", f"{path}?{urlencode(query)}" if query else path)[1], type=shape)

    def post(self, shape: type[T], path: str, body: object) -> T:
        """The answer to a POST, as ``shape``."""
        return msgspec.json.decode(self.call("POST", path, body)[1], type=shape)

    def ensure_workspace(self, name: str) -> str:
        """The id of the workspace of that name, made if it is missing."""
        found = self.get(dict[str, Any], "/v1/workspaces", name=name, limit=100)["workspaces"]
        return self._ensure("/v1/workspaces", found, {"name": name})

    def ensure_endpoint(self, workspace_id: str, name: str) -> str:
        """The id of the SQL endpoint of that name, made with the DuckDB engine if it is missing."""
        path = f"/v1/workspaces/{quote(workspace_id)}/endpoints"
        found = self.get(dict[str, Any], path, name=name, limit=100)["endpoints"]
        return self._ensure(path, found, {"name": name, "type": "sql", "config": {"engine": "duckdb"}})

    def _ensure(self, path: str, found: object, new: dict[str, object]) -> str:
        # The list filter looks for a part of the name.
        for one in msgspec.convert(found, list[Named]):
            if one.name == new["name"]:
                return one.id
        return self.post(Named, path, new).id

    def open_session(self, workspace_id: str, endpoint_id: str) -> "Session":
        """A session on the workspace's default catalog."""
        lake = {"instance_id": "default", "catalog": "default"}
        body = {"endpoint_id": endpoint_id, "lake_formation_config": lake}
        reply = self.post(SessionReply, f"/v1/workspaces/{quote(workspace_id)}/sessions", body)
        return Session(self, workspace_id, reply.session_id)


class Session:
    """An open session and its statements."""

    def __init__(self, api: Api, workspace_id: str, session_id: str) -> None:
        self.api = api
        self.id = session_id
        self._sessions = f"/v1/workspaces/{quote(workspace_id)}/sessions"
        self._path = f"{self._sessions}/{quote(session_id)}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the session; its statements are cancelled. One that is gone already is no error."""
        try:
            self.api.call("DELETE", self._path)
        except ApiError as refused:
            if refused.status != http.HTTPStatus.NOT_FOUND:
                raise

    def status(self) -> str:
        """The session's status: RUNNING, CLOSED, FAIL and so on."""
        return self.api.get(SessionReply, self._path).status

    def submit(self, sql: str, *, sync: bool = False) -> StatementReply:
        """Submit a statement; synchronously the answer has the results if it ended in time."""
        body = {"session_id": self.id, "statement": sql, "is_sync": sync}
        return self.api.post(StatementReply, f"{self._sessions}/statements", body)

    def show(self, statement_id: str, page: int = 1) -> StatementReply:
        """The state of a statement and one page of its result."""
        return self.api.get(StatementReply, f"{self._path}/statements/{quote(statement_id)}", page_num=page)

    def wait(self, reply: StatementReply, *, poll: float = 0.1) -> StatementReply:
        """The reply of a statement that has ended, asked for every ``poll`` seconds."""
        while not reply.ended:
            time.sleep(poll)
            reply = self.show(reply.statement_id)
        return reply

    def run(self, sql: str) -> ResultReply:
        """Run to the end; raises `StatementFailed`."""
        result = self.wait(self.submit(sql, sync=True)).last
        if result.status == "PGRES_FATAL_ERROR":
            raise StatementFailed(result.sql_state, result.message)
        return result

    def cancel(self, statement_id: str) -> CancelReply:
        """Cancel a statement; returns when it has stopped."""
        started = time.monotonic()
        headers, _ = self.api.call("POST", f"{self._path}/statements/{quote(statement_id)}/cancel", {})
        return CancelReply(
            state=headers.get("X-Statement-State", ""),
            outcome=headers.get("X-Cancel-Outcome", ""),
            rung=headers.get("X-Cancel-Rung", ""),
            millis=headers.get("X-Cancel-Millis", ""),
            seconds=time.monotonic() - started,
        )
