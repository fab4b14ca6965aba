"""The metadata of a catalog, looked at beside the service."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.support.world import World
from treadle.store.catalogs import catalog_address
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.lakes import all_catalogs


@contextmanager
def catalog(world: World) -> Iterator[psycopg.Connection]:
    """The metadata of the world's catalog, as its own role."""
    server = EmbeddedPostgres.start(world.service.data_dir)
    (found,) = (one for one in all_catalogs(server.service_dsn) if one.workspace_id == world.workspace_id)
    with psycopg.connect(catalog_address(server.service_dsn, found).dsn) as connection:
        yield connection
