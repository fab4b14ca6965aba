"""The contract again with the operator's own PostgreSQL as the service's memory."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conformance import test_effects, test_intent, test_reasons, test_stopping
from tests.races.trials import Aim
from tests.store.servers import StockServer, has_stock_server
from tests.support.world import World, world
from treadle.demo.client import CancelReply, Session

RACES = 40

CLAUSES: tuple[Callable[[World], None], ...] = (
    test_stopping.test_a_killed_worker_takes_its_session_and_says_so,
    test_stopping.test_the_session_survives_an_interrupt_with_everything_in_it,
    test_intent.test_a_queued_statement_never_starts,
    test_intent.test_an_ended_statement_is_left_alone,
    test_intent.test_many_cancels_at_once_are_one,
    test_effects.test_a_script_keeps_what_its_finished_statements_did,
    test_reasons.test_closing_a_session_stops_what_runs_in_it,
    test_reasons.test_an_operator_cancels_from_the_command_line,
)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service whose store and catalogs are in a stock PostgreSQL."""
    if not has_stock_server():
        pytest.skip("no PostgreSQL of its own on this machine: initdb and pg_ctl are not on the PATH")
    folder = Path(tempfile.mkdtemp(prefix="treadle-stock-"))
    folder.chmod(0o711)
    (folder / "pg").mkdir()
    server = StockServer(folder / "pg")
    try:
        with world(tmp_path_factory.mktemp("operated") / "data", {"TREADLE_DATABASE_URL": server.dsn}) as running:
            yield running
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__.removeprefix("test_"))
def test_the_contract_holds_over_an_operators_database(operated: World, clause: Callable[[World], None]) -> None:
    """Nothing of the contract hangs on the private server."""
    clause(operated)


def test_a_cancel_against_a_commit_never_lies(operated: World) -> None:
    """CANCELED means no row, SUCCESSFUL means all of them; over the private server this is a race of `tests/races`."""
    outcomes = []
    with operated.session() as session, operated.session() as reader, ThreadPoolExecutor(1) as pool:
        session.run("CREATE TABLE raced (n int, i bigint)")
        canceller = operated.same(session)
        # On a slow machine a fixed moment would always come too early, on a quick one too late.
        aim = Aim(7, 0.015, 0.015)
        for n in range(RACES):
            reply = session.submit(f"INSERT INTO raced SELECT {n}, i FROM range(2000) t(i)")
            verdict = pool.submit(_cancel_after, aim.next(), canceller, reply.statement_id).result()
            (count,) = reader.run(f"SELECT count(*) FROM raced WHERE n = {n}").rows[0]
            record = operated.record(reply.statement_id)
            expected = {"CANCELED": ("0", "none"), "SUCCESSFUL": ("2000", "committed")}[record["status"]]
            assert (count, record["effects"]) == expected
            assert verdict.state == record["status"]
            aim.was(early=record["status"] == "CANCELED")
            outcomes.append(record["status"])
    assert {"CANCELED", "SUCCESSFUL"} == set(outcomes)


def _cancel_after(seconds: float, session: Session, statement_id: str) -> CancelReply:
    time.sleep(seconds)
    return session.cancel(statement_id)
