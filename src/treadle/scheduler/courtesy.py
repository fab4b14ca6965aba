"""The courtesy of maintenance: it gives way to work whose commit it would make fail, and not for ever."""

from collections.abc import Callable, Iterable, Sequence

import structlog

from treadle.model.maintenance import Due, Duty
from treadle.model.precedence import Work, gives_way
from treadle.scheduler.context import Context

log = structlog.get_logger("treadle.maintenance")

_Key = tuple[str, tuple[Duty, str, str]]


class Courtesy:
    """Decides whether a step has to wait; ``works`` is what the sessions of this service do on a catalog."""

    def __init__(self, context: Context, works: Callable[[str], Iterable[Work]]) -> None:
        self._context = context
        self._works = works
        # When a step gave way first, by catalog and step.
        self._since: dict[_Key, float] = {}

    def gives_way(self, catalog_id: str, step: Due) -> bool:
        """Whether the step must not be committed now."""
        settings, now = self._context.settings, self._context.clock.monotonic()
        key = catalog_id, step.key
        waits = gives_way(
            step,
            self._works(catalog_id),
            long=settings.maintenance_pause,
            patient=now - self._since.get(key, now) < settings.maintenance_patience,
            repeats=settings.commit_retries > 0,
        )
        if waits:
            first = self._since.setdefault(key, now)
            log.info(
                "maintenance_gives_way", catalog_id=catalog_id, duty=step.duty, table=step.table, since=now - first
            )
        return waits

    def keep(self, catalog_id: str, steps: Sequence[Due]) -> None:
        """Forget how long steps of the catalog have waited that are not among these any more."""
        due = {step.key for step in steps}
        self._since = {key: at for key, at in self._since.items() if key[0] != catalog_id or key[1] in due}

    def done(self, catalog_id: str, step: Due) -> None:
        """The step has had its turn: the next time it is as patient as ever."""
        self._since.pop((catalog_id, step.key), None)
