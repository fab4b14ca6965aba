"""What the files of a catalog are like, and which maintenance is due. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

import msgspec

TIERS: Final = (2**20, 2**24, 2**27)
"""Bytes below which a file is small. Small files are merged with others of their tier, so that a large one is not
rewritten whenever a few rows have come.
"""

REWRITTEN_MOST: Final = 2**28
"""Bytes of files of which few rows are deleted that are rewritten because there are many of them."""


class Duty(StrEnum):
    """A kind of maintenance."""

    MERGE = "merge"
    """Small files become one."""
    REWRITE = "rewrite"
    """Files are written anew without their deleted rows."""
    EXPIRE = "expire"
    """Old snapshots go."""
    CLEAN = "clean"
    """Files that fell out of use go."""


class Small(msgspec.Struct, frozen=True):
    """The files below the size of a tier that have others to be merged with."""

    files: int
    bytes: int


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one table that its newest snapshot has.

    ``small`` has an entry for each of `TIERS`. ``deleted`` are the files with deleted rows, ``mostly_deleted`` those
    beyond the share that is looked for.
    """

    schema: str
    name: str
    files: int
    bytes: int
    small: tuple[Small, ...]
    deleted: int = 0
    deleted_bytes: int = 0
    mostly_deleted: int = 0
    mostly_deleted_bytes: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the metadata of a catalog says.

    ``inlined`` says that it holds rows or deletes beside its files, or may come to: then nothing may be done.
    ``expirable`` are the snapshots made before the moment asked about, ``removable`` the files that fell out of use
    before theirs, ``scheduled`` all that are out of use.
    """

    inlined: bool = False
    tables: tuple[Table, ...] = ()
    snapshots: int = 0
    expirable: int = 0
    scheduled: int = 0
    removable: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """One version of a catalog: who made it, and what it changed, in DuckLake's words."""

    snapshot_id: int
    snapshot_time: datetime
    author: str
    changes: str


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """From what on something is done."""

    small_files: int
    deleted_share: float


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do: to which table, if to one; and how many files or snapshots, and bytes, it is about.

    ``limit`` is the size below which files are merged, or the share of deleted rows from which on they are rewritten.
    """

    duty: Duty
    count: int
    bytes: int = 0
    schema: str = ""
    table: str = ""
    limit: float = 0

    @property
    def key(self) -> tuple[Duty, str, str]:
        """What is the same when it is due again."""
        return self.duty, self.schema, self.table


Settled = Mapping[tuple[Duty, str, str], int]
"""How many files were left the last time by a duty that could do nothing about them."""


def due(facts: Facts, thresholds: Thresholds, settled: Settled) -> tuple[Due, ...]:
    """What is due, in the order in which to do it."""
    if facts.inlined:
        return ()
    found = [one for table in facts.tables for one in _of_table(table, thresholds)]
    fresh = [one for one in found if one.count >= settled.get(one.key, 0) + _least(one.duty, thresholds)]
    if facts.expirable:
        fresh.append(Due(duty=Duty.EXPIRE, count=facts.expirable))
    if facts.removable:
        fresh.append(Due(duty=Duty.CLEAN, count=facts.removable))
    return tuple(fresh)


def _least(duty: Duty, thresholds: Thresholds) -> int:
    return thresholds.small_files if duty is Duty.MERGE else 1


def _of_table(table: Table, thresholds: Thresholds) -> Iterator[Due]:
    of_table = partial(Due, schema=table.schema, table=table.name)
    least = thresholds.small_files
    if table.deleted >= least and table.deleted_bytes <= REWRITTEN_MOST:
        yield of_table(duty=Duty.REWRITE, count=table.deleted, bytes=table.deleted_bytes)
    elif table.mostly_deleted:
        share, size = thresholds.deleted_share, table.mostly_deleted_bytes
        yield of_table(duty=Duty.REWRITE, count=table.mostly_deleted, bytes=size, limit=share)
    tiers = [(limit, small) for limit, small in zip(TIERS, table.small, strict=True) if small.files >= least]
    if tiers:
        limit, small = tiers[-1]
        yield of_table(duty=Duty.MERGE, count=small.files, bytes=small.bytes, limit=limit)


class Moments(msgspec.Struct, frozen=True):
    """The cutoff times of maintenance: snapshots before the first are expired (None for never), unused files before the
    second removed.
    """

    expire: datetime | None
    remove: datetime

    @classmethod
    def of(cls, now: datetime, busy_since: datetime | None, *, retention: float, ttl: float) -> "Moments":
        """Those of a catalog on which something has run since ``busy_since``; a ``ttl`` of 0 is for ever.

        A file falls out of use at a moment that a transaction writes down when it begins: hence the retention also
        before ``busy_since``.
        """
        remove = min(busy_since or now, now) - timedelta(seconds=retention)
        return cls(min(now - timedelta(seconds=ttl), remove) if ttl else None, remove)
