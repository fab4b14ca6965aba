"""Replies to responses."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from treadle.service.views import CancelReport

_encode: Final = msgspec.json.Encoder().encode


def answer(reply: msgspec.Struct | Sequence[msgspec.Struct], status: int = HTTPStatus.OK) -> Response:
    """A JSON response."""
    return Response(_encode(reply), status, media_type="application/json")


def empty(headers: dict[str, str] | None = None) -> Response:
    """The documented empty 200."""
    return Response(b"", HTTPStatus.OK, headers)


def cancelled(report: CancelReport) -> Response:
    """The verdict of a cancel: an empty body, and headers."""
    headers = {"X-Statement-State": report.state, "X-Cancel-Outcome": report.outcome}
    if report.rung is not None:
        headers["X-Cancel-Rung"] = report.rung
    return empty({**headers, "X-Cancel-Millis": f"{report.millis:.1f}"})
