"""What may happen at once, hundreds of times, on PostgreSQL."""

import asyncio
import random
from collections import Counter

import pytest

from tests.store.things import OWNER, at, ending, intent, new_running, new_session, new_statement, statement
from treadle.model.entities import CommitPoint
from treadle.model.states import Reason, SessionStatus, StatementState
from treadle.store.postgres import PostgresStore

ROUNDS = 300


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
            return await postgres.finish(statement_id, OWNER, ending(), [], at(100))

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
            return await postgres.finish(statement_id, OWNER, ending(), [], at(100))

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
            return await postgres.submit(made)  # noqa: B023

        async def close() -> list[str]:
            await soon()
            if how == "close":
                assert await postgres.request_close(of.id, at(1), "ann", Reason.USER)  # noqa: B023
            else:
                every = frozenset(SessionStatus)
                assert await postgres.move_session(of.id, every, SessionStatus.CLOSED, ended_at=at(1))  # noqa: B023
            return list(await postgres.cancel_queued(of.id, intent()))  # noqa: B023

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
            *(postgres.request_cancel_session(of.id, intent(actor=f"a{n}")) for n in range(4)),
            *(postgres.cancel_queued(of.id, intent(actor=f"b{n}")) for n in range(4)),
            *(postgres.request_cancel(one.id, intent(actor="c")) for one in reversed(made)),
        )
        stored = [await postgres.statement(one.id) for one in made]
        assert {one.state for one in stored if one} == {StatementState.CANCELLED}
