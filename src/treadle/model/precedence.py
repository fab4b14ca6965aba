"""Whose commit comes first: that of a user's work on a catalog, or that of maintenance. Pure.

A compaction makes every commit fail that changes a file which it has replaced. A statement that commits by itself is
run again then; one that cannot be run again, or would take long, must not be made to.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from treadle.model.maintenance import Due, Duty

_WRITES: Final = re.compile(
    r"\b(?:insert|update|delete|merge|truncate|copy|create|alter|drop|comment|call|execute|checkpoint|begin|start)\b",
    re.IGNORECASE,
)
"""One of these words is in every text that changes a catalog."""

_ONCE: Final = re.compile(r"\b(?:nextval|explain|execute|call|checkpoint|begin|start)\b", re.IGNORECASE)
"""One of these words is in every text that is not run again when its commit loses a race."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """The work of one session on a catalog.

    ``text`` is the statement that runs, empty between those of a transaction; it has run for ``seconds``, and its
    commit has lost ``losses`` races. ``in_transaction`` says that the user has one open.
    """

    text: str = ""
    seconds: float = 0.0
    losses: int = 0
    in_transaction: bool = False

    def may_change(self, table: str) -> bool:
        """Whether it may change the table."""
        if self.in_transaction:
            return True
        # Of a name that has to be written with more signs than it has, nothing is known.
        named = '"' in table or table.lower() in self.text.lower() or _ONCE.search(self.text) is not None
        return named and _WRITES.search(self.text) is not None

    @property
    def once(self) -> bool:
        """Whether it is lost when its commit loses a race."""
        return self.in_transaction or _ONCE.search(self.text) is not None


def goes_first(work: Work, step: Due, *, long: float, patient: bool, repeats: bool) -> bool:
    """Whether a step of maintenance must not commit before this work does.

    What has lost a race comes first always, so that maintenance never beats the same statement twice. What takes
    longer than ``long`` seconds, and what is not run again, come first as long as maintenance is ``patient``; without
    ``repeats`` nothing is run again.
    """
    if step.duty not in (Duty.MERGE, Duty.REWRITE) or not work.may_change(step.table):
        return False
    return work.losses > 0 or (patient and (not repeats or work.once or work.seconds > long))


def gives_way(step: Due, works: Iterable[Work], *, long: float, patient: bool, repeats: bool) -> bool:
    """Whether a step of maintenance has to wait for any of these."""
    return any(goes_first(work, step, long=long, patient=patient, repeats=repeats) for work in works)
