"""A caller of the documented API over raw HTTP: what it sends and what it gets is what stands on the wire."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.tokens import make_token
from tests.support.world import until
from treadle.demo.local import LocalService

Json = dict[str, Any]
LAKE = {"instance_id": "default", "catalog": "default"}
ENDLESS = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"
UNFINISHED = (1, 3)


class Caller:
    """A token, a workspace and an endpoint of its own on a running service."""

    def __init__(self, service: LocalService, http: httpx.Client, name: str = "service") -> None:
        self.service = service
        self.http = http
        self.workspace_id = str(self.made("/v1/workspaces", {"name": name})["id"])
        self.base = f"/v1/workspaces/{self.workspace_id}"
        self.endpoint_id = self.endpoint("main")

    @property
    def files(self) -> Path:
        """The workspace's files folder."""
        return self.service.data_dir / "files" / self.workspace_id

    @property
    def results(self) -> Path:
        """The workspace's results folder."""
        return self.service.data_dir / "results" / self.workspace_id

    def made(self, path: str, body: Json) -> Json:
        """The answer to a POST that must succeed."""
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        reply: Json = answer.json()
        return reply

    def got(self, path: str, **query: str | int) -> Json:
        """The answer to a GET that must succeed."""
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        reply: Json = answer.json()
        return reply

    def endpoint(self, name: str, **config: Any) -> str:
        """The id of a new endpoint."""
        return str(self.made(f"{self.base}/endpoints", {"name": name, "type": "sql", "config": config})["id"])

    def ask_session(self, endpoint_id: str = "", **fields: Any) -> httpx.Response:
        """The raw answer to CreateSqlSession."""
        body = {"endpoint_id": endpoint_id or self.endpoint_id, "lake_formation_config": LAKE, **fields}
        return self.http.post(f"{self.base}/sessions", json=body)

    def session(self, endpoint_id: str = "", **fields: Any) -> "Sql":
        """A new session."""
        answer = self.ask_session(endpoint_id, **fields)
        assert answer.status_code == 200, answer.text
        return Sql(self, answer.json()["session_id"])

    def record(self, statement_id: str) -> Json:
        """The statement's record."""
        found = self.got(f"{self.base}/statement-records", statement_id=statement_id)
        assert found["total"] == 1
        record: Json = found["records"][0]
        return record


class Sql:
    """A session and what is said in it."""

    def __init__(self, caller: Caller, session_id: str) -> None:
        self.caller = caller
        self.id = session_id
        self.path = f"{caller.base}/sessions/{session_id}"

    def __enter__(self) -> "Sql":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the session."""
        assert self.caller.http.delete(self.path).status_code == 200

    def status(self) -> str:
        """The session's status."""
        return str(self.caller.got(self.path)["status"])

    def post(self, sql: str, **fields: Any) -> httpx.Response:
        """The raw answer to ExecuteSqlStatement."""
        body = {"session_id": self.id, "statement": sql, **fields}
        return self.caller.http.post(f"{self.caller.base}/sessions/statements", json=body)

    def execute(self, sql: str, **fields: Any) -> Json:
        """The StatementResponse of a statement."""
        answer = self.post(sql, **fields)
        assert answer.status_code == 200, answer.text
        reply: Json = answer.json()
        return reply

    def last(self, sql: str, **fields: Any) -> Json:
        """The last StatementResult."""
        result: Json = self.execute(sql, **fields)["results"][-1]
        return result

    def run(self, sql: str, **fields: Any) -> str:
        """Run a statement that must succeed; returns its command tag."""
        last = self.last(sql, **fields)
        assert last["err_code"] == "0", (sql, last)
        return str(last["message"])

    def rows(self, sql: str, **fields: Any) -> list[list[str | None]]:
        """The first page of rows of a query that must succeed."""
        last = self.last(sql, **fields)
        assert last["status"] == "PGRES_TUPLES_OK", (sql, last)
        rows: list[list[str | None]] = last["result_set"]["rows"]
        return rows

    def fails(self, sql: str, **fields: Any) -> str:
        """The SQLSTATE of a statement that must fail."""
        reply = self.execute(sql, **fields)
        last = reply["results"][-1]
        assert (reply["status"], last["status"], last["err_code"]) == (-1, "PGRES_FATAL_ERROR", "1"), (sql, reply)
        return str(last["sql_state"])

    def start(self, sql: str) -> str:
        """Submit without waiting; returns the statement's id."""
        return str(self.execute(sql, is_sync=False)["statement_id"])

    def show(self, statement_id: str, **query: str | int) -> Json:
        """The StatementResponse of ShowSqlStatementResult."""
        return self.caller.got(f"{self.path}/statements/{statement_id}", **query)

    def wait(self, statement_id: str, timeout: float = 30.0) -> Json:
        """The StatementResponse of a statement once it has ended."""

        def ended() -> Json | None:
            shown = self.show(statement_id)
            return None if shown["status"] in UNFINISHED else shown

        shown: Json = until(ended, f"statement {statement_id} has ended", timeout)
        return shown

    def cancel(self, statement_id: str) -> str:
        """Cancel; returns the outcome."""
        answer = self.caller.http.post(f"{self.path}/statements/{statement_id}/cancel", json={})
        assert answer.status_code == 200, answer.text
        return answer.headers["x-cancel-outcome"]

    def effects(self, sql: str) -> str:
        """What the record says a statement left."""
        return str(self.caller.record(self.execute(sql)["statement_id"])["effects"])


@contextmanager
def calling(data_dir: Path, settings: Mapping[str, str] | None = None, name: str = "service") -> Iterator[Caller]:
    """A caller of a service of its own, for a while; ``name`` is its workspace's, which must be new."""
    with LocalService(data_dir, settings) as service:
        headers = {"X-Auth-Token": make_token(data_dir, "project-s", "alice")}
        with httpx.Client(base_url=service.url, headers=headers, timeout=120.0) as http:
            yield Caller(service, http, name)


def refused(answer: httpx.Response, field: str) -> None:
    """Assert a 400 that names a field, in the documented frame if the request could not be read."""
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "common.01000001"
    message = answer.json()["error_msg"]
    assert message.startswith(field) or f"reason: {field}" in message, answer.text
