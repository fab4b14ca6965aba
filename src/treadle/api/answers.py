"""Replies to responses."""

from collections.abc import Sequence
from http import HTTPStatus
from secrets import token_hex
from typing import Final

import msgspec
from msgspec.structs import replace
from starlette.responses import Response

from treadle.api import render
from treadle.service.holdings import FREE
from treadle.service.views import CancelReport, StatementView

_MARK: Final = token_hex(24).encode()
"""Placeholder for large rows while the text around them is encoded; random, so that no caller can guess it."""

_encode: Final = msgspec.json.Encoder().encode


def answer(reply: msgspec.Struct | Sequence[msgspec.Struct], status: int = HTTPStatus.OK) -> Response:
    """A JSON response."""
    return Response(_encode(reply), status, media_type="application/json")


class Shown(Response):
    """The response with a statement and its rows. ``pieces`` is the whole body; large rows are sent without a copy.

    ``instead`` is sent if the memory budget has no room for this response.
    """

    def __init__(self, pieces: Sequence[bytes | memoryview]) -> None:
        super().__init__(pieces[0] if len(pieces) == 1 else b"", HTTPStatus.OK, media_type="application/json")
        self.pieces = pieces
        self.size = sum(map(len, pieces))
        self.headers["content-length"] = str(self.size)
        self.instead: Response | None = None


def shown(view: StatementView, *, with_progress: bool = True) -> Shown:
    """Make the response that shows a statement."""
    large = [part.rows for part in view.results or () if isinstance(part.rows, memoryview)]
    if not large:
        return Shown([_encode(render.statement(view, with_progress=with_progress))])
    marked = tuple(
        replace(part, rows=_MARK) if isinstance(part.rows, memoryview) else part for part in view.results or ()
    )
    around = _encode(render.statement(replace(view, results=marked), with_progress=with_progress)).split(_MARK)
    pieces: list[bytes | memoryview] = [around[0]]
    for rows, after in zip(large, around[1:], strict=True):
        pieces += [rows, after]
    return Shown(pieces)


def submitted(view: StatementView, *, with_progress: bool) -> Shown:
    """The answer to a submit. One without its rows is ready in case that they cannot be held: the statement ran."""
    response = shown(view, with_progress=with_progress)
    if response.size > FREE and view.results:
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
