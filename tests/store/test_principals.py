from tests.store.things import at
from treadle.model.access import BUILT_IN, Effect, Policy, Rule
from treadle.model.identity import Credential, Domain, Grant, Project, Token, User
from treadle.store.base import Store

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"


def token(digest: bytes, **changes: object) -> Token:
    """A token of an operator's for user ``u1`` in project ``p1``, with the role of a viewer."""
    values = {"digest": digest, "project_id": "p1", "user_id": "u1", "role": "viewer", "created_at": at(0)}
    return Token(**(values | changes))  # type: ignore[arg-type]


def own(digest: bytes, **changes: object) -> Token:
    """A token that user ``u1`` got himself for project ``p1``."""
    return token(digest, **({"role": None, "expires_at": at(100)} | changes))


def policy(name: str, *actions: str) -> Policy:
    """A policy that allows the actions."""
    return Policy(name=name, rules=(Rule(effect=Effect.ALLOW, actions=actions),))


def credential(access: str, **changes: object) -> Credential:
    """An access key of ``u1`` for project ``p1``."""
    values = {"access": access, "user_id": "u1", "project_id": "p1", "sealed": b"\x00\xff", "created_at": at(0)}
    return Credential(**(values | changes))  # type: ignore[arg-type]


async def member(store: Store, name: str = "ann", user_id: str = "u1", project: str = "proj") -> Project:
    """A user with a password whose default project is ``project``; its id is ``p1`` where it is the first."""
    place = await store.ensure_project("default", project, "default", "p1" if project == "proj" else project)
    assert await store.add_user(User(id=user_id, name=name, domain=place.domain, project_id=place.id, password=HASH))
    return place


async def names(store: Store, digest: bytes) -> list[str] | None:
    """The names of the policies behind a token; None when it stands for nobody."""
    found = await store.token_holder(digest)
    return [one.name for one in found.principal.policies] if found else None


async def test_a_user_is_made_once(store: Store) -> None:
    """The ids given count at first sight only; a user is one of his domain, whatever the project."""
    first = await store.ensure_user("proj", "ann", "p1", "u1")
    again = await store.ensure_user("proj", "ann", "p2", "u2")
    other = await store.ensure_user("proj-2", "ann", "p3", "u3")
    mate = await store.ensure_user("proj", "bob", "p4", "u4")
    assert (first.project_id, first.user_id, first.policies) == ("p1", "u1", (BUILT_IN["operator"],))
    assert (first.domain_id, first.domain_name) == ("default", "default")
    assert again == first
    assert (other.project_id, other.user_id) == ("p3", "u1")
    assert (mate.project_id, mate.user_id) == ("p1", "u4")
    found = await store.user("u1")
    assert found is not None
    assert (found.project_id, found.password, found.enabled) == ("p1", None, True)


async def test_projects_and_users_are_those_of_a_domain(store: Store) -> None:
    """One name in two domains is two projects and two users; both are found by domain and name, users by id too."""
    here = await store.ensure_project("default", "proj", "default", "p1")
    there = await store.ensure_project("acme", "proj", "d2", "p2")
    assert await store.ensure_project("acme", "proj", "d3", "p3") == there
    assert there == Project(id="p2", name="proj", domain=Domain(id="d2", name="acme"))
    ann = User(id="u1", name="ann", domain=here.domain, project_id="p1")
    ann_there = User(id="u2", name="ann", domain=there.domain, enabled=False, password=HASH)
    assert await store.add_user(ann)
    assert await store.add_user(ann_there)
    assert not await store.add_user(User(id="u3", name="ann", domain=here.domain))
    assert list(await store.projects()) == [there, here]
    assert list(await store.users()) == [ann_there, ann]
    assert await store.project_called("acme", "proj") == there
    assert await store.project_called("acme", "none") is None
    assert await store.user_called("acme", "ann") == ann_there
    assert await store.user_called("d2", "ann") == ann_there
    assert await store.user_called("default", "bob") is None
    assert await store.user("u2") == ann_there
    assert await store.user("u9") is None


async def test_a_token_stands_for_its_user(store: Store) -> None:
    """The digest leads to project, user, domain and role, with what is known of the token."""
    await store.ensure_user("proj", "ann", "p1", "u1")
    given = token(b"\x00\xff", expires_at=at(10), methods=("token",))
    assert await store.add_token(given)
    assert await store.add_token(token(b"for ever", role="operator"))
    found = await store.token_holder(b"\x00\xff")
    assert found is not None
    assert found.token == given
    assert (found.principal.project_name, found.principal.user_name) == ("proj", "ann")
    assert (found.principal.domain_id, found.principal.policies) == ("default", (BUILT_IN["viewer"],))
    assert await names(store, b"for ever") == ["operator"]
    assert await store.token_holder(b"unknown") is None


async def test_a_token_added_again_takes_the_new_values(store: Store) -> None:
    """The same digest is one token, whose role and expiry are the latest."""
    await store.ensure_user("proj", "ann", "p1", "u1")
    await store.add_token(token(b"d", expires_at=at(1)))
    await store.add_token(token(b"d", role="operator"))
    found = await store.token_holder(b"d")
    assert found is not None
    assert (found.token.role, found.token.expires_at) == ("operator", None)


async def test_a_token_of_nobody_opens_nothing(store: Store) -> None:
    """A token of an unknown user, in an unknown project or in a project of another domain stands for nobody."""
    await member(store)
    await store.ensure_project("acme", "proj", "d2", "p2")
    for digest, changes in ((b"1", {"user_id": "u9"}), (b"2", {"project_id": "p9"}), (b"3", {"project_id": "p2"})):
        await store.add_token(token(digest, **changes))
        assert await store.token_holder(digest) is None


async def test_a_token_without_a_project_speaks_for_nothing_but_its_user(store: Store) -> None:
    """For a domain or without a scope there is no project and there are no policies."""
    place = await member(store)
    await store.add_grant(Grant(user_id="u1", project_id=place.id, policy="admin"))
    await store.add_token(own(b"domain", project_id=None, domain_id="default"))
    await store.add_token(own(b"none", project_id=None))
    for digest, domain in ((b"domain", "default"), (b"none", None)):
        found = await store.token_holder(digest)
        assert found is not None
        assert (found.token.domain_id, found.token.project_id) == (domain, None)
        assert (found.principal.project_id, found.principal.policies) == ("", ())


async def test_the_tokens_of_a_user_that_are_over_go_with_his_next_one(store: Store) -> None:
    """What is over stays until then, so that it can be told; other users' tokens stay."""
    await member(store)
    await member(store, "bob", "u2", "two")
    await store.add_token(own(b"old", expires_at=at(5)))
    await store.add_token(own(b"his", user_id="u2", project_id="two", expires_at=at(5)))
    assert await store.token_holder(b"old") is not None
    await store.add_token(own(b"new", created_at=at(5)))
    assert await store.token_holder(b"old") is None
    assert await store.token_holder(b"new") is not None
    assert await store.token_holder(b"his") is not None
    assert await store.drop_token(b"his")
    assert not await store.drop_token(b"his")
    assert await store.token_holder(b"his") is None


async def test_what_is_granted_is_what_a_users_own_token_may(store: Store) -> None:
    """Built-in roles and policies of the project's own, of this project only; an operator's token has its role."""
    place = await member(store)
    await store.ensure_project("default", "two", "default", "p2")
    mine = policy("mine", "DataArtsFabric:*:list*")
    await store.put_policy(place.id, mine)
    await store.put_policy("p2", policy("theirs", "*"))
    for name, project in (("viewer", "p1"), ("mine", "p1"), ("theirs", "p1"), ("admin", "p2")):
        assert await store.add_grant(Grant(user_id="u1", project_id=project, policy=name))
    assert not await store.add_grant(Grant(user_id="u1", project_id="p1", policy="mine"))
    await store.add_token(own(b"own"))
    await store.add_token(token(b"given"))
    found = await store.token_holder(b"own")
    assert found is not None
    assert found.principal.policies == (mine, BUILT_IN["viewer"])
    assert await names(store, b"given") == ["viewer"]
    assert [one.name for one in await store.projects_of("u1")] == ["proj", "two"]
    assert list(await store.projects_of("u2")) == []
    assert [one.policy for one in await store.grants_of("u1")] == ["mine", "theirs", "viewer", "admin"]
    assert list(await store.policies("p1")) == [mine]


async def test_a_change_of_what_he_may_do_ends_the_tokens_he_got_himself(store: Store) -> None:
    """In that project: by a grant, a revocation, a change or the end of a policy. Nothing new ends nothing."""
    place = await member(store)
    await store.ensure_project("default", "two", "default", "p2")
    grant = Grant(user_id="u1", project_id=place.id, policy="mine")
    changes = (
        store.put_policy(place.id, policy("mine", "*")),
        store.add_grant(grant),
        store.put_policy(place.id, policy("mine", "DataArtsFabric:*")),
        store.drop_grant(grant),
        store.add_grant(grant),
        store.drop_policy(place.id, "mine"),
    )
    ended = []
    for change in changes:
        for one in (own(b"own"), own(b"elsewhere", project_id="p2"), token(b"given")):
            await store.add_token(one)
        await change
        assert await store.token_holder(b"elsewhere") is not None
        assert await store.token_holder(b"given") is not None
        ended.append(await store.token_holder(b"own") is None)
    assert ended == [False, True, True, True, True, True]
    await store.add_token(own(b"own"))
    assert not await store.drop_grant(grant)
    assert not await store.drop_policy(place.id, "mine")
    assert list(await store.grants_of("u1")) == []
    assert await store.token_holder(b"own") is not None


async def test_a_password_ends_with_the_tokens_got_with_it(store: Store) -> None:
    """A token that is kept with the hash of another password, or of a user kept out, is not kept."""
    await member(store)
    assert await store.add_token(own(b"own"), HASH)
    await store.add_token(token(b"given"))
    assert await store.change_password("u1", "another")
    assert not await store.change_password("u9", "another")
    assert await store.token_holder(b"own") is None
    assert await store.token_holder(b"given") is not None
    found = await store.user("u1")
    assert found is not None
    assert found.password == "another"
    assert not await store.add_token(own(b"late"), HASH)
    assert await store.token_holder(b"late") is None
    await store.enable_user("u1", enabled=False)
    assert not await store.add_token(own(b"late"), "another")


async def test_a_user_who_is_kept_out_is_nobody(store: Store) -> None:
    """All his tokens end; his access keys open nothing until he is let in again."""
    place = await member(store)
    await store.add_grant(Grant(user_id="u1", project_id=place.id, policy="viewer"))
    await store.add_token(token(b"given"))
    assert await store.add_credential(credential("AK"))
    assert await store.enable_user("u1", enabled=False)
    assert await store.token_holder(b"given") is None
    assert await store.key_holder("AK", None) is None
    assert await store.enable_user("u1", enabled=True)
    assert await store.token_holder(b"given") is None
    assert await store.key_holder("AK", None) is not None
    assert not await store.enable_user("u9", enabled=True)


async def test_a_user_goes_with_all_he_has(store: Store) -> None:
    """Tokens, access keys and grants; his name is free again."""
    place = await member(store)
    await store.add_grant(Grant(user_id="u1", project_id=place.id, policy="viewer"))
    await store.add_token(token(b"given"))
    await store.add_credential(credential("AK"))
    assert await store.drop_user("u1")
    assert not await store.drop_user("u1")
    assert await store.token_holder(b"given") is None
    assert await store.key_holder("AK", None) is None
    assert list(await store.grants_of("u1")) == []
    await member(store, user_id="u2")


async def test_an_access_key_stands_for_its_user_in_a_project_of_his(store: Store) -> None:
    """In its own project or in the one asked for; where he has been granted nothing it stands for nobody."""
    await member(store)
    await store.ensure_project("default", "two", "default", "p2")
    await store.ensure_project("default", "three", "default", "p3")
    await store.put_policy("p2", policy("mine", "DataArtsFabric:*"))
    await store.add_grant(Grant(user_id="u1", project_id="p1", policy="developer"))
    await store.add_grant(Grant(user_id="u1", project_id="p2", policy="mine"))
    key = credential("AK", expires_at=at(9), token_digest=b"digest")
    assert await store.add_credential(key)
    assert not await store.add_credential(credential("AK", sealed=b"other"))
    for asked, project, granted in ((None, "p1", "developer"), ("p1", "p1", "developer"), ("p2", "p2", "mine")):
        found = await store.key_holder("AK", asked)
        assert found is not None
        assert found.credential == key
        assert found.principal is not None
        assert (found.principal.project_id, found.principal.user_name) == (project, "ann")
        assert [one.name for one in found.principal.policies] == [granted]
    for asked in ("p3", "nowhere"):
        found = await store.key_holder("AK", asked)
        assert found is not None
        assert found.principal is None
    assert await store.key_holder("unknown", None) is None


async def test_access_keys_stand_beside_each_other(store: Store) -> None:
    """Any number, oldest first; temporary ones that are over go with the next one."""
    await member(store)
    first, over, last = (
        credential("B", created_at=at(1)),
        credential("T", created_at=at(2), expires_at=at(3), token_digest=b"t"),
        credential("A", created_at=at(3)),
    )
    for one in (first, over):
        assert await store.add_credential(one)
    assert list(await store.credentials("u1")) == [first, over]
    assert await store.add_credential(last)
    assert list(await store.credentials("u1")) == [first, last]
    assert await store.drop_credential("B")
    assert not await store.drop_credential("B")
    assert list(await store.credentials("u1")) == [last]
    assert list(await store.credentials("u2")) == []


async def test_the_access_keys_of_all_users_are_one_list(store: Store) -> None:
    """Without a user: those of every user, oldest first."""
    place = await member(store)
    second = User(id="u2", name="bob", domain=place.domain)
    assert await store.add_user(second)
    old, new = credential("B", user_id="u2", created_at=at(1)), credential("A", created_at=at(2))
    for one in (new, old):
        assert await store.add_credential(one)
    assert list(await store.credentials()) == [old, new]
    assert list(await store.credentials("u2")) == [old]


async def test_every_token_is_listed(store: Store) -> None:
    """Oldest first, with what they may do; those that are over and those of users who are kept out as well."""
    place = await member(store)
    await store.add_grant(Grant(user_id="u1", project_id=place.id, policy="developer"))
    await store.add_token(token(b"over", created_at=at(1), expires_at=at(2)))
    await store.add_token(own(b"own", created_at=at(0)))
    await store.add_token(token(b"lost", user_id="u9", created_at=at(1)))
    await store.enable_user("u1", enabled=True)
    found = [(one.token.digest, [policy.name for policy in one.principal.policies]) for one in await store.tokens()]
    assert found == [(b"own", ["developer"]), (b"over", ["viewer"])]
    assert {one.principal.user_name for one in await store.tokens()} == {"ann"}
    assert await store.drop_token(b"over")
    assert [one.token.digest for one in await store.tokens()] == [b"own"]
