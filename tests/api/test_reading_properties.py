"""Bodies and queries: whatever the bytes are, reading them gives a storable value or a `BadRequest` that says why."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.properties import examples
from treadle.api import bodies
from treadle.api.reading import MAX_DEPTH, parse_json, read_body, read_query
from treadle.model.errors import BadRequest

STRUCTS = [
    kind
    for kind in vars(bodies).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__struct_fields__
]
FIELDS = sorted({name for kind in STRUCTS for name in kind.__struct_encode_fields__})

WORDS = st.text(st.characters(codec=None), max_size=8)
"""Half characters and NUL included."""

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | WORDS
    | st.sampled_from(["s1", "sql", "5", "true", "RUNNING", "DEFAULT", "{}"])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=10
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """JSON with a few bytes changed, left out or put in."""
    raw = bytearray(json.dumps(draw(BODIES), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(raw) - 1)))
        raw[at : at + draw(st.integers(0, 2))] = draw(
            st.binary(max_size=2) | st.sampled_from([b'"', b"\\u", b"{", b"]"])
        )
    return bytes(raw)


def texts(value: Any) -> Iterator[str]:
    """Every string within a value."""
    match value:
        case str():
            yield value
        case dict():
            for key, inner in value.items():
                yield from texts(key)
                yield from texts(inner)
        case list() | tuple():
            for inner in value:
                yield from texts(inner)
        case msgspec.Struct():
            yield from texts(msgspec.structs.asdict(value))
        case _:
            return


def depth(value: Any) -> int:
    """How deep a value is nested."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + max(map(depth, inner), default=0)


@examples(250)
@given(damaged() | st.binary(max_size=40) | st.text('[]{}",:0 \\u', max_size=30).map(str.encode))
@example(b"[" * 100_000)
@example(b'{"a":' * 50_000)
@example(b"-" + b"9" * 100_000)
@example(b"1e" + b"9" * 1000)
@example(b'"\\ud83d\\ude00"')
def test_json(raw: bytes) -> None:
    """What is read can be stored: whole characters without NUL, numbers of 64 bits, no deep nesting."""
    try:
        value = parse_json(raw)
    except BadRequest:
        return
    assert depth(value) <= MAX_DEPTH
    for text in texts(value):
        assert "\0" not in text
        text.encode()
    assert msgspec.json.decode(msgspec.json.encode(value)) == value


def tried(read: Callable[[], msgspec.Struct]) -> tuple[msgspec.Struct | None, str]:
    """What is read, or the field that the refusal names."""
    try:
        return read(), ""
    except BadRequest as refused:
        return None, str(refused.field)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda kind: kind.__name__)
def test_bodies(struct: type[msgspec.Struct]) -> None:
    """A body is the struct, or a 400 that names a field of it."""

    @examples(15)
    @given(damaged())
    def check(raw: bytes) -> None:
        found, field = tried(lambda: read_body(raw, struct))
        assert (found is None) is bool(field)
        if found is None:
            return
        assert isinstance(found, struct)
        for text in texts(found):
            assert "\0" not in text
            text.encode()

    check()


QUERIES = st.lists(
    st.tuples(st.sampled_from(FIELDS), st.text("0123456789-+aéA%&=;", max_size=6) | st.binary(max_size=3).map(repr)),
    max_size=5,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode())


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda kind: kind.__name__)
def test_queries(struct: type[msgspec.Struct]) -> None:
    """A query string is the struct, or a 400."""

    @examples(10)
    @given(QUERIES | st.binary(max_size=40))
    def check(raw: bytes) -> None:
        found, field = tried(lambda: read_query(raw, struct))
        assert field or isinstance(found, struct)

    check()
