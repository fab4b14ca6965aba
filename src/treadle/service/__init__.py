"""The verbs: what a caller may ask for, whoever carries the question."""

from treadle.service.accounts import Accounts
from treadle.service.cancel import Cancels
from treadle.service.deps import Deps, Plant
from treadle.service.endpoints import Endpoints
from treadle.service.profiles import Profiles
from treadle.service.records import Records
from treadle.service.results import Results
from treadle.service.sessions import Sessions
from treadle.service.statements import Statements
from treadle.service.workspaces import Workspaces

__all__ = ["Deps", "Plant", "Service"]


class Service(Accounts, Workspaces, Endpoints, Sessions, Statements, Cancels, Profiles, Records, Results):
    """Every verb of the service, over one set of dependencies."""

    def close(self) -> None:
        """Take nothing new from here on: what begins now would be stopped at once."""
        self.deps.closing = True
