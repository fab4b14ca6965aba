"""Whose commit comes first: from what is known of the work of others alone."""

import pytest

from treadle.model.maintenance import Due, Duty
from treadle.model.precedence import Work, gives_way

MERGE = Due(duty=Duty.MERGE, count=9, schema="main", table="Orders")
LONG = 5.0


def waits(work: Work, step: Due = MERGE, *, patient: bool = True, repeats: bool = True) -> bool:
    """Whether the step waits for this work."""
    return gives_way(step, (Work(text="SELECT 1"), work), long=LONG, patient=patient, repeats=repeats)


WRITES = [
    "UPDATE orders SET v = 1",
    'delete from "ORDERS" where true',
    "INSERT INTO lake.main.orders SELECT 1",
    "MERGE INTO orders USING s ON true WHEN MATCHED THEN DELETE",
    "SELECT 1; TRUNCATE orders",
    "ALTER TABLE orders ADD COLUMN w INTEGER",
    "EXECUTE p",
]


@pytest.mark.parametrize("text", WRITES)
def test_long_statement_that_may_change_the_table_comes_first(text: str) -> None:
    """As long as maintenance is patient, and only one that has run for long, unless it is not run again at all."""
    assert waits(Work(text=text, seconds=LONG + 1))
    assert waits(Work(text=text, seconds=LONG - 1)) is text.startswith("EXECUTE")
    assert waits(Work(text=text, seconds=LONG - 1), repeats=False)
    assert not waits(Work(text=text, seconds=LONG + 1), patient=False)


@pytest.mark.parametrize("text", WRITES)
def test_statement_that_has_lost_a_race_always_comes_first(text: str) -> None:
    """However short it is, and however long maintenance has waited: it loses to it once at most."""
    assert waits(Work(text=text, seconds=0.1, losses=1), patient=False)


@pytest.mark.parametrize("text", ["SELECT * FROM orders", "UPDATE other SET v = 1", "FROM updates, orders", ""])
def test_statement_that_cannot_change_the_table_is_not_waited_for(text: str) -> None:
    """It reads, or writes elsewhere."""
    assert not waits(Work(text=text, seconds=1e6, losses=1), repeats=False)


def test_transaction_comes_first_whatever_its_statement_does() -> None:
    """It may have changed the table before, and is not run again."""
    for text in ("", "SELECT 1", "UPDATE other SET v = 1"):
        assert waits(Work(text=text, in_transaction=True))
        assert not waits(Work(text=text, in_transaction=True), patient=False)
    for text in ("BEGIN; UPDATE orders SET v = 1; COMMIT", "INSERT INTO orders VALUES (nextval('s'))"):
        assert waits(Work(text=text))


def test_name_that_is_written_with_more_signs_may_be_meant_by_any_statement() -> None:
    """Of such a table nothing is looked for in the text."""
    quoted = Due(duty=Duty.REWRITE, count=1, table='a"b')
    assert waits(Work(text='UPDATE "a""b" SET v = 1', seconds=LONG + 1), quoted)


@pytest.mark.parametrize("duty", [Duty.EXPIRE, Duty.CLEAN])
def test_what_changes_no_table_waits_for_nobody(duty: Duty) -> None:
    """No commit fails because of it."""
    assert not waits(Work(text="UPDATE orders SET v = 1", seconds=1e6, losses=1), Due(duty=duty, count=1))
