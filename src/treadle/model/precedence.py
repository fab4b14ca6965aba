"""The order between the commits of users' work and of maintenance on a catalog. Pure.

A compaction fails every commit that changes a file which it has replaced. A statement that commits by itself is retried
then; a statement that cannot be retried, or would take long, must not be forced to.
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
"""Every text that changes a catalog contains one of these words."""

_ONCE: Final = re.compile(r"\b(?:nextval|explain|execute|call|checkpoint|begin|start)\b", re.IGNORECASE)
"""Every text that is not retried after a lost race contains one of these words."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """The work of one session on a catalog.

    ``text`` is the running statement, empty between the statements of a transaction; it has run for ``seconds`` and
    lost ``losses`` races. ``in_transaction``: the user has a transaction open.
    """

    text: str = ""
    seconds: float = 0.0
    losses: int = 0
    in_transaction: bool = False

    def may_change(self, table: str) -> bool:
        """Check whether the work may change the table."""
        if self.in_transaction:
            return True
        # A quoted name with escaped characters cannot be found in the text.
        named = '"' in table or table.lower() in self.text.lower() or _ONCE.search(self.text) is not None
        return named and _WRITES.search(self.text) is not None

    @property
    def once(self) -> bool:
        """Check whether the work cannot be retried after a lost race."""
        return self.in_transaction or _ONCE.search(self.text) is not None


def goes_first(work: Work, step: Due, *, long: float, patient: bool, repeats: bool) -> bool:
    """Check whether a step of maintenance must not commit before this work.

    Work that has lost a race always goes first, so that maintenance never beats the same statement twice. Work of more
    than ``long`` seconds, and work that is not retried, goes first while maintenance is ``patient``; without
    ``repeats`` no work is retried.
    """
    if step.duty not in (Duty.MERGE, Duty.REWRITE) or not work.may_change(step.table):
        return False
    return work.losses > 0 or (patient and (not repeats or work.once or work.seconds > long))


def gives_way(step: Due, works: Iterable[Work], *, long: float, patient: bool, repeats: bool) -> bool:
    """Check whether a step of maintenance has to wait for any of these."""
    return any(goes_first(work, step, long=long, patient=patient, repeats=repeats) for work in works)
