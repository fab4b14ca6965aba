"""Who waits for a slot until when: the wall clock is asked once, whatever it says later."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from treadle.model.entities import Session
from treadle.model.states import SessionStatus
from treadle.scheduler.lobby import Lobby

NOON = datetime(2026, 7, 13, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SESSION = Session(
    id="s",
    workspace_id="w",
    endpoint_id="e",
    instance_id="default",
    catalog="default",
    status=SessionStatus.CREATING,
    created_at=NOON,
    user_id="u",
    user_name="alice",
    wait_deadline=NOON + timedelta(seconds=300),
)


class Clocks:
    """A wall clock that is set, and seconds that pass."""

    def __init__(self) -> None:
        self.wall = NOON
        self.seconds = 50.0

    def now(self) -> datetime:
        """The wall clock."""
        return self.wall

    def monotonic(self) -> float:
        """The seconds."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Nobody here waits."""
        raise AssertionError(seconds)


@pytest.fixture
def clocks() -> Clocks:
    """Noon, and fifty seconds."""
    return Clocks()


def test_the_wall_clock_is_read_once(clocks: Clocks) -> None:
    """What is known of a session changes, how long it may wait does not."""
    lobby = Lobby(clocks)
    lobby.see(SESSION)
    clocks.wall += HOUR
    clocks.seconds += 10
    waiting = msgspec.structs.replace(SESSION, status=SessionStatus.WAITING)
    lobby.see(waiting)
    assert [one.deadline for one in lobby.waiting] == [350.0]
    assert lobby.session("s") is waiting


@pytest.mark.parametrize(("late", "left"), [(HOUR, 0.0), (timedelta(seconds=200), 100.0), (-HOUR, 300.0)])
def test_what_is_left_of_the_wait(clocks: Clocks, late: timedelta, left: float) -> None:
    """Seen later, it may wait for the rest, never less than nothing and never more than it asked for."""
    clocks.wall += late
    lobby = Lobby(clocks)
    lobby.see(SESSION)
    assert [one.deadline for one in lobby.waiting] == [50.0 + left]


def test_who_leaves_is_gone(clocks: Clocks) -> None:
    """In any way, and leaving twice is no error."""
    lobby = Lobby(clocks)
    lobby.see(SESSION)
    assert lobby.take("s") is SESSION
    lobby.leave("s")
    assert "s" not in lobby
    assert not lobby
    lobby.see(msgspec.structs.replace(SESSION, wait_deadline=None))
    assert [one.deadline for one in lobby.waiting] == [None]
