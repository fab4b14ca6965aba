"""The shape and the order of ids, and the names of a script's parts."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from treadle.model.ids import PLAIN_ID, STATEMENT_ID, part_id, split_part_id, uuid7

calm = examples()
MOMENTS = st.integers(0, 2**48 - 1)
ENTROPY = st.binary(min_size=10, max_size=16)
STATEMENT_IDS = st.from_regex(r"\A[A-Za-z0-9_-]{1,56}\Z")
NUMBERS = st.integers(1, 9_999_999)


@calm
@given(MOMENTS, ENTROPY)
def test_a_uuid_of_version_seven(unix_ms: int, entropy: bytes) -> None:
    """An id is 36 characters of a version 7 UUID with the time in its first 48 bits."""
    made = uuid.UUID(uuid7(unix_ms, entropy))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == unix_ms
    assert str(made) == uuid7(unix_ms, entropy)
    assert PLAIN_ID.match(str(made))
    assert STATEMENT_ID.match(str(made))


@calm
@given(MOMENTS, ENTROPY)
def test_all_the_entropy_is_in_it(unix_ms: int, entropy: bytes) -> None:
    """The 74 bits that are not fixed are those of the randomness given."""
    made, given_bits = uuid.UUID(uuid7(unix_ms, entropy)).int, int.from_bytes(entropy[:10])
    free = (1 << 80) - 1 ^ (0xF << 76) ^ (0x3 << 62)
    assert made & free == given_bits & free
    assert free.bit_count() == 74


@calm
@given(MOMENTS, MOMENTS, ENTROPY, ENTROPY)
def test_later_ids_sort_later(first: int, second: int, some: bytes, other: bytes) -> None:
    """Ids of different milliseconds sort as text in the order of their times."""
    if first != second:
        assert (uuid7(first, some) < uuid7(second, other)) == (first < second)


def test_the_published_example() -> None:
    """RFC 9562, appendix A.6: the example of a version 7 UUID comes out bit by bit."""
    entropy = (0xCC3 << 64 | 0x18C4DC0C0C07398F).to_bytes(10)
    assert uuid7(0x017F22E279B0, entropy) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@calm
@given(STATEMENT_IDS, NUMBERS)
def test_part_ids_can_be_taken_apart(statement_id: str, number: int) -> None:
    """The id of a part leads back to its statement and its number, and is a statement id itself."""
    name = part_id(statement_id, number)
    assert name == f"{statement_id}_{number}"
    assert split_part_id(name) == (statement_id, number)
    assert STATEMENT_ID.match(name)


@calm
@given(st.text(max_size=40))
def test_whatever_is_taken_apart_can_be_put_together(text: str) -> None:
    """A text either has no part in it or is exactly the part's id."""
    found = split_part_id(text)
    assert found is None or (part_id(*found) == text and found[1] >= 1)


@pytest.mark.parametrize("text", ["", "a", "_1", "a_", "a_0", "a_01", "a_1x", "a_-1", "a_12345678", "a_1\n", "a_١"])
def test_what_is_no_part_id(text: str) -> None:
    """Numbers begin with 1 to 9 and follow an underscore and a name; nothing else is a part."""
    assert split_part_id(text) is None


@pytest.mark.parametrize("text", ["a" * 36, "A-z-0", "-", "0"])
def test_plain_ids(text: str) -> None:
    """Up to 36 letters, digits and hyphens are an id of anything."""
    assert PLAIN_ID.match(text)
    assert STATEMENT_ID.match(text)


@pytest.mark.parametrize("text", ["", "a" * 65, "a b", "a\n", "é", "a/b", "a.b", "١"])
def test_what_is_no_id(text: str) -> None:
    """Anything longer, empty or with another character is no id, a trailing newline included."""
    assert not PLAIN_ID.match(text)
    assert not STATEMENT_ID.match(text)


def test_statement_ids_are_wider() -> None:
    """Statement ids alone may have underscores and 64 characters."""
    for text in ("a_1", "a" * 37, "a" * 64):
        assert STATEMENT_ID.match(text)
        assert not PLAIN_ID.match(text)
