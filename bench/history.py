"""A store that remembers much: records are written straight into the service's own PostgreSQL."""

from pathlib import Path
from typing import Final

import psycopg

from treadle.store.embedded import EmbeddedPostgres

SESSION_STATEMENTS: Final = 1_000
"""How many statements a session of the history had."""

_SQL: Final = Path(__file__).with_name("history.sql").read_bytes()


def remember(data_dir: Path, workspace_id: str, endpoint_id: str, rows: int) -> None:
    """Add ``rows`` ended statements to the workspace, then let PostgreSQL tidy up as it would in time."""
    values = {
        "rows": rows,
        "sessions": max(1, rows // SESSION_STATEMENTS),
        "workspace_id": workspace_id,
        "endpoint_id": endpoint_id,
    }
    server = EmbeddedPostgres.start(data_dir)
    with psycopg.connect(server.service_dsn, autocommit=True) as connection:
        connection.execute(_SQL, values)
        connection.execute("VACUUM (ANALYZE) statements")
        connection.execute("VACUUM (ANALYZE) sessions")
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
