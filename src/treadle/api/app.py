"""The ASGI application: the routes behind the middlewares."""

from time import monotonic

from starlette.types import ASGIApp, Receive, Scope, Send

from treadle.api import iam, v1
from treadle.api.dispatch import dispatch
from treadle.api.intake import BodyLimit
from treadle.api.middleware import AccessLog, Auth, Consent, Errors, Observe, RequestIds, Routing, Throttle
from treadle.api.routes import Router
from treadle.api.system import Metrics, System
from treadle.api.v2 import table as v2
from treadle.api.verbs import Verbs
from treadle.config import Settings
from treadle.service.limits import Rates
from treadle.service.strangers import Strangers


def build(
    verbs: Verbs,
    settings: Settings,
    metrics: Metrics | None = None,
    *,
    observe: Observe | None = None,
    body_idle: float | None = None,
) -> ASGIApp:
    """The whole HTTP API over ``verbs``; without ``metrics`` there is no ``/metrics``.

    ``observe`` hears of each request when it is over: route template, method, status, seconds.
    ``body_idle`` takes the place of the setting.
    """
    table = (*v1.routes(verbs, settings), *v2.routes(verbs, settings), *iam.routes(verbs))
    router = Router([*table, *System(verbs, metrics, table).routes])
    app: ASGIApp = Throttle(dispatch, Rates(settings, monotonic))
    app = Auth(app, verbs, settings.max_signed_body, Strangers(settings, monotonic))
    app = BodyLimit(app, settings, body_idle or settings.body_idle)
    app = Routing(app, router)
    app = Errors(app)
    app = AccessLog(app, observe)
    app = Consent(app)
    app = RequestIds(app, settings.trusted_proxies)
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
