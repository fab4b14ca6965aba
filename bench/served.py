"""The same work asked of a running service over its HTTP API."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final
from urllib.parse import quote

import msgspec

from bench import load
from bench.catalogs import Catalogs
from bench.lean import Lean, Place, Reply
from treadle.demo.client import Api, ApiError, Session, StatementReply
from treadle.demo.local import LocalService
from treadle.demo.processes import cpu_percent, descendants, proportional_bytes

EARLY_CANCELS: Final = 5
SETTLE_SECONDS: Final = 15.0
WARM_UP_SECONDS: Final = 0.5
COLD_ROOMS: Final = 6
"""Workspaces taken in turn, more than workers wait at: where the last session was, one may be waiting again."""

PAGE_ROWS: Final = 1000
SELECT_ONE: Final = "SELECT 1"

_reply: Final = msgspec.json.Decoder(StatementReply)


class Large(msgspec.Struct, frozen=True):
    """A finished result of many pages."""

    session_id: str
    statement_id: str
    pages: int


class Target:
    """Where the measured sessions are opened."""

    def __init__(self, service: LocalService, token: str, workspace_id: str, endpoint_id: str) -> None:
        self.service = service
        self.token = token
        self.place = Place.of(service.url, token)
        self.workspace_id = workspace_id
        self.endpoint_id = endpoint_id
        self._large: dict[str, Large] = {}
        self._rooms: list[tuple[str, str]] = []

    @classmethod
    def of(cls, service: LocalService, token: str) -> "Target":
        """A workspace and an endpoint on that service, made if they are missing."""
        with Api(service.url, token) as api:
            workspace_id = api.ensure_workspace("bench")
            return cls(service, token, workspace_id, api.ensure_endpoint(workspace_id, "bench"))

    @property
    def sessions_path(self) -> str:
        """The path of the workspace's sessions."""
        return f"/v1/workspaces/{quote(self.workspace_id)}/sessions"

    @contextmanager
    def sessions(self, count: int) -> Iterator[list[Session]]:
        """So many open sessions, over a connection made for it, closed at the end."""
        opened: list[Session] = []
        with Api(self.service.url, self.token) as api:
            try:
                opened.extend(api.open_session(self.workspace_id, self.endpoint_id) for _ in range(count))
                yield opened
            finally:
                # Meanwhile the connection may have been idle for longer than the service keeps one.
                with Api(self.service.url, self.token) as fresh:
                    for session in opened:
                        Session(fresh, self.workspace_id, session.id).close()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """An open session."""
        with self.sessions(1) as (session,):
            yield session

    def submit(self, session: Session, sql: str, *, sync: bool) -> bytes:
        """The request that submits a statement."""
        body = {"session_id": session.id, "statement": sql, "is_sync": sync}
        return self.place.request("POST", f"{self.sessions_path}/statements", msgspec.json.encode(body))

    def large(self, sql: str) -> Large:
        """The finished result of ``sql``, made once."""
        if sql not in self._large:
            with self.session() as session:
                reply = session.wait(session.submit(sql))
                if reply.last.status != "PGRES_TUPLES_OK":
                    raise ApiError(200, reply.last.message)
                self._large[sql] = Large(session.id, reply.statement_id, reply.last.page_count)
        return self._large[sql]

    def room(self, number: int) -> tuple[str, str]:
        """A further workspace with its endpoint, used before: ids of both."""
        with Api(self.service.url, self.token) as api:
            while len(self._rooms) <= number:
                workspace_id = api.ensure_workspace(f"room-{len(self._rooms)}")
                endpoint_id = api.ensure_endpoint(workspace_id, "bench")
                api.open_session(workspace_id, endpoint_id).close()
                self._rooms.append((workspace_id, endpoint_id))
        return self._rooms[number]


def select_one(target: Target, count: int) -> list[float]:
    """Seconds from the submit of ``SELECT 1`` to its rows, over a kept connection."""
    with target.session() as session, Lean(target.place) as client:
        request = target.submit(session, SELECT_ONE, sync=True)
        _warm_up(client, request)
        taken = []
        for _ in range(count):
            started = time.perf_counter()
            reply = _reply.decode(client.exchange(request).body)
            taken.append(time.perf_counter() - started)
            if reply.last.rows != [["1"]]:
                raise ApiError(200, "SELECT 1 did not answer 1")
        return taken


def _warm_up(client: Lean, request: bytes) -> None:
    """What follows the opening of a session is over when this is."""
    end = time.perf_counter() + WARM_UP_SECONDS
    while time.perf_counter() < end:
        client.exchange(request)


def statements_per_second(target: Target, sessions: int, seconds: float) -> float:
    """``SELECT 1`` a second over that many sessions at once."""
    with target.sessions(sessions) as opened:
        requests = [target.submit(session, SELECT_ONE, sync=True) for session in opened]
        return load.run(load.Order(target.place, requests, b'"rows":[["1"]]', seconds)).per_second


def cancel(target: Target, sql: str, count: int, after: float, rung: str) -> list[float]:
    """Seconds from the cancel of the running statement to the 200, of those that stopped on ``rung``.

    One that is asked too early stops on another: it had not come to what it is deaf for. The next runs longer.
    """
    taken: list[float] = []
    early = 0
    while len(taken) < count:
        with target.session() as session, Lean(target.place) as client:
            while len(taken) < count and session.status() == "RUNNING":
                passed, stopped = _cancel_one(target, session, client, sql, after * (early + 1))
                if stopped == rung:
                    taken.append(passed)
                    continue
                early += 1
                if early > EARLY_CANCELS:
                    raise ApiError(200, f"statements are {stopped} and not {rung}: {sql}")
    return taken


def _cancel_one(target: Target, session: Session, client: Lean, sql: str, after: float) -> tuple[float, str]:
    statement_id = session.submit(sql).statement_id
    while session.show(statement_id).status == 3:
        time.sleep(0.01)
    time.sleep(after)
    path = f"{target.sessions_path}/{session.id}/statements/{statement_id}/cancel"
    request = target.place.request("POST", path)
    started = time.perf_counter()
    reply = client.exchange(request)
    passed = time.perf_counter() - started
    if reply.header("X-Cancel-Outcome") != "cancelled":
        raise ApiError(200, f"the statement was not cancelled: {reply.head.decode()}")
    return passed, reply.header("X-Cancel-Rung")


def open_cold(target: Target, count: int) -> list[float]:
    """Seconds to open a session in a workspace whose catalog no process is attached to."""
    taken: list[float] = []
    rooms = [target.room(number) for number in range(min(COLD_ROOMS, count + 2))]
    with Catalogs.of(target.service.data_dir) as catalogs:
        while len(taken) < count:
            cold = [room for room in rooms if not catalogs.attached(room[0])]
            for room in cold[: count - len(taken)]:
                taken.append(open_one(target, *room))
                # A worker may be attached here for the next session: that is no part of another's opening.
                catalogs.wait_steady(room[0])
            if not cold:
                rooms.append(target.room(len(rooms)))
    return taken


def open_warm(target: Target, count: int) -> list[float]:
    """Seconds to open a session where a waiting worker is attached to the catalog; none when there never is one."""
    taken: list[float] = []
    room = target.room(0)
    open_one(target, *room)
    with Catalogs.of(target.service.data_dir) as catalogs:
        while len(taken) < count and catalogs.wait_warm(room[0]):
            taken.append(open_one(target, *room))
    return taken


def open_one(target: Target, workspace_id: str, endpoint_id: str) -> float:
    """Measure opening a session in seconds, and close it."""
    path = f"/v1/workspaces/{quote(workspace_id)}/sessions"
    lake = {"instance_id": "default", "catalog": "default"}
    body = msgspec.json.encode({"endpoint_id": endpoint_id, "lake_formation_config": lake})
    request = target.place.request("POST", path, body)
    with Lean(target.place) as client:
        started = time.perf_counter()
        reply = client.exchange(request)
        passed = time.perf_counter() - started
        client.exchange(target.place.request("DELETE", f"{path}/{_session_id(reply)}"))
    return passed


class _Opened(msgspec.Struct):
    session_id: str


def _session_id(reply: Reply) -> str:
    return msgspec.json.decode(reply.body, type=_Opened).session_id


def rows_per_second(target: Target, sql: str, share: range, shares: int) -> float:
    """Rows a second of paging, page after page, through the parts ``share`` of a result cut into ``shares`` parts."""
    large = target.large(sql)
    path = f"{target.sessions_path}/{large.session_id}/statements/{large.statement_id}?page_num="
    pages = range(share.start * large.pages // shares + 1, share.stop * large.pages // shares + 1)
    with Lean(target.place) as client:
        started, rows = time.perf_counter(), 0
        for page in pages:
            rows += len(_reply.decode(client.exchange(target.place.request("GET", f"{path}{page}")).body).last.rows)
        taken = time.perf_counter() - started
    if rows != len(pages) * PAGE_ROWS:
        raise ApiError(200, f"{rows} rows came in {len(pages)} pages")
    return rows / taken


class Idle(msgspec.Struct, frozen=True):
    """Bytes (PSS) that one more idle session costs: in the service and its workers, and in its PostgreSQL."""

    service: float
    postgres: float


@contextmanager
def idle_sessions(target: Target, counts: Sequence[int]) -> Iterator[Idle]:
    """Keep so many idle sessions open, in steps; what they cost is measured at the first step."""
    with ExitStack() as opened:
        before = _settled(target.service)
        opened.enter_context(target.sessions(counts[0]))
        after = _settled(target.service)
        for more in counts[1:]:
            opened.enter_context(target.sessions(more))
        yield Idle(
            (after.service - before.service) / counts[0],
            (after.postgres - before.postgres) / counts[0],
        )


def _settled(service: LocalService) -> Idle:
    """The PSS of the service and of its PostgreSQL once no process comes, goes or works any more."""
    # The private PostgreSQL outlives the service: it is nobody's child.
    postmaster = int((service.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        before = descendants(service.pid)
        used = sum(cpu_percent(before, 0.5).values())
        if used < 20.0 and descendants(service.pid) == before:
            break
    return Idle(_tree_bytes(service.pid), _tree_bytes(postmaster))


def _tree_bytes(pid: int) -> float:
    return float(sum(map(proportional_bytes, descendants(pid) | {pid})))
