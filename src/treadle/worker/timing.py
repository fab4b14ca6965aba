"""Where the time of a request goes, part by part, as the executing thread sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final, Generic

from treadle.engines.base import Engine, P
from treadle.model.profile import WORTH_SECONDS, Collected, PartProfile, encode

TEXT_CHARS: Final = 256
"""How much of the SQL of a part is kept."""


class Timing(Generic[P]):
    """Measures one request from its arrival on."""

    def __init__(self, engine: Engine[P]) -> None:
        self._engine = engine
        self._arrived = self._began = perf_counter()
        self._parsed = 0.0
        self._wrote = 0.0
        self._committed = 0.0
        self._number = 1
        self._text = ""
        self._script = False
        self._collected = Collected()

    def split(self, parts: int) -> None:
        """The request is parsed and judged, and has so many parts."""
        self._script = parts > 1
        self._began = perf_counter()
        self._parsed = self._began - self._arrived

    def begin(self, number: int, text: str) -> None:
        """Part ``number`` begins."""
        self._number = number
        self._text = text[:TEXT_CHARS] if self._script else ""
        self._began = perf_counter()
        self._wrote = self._committed = 0.0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """For as long as rows are written."""
        since = perf_counter()
        try:
            yield
        finally:
            self._wrote += perf_counter() - since

    @contextmanager
    def committing(self) -> Iterator[None]:
        """For as long as a commit takes, the wait for its permission included."""
        since = perf_counter()
        try:
            yield
        finally:
            self._committed += perf_counter() - since

    def end(self) -> None:
        """The part has ended, or the request with it: in an error, a cancel, or before its first part."""
        now = perf_counter()
        if not self._script and now - self._arrived < WORTH_SECONDS:
            return
        parsed, self._parsed = self._parsed, 0.0
        self._collected.add(
            PartProfile(
                number=self._number,
                began=_millis(self._began - self._arrived),
                parsed=_millis(parsed),
                ran=_millis(now - self._began - self._wrote - self._committed),
                wrote=_millis(self._wrote),
                committed=_millis(self._committed),
                text=self._text,
                measured=self._engine.measured(),
            )
        )

    def profile(self) -> bytes | None:
        """All of it, for the last word about the request; None for one that was over at once."""
        profile = self._collected.profile()
        return encode(profile) if profile.parts else None


def _millis(seconds: float) -> float:
    return round(max(seconds, 0.0) * 1000, 3)
