"""What may happen at once, hundreds of times, on PostgreSQL."""

import asyncio
import random
from collections import Counter

import pytest

from tests.store.things import OWNER, at, ending, intent, new_running, new_session, new_statement, statement
from treadle.model.entities import CommitPoint, Retry, Statement
from treadle.model.states import Reason, SessionStatus, StatementState
from treadle.store.errors import DuplicateId, DuplicateKey
from treadle.store.filters import Scope
from treadle.store.postgres import PostgresStore

ROUNDS = 300
EARLY_ROUNDS = 1000


async def soon(most: float = 0.002) -> None:
    """A random moment, so that every order of events comes up."""
    await asyncio.sleep(random.uniform(0, most))


async def test_claim_and_cancel_have_one_winner(postgres: PostgresStore) -> None:
    """Either the claim gets a running statement that then has the intent, or the cancel dequeued it."""
    of = await new_session(postgres)
    seen: Counter[str] = Counter()
    for _ in range(ROUNDS):
        made = await new_statement(postgres, of)

        async def claim() -> bool:
            await soon()
            return await postgres.claim(of.id, OWNER, at(1)) is not None

        async def cancel(statement_id: str = made.id) -> StatementState:
            await soon()
            after = await postgres.request_cancel(statement_id, intent())
            assert after is not None
            return after.state

        claimed, told = await asyncio.gather(claim(), cancel())
        stored = await postgres.statement(made.id)
        assert stored is not None
        assert stored.cancel is not None
        assert stored.state is told is (StatementState.RUNNING if claimed else StatementState.CANCELLED)
        seen[told] += 1
    assert min(seen[StatementState.RUNNING], seen[StatementState.CANCELLED]) > 0, seen


async def test_finish_and_cancel_tell_the_same_story(postgres: PostgresStore) -> None:
    """A cancel that answers "running" has its intent on the row; one that came too late tells the verdict."""
    of = await new_session(postgres)
    seen: Counter[str] = Counter()
    for _ in range(ROUNDS):
        running = await new_running(postgres, of)

        async def finish(statement_id: str = running.id) -> bool:
            await soon()
            return await postgres.finish(statement_id, OWNER, ending(), [], at(100)) is not None

        async def cancel(statement_id: str = running.id) -> StatementState:
            await soon()
            after = await postgres.request_cancel(statement_id, intent())
            assert after is not None
            assert (after.cancel is not None) is (after.state is StatementState.RUNNING)
            assert (after.ending == ending()) is (after.state is StatementState.SUCCEEDED)
            return after.state

        finished, told = await asyncio.gather(finish(), cancel())
        assert finished
        stored = await postgres.statement(running.id)
        assert stored is not None
        assert stored.state is StatementState.SUCCEEDED
        assert (stored.cancel is not None) is (told is StatementState.RUNNING)
        seen[told] += 1
    assert min(seen[StatementState.RUNNING], seen[StatementState.SUCCEEDED]) > 0, seen


async def test_all_three_at_once_leave_one_verdict(postgres: PostgresStore) -> None:
    """Claim-and-finish against several cancels: every answer fits the one ending that is stored."""
    of = await new_session(postgres)
    for _ in range(ROUNDS // 3):
        made = await new_statement(postgres, of)

        async def run(statement_id: str = made.id) -> bool:
            await soon()
            claimed = await postgres.claim(of.id, OWNER, at(1))
            if claimed is None:
                return False
            return await postgres.finish(statement_id, OWNER, ending(), [], at(100)) is not None

        async def cancel(actor: str, statement_id: str = made.id) -> StatementState:
            await soon(0.004)
            after = await postgres.request_cancel(statement_id, intent(actor=actor))
            assert after is not None
            return after.state

        ran, *told = await asyncio.gather(run(), *(cancel(f"user-{n}") for n in range(4)))
        stored = await postgres.statement(made.id)
        assert stored is not None
        assert stored.state is (StatementState.SUCCEEDED if ran else StatementState.CANCELLED)
        assert {*told} <= {stored.state, StatementState.RUNNING}


async def test_commit_point_and_cancel_exclude_each_other(postgres: PostgresStore) -> None:
    """A commit that is let in finds no intent before it; a cancel before it keeps it out."""
    of = await new_session(postgres)
    seen: Counter[bool] = Counter()
    for _ in range(ROUNDS):
        running = await new_running(postgres, of)

        async def commit(statement_id: str = running.id) -> bool:
            await soon()
            return await postgres.begin_commit(statement_id, OWNER, CommitPoint(part=1), at(2))

        async def cancel(statement_id: str = running.id) -> bool:
            await soon()
            after = await postgres.request_cancel(statement_id, intent())
            assert after is not None
            return after.committing_at is not None

        let_in, seen_by_cancel = await asyncio.gather(commit(), cancel())
        assert let_in is seen_by_cancel
        assert await postgres.finish(running.id, OWNER, ending(), [], at(100))
        seen[let_in] += 1
    assert min(seen[True], seen[False]) > 0, seen


@pytest.mark.parametrize("how", ["close", "end"])
async def test_no_submit_slips_past_the_end_of_its_session(postgres: PostgresStore, how: str) -> None:
    """What was let in is there to be cancelled when the close has been written; what was not never is."""
    seen: Counter[bool] = Counter()
    for _ in range(ROUNDS):
        of = await new_session(postgres)
        made = statement(of)

        async def submit() -> bool:
            await soon()
            return await postgres.submit(made) is not None  # noqa: B023

        async def close() -> list[str]:
            await soon()
            if how == "close":
                assert await postgres.request_close(of.id, at(1), "ann", Reason.USER)  # noqa: B023
            else:
                every = frozenset(SessionStatus)
                assert await postgres.move_session(of.id, every, SessionStatus.CLOSED, ended_at=at(1))  # noqa: B023
            scope = Scope(session_id=of.id, state=StatementState.QUEUED)  # noqa: B023
            return [one.statement.id for one in await postgres.request_cancels(scope, intent())]

        submitted, cancelled = await asyncio.gather(submit(), close())
        assert cancelled == ([made.id] if submitted else [])
        assert await postgres.claim(of.id, OWNER, at(2)) is None
        seen[submitted] += 1
    assert min(seen[True], seen[False]) > 0, seen


async def test_cancels_of_a_whole_session_never_deadlock(postgres: PostgresStore) -> None:
    """Many scopes at once over the same rows all come through, and nothing is left unfinished."""
    for _ in range(10):
        of = await new_session(postgres)
        made = [await new_statement(postgres, of) for _ in range(20)]
        await asyncio.gather(
            *(postgres.request_cancels(Scope(session_id=of.id), intent(actor=f"a{n}")) for n in range(4)),
            *(postgres.request_cancels(Scope(workspace_id=of.workspace_id), intent(actor="b")) for n in range(4)),
            *(postgres.request_cancel(one.id, intent(actor="c")) for one in reversed(made)),
        )
        stored = [await postgres.statement(one.id) for one in made]
        assert {one.state for one in stored if one} == {StatementState.CANCELLED}


async def test_a_cancel_before_the_submit_falls_into_no_gap(postgres: PostgresStore) -> None:
    """A cancel of a chosen id and the submit under it: the submit is born cancelled or the cancel finds it, always."""
    of = await new_session(postgres)
    seen: Counter[str] = Counter()
    for number in range(EARLY_ROUNDS):
        made = statement(of, chosen_id=f"mine-{number}")

        async def submit() -> StatementState:
            await soon()
            stored = await postgres.submit(made, owner=OWNER)  # noqa: B023
            assert stored is not None
            return stored.state

        async def cancel(chosen: str = f"mine-{number}") -> str:
            await soon()
            if await postgres.entomb(of, chosen, intent(), at(1000), EARLY_ROUNDS):
                return "before"
            found = await postgres.find_statement(of.workspace_id, chosen)
            assert found is not None
            assert await postgres.request_cancel(found.id, intent()) is not None
            return "after"

        state, when = await asyncio.gather(submit(), cancel())
        stored = await postgres.statement(made.id)
        assert stored is not None
        assert stored.cancel == intent()
        if when == "before":
            assert (state, stored.state, stored.started_at) == (
                StatementState.CANCELLED,
                StatementState.CANCELLED,
                None,
            )
        else:
            assert state is stored.state is StatementState.RUNNING
            assert await postgres.finish(made.id, OWNER, ending(StatementState.CANCELLED), [], at(100))
        seen[when] += 1
    assert min(seen["before"], seen["after"]) > 0, seen


async def test_submits_of_one_key_at_once_store_one_statement(postgres: PostgresStore) -> None:
    """The others are told that the key is taken, and find the one that has it; a chosen id likewise."""
    of, other = await new_session(postgres), await new_session(postgres)

    async def submit(made: Statement) -> str:
        try:
            assert await postgres.submit(made) is not None
        except DuplicateKey:
            found = await postgres.keyed_statement(of.workspace_id, "u1", "k")
            assert found is not None
            return found.id
        except DuplicateId:
            found = await postgres.find_statement(other.workspace_id, "mine")
            assert found is not None
            return found.id
        return made.id

    keyed = [statement(of, retry=Retry(key="k", digest=b"same")) for _ in range(32)]
    assert len(set(await asyncio.gather(*map(submit, keyed)))) == 1
    chosen = [statement(other, chosen_id="mine") for _ in range(32)]
    assert len(set(await asyncio.gather(*map(submit, chosen)))) == 1


async def test_submits_to_an_idle_session_start_one_at_most_before_those_that_wait(postgres: PostgresStore) -> None:
    """With a claim at the same time nothing runs twice, and whatever waits is claimed in its turn."""
    of = await new_session(postgres)
    for _ in range(ROUNDS // 3):
        waiting = await new_statement(postgres, of)
        seated, claimed = await asyncio.gather(
            postgres.submit(statement(of), owner=OWNER), postgres.claim(of.id, OWNER, at(1))
        )
        assert seated is not None
        assert claimed is not None
        assert claimed.id == waiting.id
        if seated.state is StatementState.QUEUED:
            again = await postgres.claim(of.id, OWNER, at(2))
            assert again is not None
            assert again.id == seated.id
        assert await postgres.claim(of.id, OWNER, at(3)) is None
        for one in (waiting, seated):
            assert await postgres.finish(one.id, OWNER, ending(), [], at(100))
