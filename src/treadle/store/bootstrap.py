"""The first minutes of a private server: the service's role and its database."""

from typing import TYPE_CHECKING

from treadle.store.errors import EmbeddedError
from treadle.store.scram import scram_verifier
from treadle.store.sql import sql

if TYPE_CHECKING:
    import psycopg


def make_ready(admin_dsn: str, service: str, password: str) -> None:
    """Make role and database ``service`` unless they are there, and close every database to all others.

    Blocking; can be run again after it was cut short. Raises `EmbeddedError`.
    """
    import psycopg

    try:
        with psycopg.connect(admin_dsn, autocommit=True, connect_timeout=10) as connection:
            known = connection.execute(sql("bootstrap_role_exists"), (service,)).fetchone()
            verb = "alter" if known else "create"
            _run(connection, f"bootstrap_role_{verb}", service, scram_verifier(password))
            if not connection.execute(sql("bootstrap_database_exists"), (service,)).fetchone():
                _run(connection, "bootstrap_database_create", service, service)
            for database in (service, "postgres", "template1"):
                _run(connection, "bootstrap_database_close", database)
    except psycopg.Error as error:
        raise EmbeddedError(f"the private PostgreSQL cannot be set up: {error}") from error


def _run(connection: "psycopg.Connection", name: str, *args: str) -> None:
    """Run the command that ``queries/<name>.sql`` writes, with its names quoted by the server."""
    row = connection.execute(sql(name), args).fetchone()
    assert row is not None
    connection.execute(row[0])
