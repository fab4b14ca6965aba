"""Operations about the service itself: health, readiness, metrics, the API description and its page."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import cached_property, partial
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec
from starlette.responses import FileResponse, Response
from swagger_ui_bundle import swagger_ui_path

from treadle.api import openapi, replies
from treadle.api.answers import answer
from treadle.api.bodies import Nothing
from treadle.api.routes import AnyRoute, Ask, Route
from treadle.api.verbs import Verbs

Metrics = Callable[[], Awaitable[tuple[str, bytes]]]
"""Content type and text of the metrics."""

_NoAsk = Ask[Nothing, Nothing]
Handler = Callable[[_NoAsk], Awaitable[Response]]

_ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Treadle API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "docs/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
    "X-Content-Type-Options": "nosniff",
}


class System:
    """The operations. They need no token."""

    def __init__(self, verbs: Verbs, metrics: Metrics | None, others: Iterable[AnyRoute]) -> None:
        self._verbs = verbs
        self._metrics = metrics
        self.routes = tuple(self._table())
        self._described = partial(openapi.document, (*others, *self.routes))

    @cached_property
    def _description(self) -> bytes:
        return msgspec.json.encode(self._described())

    @cached_property
    def _page_description(self) -> bytes:
        return msgspec.json.encode(openapi.for_swagger_ui(self._described()))

    async def health(self, _: _NoAsk) -> Response:
        """Say that the process answers."""
        return answer(replies.Health(status="ok"))

    async def ready(self, _: _NoAsk) -> Response:
        """Say whether requests can be served."""
        await self._verbs.ready()
        return answer(replies.Health(status="ready"))

    async def metrics(self, _: _NoAsk) -> Response:
        """Show the metrics."""
        assert self._metrics is not None
        content_type, text = await self._metrics()
        return Response(text, headers={"Content-Type": content_type})

    async def root(self, _: _NoAsk) -> Response:
        """Lead to the page of the API description."""
        return Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": "/docs"})

    async def description(self, _: _NoAsk) -> Response:
        """Show the API description."""
        return Response(self._description, media_type="application/json")

    def _table(self) -> Iterator[AnyRoute]:
        yield _route("/healthz", self.health, "CheckHealth", "Whether the process answers.", replies.Health)
        yield _route(
            "/readyz", self.ready, "CheckReady", "Whether requests can be served.", replies.Health, errors=(500, 503)
        )
        yield _route(
            "/healthcheck", self.health, "ShowAdminHealthCheck", "Whether the process answers.", replies.Health
        )
        if self._metrics is not None:
            yield _route("/metrics", self.metrics, "ShowMetrics", "The metrics, for Prometheus.", "text/plain")
        yield _route("/openapi.json", self.description, "ShowDescription", "This description.", "application/json")
        yield _asset("/", self.root)
        yield _route("/docs", _text(_PAGE, "text/html"), "ShowDocs", "This description as a page.", "text/html")
        yield _asset("/docs/start.js", _text(_START, "text/javascript"))
        yield _asset("/docs/openapi.json", self._for_page)
        for name, media_type in _ASSETS.items():
            yield _asset(f"/docs/{name}", _file(name, media_type))

    async def _for_page(self, _: _NoAsk) -> Response:
        return Response(self._page_description, media_type="application/json")


def _text(content: str, media_type: str) -> Handler:
    async def show(_: _NoAsk) -> Response:
        return Response(content, headers=_PAGE_HEADERS, media_type=media_type)

    return show


def _file(name: str, media_type: str) -> Handler:
    path = Path(swagger_ui_path) / name

    async def show(_: _NoAsk) -> Response:
        return FileResponse(path, headers=_PAGE_HEADERS, media_type=media_type)

    return show


def _route(
    path: str,
    handle: Handler,
    operation: str,
    summary: str,
    reply: type[msgspec.Struct] | str | None,
    errors: tuple[int, ...] = (500,),
) -> AnyRoute:
    return Route(
        operation=operation,
        method="GET",
        path=path,
        summary=summary,
        tag="Service",
        handle=handle,
        query=Nothing,
        body=Nothing,
        reply=reply,
        errors=errors,
        secured=False,
        documented=bool(operation),
    )


def _asset(path: str, handle: Handler) -> AnyRoute:
    """The way to the page or a file of it: no operation, and left out of the description."""
    return _route(path, handle, "", "", None)
