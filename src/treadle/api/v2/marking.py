"""Pages that go on after a marker: one more entry is asked for, to know whether there is a next page."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def cut(found: Sequence[T], limit: int, id_of: Callable[[T], str]) -> tuple[Sequence[T], str]:
    """The page of at most ``limit`` entries out of one more than that, and the marker of the next page."""
    page = found[:limit]
    return page, id_of(page[-1]) if len(found) > limit else ""
