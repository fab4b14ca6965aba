"""The audit: rows are added, read as events, and stay as they are until their time is over."""

import asyncpg
import pytest

from tests.store.things import at, intent, new_running, new_session, new_statement
from treadle.model.access import Action, Effect, Policy, Rule
from treadle.model.audit import By, Event
from treadle.model.grants import Grants
from treadle.store.base import Store
from treadle.store.filters import AuditFilter, Page, RecordFilter, Scope, SessionFilter
from treadle.store.postgres import PostgresStore

ANN = By(project_id="p1", user_id="u1", user_name="ann", address="192.0.2.1", request_id="r1")
BOB = By(project_id="p1", user_id="u2", user_name="bob", address="192.0.2.2", request_id="r2")
EVERYTHING = AuditFilter()


def event(seconds: float = 0.0, by: By = ANN, **changes: object) -> Event:
    """Something Ann did."""
    values = {"at": at(seconds), "by": by, "action": str(Action.DELETE_ENDPOINT), "outcome": "done"} | changes
    return Event(**values)  # type: ignore[arg-type]


async def test_events_come_back_newest_first(store: Store) -> None:
    """As they were written, the newest first, no more than asked for."""
    written = [event(float(n), resource=f"endpoint:e{n}", detail="né", workspace_id="w", times=n + 1) for n in range(4)]
    await store.add_audit(written[:3])
    await store.add_audit(written[3:])
    await store.add_audit([])
    found = await store.audit(EVERYTHING, 3)
    assert [entry.event for entry in found] == written[:0:-1]
    assert all(entry.others == () for entry in found)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (AuditFilter(since=at(2)), [3, 2]),
        (AuditFilter(until=at(2)), [1, 0]),
        (AuditFilter(user_name="bob"), [3, 1]),
        (AuditFilter(action="delete"), [1, 0]),
        (AuditFilter(action="DataArtsFabric:endpoint:delete"), [1, 0]),
        (AuditFilter(action="elete"), []),
        (AuditFilter(workspace_id="w1", user_name="bob"), [3]),
        (AuditFilter(user_name="b%"), []),
    ],
)
async def test_events_are_found_by_what_they_are(where: AuditFilter, expected: list[int], store: Store) -> None:
    """By time, by user, by action, by workspace."""
    await store.add_audit(
        [
            event(
                float(n),
                BOB if n % 2 else ANN,
                action=str(Action.DELETE_ENDPOINT if n < 2 else Action.CLOSE_SESSION),
                workspace_id="w1" if n > 1 else "w0",
                resource=str(n),
            )
            for n in range(4)
        ]
    )
    assert [int(entry.event.resource) for entry in await store.audit(where, 10)] == expected


async def test_one_stop_is_one_event_with_the_others_attached(store: Store) -> None:
    """Whoever asks for the stop of a statement first is the event; those after him are attached; then its outcome."""
    running = await new_running(store, await new_session(store))
    for by in (ANN, BOB, ANN):
        await store.request_cancel(running.id, intent(), by=by)
    (asked,) = await store.audit(EVERYTHING, 10)
    assert (asked.event.by, asked.event.outcome, asked.others) == (ANN, "requested", (BOB, ANN))
    assert (asked.event.action, asked.event.resource) == (Action.CANCEL, f"statement:{running.id}")
    assert (asked.event.at, asked.event.workspace_id) == (intent().requested_at, running.workspace_id)
    await store.add_audit([event(9.0, key=asked.event.key, closes=True, outcome="cancelled")])
    for where in (EVERYTHING, AuditFilter(user_name="bob"), AuditFilter(user_name="ann")):
        (told,) = await store.audit(where, 10)
        assert (told.event.by, told.event.outcome, told.others) == (ANN, "cancelled", (BOB, ANN))


async def test_what_waits_is_cancelled_at_once_and_what_has_ended_leaves_no_row(store: Store) -> None:
    """The step that cancels writes the event, for each that had not ended, and for nobody without a name."""
    of = await new_session(store)
    first, second = await new_statement(store, of), await new_statement(store, of, chosen_id="mine")
    scope = Scope(session_id=of.id)
    assert len(await store.request_cancels(scope, intent(), dry_run=True, by=ANN)) == 2
    assert await store.audit(EVERYTHING, 10) == []
    await store.request_cancels(scope, intent(detail="wrong month"), by=ANN)
    await store.request_cancels(Scope(ids=(first.id, second.id)), intent(), by=BOB)
    found = await store.audit(EVERYTHING, 10)
    assert {entry.event.detail for entry in found} == {"wrong month"}
    assert {entry.event.resource: (entry.event.outcome, entry.others) for entry in found} == {
        f"statement:{first.id}": ("cancelled", ()),
        "statement:mine": ("cancelled", ()),
    }
    await new_statement(store, of)
    await store.request_cancels(scope, intent())
    assert len(await store.audit(EVERYTHING, 10)) == 2


async def test_old_rows_are_purged_a_few_at_a_time(store: Store) -> None:
    """Those from before then, the oldest first; an event whose first row is gone is told by the next."""
    await store.add_audit([event(float(n), ANN if n else BOB, key="k", resource=str(n)) for n in range(5)])
    assert await store.purge_audit(at(3), 2) == 2
    (left,) = await store.audit(EVERYTHING, 10)
    assert (left.event.resource, left.event.by, len(left.others)) == ("2", ANN, 2)
    assert await store.purge_audit(at(3), 2) == 1
    assert await store.purge_audit(at(3), 2) == 0
    assert (await store.audit(EVERYTHING, 10))[0].event.resource == "3"


@pytest.mark.parametrize(
    "command",
    [
        "UPDATE audit SET user_name = 'nobody'",
        "UPDATE audit SET outcome = outcome",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE at < now() - interval '1 day'",
        "TRUNCATE audit",
        "BEGIN; SELECT set_config('treadle.audit_before', '2000-01-01', true); DELETE FROM audit; COMMIT",
    ],
)
async def test_postgres_refuses_to_change_the_audit(command: str, postgres: PostgresStore, shared: str) -> None:
    """Nothing changes a row or takes one away but a sweep, which says how old it must be."""
    await postgres.add_audit([event()])
    connection = await asyncpg.connect(shared)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await connection.execute(command)
    finally:
        await connection.close()
    assert len(await postgres.audit(EVERYTHING, 10)) == 1


@pytest.mark.parametrize("reached", [True, False])
async def test_lists_and_cancels_stay_within_reach(reached: bool, store: Store) -> None:
    """Sessions, records and cancels where the caller may look, with a denial inside; their counts as well."""
    of = await new_session(store)
    made = await new_statement(store, of)
    there = f"workspace:{of.workspace_id}/endpoint:{of.endpoint_id}"
    rules = (
        Rule(effect=Effect.ALLOW, actions=("*",), resources=(f"workspace:{of.workspace_id}/endpoint:*",)),
        Rule(effect=Effect.DENY, actions=("*",), resources=("workspace:other" if reached else there,)),
    )
    within = Grants((Policy(name="p", rules=rules),)).reach(Action.CANCEL, of.workspace_id)
    assert within is not None
    expected = 1 if reached else 0
    for page in (Page(limit=1), Page(limit=1, offset=5)):
        total, _ = await store.sessions(of.workspace_id, SessionFilter(within=within), page)
        assert total == expected
        total, _ = await store.records(of.workspace_id, RecordFilter(within=within), page, 10)
        assert total == expected
    scope = Scope(ids=(made.id,), workspace_id=of.workspace_id, within=within)
    assert len(await store.request_cancels(scope, intent())) == expected


async def test_open_sessions_are_counted_by_project(store: Store) -> None:
    """Those of the project that have not ended."""
    await new_session(store)
    await new_session(store)
    assert await store.count_open_sessions("p1") == 2
    assert await store.count_open_sessions("p2") == 0
