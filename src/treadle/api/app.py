"""The ASGI application: the routes behind the middlewares."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from treadle.api import v1
from treadle.api.dispatch import dispatch
from treadle.api.middleware import AccessLog, Auth, BodyLimit, Consent, Errors, Observe, RequestIds, Routing
from treadle.api.routes import Router
from treadle.api.system import Metrics, System
from treadle.api.verbs import Verbs
from treadle.config import Settings

BODY_IDLE: Final = 60.0
"""Seconds a caller may pause in the middle of a request body."""


def build(
    verbs: Verbs,
    settings: Settings,
    metrics: Metrics | None = None,
    *,
    observe: Observe | None = None,
    body_idle: float = BODY_IDLE,
) -> ASGIApp:
    """The whole HTTP API over ``verbs``; without ``metrics`` there is no ``/metrics``.

    ``observe`` hears of each request when it is over: route template, method, status, seconds.
    """
    table = v1.routes(verbs, settings)
    router = Router([*table, *System(verbs, metrics, table).routes])
    app: ASGIApp = BodyLimit(dispatch, settings.max_body, body_idle)
    app = Auth(app, verbs)
    app = Routing(app, router)
    app = Errors(app)
    app = AccessLog(app, observe)
    app = Consent(app)
    app = RequestIds(app)
    return _HttpOnly(app)


class _HttpOnly:
    """The outermost layer: answers the server's own questions and turns away what is not HTTP."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        match scope["type"]:
            case "http":
                await self._app(scope, receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})
            case "lifespan":
                for phase in ("startup", "shutdown"):
                    await receive()
                    await send({"type": f"lifespan.{phase}.complete"})
