"""Processes on one store in memory, on a clock of their own, and who logs in to them."""

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.entities import Catalog
from treadle.model.identity import TokenHolder
from treadle.service.accounts import Accounts, NewCredential
from treadle.service.deps import Deps
from treadle.service.logins import Login, Named
from treadle.service.signatures import Signed
from treadle.store.memory import MemoryStore
from treadle.store.signals import Signals

NOON = datetime(2026, 7, 13, 12, tzinfo=UTC)
PASSWORD = "correct horse"


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """The wall clock."""
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """The seconds that passed."""
        return 1000.0 + self.seconds

    async def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.seconds += seconds


class NoPlant:
    """Nothing lies outside the store here."""

    async def provision(self, catalog: Catalog) -> None:
        raise AssertionError

    async def destroy(self, catalog: Catalog) -> None:
        raise AssertionError

    async def remove_files(self, workspace_id: str) -> None:
        raise AssertionError


async def ready() -> None:
    """It is."""


def process(store: MemoryStore, clock: Clock, data_dir: Path) -> Accounts:
    """One process on the store, with its own memory of who is who."""
    numbers: Iterator[int] = iter(range(10_000))
    return Accounts(
        Deps(
            store=store,
            signals=Signals(),
            clock=clock,
            new_id=lambda: f"{id(numbers)}-{next(numbers)}",
            new_secret=lambda: hashlib.sha256(f"{id(numbers)}-{next(numbers)}".encode()).hexdigest(),
            settings=Settings(data_dir=data_dir),
            plant=NoPlant(),
            check_ready=ready,
            metrics=Metrics(),
        )
    )


def login(password: str = PASSWORD, name: str = "ann", **more: Named) -> Login:
    """A log-in of a user of the default domain."""
    return Login(user=Named(name=name, domain_name="default"), password=password, **more)


def signed(key: NewCredential, clock: Clock, text: bytes = b"a request", **more: object) -> Signed:
    """A right signature, unless ``more`` says otherwise."""
    values = {
        "access": key.access,
        "at": clock.now(),
        "signature": hmac.new(key.secret.encode(), text, "sha256").hexdigest(),
        "strings": (text,),
        "security_token": key.securitytoken,
        "repeatable": True,
    }
    return Signed(**(values | more))  # type: ignore[arg-type]


async def key_of(service: Accounts, lifetime: float | None = None, role: str = "operator") -> NewCredential:
    """An access key of a new user ``ann`` of project ``proj``."""
    user, project = await service.create_user("proj", "ann", role)
    return await service.create_credential(user, project, lifetime)


def names(holder: TokenHolder) -> list[str]:
    """The names of what the holder may do."""
    return [one.name for one in holder.principal.policies]
