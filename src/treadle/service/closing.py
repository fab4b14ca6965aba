"""Ending sessions: the intent is written, and the verb returns when they have ended, or says that it cannot tell."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from treadle.model.entities import Session, Statement
from treadle.model.errors import NotStopped
from treadle.model.states import Reason
from treadle.service.attempt import Attempt
from treadle.service.deps import Verb
from treadle.store.base import Wake


class Closing(Verb):
    """What closing a session and deleting an endpoint share. Each answers within ``cancel_timeout`` (C18)."""

    async def end_sessions(self, attempt: Attempt, sessions: Sequence[Session], actor: str, reason: Reason) -> None:
        """Have all of them closed and wait for their ends; raises `NotStopped` when one takes too long."""
        deps = self.deps
        with ExitStack() as stack:
            asked = []
            for session in sessions:
                told = stack.enter_context(deps.signals.watch(session.id))
                if await deps.store.request_close(session.id, deps.clock.now(), actor, reason) is not None:
                    deps.signals.wake(Wake(session_id=session.id))
                    asked.append((session.id, told))
            for number, (session_id, told) in enumerate(asked):
                attempt.late = partial(self._not_closed, session_id, len(asked) - number)
                look = partial(deps.store.session, None, session_id)
                if await self.wait_for(look, _has_ended, told, deps.settings.cancel_timeout) is None:
                    raise attempt.late()

    def _not_closed(self, session_id: str, left: int) -> NotStopped:
        what = f"session {session_id}" if left == 1 else f"session {session_id} and {left - 1} more"
        seconds = self.deps.settings.cancel_timeout
        return NotStopped(f"{what} could not be closed within {seconds:g} s; the service goes on until that is done")


def _has_ended(thing: Statement | Session) -> bool:
    return isinstance(thing, Session) and thing.status.final
