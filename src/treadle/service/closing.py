"""Ending a session: the intent is written, and the verb returns when the session has ended."""

from treadle.model.entities import Session, Statement
from treadle.model.errors import NotStopped
from treadle.model.states import Reason
from treadle.service.deps import Verb
from treadle.store.base import Wake


class Closing(Verb):
    """What closing a session and deleting an endpoint share."""

    async def end_session(self, session: Session, actor: str, reason: Reason) -> None:
        """Close the session and wait for its end; raises `NotStopped` when it takes too long."""
        deps = self.deps
        with deps.signals.watch(session.id) as told:
            if await deps.store.request_close(session.id, deps.clock.now(), actor, reason) is None:
                return
            deps.signals.wake(Wake(session_id=session.id))
            ended = await self.wait_for(
                lambda: deps.store.session(None, session.id), _has_ended, told, deps.settings.cancel_timeout
            )
        if ended is None:
            raise NotStopped(f"session {session.id} could not be closed within {deps.settings.cancel_timeout:g} s")


def _has_ended(thing: Statement | Session) -> bool:
    return isinstance(thing, Session) and thing.status.final
