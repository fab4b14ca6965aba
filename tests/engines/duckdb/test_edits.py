"""Places of a text that was edited: each character of the last text belongs to one of the first."""

from hypothesis import given
from hypothesis import strategies as st

from treadle.engines.duckdb.edits import Edit, applied, moved, original


def test_place_behind_edits_is_found() -> None:
    """Behind longer and shorter ones; within one, the beginning of what it took the place of."""
    text = "CREATE TABLE t (a HUGEINT, b UHUGEINT, c nope)"
    first = tuple(Edit(text.index(word), text.index(word) + len(word), "INT") for word in ("HUGEINT", "UHUGEINT"))
    second = (Edit(0, 6, "CREATE OR REPLACE"),)
    last = applied(applied(text, first), second)
    assert last == "CREATE OR REPLACE TABLE t (a INT, b INT, c nope)"
    for word, place in (("nope", text.index("nope")), ("b INT", text.index("b UHUGE")), ("REPLACE", 0)):
        assert original((first, second), last.index(word)) == place
    assert original((first, second), last.rindex("NT")) == text.index("UHUGEINT")
    assert original((), 7) == 7


@given(
    text=st.text("abé", max_size=12),
    cuts=st.lists(st.integers(0, 12), max_size=6, unique=True),
    words=st.lists(st.text("XYZ", max_size=5), min_size=3, max_size=3),
)
def test_what_was_not_edited_is_where_it_was(text: str, cuts: list[int], words: list[str]) -> None:
    """Whatever stands in the edited text and is not of an edit stands at its place in the first text."""
    inside = sorted(cut for cut in cuts if cut <= len(text))
    edits = tuple(Edit(start, end, word) for start, end, word in zip(inside[::2], inside[1::2], words, strict=False))
    after = applied(text, edits)
    for at, char in enumerate(after):
        if char not in "XYZ":
            assert text[original((edits,), at)] == char
    assert moved(moved(edits, 3), -3) == edits
