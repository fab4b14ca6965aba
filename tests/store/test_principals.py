from tests.store.things import at
from treadle.model.entities import Role
from treadle.store.base import Store, Token


def token(digest: bytes, **changes: object) -> Token:
    """A token of user ``u1`` in project ``p1``."""
    values = {"digest": digest, "project_id": "p1", "user_id": "u1", "role": Role.VIEWER, "created_at": at(0)}
    return Token(**(values | changes))  # type: ignore[arg-type]


async def test_a_user_is_made_once(store: Store) -> None:
    """The ids given count at first sight only, and one name in two projects is two users."""
    first = await store.ensure_user("proj", "ann", "p1", "u1")
    again = await store.ensure_user("proj", "ann", "p2", "u2")
    other = await store.ensure_user("proj-2", "ann", "p3", "u3")
    mate = await store.ensure_user("proj", "bob", "p4", "u4")
    assert (first.project_id, first.user_id, first.role) == ("p1", "u1", Role.OPERATOR)
    assert again == first
    assert (other.project_id, other.user_id) == ("p3", "u3")
    assert (mate.project_id, mate.user_id) == ("p1", "u4")


async def test_a_token_stands_for_its_user_until_it_expires(store: Store) -> None:
    """The digest leads to project, user and role up to, not including, the expiry."""
    await store.ensure_user("proj", "ann", "p1", "u1")
    await store.add_token(token(b"\x00\xff", expires_at=at(10)))
    await store.add_token(token(b"for ever", role=Role.OPERATOR))
    found = await store.principal_of(b"\x00\xff", at(9))
    assert found is not None
    assert (found.project_name, found.user_name, found.role) == ("proj", "ann", Role.VIEWER)
    assert await store.principal_of(b"\x00\xff", at(10)) is None
    assert await store.principal_of(b"unknown", at(0)) is None
    for_ever = await store.principal_of(b"for ever", at(1e9))
    assert for_ever is not None
    assert for_ever.role is Role.OPERATOR


async def test_a_token_added_again_takes_the_new_values(store: Store) -> None:
    """The same digest is one token, whose role and expiry are the latest."""
    await store.ensure_user("proj", "ann", "p1", "u1")
    await store.add_token(token(b"d", expires_at=at(1)))
    await store.add_token(token(b"d", role=Role.OPERATOR))
    found = await store.principal_of(b"d", at(2))
    assert found is not None
    assert found.role is Role.OPERATOR


async def test_a_token_of_nobody_opens_nothing(store: Store) -> None:
    """A token whose user is not in its project stands for nobody."""
    await store.ensure_user("proj", "ann", "p1", "u1")
    await store.ensure_user("proj-2", "bob", "p2", "u2")
    await store.add_token(token(b"1", user_id="u9"))
    await store.add_token(token(b"2", user_id="u2"))
    assert await store.principal_of(b"1", at(0)) is None
    assert await store.principal_of(b"2", at(0)) is None
