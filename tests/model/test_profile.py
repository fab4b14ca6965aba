"""The profile of a statement: what it says comes back, and it never grows beyond its bound."""

import msgspec
import pytest

from treadle.model.profile import MAX_BYTES, Collected, Measured, Operator, PartProfile, Profile, decode, encode, walk

SCAN = Operator(name="TABLE_SCAN", rows=25, scanned=25, estimated=24, millis=0.125, detail="Table: nation")
JOIN = Operator(name="HASH_JOIN", rows=5, millis=1.5, children=(SCAN, SCAN))


def part(number: int, plan: Operator | None = None) -> PartProfile:
    """A part with a plan."""
    return PartProfile(number=number, parsed=0.5, ran=2.0, wrote=0.25, measured=Measured(memory=2**20, plan=plan))


def test_what_is_said_comes_back() -> None:
    """Everything, and what is not there is not there."""
    profile = Profile(parts=(part(1, JOIN), part(2)))
    assert decode(encode(profile)) == profile
    assert profile.part(2) == part(2)
    assert profile.part(3) is None
    assert part(1).millis == 2.75
    with pytest.raises(msgspec.DecodeError):
        decode(b"\xff")


def test_operators_come_before_those_they_take_rows_from() -> None:
    """With their depth."""
    assert [(depth, one.name) for depth, one in walk(JOIN)] == [(0, "HASH_JOIN"), (1, "TABLE_SCAN"), (1, "TABLE_SCAN")]


def test_a_plan_too_large_is_left_out_and_says_so() -> None:
    """The figures of its part stay."""
    collected = Collected(most=100)
    collected.add(part(1, Operator(name="JOIN", children=(SCAN,) * 5)))
    [kept] = collected.profile().parts
    assert (kept.ran, kept.measured.memory, kept.measured.plan, kept.measured.cut) == (2.0, 2**20, None, True)


def test_a_script_of_any_length_stays_within_the_bound() -> None:
    """The later parts are left out, without a gap, and the profile says so."""
    collected = Collected()
    for number in range(1, 20_001):
        collected.add(part(number, JOIN if number % 2 else None))
    profile = collected.profile()
    assert profile.cut
    assert [one.number for one in profile.parts] == list(range(1, len(profile.parts) + 1))
    assert MAX_BYTES / 2 < len(encode(profile)) < MAX_BYTES * 1.1
