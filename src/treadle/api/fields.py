"""The documented types and ranges of request fields, each said once."""

from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta

END: Final = r"$(?!\n)"
"""The end of a pattern: ``$`` alone would let a last newline pass."""

PlainId = Annotated[str, Meta(pattern=rf"^[A-Za-z0-9-]{{1,36}}{END}", description="1-36 letters, digits and hyphens.")]
StatementId = Annotated[
    str, Meta(pattern=rf"^[A-Za-z0-9_-]{{1,64}}{END}", description="1-64 letters, digits, hyphens and underscores.")
]
CHOSEN_ID: Final = r"^(?!.*_[1-9][0-9]{0,6}$)[A-Za-z0-9_-]{1,64}$"
"""The pattern of an id of the client's own choice, as it is described: none of those of parts."""
InstanceId = Annotated[
    str, Meta(pattern=rf"^[A-Za-z0-9-]{{1,64}}{END}", description="1-64 letters, digits and hyphens.")
]
CatalogName = Annotated[
    str, Meta(pattern=rf"^[A-Za-z0-9_-]{{1,255}}{END}", description="1-255 letters, digits, hyphens and underscores.")
]
Name = Annotated[
    str,
    Meta(
        pattern=rf"^[A-Za-z0-9_. \u4e00-\u9fff-]{{1,64}}{END}",
        description="1-64 letters, digits, Chinese characters and any of `_ - .` and space.",
    ),
]
NamePart = Annotated[str, Meta(min_length=1, max_length=64, description="A part of the name, in any case.")]
AnyId = Annotated[str, Meta(min_length=1, max_length=36, description="An id to look for.")]
CODE: Final = "x-error-code"
"""In a field's schema: the documented error code of a value it does not allow."""

DOCUMENTED: Final = "x-documented-maximum"
"""In a number's schema: the largest documented value, where there may be larger ones."""

Text = Annotated[str, Meta(max_length=255)]
EnterpriseProjectId = Annotated[
    str, Meta(pattern=rf"^[A-Za-z0-9-]{{1,64}}{END}", description="1-64 letters, digits and hyphens.")
]
Marker = Annotated[
    str, Meta(max_length=64, description="The `next_marker` of the page before; empty or absent for the first page.")
]
MAX_TAGS: Final = 16
TAG: Final = rf"^[^,\x00-\x1f\x7f]{{1,128}}{END}"
Tag = Annotated[str, Meta(pattern=TAG, description="1-128 printable characters, none of them a comma.")]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=MAX_TAGS)]
Limit = Annotated[int, Meta(ge=1, le=100, description="Entries on a page of the list.")]
Offset = Annotated[int, Meta(ge=0, le=1_000_000_000, description="Entries to skip.")]
Moment = Annotated[
    int,
    Meta(
        ge=0,
        le=253_402_300_799_999,
        description="Seconds since 1970-01-01T00:00:00Z; above 10^11, milliseconds.",
    ),
]

_MILLISECONDS_ABOVE: Final = 10**11


def moment(value: int | None) -> datetime | None:
    """The point in time a `Moment` names; None stays None."""
    if value is None:
        return None
    return datetime.fromtimestamp(value / 1000 if value > _MILLISECONDS_ABOVE else value, UTC)
