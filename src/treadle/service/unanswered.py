"""A session that a request opens: it is kept if the answer was delivered, and closed otherwise.

Only the answer names a new session. Its row is marked as unanswered until then, so that the owner also ends a session
whose request was lost with its gateway, or whose insert reached the store after the request had given up.
"""

from functools import partial

from treadle.model.entities import Session
from treadle.model.states import Reason
from treadle.service.delivery import Delivery
from treadle.service.deps import Deps
from treadle.store.base import Wake
from treadle.store.retrying import until_stored


class Unanswered:
    """One session from before its insert until its request is over."""

    def __init__(self, deps: Deps, session: Session) -> None:
        self._deps = deps
        self._session = session
        deps.signals.opening(session.id)

    def hand_over(self, delivery: Delivery | None, *, runs: bool) -> None:
        """Make the session depend on the delivery of the answer; ``runs``: it is open already."""
        if delivery is None:
            self._settle(runs, True)
        else:
            delivery(partial(self._settle, runs))

    def disown(self, reason: Reason) -> None:
        """Close the session for ``reason`` as soon as the store accepts it."""
        self._deps.signals.opening_over(self._session.id)
        self._deps.carry_on(self._close(reason))

    def _settle(self, runs: bool, delivered: bool) -> None:
        if not delivered:
            self.disown(Reason.CLIENT_GONE)
        elif runs:
            self._deps.signals.opening_over(self._session.id)
        else:
            self._deps.carry_on(self._keep())

    async def _keep(self) -> None:
        try:
            await until_stored(self._deps.clock, partial(self._deps.store.answered, self._session.id))
        finally:
            self._deps.signals.opening_over(self._session.id)

    async def _close(self, reason: Reason) -> None:
        # Without a row there is nothing to close: a late insert is unanswered, and the owner ends it.
        deps, session = self._deps, self._session
        close = partial(deps.store.request_close, session.id, deps.clock.now(), session.user_name, reason)
        if await until_stored(deps.clock, close) is not None:
            deps.signals.wake(Wake(session_id=session.id))
