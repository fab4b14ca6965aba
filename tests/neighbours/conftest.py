from collections.abc import Iterator

import pytest

from bench.served import Target
from tests.support.tokens import make_token
from treadle.demo.local import LocalService


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A tenant of a service, where others are to come."""
    folder = tmp_path_factory.mktemp("neighbours") / "data"
    with LocalService(folder, {"TREADLE_SESSION_TIMEOUT": "0"}) as service:
        yield Target.of(service, make_token(folder, "demo", "demo"))
