"""Intervals that Arrow cannot count are found, wherever they are, and no others."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.results.exact import MOST_HOURS, holds_long_intervals
from treadle.results.text_interval import MOST_MICROSECONDS, microseconds

HOLDS = f"to_hours({MOST_HOURS})"
TOO_LONG = f"to_hours({MOST_HOURS + 1})"


def found(value: str) -> bool:
    """Whether what the engine makes of the SQL value has an interval that is too long."""
    table = duckdb.connect().execute(f"SELECT {value} AS v").to_arrow_table()
    return any(holds_long_intervals(column) for batch in table.to_batches() for column in batch.columns)


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "[NULL, {}]",
        "[[{}]]",
        "array_value({})",
        "{{'a': 1, 'b': {}}}",
        "MAP {{'k': {}}}",
        "union_value(a := {})",
        "{{'a': [MAP {{1: {}}}]}}",
    ],
)
def test_long_intervals_are_found(form: str, sign: str) -> None:
    """One hour more than Arrow can count, of either sign and however deep, and not one that it can."""
    assert found(form.format(f"({sign}{TOO_LONG})"))
    assert not found(form.format(f"({sign}{HOLDS})"))


@pytest.mark.parametrize(
    "value", ["1", "NULL::INTERVAL", "[]::INTERVAL[]", "INTERVAL '1 year -3 days 4.000005 seconds'"]
)
def test_the_rest_is_left_alone(value: str) -> None:
    """Nulls, nothing, and what is no interval."""
    assert not found(value)


@given(st.integers(2**63 // 1000 + 1, MOST_MICROSECONDS), st.sampled_from((1, -1)))
def test_what_wraps_around_shows_it(micros: int, sign: int) -> None:
    """The product that the engine makes of any long interval ends in something else than three zeros."""
    product = (sign * micros * 1000 + 2**63) % 2**64 - 2**63
    assert product % 1000
    assert microseconds(product) == sign * micros
