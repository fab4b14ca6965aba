"""Results on disk as the scheduler keeps them: swept, measured, brought to their place. The store is in memory."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.scheduler.test_leases import Clock
from tests.store.things import OWNER, at, ending, new_running, new_session, statement
from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.entities import Session
from treadle.model.states import SessionStatus
from treadle.results.layout import data_path, results_root
from treadle.scheduler.context import Context
from treadle.scheduler.quotas import Seen, look_at_results
from treadle.scheduler.regrouping import regroup
from treadle.scheduler.sweeper import sweep
from treadle.store.memory import MemoryStore
from treadle.store.signals import Signals

BLOCK = 4096


class Room:
    """A data folder, a store, and what the scheduler needs to keep results."""

    def __init__(self, folder: Path) -> None:
        self.store, self.clock = MemoryStore(), Clock()
        self.root = results_root(folder)
        nothing: Any = None
        self.context = Context(
            owner_id=OWNER,
            store=self.store,
            signals=Signals(),
            clock=self.clock,
            new_id=lambda: "",
            settings=Settings(data_dir=folder),
            catalogs=nothing,
            figures=Metrics(),
        )

    async def ended(self, of: Session, seconds: float, results_dir: Path | None = None) -> Path:
        """The folder of the result of a statement that has ended; its time is over in so many seconds."""
        made = await new_running(self.store, of)
        until = self.clock.wall + timedelta(seconds=seconds)
        assert await self.store.finish(made.id, OWNER, ending(), [], until)
        return self.put(results_dir or self.root / of.workspace_id, made.id)

    def put(self, results_dir: Path, statement_id: str) -> Path:
        """A result of one part."""
        file = data_path(results_dir, statement_id, 1)
        file.parent.mkdir(parents=True)
        file.write_bytes(b"rows")
        return file.parent

    async def deleted(self, of: Session) -> None:
        """The session's workspace is no more."""
        assert await self.store.move_session(of.id, frozenset(SessionStatus), SessionStatus.CLOSED, ended_at=at(20))
        assert await self.store.drop_endpoint(of.workspace_id, of.endpoint_id)
        assert await self.store.drop_workspace(of.workspace_id)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """An empty one."""
    return Room(tmp_path)


# -- the sweep ---------------------------------------------------------------------------------


async def test_a_sweep_removes_what_is_over_and_nothing_else(room: Room) -> None:
    """Of each workspace its own; a workspace that lives keeps its folder, the very same one, also when it is empty."""
    one, two = await new_session(room.store), await new_session(room.store)
    over = [await room.ended(of, 5) for of in (one, one, two)]
    kept = await room.ended(one, 50)
    emptied = (room.root / two.workspace_id).stat().st_ino
    await sweep(room.context)
    assert all(place.exists() for place in (*over, kept))
    room.clock.passes(10)
    await sweep(room.context)
    assert [place for place in over if place.exists()] == []
    assert (kept / "1.arrow").read_bytes() == b"rows"
    assert (room.root / two.workspace_id).stat().st_ino == emptied
    assert await room.store.due_results(room.clock.now(), 10) == []


async def test_what_cannot_be_removed_is_tried_again(room: Room) -> None:
    """It stays due, and keeps nothing else from being removed."""
    of = await new_session(room.store)
    stuck, other = await room.ended(of, 5), await room.ended(of, 5)
    (stuck / "1.arrow").unlink()
    stuck.rmdir()
    stuck.write_bytes(b"a file where a folder should be")
    room.clock.passes(10)
    await sweep(room.context)
    assert (stuck.exists(), other.exists()) == (True, False)
    assert [one.statement_id for one in await room.store.due_results(room.clock.now(), 10)] == [stuck.name]
    stuck.unlink()
    room.put(stuck.parent, stuck.name)
    await sweep(room.context)
    assert not stuck.exists()
    assert await room.store.due_results(room.clock.now(), 10) == []


async def test_the_folder_of_a_deleted_workspace_goes_with_its_last_result(room: Room) -> None:
    """Not before: what is still there has its time."""
    of = await new_session(room.store)
    await room.ended(of, 5)
    late = await room.ended(of, 50)
    await room.deleted(of)
    room.clock.passes(10)
    await sweep(room.context)
    assert list((room.root / of.workspace_id).iterdir()) == [late]
    room.clock.passes(50)
    await sweep(room.context)
    assert list(room.root.iterdir()) == []


# -- what they take ----------------------------------------------------------------------------


def grown(place: Path, blocks: int) -> None:
    """A result of so many blocks."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "1.arrow").write_bytes(b"x" * blocks * BLOCK)


def taken(seen: dict[str, Seen]) -> dict[str, int]:
    """Blocks by workspace."""
    return {workspace_id: one.taken // BLOCK for workspace_id, one in seen.items()}


def test_each_workspace_is_charged_with_its_own(tmp_path: Path) -> None:
    """All that is in its folder, and nothing where there is none."""
    assert look_at_results(tmp_path / "nothing", {}, frozenset()) == {}
    grown(tmp_path / "a" / "s1", 2)
    grown(tmp_path / "a" / "s2", 3)
    grown(tmp_path / "b" / "s3", 4)
    (tmp_path / "c").mkdir()
    assert taken(look_at_results(tmp_path, {}, frozenset())) == {"a": 5, "b": 4, "c": 0}


def test_a_result_is_measured_until_nobody_writes_it(tmp_path: Path) -> None:
    """While its statement runs at every look, once more after that, and then no more."""
    place, running = tmp_path / "a" / "s1", frozenset({"s1"})
    sizes = []
    seen: dict[str, Seen] = {}
    for blocks, now in ((1, running), (2, running), (3, frozenset()), (9, frozenset())):
        grown(place, blocks)
        seen = look_at_results(tmp_path, seen, now)
        sizes.append(taken(seen)["a"])
    assert sizes == [1, 2, 3, 3]
    (place / "1.arrow").unlink()
    place.rmdir()
    assert look_at_results(tmp_path, seen, frozenset()) == {"a": Seen()}


def test_a_result_that_is_begun_and_ended_between_two_looks_is_not_taken_by_halves(tmp_path: Path) -> None:
    """What is seen for the first time may be half of it, whoever is said to run."""
    place = tmp_path / "a" / "s1"
    grown(place, 1)
    seen = look_at_results(tmp_path, {}, frozenset())
    grown(place, 5)
    assert taken(look_at_results(tmp_path, seen, frozenset())) == {"a": 5}


# -- results of earlier versions ---------------------------------------------------------------


async def test_results_of_earlier_versions_come_to_their_workspaces(room: Room) -> None:
    """Each to its own; what has no record or no time left is removed; what is in its place stays there."""
    one, two = await new_session(room.store), await new_session(room.store)
    old = [await room.ended(of, 50, room.root) for of in (one, two, one)]
    over = await room.ended(one, -1, room.root)
    unknown = room.put(room.root, statement(one).id)
    running = room.put(room.root, (await new_running(room.store, two)).id)
    placed = await room.ended(one, 50)
    strange = room.root / "lost+found"
    strange.mkdir()
    await regroup(room.context)
    assert not over.exists()
    assert not unknown.exists()
    expected = {
        room.root / one.workspace_id: {old[0].name, old[2].name, placed.name},
        room.root / two.workspace_id: {old[1].name, running.name},
        strange: set(),
    }
    assert {place: {inner.name for inner in place.iterdir()} for place in room.root.iterdir()} == expected
    assert data_path(room.root / two.workspace_id, old[1].name, 1).read_bytes() == b"rows"
    await regroup(room.context)
    assert {place: {inner.name for inner in place.iterdir()} for place in room.root.iterdir()} == expected


async def test_a_file_among_the_results_of_a_workspace_makes_it_no_result(room: Room) -> None:
    """Whatever a worker has put there: the workspace keeps the rest."""
    of = await new_session(room.store)
    kept = await room.ended(of, 50)
    for name in "0az":
        (kept.parent / name).write_bytes(b"rubbish")
    await regroup(room.context)
    assert (kept / "1.arrow").exists()


async def test_nothing_to_bring_is_nothing_to_do(room: Room) -> None:
    """A new data folder has no results, and an emptied one has none either."""
    await regroup(room.context)
    assert not room.root.exists()
    room.root.mkdir()
    await regroup(room.context)
    assert list(room.root.iterdir()) == []
