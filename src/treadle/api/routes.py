"""The route: one value that drives matching, reading, answering and the API description alike."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.responses import Response

from treadle.api.bodies import Nothing
from treadle.api.errors import UnknownRoute, WrongMethod
from treadle.model.entities import Principal
from treadle.model.ids import PLAIN_ID, STATEMENT_ID
from treadle.service.delivery import Delivery
from treadle.service.deps import Leaving

Q = TypeVar("Q", bound=msgspec.Struct)
B = TypeVar("B", bound=msgspec.Struct)

ID_PATTERNS: Final = {
    "workspace_id": PLAIN_ID,
    "endpoint_id": PLAIN_ID,
    "session_id": PLAIN_ID,
    "statement_id": STATEMENT_ID,
}


_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
"""A name or an address, and perhaps a port: what may stand in a link."""

WORKSPACE: Final = "/v1/workspaces/{workspace_id}"
V2: Final = "/v2/"
SESSION: Final = WORKSPACE + "/sessions/{session_id}"

WITH_BODY: Final = (400, 401, 403, 404, 408, 413, 415, 429, 500, 503)
"""The error statuses of an operation that reads a body."""


class Ask(msgspec.Struct, Generic[Q, B], frozen=True):
    """A parsed request.

    ``leaving`` raises when the caller has disconnected, ``scheme`` is the URL scheme of the request, ``delivery``
    registers callbacks for the delivery of its answer.
    """

    caller: Principal
    ids: dict[str, str]
    query: Q
    body: B
    headers: Sequence[tuple[bytes, bytes]] = ()
    leaving: Leaving | None = None
    scheme: str = "http"
    delivery: Delivery | None = None

    @property
    def base(self) -> str:
        """The address under which the caller has reached the service; empty when that is none."""
        host = next((value for name, value in self.headers if name == b"host"), b"")
        return f"{self.scheme}://{host.decode()}" if _HOST.fullmatch(host) else ""


class Route(msgspec.Struct, Generic[Q, B], frozen=True, kw_only=True):
    """One operation of the API.

    ``query`` and ``body`` are the structs read from the request and ``reply`` the struct sent, or with ``many`` an
    array of it; `Nothing` as ``body`` leaves a request body unread. With ``any_object`` the body may be absent or any
    JSON object, and only the fields of ``body`` are read. ``errors`` are the documented error statuses, ``takes`` and
    ``headers`` the headers of the request and of the response, ``most`` the maximum values of query parameters that are
    settings.
    """

    operation: str
    method: str
    path: str
    summary: str
    tag: str
    handle: Callable[[Ask[Q, B]], Awaitable[Response]]
    query: type[Q]
    body: type[B]
    reply: type[msgspec.Struct] | str | None = None
    many: bool = False
    status: int = 200
    errors: tuple[int, ...] = (400, 401, 403, 404, 408, 429, 500, 503)
    any_object: bool = False
    secured: bool = True
    documented: bool = True
    headers: dict[str, str] = {}
    takes: dict[str, str] = {}
    most: dict[str, int] = {}
    example: dict[str, Any] | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(piece[1:-1] for piece in self.path.split("/") if piece.startswith("{"))

    @property
    def plain_forbidden(self) -> bool:
        """Whether its 403 has the shape of the other errors, as version 2 has it."""
        return self.path.startswith(V2)

    @property
    def reads_body(self) -> bool:
        """Whether the request body matters."""
        return self.body is not Nothing


AnyRoute = Route[Any, Any]


class Match(msgspec.Struct, frozen=True):
    """A route, and the ids as the path has them."""

    route: AnyRoute
    ids: dict[str, str]


class _Node:
    """A place in the tree of paths of one method: what may follow, and the route that ends here."""

    __slots__ = ("literals", "parameter", "route")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.route: AnyRoute | None = None

    def grow(self, pieces: list[str], route: AnyRoute) -> None:
        node = self
        for piece in pieces:
            if piece.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(piece, _Node())
        node.route = route

    def find(self, pieces: list[str], at: int, values: tuple[str, ...]) -> tuple[AnyRoute, tuple[str, ...]] | None:
        """The route for ``pieces`` from ``at`` on: a literal goes before a parameter."""
        if at == len(pieces):
            return (self.route, values) if self.route else None
        piece = pieces[at]
        literal = self.literals.get(piece)
        if literal and (found := literal.find(pieces, at + 1, values)):
            return found
        if self.parameter and piece:
            return self.parameter.find(pieces, at + 1, (*values, piece))
        return None


class Router:
    """Finds the route of a request."""

    def __init__(self, routes: Iterable[AnyRoute]) -> None:
        self.routes = tuple(routes)
        self._trees: dict[str, _Node] = {}
        for route in self.routes:
            self._trees.setdefault(route.method, _Node()).grow(route.path.split("/"), route)

    def match(self, method: str, raw_path: bytes) -> Match:
        """The route and its ids; raises `UnknownRoute` or `WrongMethod`."""
        pieces = [_decoded(piece) for piece in raw_path.split(b"/")]
        tree = self._trees.get("GET" if method == "HEAD" else method)
        if found := tree and tree.find(pieces, 0, ()):
            route, values = found
            return Match(route, dict(zip(route.parameters, values, strict=True)))
        allowed = tuple(self._allowed(pieces))
        if not allowed:
            raise UnknownRoute
        raise WrongMethod(", ".join(allowed))

    def _allowed(self, pieces: list[str]) -> Iterator[str]:
        methods = [method for method, tree in self._trees.items() if tree.find(pieces, 0, ())]
        if not methods:
            return
        yield from sorted({*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])})


def _decoded(piece: bytes) -> str:
    """A piece of a path; what is not UTF-8 becomes something no id and no literal is."""
    return unquote_to_bytes(piece).decode("utf-8", "replace") if b"%" in piece else piece.decode("utf-8", "replace")
