"""The trace of a run: what happened, in order, as cheap as it can be until somebody reads it."""

import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from tests.simulation.truth import Truth
from treadle.model.entities import Statement
from treadle.model.errors import Unavailable

DEFECTS: Final = frozenset({"background_failure", "work_failed", "look_failed", "sweep_failed", "unexpected_message"})
"""Log lines that only a defect writes, unless the store did not answer."""


class Log:
    """Stands in for the loggers of the modules under test while a run lasts."""

    def __init__(self) -> None:
        self.sink: Callable[[str, dict[str, Any]], None] | None = None

    def info(self, event: str, **fields: Any) -> None:
        """One line."""
        if self.sink is not None:
            self.sink(event, fields)

    debug = warning = error = exception = info


LOG: Final = Log()


def silence() -> Callable[[], None]:
    """Take the place of the loggers of the service; returns how to give it back."""
    taken: list[tuple[ModuleType, object]] = []
    for name, module in list(sys.modules.items()):
        if name.startswith("treadle.") and hasattr(module, "log"):
            taken.append((module, module.log))
            module.__dict__["log"] = LOG

    def restore() -> None:
        for module, log in taken:
            module.__dict__["log"] = log

    return restore


class Trace:
    """What happened, when."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lines: list[tuple[float, str, tuple[object, ...]]] = []
        self._truth: Truth | None = None

    def begin(self, truth: Truth) -> None:
        """Hear the log of the service too."""
        self._truth = truth
        LOG.sink = self._logged

    def end(self) -> None:
        """The run is over."""
        LOG.sink = None

    def note(self, what: str, *details: object) -> None:
        """Something happened."""
        self._lines.append((self._clock(), what, details))

    def _logged(self, event: str, fields: dict[str, Any]) -> None:
        self.note("log", event, fields)
        if event in DEFECTS and self._truth is not None:
            error = fields.get("exc_info") or sys.exc_info()[1]
            if not isinstance(error, Unavailable):
                self._truth.wrong("500", f"{event}: {_where(error)}")

    def lines(self) -> list[str]:
        """The trace as text."""
        return [f"{at:10.4f}  {what:10} {' '.join(map(_text, details))}" for at, what, details in self._lines]


def _where(error: object) -> str:
    """An error and the line it comes from."""
    if not isinstance(error, BaseException):
        return repr(error)
    frames = traceback.extract_tb(error.__traceback__)
    return f"{error!r}, {' < '.join(f'{frame.name}:{frame.lineno}' for frame in reversed(frames[-4:]))}"


def _text(detail: object) -> str:
    match detail:
        case bytes():
            from treadle.wire import from_worker, to_worker

            try:
                return str(to_worker(detail[4:]))
            except Exception:
                return str(from_worker(detail[4:]))
        case Statement():
            return f"{detail.id} {detail.state}"
        case Exception():
            return repr(detail)
        case _:
            return str(detail)
