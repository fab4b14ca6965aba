from pathlib import Path

import pytest

from tests.cli.conftest import own_logs as own_logs
from tests.identity.people import Clock, process
from treadle.service.accounts import Accounts
from treadle.store.memory import MemoryStore


@pytest.fixture
def clock() -> Clock:
    """The clock of the test."""
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


@pytest.fixture
def service(store: MemoryStore, clock: Clock, tmp_path: Path) -> Accounts:
    """The process that is asked."""
    return process(store, clock, tmp_path)


@pytest.fixture
def beside(store: MemoryStore, clock: Clock, tmp_path: Path) -> Accounts:
    """Another process on the same store, such as a command of an operator's."""
    return process(store, clock, tmp_path)
