"""What can go wrong with the store itself."""

from treadle.model.errors import TreadleError, Unavailable


class StoreUnavailable(Unavailable):
    """PostgreSQL does not answer now; nothing is known about a change that was under way."""


class MigrationError(TreadleError):
    """The tables could not be brought up to date."""


class EmbeddedError(TreadleError):
    """The private PostgreSQL cannot be started or reached."""


class BackupError(TreadleError):
    """A backup or a restore could not be made; the message says which step failed."""


class DuplicateId(TreadleError):
    """A session or a statement of that id is there already: our own are fresh, so then a defect."""


class DuplicateName(TreadleError):
    """Another workspace of the project, or endpoint of the workspace, has that name."""


class QuotaReached(TreadleError):
    """The project has as many workspaces as it may have."""


class DuplicateKey(TreadleError):
    """A statement was submitted under that idempotency key already."""
