"""The errors of the service.

::

    TreadleError
    +-- IllegalTransition      a change the state table does not know: a defect of ours
    +-- RequestError           the caller can see it; each class is one HTTP status
    |   +-- BadRequest     400
    |   |   +-- InvalidParameter  400 with its own code
    |   |   +-- NotApplicable     a readable value that does not fit what there is
    |   |   +-- WrongState        the session is in a state in which that cannot be done
    |   +-- Unauthorized   401
    |   |   +-- CredentialRefused  a signature or a token, and what is wrong with it
    |   |   +-- LoginRefused       a user name and password
    |   +-- Forbidden      403
    |   +-- NotFound       404  unknown, or not yours: the same answer
    |   +-- ResultExpired  404  it was there, and its time is over
    |   +-- ResultLost     404  it should be there, and its files are missing or damaged
    |   +-- NotStopped     408  the stop could not be proven in time (C18)
    |   +-- SessionNotReady 408 no slot came free in time
    |   +-- Conflict       409  an id or a key that stands for another statement already
    |   +-- TooLarge       413
    |   +-- TooMany        429  beyond a limit against abuse
    |   +-- Unavailable    503  the service is starting or going down
    `-- ConfigError            the operator's settings do not make sense
"""


class TreadleError(Exception):
    """The root of the errors this project raises."""


class IllegalTransition(TreadleError):
    """A change of state that the table does not know."""


class ConfigError(TreadleError):
    """Settings that cannot be used, with the setting's name in the message."""


class RequestError(TreadleError):
    """A request that cannot be served; the message is for the caller."""


class BadRequest(RequestError):
    """A request that is wrong as a request.

    ``field`` names the wrong input when there is one; without it the answer is the documented
    generic text. ``cause`` is the class name shown in the documented message, empty where none is documented.
    """

    def __init__(self, detail: str = "", *, field: str = "", cause: str = "TypeMismatchException") -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.field = field
        self.detail = detail
        self.cause = cause


class InvalidParameter(BadRequest):
    """A field of version 2 whose documentation gives a value beyond its limit a code of its own."""


class NotApplicable(BadRequest):
    """A readable value that does not fit what there is: a name that is taken, a catalog that is not there."""


class WrongState(BadRequest):
    """A session whose state does not allow the operation; the message has the state."""


class Unauthorized(RequestError):
    """No token, or a token that is not valid."""


class CredentialRefused(Unauthorized):
    """A signature that is not valid, or a token that no longer is; the message says which, in the documented words."""


class LoginRefused(Unauthorized):
    """The user name or the password is wrong; nothing tells which."""


class Forbidden(RequestError):
    """A missing right of a valid token; the message names the action and the resource."""


class NotFound(RequestError):
    """An unknown resource or one of another project: the message names its kind, in the same words for both."""


class ResultExpired(RequestError):
    """The result was deleted when its time to live had passed."""


class ResultLost(RequestError):
    """A result whose files are missing or damaged before it has expired; the message names it."""


class NotStopped(RequestError):
    """The stop could not be proven within ``cancel_timeout``; the intent stays."""


class SessionNotReady(RequestError):
    """No session slot came free within the wait."""


class Conflict(RequestError):
    """The chosen id or the idempotency key stands for another statement already."""


class TooLarge(RequestError):
    """The request body exceeds ``max_body``."""


class TooMany(RequestError):
    """More than a limit against abuse allows; the message names it, ``after`` is in how many seconds to try again."""

    def __init__(self, limit: str = "", *, after: float = 1.0) -> None:
        super().__init__(limit)
        self.after = after


class Unavailable(RequestError):
    """The service cannot take the request now."""
