"""Where the time and the memory of a statement went, as its worker measured it. Pure.

Worker, owner and store hand a profile on as the bytes of `encode`; only who shows it decodes it.
Times are milliseconds, sizes are bytes.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

WORTH_SECONDS: Final = 0.001
"""A request that is over sooner has no profile, unless it is a script."""

MAX_BYTES: Final = 64 * 2**10
"""How large the profile of a request may become; of a script that has more, the later parts are left out."""


class Operator(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operator of a plan and those it takes its rows from.

    ``rows`` are those it gave on, ``scanned`` those it looked at in a table, ``estimated`` those the
    engine expected. ``millis`` is processor time, of all threads together. ``detail`` says what it does, for people.
    What was not measured is None, or empty.
    """

    name: str
    rows: int = 0
    scanned: int = 0
    estimated: int | None = None
    millis: float | None = None
    detail: str = ""
    children: tuple["Operator", ...] = ()


class Measured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an engine measured of one statement; None is not known.

    ``memory`` is the most that was held at once, ``spilled`` the most that lay on disk at once for want
    of memory. ``threads`` may have worked at the same time. ``cut`` says that ``plan`` is not all of it.
    """

    memory: int | None = None
    spilled: int | None = None
    threads: int = 1
    plan: Operator | None = None
    cut: bool = False


class PartProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement of a request. ``began`` counts from the start of the request.

    ``parsed`` is the time for parsing and judging: of a script, all of it is its first part's. ``ran`` is
    the engine's own time, ``wrote`` that for writing the result, ``committed`` that for the commit, the
    wait for its permission included. ``text`` is the beginning of the SQL, of a script only.
    """

    number: int
    began: float = 0.0
    parsed: float = 0.0
    ran: float = 0.0
    wrote: float = 0.0
    committed: float = 0.0
    text: str = ""
    measured: Measured = Measured()

    @property
    def millis(self) -> float:
        """All its time in the worker."""
        return self.parsed + self.ran + self.wrote + self.committed


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request: its parts in their order. ``cut`` says that later ones are left out."""

    parts: tuple[PartProfile, ...] = ()
    cut: bool = False

    def part(self, number: int) -> PartProfile | None:
        """Part ``number``, if it is there."""
        return next((part for part in self.parts if part.number == number), None)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Profile)


def encode(profile: Profile) -> bytes:
    """The bytes a profile is handed on and kept as."""
    return _encoder.encode(profile)


def decode(data: bytes) -> Profile:
    """The profile back; raises `msgspec.DecodeError`."""
    return _decoder.decode(data)


class Collected:
    """A profile that grows by one part after the other, and not beyond `MAX_BYTES`."""

    def __init__(self, most: int = MAX_BYTES) -> None:
        self._left = most
        self._parts: list[PartProfile] = []
        self._cut = False

    def add(self, part: PartProfile) -> None:
        """Keep the part, without its plan if that is too large, or not at all."""
        if self._cut:
            return
        for form in (part, _without_plan(part)):
            size = len(_encoder.encode(form))
            if size <= self._left:
                self._left -= size
                self._parts.append(form)
                return
        self._cut = True

    def profile(self) -> Profile:
        """What has been kept."""
        return Profile(parts=tuple(self._parts), cut=self._cut)


def _without_plan(part: PartProfile) -> PartProfile:
    measured = msgspec.structs.replace(part.measured, plan=None, cut=part.measured.plan is not None)
    return msgspec.structs.replace(part, measured=measured)


def walk(plan: Operator, depth: int = 0) -> Iterator[tuple[int, Operator]]:
    """Every operator with its depth, each before those it takes its rows from."""
    yield depth, plan
    for child in plan.children:
        yield from walk(child, depth + 1)
