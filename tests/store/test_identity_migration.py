"""Users and projects of before there were domains, and the way back."""

from importlib.resources import files
from typing import Any

import psycopg

from tests.store.servers import Databases
from treadle.store.migrate import migrate
from treadle.store.postgres import PostgresStore

ROLLBACK = (files("treadle.store") / "migrations" / "0006.identity.rollback.sql").read_bytes()
AGAIN = "DELETE FROM _yoyo_migration WHERE migration_id LIKE '0006%'"
BEFORE = """
INSERT INTO projects (id, name) VALUES ('p1', 'one'), ('p2', 'two'), ('p3', 'three');
INSERT INTO users (id, project_id, name) VALUES
    ('u1', 'p1', 'ann'), ('u2', 'p2', 'ann'), ('u3', 'p3', 'ann'), ('u4', 'p2', 'bob'), ('u5', 'p1', 'ann@two');
INSERT INTO tokens (digest, project_id, user_id, role, created_at)
VALUES ('t1', 'p1', 'u1', 'operator', now()), ('t2', 'p2', 'u2', 'viewer', now());
"""
AFTER = """
INSERT INTO domains (id, name) VALUES ('d2', 'acme');
INSERT INTO projects (id, name, domain_id) VALUES ('p4', 'one', 'd2');
INSERT INTO users (id, name, domain_id, project_id) VALUES ('u6', 'carl', 'd2', 'p4'), ('u7', 'dan', 'default', NULL);
INSERT INTO tokens (digest, user_id, created_at) VALUES ('t3', 'u1', now());
INSERT INTO tokens (digest, user_id, project_id, role, created_at) VALUES ('t4', 'u1', 'p1', 'admin', now());
"""


def rows(connection: psycopg.Connection[Any], query: bytes) -> dict[str, str]:
    """Two columns as a mapping."""
    return dict(connection.execute(query).fetchall())


async def test_users_of_before_belong_to_the_default_domain(databases: Databases) -> None:
    """Ids and tokens stay; of one name in several projects the oldest keeps it, the others have their project's too."""
    dsn = databases.fresh("template0")
    migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for command in (ROLLBACK, AGAIN.encode(), BEFORE.encode()):
            connection.execute(command)
    migrate(dsn)
    store = await PostgresStore.connect(dsn, pool_size=3)
    try:
        users = {one.id: one for one in await store.users()}
        assert {user_id: one.name for user_id, one in users.items()} == {
            "u1": "ann",
            "u2": "ann@u2",
            "u3": "ann@three",
            "u4": "bob",
            "u5": "ann@two",
        }
        assert {(one.domain.id, one.enabled, one.password) for one in users.values()} == {("default", True, None)}
        assert (users["u1"].project_id, users["u2"].project_id) == ("p1", "p2")
        for digest, user_id, role in ((b"t1", "u1", "operator"), (b"t2", "u2", "viewer")):
            found = await store.token_holder(digest)
            assert found is not None
            assert (found.principal.user_id, [one.name for one in found.principal.policies]) == (user_id, [role])
            assert found.token.methods == ("token",)
        again = await store.ensure_user("one", "ann", "new", "new")
        assert (again.project_id, again.user_id) == ("p1", "u1")
    finally:
        await store.close()
    databases.drop(dsn)


def test_the_way_back_keeps_what_there_was_before(databases: Databases) -> None:
    """What only domains can hold goes, or gets another name; it can be run again, and so can the way there."""
    dsn = databases.fresh("template0")
    migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for command in (ROLLBACK, AGAIN.encode(), BEFORE.encode()):
            connection.execute(command)
        for _ in range(2):
            migrate(dsn)
            connection.execute(AGAIN.encode())
        connection.execute(AFTER.encode())
        connection.execute(ROLLBACK)
        connection.execute(ROLLBACK)
        assert rows(connection, b"SELECT id, name FROM projects") == {
            "p1": "one",
            "p2": "two",
            "p3": "three",
            "p4": "one@p4",
        }
        assert set(rows(connection, b"SELECT id, name FROM users")) == {"u1", "u2", "u3", "u4", "u5", "u6"}
        assert rows(connection, b"SELECT convert_from(digest, 'UTF8'), role FROM tokens") == {
            "t1": "operator",
            "t2": "viewer",
        }
    migrate(dsn)
    databases.drop(dsn)
