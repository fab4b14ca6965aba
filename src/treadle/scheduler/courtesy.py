"""Maintenance gives way to work whose commit it would make fail, for a limited time."""

from collections.abc import Callable, Iterable, Sequence

import structlog

from treadle.model.maintenance import Due, Duty
from treadle.model.precedence import Work, gives_way
from treadle.scheduler.context import Context

log = structlog.get_logger("treadle.maintenance")

_Key = tuple[str, tuple[Duty, str, str]]


class Courtesy:
    """Decides whether a step has to wait; ``works`` yields the work of this service's sessions on a catalog."""

    def __init__(self, context: Context, works: Callable[[str], Iterable[Work]]) -> None:
        self._context = context
        self._works = works
        # The time at which a step first gave way, by catalog and step.
        self._since: dict[_Key, float] = {}

    def gives_way(self, catalog_id: str, step: Due) -> bool:
        """Check whether the step must not be committed now."""
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
        """Forget the waiting times of steps of the catalog that are not due any more."""
        due = {step.key for step in steps}
        self._since = {key: at for key, at in self._since.items() if key[0] != catalog_id or key[1] in due}

    def done(self, catalog_id: str, step: Due) -> None:
        """Reset the waiting time of a step that has been carried out."""
        self._since.pop((catalog_id, step.key), None)
