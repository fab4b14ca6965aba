"""Progress: the engine's own percentage of what runs, or null; never one that lies."""

import time

from tests.service.caller import ENDLESS, Caller, Sql
from tests.support.world import until

SCAN = "SELECT sum(sqrt(i) * sin(i) * cos(i) * ln(i + 1)) FROM numbers"


def test_a_long_scan_tells_how_far_it_is(caller: Caller, sql: Sql) -> None:
    """The number grows, is on the record as well, and is gone when the statement has ended."""
    sql.run("CREATE TABLE numbers AS SELECT i FROM range(40000000) t(i)")
    statement_id = sql.start(f"{'; '.join([SCAN] * 12)}")
    seen: list[float] = []
    on_record: list[float] = []

    def look() -> bool:
        shown = sql.show(statement_id)
        if shown["status"] != 1:
            return bool(shown["status"] != 3)  # 3: it waits for its start; otherwise it has ended
        record = caller.record(statement_id)
        if shown["progress"] is not None:
            seen.append(shown["progress"])
        if record["status"] == "RUNNING" and record["progress"] is not None:
            on_record.append(record["progress"])
        return len(set(seen)) >= 3 and bool(on_record)

    until(look, "three different percentages", timeout=60)
    sql.cancel(statement_id)
    assert len(set(seen)) >= 2
    assert on_record
    assert all(0 <= percent < 100 for percent in (*seen, *on_record))
    assert "progress" not in sql.show(statement_id)
    assert "progress" not in caller.record(statement_id)
    sql.run("DROP TABLE numbers")


def test_what_the_engine_does_not_know_is_null(caller: Caller, sql: Sql) -> None:
    """A statement over a generator of rows has no percentage, one that waits has not even the field."""
    running, waiting = sql.start(ENDLESS), sql.start("SELECT 1")
    until(lambda: sql.show(running)["status"] == 1, "the statement runs")
    shown: list[float | None] = []
    began = time.monotonic()
    while time.monotonic() - began < 3:
        shown.append(sql.show(running)["progress"])
    assert set(shown) == {None}
    assert caller.record(running)["progress"] is None
    assert "progress" not in sql.show(waiting)
    assert "progress" not in caller.record(waiting)
    sql.cancel(running)


def test_a_new_statement_begins_at_nothing(sql: Sql) -> None:
    """The answer to a synchronous statement has no progress."""
    assert "progress" not in sql.execute("SELECT 1")
