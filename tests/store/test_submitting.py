"""What a submit may bring with it: an id, tags, a key, a lease. And cancels of many, or before the submit."""

import pytest

from tests.store.things import OWNER, at, ending, intent, new_running, new_session, new_statement, session, statement
from treadle.model.entities import Retry
from treadle.model.errors import BadRequest
from treadle.model.states import Effects, Reason, Rung, SessionStatus, StatementState
from treadle.store.base import Lease, Store
from treadle.store.errors import DuplicateId, DuplicateKey
from treadle.store.filters import Page, RecordFilter, Scope


async def test_everything_submitted_comes_back(store: Store) -> None:
    """A chosen id, tags, a lease and a key are part of the statement, and found by each of their names."""
    of = await new_session(store)
    made = statement(
        of,
        database_name="main",
        chosen_id="my-id_x",
        tags=("nightly", "é b"),
        keepalive=2.5,
        lease_until=at(3),
        retry=Retry(key="key 1", digest=b"\x00digest"),
    )
    assert await store.submit(made) == made
    assert made.public_id == "my-id_x"
    assert await store.statement(made.id) == made
    assert await store.find_statement(of.workspace_id, "my-id_x") == made
    assert await store.keyed_statement(of.workspace_id, "u1", "key 1") == made
    claimed = await store.claim(of.id, OWNER, at(1))
    assert claimed is not None
    assert (claimed.id, claimed.public_id, claimed.tags) == (made.id, "my-id_x", made.tags)


async def test_a_chosen_id_is_the_only_one_that_is_shown(store: Store) -> None:
    """Ours does not find it from outside; a statement without one is found by ours, in its workspace only."""
    of, other = await new_session(store), await new_session(store)
    chosen, plain = await new_statement(store, of, chosen_id="mine"), await new_statement(store, of)
    assert await store.find_statement(of.workspace_id, chosen.id) is None
    assert await store.find_statement(of.workspace_id, plain.id) is not None
    assert await store.find_statement(other.workspace_id, plain.id) is None
    assert await store.find_statement(other.workspace_id, "mine") is None
    total, found = await store.records(of.workspace_id, RecordFilter(statement_id="mine"), Page(), 10)
    assert (total, [one.id for one in found]) == (1, [chosen.id])
    assert (await store.records(of.workspace_id, RecordFilter(statement_id=chosen.id), Page(), 10))[0] == 0


async def test_a_chosen_id_is_taken_once_in_its_workspace(store: Store) -> None:
    """By any session of it and by ids of ours; what another workspace has does not matter and is not told."""
    of, other = await new_session(store), await new_session(store)
    place = await store.endpoint(of.workspace_id, of.endpoint_id)
    assert place is not None
    near = session(place)
    await store.add_session(near)
    ours = await new_statement(store, of)
    await new_statement(store, of, chosen_id="mine")
    for taken in ("mine", ours.id):
        for room in (of, near):
            with pytest.raises(DuplicateId):
                await store.submit(statement(room, chosen_id=taken))
        theirs = statement(other, chosen_id=taken)
        assert await store.submit(theirs) is not None
        assert await store.find_statement(other.workspace_id, taken) == await store.statement(theirs.id)
    assert (await store.records(of.workspace_id, RecordFilter(), Page(), 10))[0] == 2


async def test_a_taken_id_is_told_to_nobody_whose_session_it_is_not(store: Store) -> None:
    """Nor to whoever submits to a session that has ended: the answer is that of an id that is free."""
    of, over = await new_session(store), await new_session(store)
    for room in (of, over):
        await new_statement(store, room, chosen_id="mine")
    for chosen in ("mine", "free"):
        assert await store.submit(statement(of, chosen_id=chosen), project_id="p2") is None
        assert await store.submit(statement(of, session_id="unknown", chosen_id=chosen), project_id="p1") is None
        assert await store.submit(statement(of, session_id=over.id, chosen_id=chosen), project_id="p1") is None
    with pytest.raises(DuplicateId):
        await store.submit(statement(of, chosen_id="mine"), project_id="p1")
    assert await store.request_close(of.id, at(1), "ann", Reason.USER)
    await store.move_session(over.id, frozenset(SessionStatus), SessionStatus.CLOSED, ended_at=at(1))
    for room in (of, over):
        assert await store.submit(statement(room, chosen_id="mine"), project_id="p1") is None


async def test_a_repeated_submit_is_known_by_its_key_also_under_a_chosen_id(store: Store) -> None:
    """Not taken for another's use of the id: the key leads to the statement that is there."""
    of = await new_session(store)
    retry = Retry(key="k", digest=b"1")
    first = await new_statement(store, of, chosen_id="mine", retry=retry)
    with pytest.raises(DuplicateKey):
        await store.submit(statement(of, chosen_id="mine", retry=retry))
    with pytest.raises(DuplicateId):
        await store.submit(statement(of, chosen_id="mine", retry=Retry(key="other", digest=b"1")))
    with pytest.raises(DuplicateId):
        await store.submit(statement(of, chosen_id="mine", user_id="u2", retry=retry))
    found = await store.keyed_statement(of.workspace_id, "u1", "k")
    assert found is not None
    assert found.id == first.id


async def test_a_key_stands_for_one_statement_of_a_user_in_a_workspace(store: Store) -> None:
    """The same key of another user or in another workspace is another key."""
    of, other = await new_session(store), await new_session(store)
    first = await new_statement(store, of, retry=Retry(key="k", digest=b"1"))
    with pytest.raises(DuplicateKey):
        await store.submit(statement(of, retry=Retry(key="k", digest=b"2")))
    with pytest.raises(DuplicateKey):
        await store.submit(statement(of, chosen_id="mine", retry=Retry(key="k", digest=b"1")))
    assert await store.find_statement(of.workspace_id, "mine") is None
    await new_statement(store, of, user_id="u2", retry=Retry(key="k", digest=b"1"))
    await new_statement(store, other, retry=Retry(key="k", digest=b"1"))
    found = await store.keyed_statement(of.workspace_id, "u1", "k")
    assert found is not None
    assert (found.id, found.retry) == (first.id, Retry(key="k", digest=b"1"))
    assert await store.keyed_statement(of.workspace_id, "u1", "other") is None


async def test_records_are_found_by_tag(store: Store) -> None:
    """By a whole tag, in both lists; the tags are on the record."""
    of = await new_session(store)
    both = await new_statement(store, of, tags=("a", "b"))
    one = await new_statement(store, of, tags=("b",))
    await new_statement(store, of)
    for tag, wanted in (("a", {both.id}), ("b", {both.id, one.id}), ("c", set())):
        total, found = await store.records(of.workspace_id, RecordFilter(tag=tag), Page(), 10)
        assert (total, {record.id for record in found}) == (len(wanted), wanted)
        assert all(tag in record.tags for record in found)
        in_session = RecordFilter(session_id=of.id, tag=tag)
        assert (await store.records(of.workspace_id, in_session, Page(), 10))[0] == len(wanted)


async def test_a_tag_that_cannot_be_kept_is_refused(store: Store) -> None:
    """As any other text."""
    with pytest.raises(BadRequest) as caught:
        await store.submit(statement(await new_session(store), tags=("a\x00",)))
    assert caught.value.field == "tags"


async def test_a_submit_under_a_cancelled_id_is_born_cancelled(store: Store) -> None:
    """Dequeued, without effects, by whoever cancelled; it is never claimed, and the tombstone is used up."""
    of = await new_session(store)
    early = intent(-5, Reason.USER, "bob", "wrong month")
    assert await store.entomb(of, "mine", early, at(100), 10)
    born = await store.submit(statement(of, database_name="main", chosen_id="mine"), owner=OWNER)
    assert born is not None
    assert born == await store.statement(born.id)
    assert (born.state, born.cancel, born.started_at) == (StatementState.CANCELLED, early, None)
    assert born.ending is not None
    assert (born.ending.rung, born.ending.effects, born.ending.cancel_millis) == (Rung.DEQUEUED, Effects.NONE, 0.0)
    assert (born.ending.reason, born.ending.actor, born.ending.finished_at) == (Reason.USER, "bob", at(0))
    assert born.ending.detail == "wrong month"
    assert await store.claim(of.id, OWNER, at(6)) is None
    assert not await store.entomb(of, "mine", early, at(100), 10)


async def test_a_tombstone_holds_for_its_session_and_its_time(store: Store) -> None:
    """Another session, and a submit after its time, run; the first intent stays, asked again it is kept for longer."""
    of, other = await new_session(store), await new_session(store)
    for number in range(3):
        assert await store.entomb(of, f"id-{number}", intent(number), at(10), 10)
    assert await store.entomb(of, "id-1", intent(5, actor="late"), at(20), 10)
    fine = await store.submit(statement(other, chosen_id="id-0"))
    late = await store.submit(statement(of, chosen_id="id-0", created_at=at(10)))
    kept = await store.submit(statement(of, chosen_id="id-1", created_at=at(15)))
    assert fine is not None
    assert late is not None
    assert kept is not None
    assert (fine.state, late.state) == (StatementState.QUEUED, StatementState.QUEUED)
    assert kept.cancel == intent(1)
    assert await store.purge_tombstones(at(9)) == 0
    assert await store.purge_tombstones(at(30)) == 2


async def test_a_session_keeps_so_many_tombstones(store: Store) -> None:
    """No more than the bound, unless those there are over; one that is there is kept on."""
    of, other = await new_session(store), await new_session(store)
    assert [await store.entomb(of, f"id-{n}", intent(1), at(10), 3) for n in range(4)] == [True, True, True, False]
    assert await store.entomb(of, "id-2", intent(1), at(10), 3)
    assert await store.entomb(other, "id-3", intent(1), at(10), 3)
    assert await store.entomb(of, "id-3", intent(11), at(20), 3)


async def test_no_tombstone_brings_a_statement_into_an_ended_session(store: Store) -> None:
    """The submit is refused as any other, and the tombstone is still there."""
    of = await new_session(store)
    assert await store.entomb(of, "mine", intent(), at(100), 10)
    await store.move_session(of.id, frozenset(SessionStatus), SessionStatus.FAIL, ended_at=at(1))
    assert await store.submit(statement(of, chosen_id="mine")) is None
    assert await store.purge_tombstones(at(200)) == 1


async def test_a_scope_is_everything_that_matches_every_field(store: Store) -> None:
    """Each field narrows it; ended statements are in it only where they are named."""
    of, other = await new_session(store), await new_session(store)
    done = await new_running(store, of, tags=("a", "b"))
    await store.request_cancel(done.id, intent())
    running = await new_running(store, of, tags=("a",), user_name="bob")
    queued = await new_statement(store, of, tags=("a", "b", "c"), created_at=at(3), chosen_id="mine")
    away = await new_statement(store, other, tags=("a",))
    await store.finish(done.id, OWNER, ending(), [], at(100))
    place = of.workspace_id
    for scope, wanted in (
        (Scope(workspace_id=place), [running, queued]),
        (Scope(), [running, queued, away]),
        (Scope(session_id=other.id), [away]),
        (Scope(workspace_id=place, session_id=other.id), []),
        (Scope(endpoint_id=of.endpoint_id), [running, queued]),
        (Scope(workspace_id=place, tags=("a",)), [running, queued]),
        (Scope(workspace_id=place, tags=("a", "b")), [queued]),
        (Scope(workspace_id=place, user_name="bob"), [running]),
        (Scope(workspace_id=place, state=StatementState.QUEUED), [queued]),
        (Scope(workspace_id=place, state=StatementState.RUNNING), [running]),
        (Scope(workspace_id=place, submitted_before=at(3)), [running]),
        (
            Scope(workspace_id=place, ids=(done.id, running.id, "mine", queued.id, away.id, "unknown")),
            [done, running, queued],
        ),
        (Scope(workspace_id=place, ids=(done.id, running.id), user_name="bob"), [running]),
        (Scope(workspace_id=place, ids=()), []),
        (Scope(ids=(away.id, queued.id)), [queued, away]),
    ):
        told = await store.request_cancels(scope, intent(9), dry_run=True)
        assert [one.statement.id for one in told] == [one.id for one in wanted], scope
    assert await store.statement(queued.id) == queued
    told = await store.request_cancels(Scope(workspace_id=place, ids=(done.id, running.id, "mine")), intent(9))
    assert [one.before.value for one in told] == ["succeeded", "running", "queued"]
    assert [one.statement.state.value for one in told] == ["succeeded", "running", "cancelled"]
    assert [one.statement.public_id for one in told] == [done.id, running.id, "mine"]
    for one in told:
        stored = await store.statement(one.statement.id)
        assert stored is not None
        assert (one.statement.cancel, one.statement.ending) == (stored.cancel, stored.ending)
    assert {one.id for one in await store.statements([done.id, away.id, "unknown"])} == {done.id, away.id}


async def test_leases_are_renewed_until_the_end(store: Store) -> None:
    """Queued and running statements have one if they asked for it; an ended one has none any more."""
    of = await new_session(store)
    first = await new_running(store, of, keepalive=2.0, lease_until=at(2))
    second = await new_statement(store, of, keepalive=4.0, lease_until=at(4))
    plain = await new_statement(store, of)
    assert await store.renew_lease(second.id, at(7))
    assert not await store.renew_lease(plain.id, at(7))
    leases = sorted(await store.leases(), key=lambda lease: lease.keepalive)
    assert leases == [Lease(first.id, of.id, 2.0, at(2)), Lease(second.id, of.id, 4.0, at(7))]
    await store.request_cancel(second.id, intent())
    assert not await store.renew_lease(second.id, at(9))
    assert [lease.statement_id for lease in await store.leases()] == [first.id]


async def test_what_has_begun_is_running_whatever_waits(store: Store) -> None:
    """A start that is recorded late is no claim: the statement runs, and what waits is claimed in its turn."""
    of = await new_session(store)
    waiting = await new_statement(store, of)
    begun = await store.submit(statement(of), owner=OWNER, soft=True, begun=True)
    assert begun is not None
    assert (begun.state, begun.owner) == (StatementState.RUNNING, OWNER)
    assert [one.id for one in await store.running()] == [begun.id]
    claimed = await store.claim(of.id, OWNER, at(1))
    assert claimed is not None
    assert claimed.id == waiting.id
