"""Events that are noted while the store is lost."""

from collections.abc import Sequence

import pytest

from treadle.model.access import Action
from treadle.model.audit import Event, Outcome
from treadle.model.entities import Principal
from treadle.outside import SystemClock
from treadle.service.audit import Audit
from treadle.store.errors import StoreUnavailable
from treadle.store.filters import AuditFilter
from treadle.store.memory import MemoryStore

ANN = Principal(project_id="p1", project_name="project", user_id="u1", user_name="ann")


class LostOnce(MemoryStore):
    """A store that is lost in its first write of events, while the next ones are noted."""

    audit_of: Audit
    meanwhile: tuple[Event, ...] = ()

    async def add_audit(self, events: Sequence[Event]) -> None:
        meanwhile, self.meanwhile = self.meanwhile, ()
        for event in meanwhile:
            self.audit_of.note(event)
        if meanwhile:
            raise StoreUnavailable("gone")
        await super().add_audit(events)


async def test_the_same_event_before_and_during_a_lost_write_is_counted_twice() -> None:
    """And stays in its place, before what came later."""
    store = LostOnce()
    audit = store.audit_of = Audit(store, SystemClock())
    same = audit.event(ANN, Action.DELETE_WORKSPACE, Outcome.REFUSED, resource="workspace:w")
    other = audit.event(ANN, Action.DELETE_ENDPOINT, Outcome.REFUSED, resource="endpoint:e")
    store.meanwhile = (other, same)
    audit.note(same)
    with pytest.raises(StoreUnavailable):
        await audit.flush()
    await audit.close()
    found = [(one.event.resource, one.event.times) for one in await store.audit(AuditFilter(), 10)]
    assert found == [("endpoint:e", 1), ("workspace:w", 2)]
