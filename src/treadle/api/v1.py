"""Version 1 of the API: the documented SQL operations, workspaces and endpoints, as one table."""

from treadle.api import offers, sessions, statements, workspaces
from treadle.api.routes import AnyRoute
from treadle.api.verbs import Verbs
from treadle.config import Settings


def routes(verbs: Verbs, settings: Settings) -> tuple[AnyRoute, ...]:
    """Every operation of version 1."""
    return (
        *sessions.routes(verbs),
        *statements.routes(
            verbs,
            max_chars=settings.max_statement_chars,
            record_chars=settings.record_chars,
            max_wait=settings.max_wait,
        ),
        *workspaces.routes(verbs),
        *offers.routes(settings),
    )
