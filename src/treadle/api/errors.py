"""Errors to bodies: the one place that knows what an error looks like on the wire.

The bodies are the documented ones, byte for byte, in three shapes: the service's (400, 404, 408,
409, 500), the gateway's (401, 413 and wrong routes) and the identity service's (403).
"""

import math
from collections.abc import Callable
from typing import Final

import msgspec
from starlette.responses import Response

from treadle.model.errors import (
    BadRequest,
    Conflict,
    CredentialRefused,
    Forbidden,
    InvalidParameter,
    LoginRefused,
    NotApplicable,
    NotFound,
    NotStopped,
    RequestError,
    ResultExpired,
    ResultLost,
    SessionNotReady,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
    WrongState,
)

MAX_TEXT: Final = 4096
"""Characters of an ``error_msg`` or ``solution_msg``."""

NO_API: Final = "The API does not exist or has not been published in the environment."
_FORBIDDEN: Final = "X-Auth-Token is invalid in the request"


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the service and the gateway answer when they refuse."""

    error_code: str
    error_msg: str
    solution_msg: str = ""


class ForbiddenDetail(msgspec.Struct, frozen=True, kw_only=True):
    """The inner form of a 403."""

    code: str
    message: str
    title: str


class Methods(msgspec.Struct, frozen=True):
    """The methods of a log-in that there are."""

    methods: tuple[str, ...]


class MethodDetail(ForbiddenDetail, frozen=True, kw_only=True):
    """The inner form of a 401 for a method that there is not, as Keystone has it."""

    identity: Methods


class ForbiddenBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The documented double form of a 403: the inner code is a string, the outer one a number."""

    error: ForbiddenDetail
    error_code: int
    error_msg: str
    title: str
    solution_msg: str = ""


class Fault(msgspec.Struct, frozen=True):
    """An error ready to be sent. One that is ``named`` tells the request's id in its body too."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    named: bool = False

    def response(self, request_id: str = "") -> Response:
        """As a response."""
        body = b'%b,"request_id":"%b"}' % (self.body[:-1], request_id.encode()) if self.named else self.body
        return Response(body, self.status, self.headers, media_type="application/json")


class UnknownRoute(RequestError):
    """No such path."""


class WrongMethod(RequestError):
    """The path exists, the method does not; ``allow`` is the value of the ``Allow`` header."""

    def __init__(self, allow: str) -> None:
        super().__init__(allow)
        self.allow = allow


class UnknownMethod(RequestError):
    """A log-in by a method that there is not; ``methods`` are those there are."""

    def __init__(self, methods: tuple[str, ...]) -> None:
        super().__init__("Attempted to authenticate with an unsupported method.")
        self.methods = methods


class UriTooLong(RequestError):
    """The request target exceeds the gateway's bound."""


class UnsupportedCoding(RequestError):
    """The request body is compressed in a way that is not read here."""


class HeadersTooLarge(RequestError):
    """The request headers exceed the gateway's bound."""


class BodyTimeout(RequestError):
    """The rest of the request body did not come."""


_encode: Final = msgspec.json.Encoder().encode


def _printable(text: str) -> str:
    """``text`` cut to the documented length and free of what UTF-8 cannot carry."""
    return text[:MAX_TEXT].encode("utf-8", "replace").decode()


def _fault(status: int, code: str, message: str, solution: str = "", **headers: str) -> Fault:
    body = ErrorBody(error_code=code, error_msg=_printable(message), solution_msg=_printable(solution))
    return Fault(status, _encode(body), headers)


def _bad_request(error: BadRequest) -> Fault:
    frame = "failed to read http request, please check your input, code: 400, reason: {}.{}"
    if not error.field:
        return _fault(400, "common.01000001", frame.format("Type mismatch", ", cause: TypeMismatchException"))
    cause = f", cause: {error.cause}" if error.cause else ""
    reason = f"{error.field}: {error.detail}"[: MAX_TEXT - len(frame) - len(cause)].rstrip(".")
    return _fault(400, "common.01000001", frame.format(reason, cause))


def _invalid_parameter(error: InvalidParameter) -> Fault:
    return _fault(400, "INVALID_PARAMETER", f"{error.field}: {error.detail}")


def _not_applicable(error: NotApplicable) -> Fault:
    # The request was read, so the documented frame for unreadable ones would mislead.
    return _fault(400, "common.01000001", f"{error.field}: {error.detail}")


def _wrong_state(error: BadRequest) -> Fault:
    # The request itself is valid, so the documented frame for wrong parameters would mislead.
    return _fault(400, "common.01000001", error.detail)


def _forbidden(error: RequestError) -> Fault:
    body = ForbiddenBody(
        error=ForbiddenDetail(code="403", message=_FORBIDDEN, title="Forbidden"),
        error_code=403,
        error_msg=_FORBIDDEN,
        title="Forbidden",
        solution_msg=_printable(str(error)),
    )
    return Fault(403, _encode(body))


def _plain_forbidden(error: RequestError) -> Fault:
    # The documentation of version 2 has a table for its 403 and no example; the code follows those of 408 and 500.
    return _fault(403, "common.00000403", _FORBIDDEN, str(error))


def _not_found(error: RequestError) -> Fault:
    return _fault(404, "common.01000001", "response status exception, code: 404", str(error))


def _credential_refused(error: RequestError) -> Fault:
    fault = _fault(401, "APIG.0301", f"Incorrect IAM authentication information: {error}")
    return msgspec.structs.replace(fault, named=True)


def _login_refused(error: RequestError) -> Fault:
    return _unauthorized(ForbiddenDetail(code="401", message=_printable(str(error)), title="Unauthorized"))


def _unknown_method(error: UnknownMethod) -> Fault:
    there = Methods(error.methods)
    return _unauthorized(MethodDetail(code="401", message=str(error), title="Unauthorized", identity=there))


def _unauthorized(detail: ForbiddenDetail) -> Fault:
    # In the shape of the identity service's 403.
    body = ForbiddenBody(error=detail, error_code=401, error_msg=detail.message, title=detail.title)
    return Fault(401, _encode(body))


def _timeout(error: RequestError) -> Fault:
    return _fault(408, "common.00000408", "timeout exception occurred", str(error))


def _conflict(error: RequestError) -> Fault:
    # The documentation has no 409 for this service; the code follows those of its 408 and 500.
    return _fault(409, "common.00000409", "conflict", str(error))


def _body_timeout(error: RequestError) -> Fault:
    fault = _timeout(error)
    return Fault(fault.status, fault.body, {"Connection": "close"})


def _unavailable(error: RequestError) -> Fault:
    headers = {"Retry-After": "1"}
    return _fault(503, "common.00000503", "service unavailable", str(error), **headers)


def _expired(error: RequestError) -> Fault:
    return _fault(404, "common.01000001", str(error) or "the result has expired")


def _too_many(error: TooMany) -> Fault:
    # The gateway's text, with the limit in its place.
    limit = f": {error}" if str(error) else ""
    headers = {"Retry-After": str(max(1, math.ceil(error.after)))}
    return _fault(429, "APIG.0308", f"The throttling threshold has been reached{limit}", **headers)


def _wrong_method(error: WrongMethod) -> Fault:
    return _fault(405, "APIG.0101", NO_API, Allow=error.allow)


_UNAUTHORIZED: Final = _fault(401, "APIG.1002", "Incorrect token or token resolution failed")
_UNKNOWN_ROUTE: Final = _fault(404, "APIG.0101", NO_API)
_TOO_LARGE: Final = _fault(413, "APIG.0201", "Request entity too large.")
_UNSUPPORTED_CODING: Final = _fault(
    # The documentation has no 415; the code follows those of its 408 and 500.
    415,
    "common.00000415",
    "unsupported content encoding",
    "send the body as it is, or as gzip",
    **{"Accept-Encoding": "gzip"},
)
_URI_TOO_LONG: Final = _fault(414, "APIG.0201", "Request URI too large.")
_HEADERS_TOO_LARGE: Final = _fault(431, "APIG.0201", "Request headers too large.")
INTERNAL: Final = _fault(500, "common.00000500", "internal error")
"""What a defect of ours looks like from outside: it never says more."""

_TABLE: Final[dict[type[RequestError], Callable[..., Fault]]] = {
    BadRequest: _bad_request,
    InvalidParameter: _invalid_parameter,
    NotApplicable: _not_applicable,
    WrongState: _wrong_state,
    Unauthorized: lambda _: _UNAUTHORIZED,
    CredentialRefused: _credential_refused,
    LoginRefused: _login_refused,
    UnknownMethod: _unknown_method,
    Forbidden: _forbidden,
    NotFound: _not_found,
    ResultExpired: _expired,
    ResultLost: _expired,
    NotStopped: _timeout,
    Conflict: _conflict,
    SessionNotReady: _timeout,
    BodyTimeout: _body_timeout,
    TooLarge: lambda _: _TOO_LARGE,
    TooMany: _too_many,
    Unavailable: _unavailable,
    UnknownRoute: lambda _: _UNKNOWN_ROUTE,
    WrongMethod: _wrong_method,
    UnsupportedCoding: lambda _: _UNSUPPORTED_CODING,
    UriTooLong: lambda _: _URI_TOO_LONG,
    HeadersTooLarge: lambda _: _HEADERS_TOO_LARGE,
}


def fault_of(error: BaseException, *, plain: bool = False) -> Fault:
    """The wire form of an error; anything that is not a `RequestError` is the plain 500.

    A ``plain`` 403 is that of version 2, whose documentation gives it the shape of the others.
    """
    if plain and isinstance(error, Forbidden):
        return _plain_forbidden(error)
    for kind in type(error).__mro__:
        if make := _TABLE.get(kind):
            return make(error)
    return INTERNAL


SAMPLES: Final[dict[int, bytes]] = {
    400: fault_of(BadRequest()).body,
    401: _UNAUTHORIZED.body,
    403: fault_of(Forbidden()).body,
    404: fault_of(NotFound()).body,
    408: fault_of(NotStopped()).body,
    409: fault_of(Conflict()).body,
    413: _TOO_LARGE.body,
    415: _UNSUPPORTED_CODING.body,
    429: fault_of(TooMany("policy user over ratelimit,limit:2000,time:1 second")).body,
    500: INTERNAL.body,
    503: fault_of(Unavailable()).body,
}
"""The documented body of each status, as the API description shows it."""

PLAIN_FORBIDDEN: Final = fault_of(Forbidden(), plain=True).body
LOGIN_SAMPLE: Final = fault_of(LoginRefused("The username or password is wrong.")).body
"""The body of a 401 that answers a name and a password."""
