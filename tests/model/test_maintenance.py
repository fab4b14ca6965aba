"""What is due, from counted facts alone."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from treadle.model.maintenance import REWRITTEN_MOST, TIERS, Due, Duty, Facts, Moments, Small, Table, Thresholds, due

THRESHOLDS = Thresholds(small_files=4, deleted_share=0.25)
NONE = Small(0, 0)
NOW = datetime(2026, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def table(*small: int, deleted: int = 0, deleted_bytes: int = 0, mostly: int = 0) -> Table:
    """A table with so many small files in each tier."""
    counts = (*small, *((small[-1] if small else 0) for _ in range(len(TIERS) - len(small))))
    return Table(
        schema="main",
        name="t",
        files=9,
        bytes=900,
        small=tuple(Small(count, count * 10) for count in counts),
        deleted=deleted,
        deleted_bytes=deleted_bytes,
        mostly_deleted=mostly,
        mostly_deleted_bytes=mostly * 10,
    )


def of(*tables: Table, **more: int) -> tuple[Due, ...]:
    """What is due for these tables."""
    return due(Facts(tables=tables, **more), THRESHOLDS, {})  # type: ignore[arg-type]


def test_small_files_are_merged_when_there_are_enough() -> None:
    """One file fewer is left alone."""
    assert of(table(3)) == ()
    (merge,) = of(table(4, 4, 4))
    assert (merge.duty, merge.count, merge.bytes, merge.schema, merge.table) == (Duty.MERGE, 4, 40, "main", "t")


def test_a_large_file_is_not_rewritten_for_a_few_rows() -> None:
    """Files of the highest tier that is full are merged, and no larger ones."""
    assert [step.limit for step in of(table(4, 4, 4))] == [TIERS[2]]
    assert [step.limit for step in of(replace(table(), small=(Small(4, 1), NONE, NONE)))] == [TIERS[0]]


def test_files_with_many_deletes_are_rewritten() -> None:
    """One is enough."""
    (rewrite,) = of(table(mostly=1, deleted=1))
    assert (rewrite.duty, rewrite.limit) == (Duty.REWRITE, 0.25)


def test_many_files_with_few_deletes_are_rewritten_unless_they_are_large() -> None:
    """They could be merged with no others as they are."""
    (rewrite,) = of(table(deleted=4, deleted_bytes=REWRITTEN_MOST))
    assert (rewrite.duty, rewrite.limit) == (Duty.REWRITE, 0)
    assert of(table(deleted=4, deleted_bytes=REWRITTEN_MOST + 1)) == ()
    assert of(table(deleted=3)) == ()


def test_what_could_not_be_helped_is_left_until_there_is_more_of_it() -> None:
    """Files that cannot be merged are not tried again and again."""
    settled = {(Duty.MERGE, "main", "t"): 10, (Duty.REWRITE, "main", "t"): 2}
    facts = Facts(tables=(table(13, mostly=2),))
    assert due(facts, THRESHOLDS, settled) == ()
    facts = Facts(tables=(table(14, mostly=3),))
    assert {step.duty for step in due(facts, THRESHOLDS, settled)} == {Duty.MERGE, Duty.REWRITE}


def test_old_snapshots_go_before_their_files() -> None:
    """What is counted, but neither old nor unused, stays."""
    assert [step.duty for step in of(expirable=1, removable=1)] == [Duty.EXPIRE, Duty.CLEAN]
    assert of(snapshots=1000, scheduled=1000) == ()


def test_nothing_is_due_where_anything_is_inlined() -> None:
    """However much there would be to do."""
    facts = Facts(inlined=True, tables=(table(100, mostly=9),), expirable=1, removable=1)
    assert due(facts, THRESHOLDS, {}) == ()


def test_nothing_goes_that_a_statement_may_need() -> None:
    """Neither what fell out of use since the oldest one began, nor within the retention before."""
    assert Moments.of(NOW, None, retention=60, ttl=0) == Moments(None, NOW - timedelta(seconds=60))
    busy = Moments.of(NOW, NOW - HOUR, retention=60, ttl=1)
    assert busy == Moments(NOW - HOUR - timedelta(seconds=60), NOW - HOUR - timedelta(seconds=60))
    assert Moments.of(NOW, NOW - HOUR, retention=60, ttl=86400).expire == NOW - timedelta(days=1)
    assert Moments.of(NOW, NOW + HOUR, retention=60, ttl=0).remove == NOW - timedelta(seconds=60)
