"""A catalog with a history: rows and deletes inlined in its metadata, as DuckLake does unless it is told not to."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from tests.support.world import World
from treadle.engines.duckdb.extensions import extension_path
from treadle.model.entities import Catalog
from treadle.store.catalogs import catalog_address
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.lakes import all_catalogs


def catalogs_of(world: World) -> list[Catalog]:
    """The catalogs of the world's workspace."""
    server = EmbeddedPostgres.start(world.service.data_dir)
    return [one for one in all_catalogs(server.service_dsn) if one.workspace_id == world.workspace_id]


@contextmanager
def beside(world: World, rows: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckLake itself on the world's catalog, inlining writes of up to so many rows."""
    (found,) = catalogs_of(world)
    dsn = EmbeddedPostgres.start(world.service.data_dir).service_dsn
    connection = duckdb.connect(":memory:", config={"allow_unsigned_extensions": "true"})
    try:
        for name in ("postgres_scanner", "ducklake"):
            connection.execute(f"LOAD '{extension_path(name)}'")
        lake = f"ducklake:postgres:{catalog_address(dsn, found).dsn}"
        connection.execute(
            f"ATTACH '{lake}' AS lake (DATA_PATH '{found.data_path}', OVERRIDE_DATA_PATH true, "
            f"DATA_INLINING_ROW_LIMIT {rows})"
        )
        connection.execute("USE lake")
        yield connection
    finally:
        connection.close()
