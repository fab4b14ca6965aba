"""Which changes of a catalog are known to all that works on it, as far as the keeper saw."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from treadle.scheduler.keeper import Keeper
from treadle.scheduler.marks import Marks

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def at(minute: int) -> datetime:
    """So many minutes past the hour."""
    return NOW + timedelta(minutes=minute)


class _Unasked:
    """No catalog is asked here."""


def keeper(folder: Path) -> Keeper:
    """A keeper of nothing so far."""
    return Keeper(_Unasked(), Marks(folder))  # type: ignore[arg-type]


def test_what_began_before_everything_that_runs_is_known(tmp_path: Path) -> None:
    """The oldest counts, from its first statement to the end of its transaction."""
    kept = keeper(tmp_path)
    assert kept.busy_since("c") is None
    kept.begin("c", "a", at(1))
    kept.begin("c", "b", at(2))
    kept.begin("c", "a", at(3))
    assert kept.busy_since("c") == at(1)
    kept.begin("other", "x", at(0))
    kept.end("c", "b")
    kept.end("c", "b")
    kept.end("c", "a")
    assert kept.busy_since("c") is None


def test_what_ended_meanwhile_is_not_known_since_it_began(tmp_path: Path) -> None:
    """Its commit may bear the time of its beginning, and what began before its end has not seen it."""
    kept = keeper(tmp_path)
    kept.begin("c", "long", at(1))
    kept.begin("c", "short", at(5))
    kept.end("c", "long")
    assert kept.busy_since("c") == at(1)
    kept.begin("c", "late", at(6))
    kept.end("c", "short")
    assert kept.busy_since("c") == at(5)
    kept.end("c", "late")
    assert kept.busy_since("c") is None
