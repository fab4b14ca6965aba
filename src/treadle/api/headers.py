"""Request headers that an operation takes, beside those every request may have."""

import re
from collections.abc import Sequence
from typing import Final

from treadle.api.fields import CHOSEN_ID, MAX_TAGS, TAG
from treadle.model.errors import BadRequest
from treadle.model.ids import STATEMENT_ID

Headers = Sequence[tuple[bytes, bytes]]

TAGS: Final = "X-Statement-Tags"
STATEMENT: Final = "X-Statement-Id"
KEY: Final = "Idempotency-Key"
BEFORE_SUBMIT: Final = "X-Cancel-Before-Submit"

SUBJECT: Final = "X-Subject-Token"

SCHEMAS: Final = {
    # Other printable characters may be in a tag too, in UTF-8, which a header has no words for.
    TAGS: {"type": "string", "pattern": r"^[\x20-\x2b\x2d-\x7e]{0,128}(,[\x20-\x2b\x2d-\x7e]{0,128}){0,15}$"},
    STATEMENT: {"type": "string", "pattern": CHOSEN_ID},
    KEY: {"type": "string", "pattern": r"^[\x20-\x7e]{1,128}$"},
    BEFORE_SUBMIT: {"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])?$"},
    SUBJECT: {"type": "string", "minLength": 1},
}
"""What each may say, for the API description."""

REQUIRED: Final = frozenset((SUBJECT,))
"""Those without which the operations that take them do nothing."""

_WIRE: Final = {name: name.lower().encode() for name in (TAGS, STATEMENT, KEY, BEFORE_SUBMIT)}
_TAG: Final = re.compile(TAG)
_KEY: Final = re.compile(r"[\x20-\x7e]{1,128}\Z")


def _values(headers: Headers, name: str) -> list[str]:
    wanted = _WIRE[name]
    try:
        return [value.decode().strip() for key, value in headers if key == wanted]
    except UnicodeDecodeError:
        raise BadRequest("must be valid UTF-8", field=name) from None


def _one(headers: Headers, name: str) -> str | None:
    """The value of a header that may be there once."""
    values = _values(headers, name)
    if len(values) > 1:
        raise BadRequest("given more than once", field=name)
    return values[0] if values else None


def tags(body: Sequence[str], headers: Headers) -> tuple[str, ...]:
    """The tags of a body and of ``X-Statement-Tags`` (any number of headers, commas between tags), each once."""
    given = [tag.strip() for value in _values(headers, TAGS) for tag in value.split(",")]
    found = tuple(dict.fromkeys((*body, *filter(None, given))))
    if not found:
        return found
    if len(found) > MAX_TAGS:
        raise BadRequest(f"must be at most {MAX_TAGS} tags", field="tags")
    if not all(_TAG.match(tag) and tag.isprintable() for tag in found):
        raise BadRequest("must be tags of 1-128 printable characters, none of them a comma", field="tags")
    return found


def chosen_id(body: str | None, headers: Headers) -> str | None:
    """The id chosen in the body or in ``X-Statement-Id``; both must say the same."""
    given = _one(headers, STATEMENT)
    if given is not None and not STATEMENT_ID.match(given):
        raise BadRequest("must be 1-64 letters, digits, hyphens and underscores", field=STATEMENT)
    if body is not None and given is not None and body != given:
        raise BadRequest(f"differs from the header {STATEMENT}", field="statement_id")
    return body if body is not None else given


def idempotency_key(headers: Headers) -> str | None:
    """The ``Idempotency-Key``."""
    key = _one(headers, KEY)
    if key is not None and not _KEY.match(key):
        raise BadRequest("must be 1-128 printable ASCII characters", field=KEY)
    return key


def flag(headers: Headers, name: str) -> bool:
    """A header that is true or false; false when it is not there."""
    match (_one(headers, name) or "false").lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise BadRequest("must be true or false", field=name)
