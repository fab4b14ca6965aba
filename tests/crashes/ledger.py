"""What the clients of a round were told, kept apart from the service: the measure of its truth."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from treadle.demo.client import CancelReply

_KEY = re.compile(r"/\*k(\d+)\*/")


class Kind(StrEnum):
    """What a statement does."""

    INSERT = "insert"
    TABLE = "create_table_as"
    MARK = "update"
    SCRIPT = "script"
    BEGIN = "begin"
    INSIDE = "insert_in_transaction"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    COPY = "copy_to"
    SELECT = "select"
    ENDLESS = "endless"


@dataclass
class Entry:
    """One statement as its client knows it.

    ``pieces`` are its effects, part by part: for each part the names of what becomes visible and how
    many rows that has. ``statement_id`` is None while no answer to the submit has come; ``told`` is
    the final public `status` the client has seen, ``verdict`` what a cancel was answered.
    """

    key: int
    kind: Kind
    session_id: str
    pieces: tuple[dict[str, int], ...] = ()
    statement_id: str | None = None
    told: int | None = None
    rows: int = 0
    verdict: CancelReply | None = None

    @property
    def mark(self) -> str:
        """The comment by which the record of the statement is known."""
        return f"/*k{self.key}*/"


def key_of(sql: str) -> int:
    """The key in a statement's text."""
    found = _KEY.search(sql)
    assert found, sql
    return int(found[1])


@dataclass
class Ledger:
    """Every statement of a round, in the order of the submits."""

    entries: list[Entry] = field(default_factory=list)
    session_ids: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: Kind, session_id: str) -> Entry:
        """A new entry with a key of its own."""
        with self._lock:
            entry = Entry(len(self.entries) + 1, kind, session_id)
            self.entries.append(entry)
            self.session_ids.add(session_id)
        return entry

    def pending(self) -> list[Entry]:
        """The statements that may run now, as far as their clients know."""
        with self._lock:
            return [one for one in self.entries if one.statement_id and one.told is None]

    def by_key(self) -> dict[int, Entry]:
        """Every entry by its key."""
        return {one.key: one for one in self.entries}

    def acknowledged(self) -> Iterator[Entry]:
        """The entries whose success was told."""
        return (one for one in self.entries if one.told in (0, 2))
