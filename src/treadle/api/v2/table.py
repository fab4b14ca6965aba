"""Version 2 of the API ("Aura") as one table: the same service in other words."""

from treadle.api.routes import AnyRoute
from treadle.api.v2 import metrics, sessions, statements
from treadle.api.verbs import Verbs
from treadle.config import Settings


def routes(verbs: Verbs, settings: Settings) -> tuple[AnyRoute, ...]:
    """Every operation of version 2."""
    return (
        *sessions.routes(verbs),
        *statements.routes(
            verbs,
            max_chars=settings.max_statement_chars,
            record_chars=settings.record_chars,
            max_wait=settings.max_wait,
        ),
        *metrics.routes(verbs),
    )
