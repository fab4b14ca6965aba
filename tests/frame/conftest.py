from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from treadle.demo.local import LocalService, make_token
from treadle.demo.workspace import Demo, prepare, save

SCALE = 0.01


class Running(msgspec.Struct, frozen=True):
    """A real service with the demo workspace in it, and what preparing it said."""

    service: LocalService
    demo: Demo
    said: tuple[str, ...]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for the whole run, in a folder of its own, with TPC-H at scale 0.01."""
    # The private PostgreSQL runs as a user of its own when we are root; pytest's folders are for their owner only.
    folder: Path = tmp_path_factory.mktemp("frame")
    said: list[str] = []
    with LocalService(folder / "treadle-data") as service:
        demo = prepare(service.url, make_token(service.data_dir), service.data_dir, SCALE, said.append)
        save(demo, service.data_dir)
        yield Running(service, demo, tuple(said))
