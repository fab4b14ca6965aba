"""What the middlewares learn about one request, handed on in its ASGI scope."""

from collections.abc import Callable
from typing import Final

from starlette.types import Scope

from treadle.api.routes import Match
from treadle.api.turns import Turns
from treadle.model.entities import Principal
from treadle.service.holdings import Holding

_KEY: Final = "treadle.exchange"


def _nothing(_size: int) -> None:
    pass


class Exchange:
    """One request on its way in: filled by the middlewares in their order.

    ``most`` is how many bytes its body may have, and ``hold`` counts those that are taken for it in memory.
    """

    __slots__ = ("caller", "hold", "holding", "match", "most", "request_id", "turns")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.match: Match | None = None
        self.caller: Principal | None = None
        self.holding = Holding()
        self.most = 0
        self.turns = Turns()
        self.hold: Callable[[int], None] = _nothing


def attach(scope: Scope, exchange: Exchange) -> None:
    """Put it into the scope."""
    scope[_KEY] = exchange


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of a request."""
    found = scope[_KEY]
    assert isinstance(found, Exchange)
    return found
