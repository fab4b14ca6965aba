"""What is kept of who did what: facts that are added and never changed."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What came of it. The outcomes of a cancel are those of `treadle.model.states.CancelOutcome`."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    LOCKED = "locked"
    """The caller's credential is locked for a while."""
    REQUESTED = "requested"
    """A stop was asked for, and what came of it is not told yet."""


class By(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and from where: the name of a client's address, or ``local`` for a command beside the service."""

    project_id: str = ""
    user_id: str = ""
    user_name: str = ""
    address: str = ""
    request_id: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something somebody did, or tried to.

    ``action`` is one of `treadle.model.access.Action`, or a word of the same form. ``resource`` names
    what it was done to (``statement:<id>``). Rows with the same ``key`` are one event: the first is it,
    those after it are attached, and one that ``closes`` it tells nothing but its outcome. Secrets and
    texts of statements are never part of an event. ``times`` counts the same within a moment.
    """

    at: datetime
    by: By
    action: str
    outcome: str
    workspace_id: str = ""
    resource: str = ""
    detail: str = ""
    key: str = ""
    closes: bool = False
    times: int = 1


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it is read: with everybody else who asked for the same, oldest first."""

    event: Event
    others: tuple[By, ...] = ()
