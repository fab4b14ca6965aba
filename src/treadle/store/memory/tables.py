"""The tables of the store in memory."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from treadle.model.access import Policy
from treadle.model.audit import Event
from treadle.model.entities import CancelIntent, Catalog, Endpoint, Session, Statement, Workspace
from treadle.model.identity import Credential, Domain, Grant, Project, Token, User
from treadle.store.filters import Page


class _Dated(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def created_at(self) -> datetime: ...


Thing = TypeVar("Thing", bound=_Dated)


class Tables:
    """Rows by their id, in the order in which they came."""

    def __init__(self) -> None:
        self._domains: dict[str, Domain] = {}
        self._projects: dict[str, Project] = {}
        self._users: dict[str, User] = {}
        self._grants: set[Grant] = set()
        self._policies: dict[tuple[str, str], Policy] = {}
        self._credentials: dict[str, Credential] = {}
        self._tokens: dict[bytes, Token] = {}
        self._workspaces: dict[str, Workspace] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._catalogs: dict[str, Catalog] = {}
        self._sessions: dict[str, Session] = {}
        self._statements: dict[str, Statement] = {}
        self._expired: set[str] = set()
        self._audit: list[Event] = []
        self._tombstones: dict[tuple[str, str], tuple[CancelIntent, datetime]] = {}


def newest(things: Iterable[Thing], matches: Callable[[Thing], bool], page: Page) -> tuple[int, list[Thing]]:
    """How many match, and one page of them, newest first."""
    found = sorted(filter(matches, things), key=lambda thing: (thing.created_at, thing.id), reverse=True)
    total = len(found) if page.counted else 0
    if page.after is not None:
        place = (page.after.created_at, page.after.id)
        found = [thing for thing in found if (thing.created_at, thing.id) < place]
    return total, found[page.offset : page.offset + page.limit]


def among(wanted: object, value: object) -> bool:
    """Whether a filter (None: any) lets the value pass."""
    return wanted is None or wanted == value


def names(part: str | None, name: str) -> bool:
    """Whether a name filter (None: any) is a part of the name, whatever the case."""
    return part is None or part.lower() in name.lower()
