"""Replies to responses."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from treadle.api import render
from treadle.service.holdings import FREE
from treadle.service.views import CancelReport, StatementView

_encode: Final = msgspec.json.Encoder().encode


def answer(reply: msgspec.Struct | Sequence[msgspec.Struct], status: int = HTTPStatus.OK) -> Response:
    """A JSON response."""
    return Response(_encode(reply), status, media_type="application/json")


class Submitted(Response):
    """The answer to a submit; ``instead`` goes out where there is no room for this one."""

    instead: Response | None = None


def submitted(view: StatementView, *, with_progress: bool) -> Submitted:
    """The answer to a submit. One without its rows is ready in case that they cannot be held: the statement ran."""
    body = _encode(render.statement(view, with_progress=with_progress))
    response = Submitted(body, HTTPStatus.OK, media_type="application/json")
    if len(body) > FREE and view.results:
        short = view.without_rows("too much is held in memory for other answers; ask for the page")
        response.instead = answer(render.statement(short, with_progress=with_progress))
    return response


def empty(headers: dict[str, str] | None = None) -> Response:
    """The documented empty 200."""
    return Response(b"", HTTPStatus.OK, headers)


def cancelled(report: CancelReport) -> Response:
    """The verdict of a cancel: an empty body, and headers."""
    headers = {"X-Statement-State": report.state, "X-Cancel-Outcome": report.outcome}
    if report.rung is not None:
        headers["X-Cancel-Rung"] = report.rung
    return empty({**headers, "X-Cancel-Millis": f"{report.millis:.1f}"})
