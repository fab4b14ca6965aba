"""Limits against abuse: how often one may ask, and how much one may have going at once.

They are kept in this process and cost no look at the store. A request beyond its rate is refused
before anything is done for it. Cancels draw from buckets of their own, one a user, so that no amount
of other requests, and nobody else of the project, can keep somebody from stopping what he started (C6).
"""

from collections.abc import Callable, Iterable
from typing import Final

from treadle.config import Settings
from treadle.model.entities import Principal, Statement
from treadle.model.errors import TooMany
from treadle.model.ports import Clock
from treadle.store.base import Store

KNOWN_MOST: Final = 10_000
"""Buckets kept; when there are more, those that are full are forgotten, or else the half that are fullest."""

BURST_SECONDS: Final = 1.0
"""How much of its rate a bucket holds: what may come at once after a pause."""

YOUNG_SECONDS: Final = 10.0
"""How long the store may not know of a statement that was admitted."""


class Bucket:
    """Token buckets of one rate, as the time at which each will be full again (GCRA)."""

    def __init__(self, name: str, rate: float, burst: float = BURST_SECONDS) -> None:
        self._name = name
        self._rate = rate
        self._interval = 1.0 / rate
        self._holds = max(burst, self._interval)
        self._full_at: dict[object, float] = {}

    def take(self, key: object, now: float) -> None:
        """Take one token, at monotonic ``now``; raises `TooMany` when there is none."""
        full_at = self._full_at.get(key, now)
        if full_at < now:
            full_at = now
        full_at += self._interval
        if self._beyond(full_at, now):
            raise TooMany(
                f"policy {self._name} over ratelimit,limit:{self._rate:g},time:1 second",
                after=full_at - now - self._holds,
            )
        if len(self._full_at) >= KNOWN_MOST and key not in self._full_at:
            self._forget(now)
        self._full_at[key] = full_at

    @property
    def used(self) -> bool:
        """Whether anybody has taken a token of late."""
        return bool(self._full_at)

    def empty(self, key: object, now: float) -> bool:
        """Whether there is no token to take."""
        full_at = self._full_at.get(key)
        return full_at is not None and self._beyond(max(full_at, now) + self._interval, now)

    def _beyond(self, full_at: float, now: float) -> bool:
        # A hair's breadth: sums of intervals are not exact.
        return full_at - now > self._holds + self._interval * 1e-6

    def _forget(self, now: float) -> None:
        """Make room: whoever is forgotten has a full bucket again."""
        self._full_at = {known: at for known, at in self._full_at.items() if at > now}
        if len(self._full_at) >= KNOWN_MOST:
            emptiest = sorted(self._full_at.items(), key=lambda item: item[1])[KNOWN_MOST // 2 :]
            self._full_at = dict(emptiest)


class Rates:
    """Requests per second, by user and by project."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._users = Bucket("user", settings.user_rate)
        self._projects = Bucket("project", settings.project_rate)
        self._cancels = Bucket("user", settings.user_rate)
        self._logins = Bucket("address", settings.login_rate)

    def admit(self, p: Principal, *, cancel: bool) -> None:
        """Count a request; raises `TooMany`."""
        now = self._monotonic()
        user = (p.project_id, p.user_id)
        if cancel:
            self._cancels.take(user, now)
            return
        self._users.take(user, now)
        self._projects.take(p.project_id, now)

    def admit_login(self, address: str) -> None:
        """Count a request of somebody who is not known yet; raises `TooMany`."""
        self._logins.take(address, self._monotonic())


class Crowd:
    """Statements that have not ended, by user and by project.

    What has ended is taken out when that is heard of; when a limit seems to be reached the store is
    asked, so that what nobody told of refuses nobody.
    """

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._most = {"user": settings.user_statements, "project": settings.project_statements}
        self._unfinished: dict[tuple[str, ...], dict[str, float]] = {}
        self._places: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._looked: dict[tuple[str, ...], float] = {}

    async def admit(self, p: Principal, statement_id: str) -> None:
        """Count a statement that is being submitted; raises `TooMany`."""
        places = (("user", p.project_id, p.user_id), ("project", p.project_id))
        for place in places:
            known = self._unfinished.get(place)
            most = self._most[place[0]]
            if known is not None and len(known) >= most:
                await self._look(place, known)
                if len(known) >= most:
                    raise TooMany(f"policy {place[0]} over statements,limit:{most}")
        now = self._clock.monotonic()
        self._places[statement_id] = places
        for place in places:
            self._unfinished.setdefault(place, {})[statement_id] = now

    def over(self, statement_id: str) -> None:
        """It has ended, or was never stored."""
        for place in self._places.pop(statement_id, ()):
            known = self._unfinished.get(place)
            if known is not None:
                known.pop(statement_id, None)
                if not known:
                    del self._unfinished[place]

    async def _look(self, place: tuple[str, ...], known: dict[str, float]) -> None:
        """Take out what has ended unheard of, at most once a second."""
        now = self._clock.monotonic()
        if now - self._looked.get(place, -1.0) < 1.0:
            return
        self._looked[place] = now
        old = [one for one, since in known.items() if now - since > YOUNG_SECONDS]
        for gone in _ended(old, await self._store.statements(old)):
            self.over(gone)


def _ended(ids: Iterable[str], rows: Iterable[Statement]) -> list[str]:
    unfinished = {row.id for row in rows if not row.state.final}
    return [one for one in ids if one not in unfinished]
