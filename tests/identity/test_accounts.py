"""Who is calling: passwords, tokens, accounts, and what is remembered, locked and refused."""

from datetime import timedelta

import pytest

from tests.identity.people import NOON, PASSWORD, Clock, login, names
from treadle.model.access import BUILT_IN, Effect, Policy, Rule
from treadle.model.errors import (
    BadRequest,
    CredentialRefused,
    LoginRefused,
    NotFound,
    Unauthorized,
)
from treadle.service.accounts import Accounts
from treadle.service.logins import Login, Named
from treadle.service.passwords import fits, hashed
from treadle.store.filters import AuditFilter
from treadle.store.memory import MemoryStore

# -- passwords ---------------------------------------------------------------------------------


def test_a_password_is_kept_as_argon2id() -> None:
    """With salt, memory and passes beside it; two hashes of one password differ, and both fit."""
    first, second = hashed(PASSWORD), hashed(PASSWORD)
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert fits(PASSWORD, first)
    assert fits(PASSWORD, second)
    assert not fits(PASSWORD + " ", first)


@pytest.mark.parametrize("password", ["", "short", "x" * 129, "with\nnew line", "with\0nul....."])
async def test_some_passwords_nobody_may_have(service: Accounts, password: str) -> None:
    """Too short, too long, unprintable; and then there is no user either."""
    with pytest.raises(BadRequest):
        await service.create_user("proj", "ann", "viewer", password)
    with pytest.raises(NotFound):
        await service.find_user("ann")


# -- tokens ------------------------------------------------------------------------------------


async def test_a_password_gives_a_token_for_the_default_project(service: Accounts, clock: Clock) -> None:
    """It is valid for the time of the setting, with what the user has been granted; then it says that it is over."""
    user, project = await service.create_user("proj", "ann", "developer", PASSWORD)
    token, holder = await service.log_in(login())
    assert (holder.principal.user_id, holder.principal.project_id) == (user.id, project.id)
    assert names(holder) == ["developer"]
    assert holder.token.methods == ("password",)
    assert holder.token.expires_at == NOON + timedelta(days=1)
    clock.seconds = 86_399.0
    assert await service.authenticate(token) == holder.principal
    clock.seconds = 86_400.0
    with pytest.raises(CredentialRefused, match=r"token expires, expires_at: 2026-07-14T12:00:00.000000Z"):
        await service.authenticate(token)


async def test_a_token_is_for_what_was_asked(service: Accounts) -> None:
    """A project by id or by name, the domain, or nothing at all where there is no default project."""
    user, first = await service.create_user("proj", "ann", "developer", PASSWORD)
    second = await service.ensure_project("two")
    await service.grant(user, second, "viewer")
    for wanted, project in (
        (Named(name="two"), second),
        (Named(id=second.id), second),
        (Named(name="two", domain_name="default"), second),
        (Named(id=first.id), first),
    ):
        _, holder = await service.log_in(login(project=wanted))
        assert holder.principal.project_id == project.id
    for wanted in (Named(name="three"), Named(id="nope"), Named(name="two", domain_name="acme")):
        with pytest.raises(LoginRefused, match=r"no role"):
            await service.log_in(login(project=wanted))
    _, holder = await service.log_in(login(domain=Named(name="default")))
    assert (holder.principal.project_id, holder.principal.policies) == ("", ())
    assert holder.token.domain_id == "default"
    with pytest.raises(LoginRefused):
        await service.log_in(login(domain=Named(name="acme")))
    await service.revoke(user, first, "developer")
    _, holder = await service.log_in(login())
    assert (holder.principal.project_id, holder.token.project_id, holder.token.domain_id) == ("", None, None)


async def test_a_user_is_found_by_his_id_or_by_name_and_domain(service: Accounts) -> None:
    """The same name in another domain is another user."""
    here, _ = await service.create_user("proj", "ann", "viewer", PASSWORD)
    there, _ = await service.create_user("proj", "ann", "viewer", "another horse", "acme")
    for named, password, user in (
        (Named(id=here.id), PASSWORD, here),
        (Named(name="ann"), PASSWORD, here),
        (Named(name="ann", domain_id="default"), PASSWORD, here),
        (Named(name="ann", domain_name="acme"), "another horse", there),
        (Named(name="ann", domain_id=there.domain.id), "another horse", there),
    ):
        _, holder = await service.log_in(Login(user=named, password=password))
        assert (holder.principal.user_id, holder.principal.domain_name) == (user.id, user.domain.name)
    with pytest.raises(LoginRefused):
        await service.log_in(Login(user=Named(id=here.id, domain_name="acme"), password=PASSWORD))


async def test_who_cannot_log_in_is_told_one_thing(service: Accounts) -> None:
    """A wrong password, an unknown user, one without a password and one who is kept out."""
    user, _ = await service.create_user("proj", "ann", "viewer", PASSWORD)
    await service.create_user("proj", "bob", "viewer")
    out, _ = await service.create_user("proj", "eve", "viewer", PASSWORD)
    await service.enable_user(out, enabled=False)
    for who in (login("wrong"), login(name="nobody"), login(name="bob"), login(name="eve"), login("")):
        with pytest.raises(LoginRefused, match=r"The username or password is wrong\.$"):
            await service.log_in(who)
    assert user.password is not None


async def test_five_wrong_passwords_lock_a_name_for_a_while(service: Accounts, clock: Clock) -> None:
    """Whether it exists or not, also for the right password; a right one before starts the count again."""
    await service.create_user("proj", "ann", "viewer", PASSWORD)
    for name in ("ann", "nobody"):
        for _ in range(5):
            with pytest.raises(LoginRefused, match=r"wrong"):
                await service.log_in(login("guess", name))
        for password in ("guess", PASSWORD):
            with pytest.raises(LoginRefused, match=r"locked"):
                await service.log_in(login(password, name))
    clock.seconds = 301.0
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(LoginRefused, match=r"wrong"):
                await service.log_in(login("guess"))
        await service.log_in(login())


async def test_a_withdrawn_token_is_refused_at_once(service: Accounts) -> None:
    """In the process that withdraws it, whatever it remembers."""
    user, project = await service.create_user("proj", "ann", "viewer", PASSWORD)

    async def ends(change: object) -> None:
        token, holder = await service.log_in(login())
        assert await service.authenticate(token) == holder.principal
        await change  # type: ignore[misc]
        with pytest.raises(Unauthorized):
            await service.authenticate(token)

    await ends(service.grant(user, project, "developer"))
    await ends(service.revoke(user, project, "viewer"))
    await ends(service.set_password(user, PASSWORD))
    await ends(service.enable_user(user, enabled=False))
    await service.enable_user(user, enabled=True)
    token, holder = await service.log_in(login())
    await service.drop_token(holder.principal, token)
    with pytest.raises(Unauthorized):
        await service.authenticate(token)


async def test_what_another_process_withdraws_lives_a_second(service: Accounts, beside: Accounts, clock: Clock) -> None:
    """A token, and what it may; then the store is asked again."""
    user, _ = await beside.create_user("proj", "ann", "viewer", PASSWORD)
    token, holder = await service.log_in(login())
    given, _ = await beside.create_token("proj", "ann", "admin")
    assert (await service.authenticate(given)).policies == (BUILT_IN["admin"],)
    await beside.delete_user(user)
    assert await service.authenticate(token) == holder.principal
    clock.seconds = 1.0
    for one in (token, given):
        with pytest.raises(Unauthorized):
            await service.authenticate(one)


async def test_an_operators_token_has_its_role(service: Accounts) -> None:
    """Whatever its user has been granted; and it does not end with his password."""
    user, project = await service.create_user("proj", "ann", "viewer", PASSWORD)
    token, _ = await service.create_token("proj", "ann", "developer")
    await service.set_password(user, "another horse")
    await service.grant(user, project, "admin")
    holder = await service.holder_of(token)
    assert (names(holder), holder.token.methods, holder.token.expires_at) == (["developer"], ("token",), None)


async def test_a_caller_asks_about_himself_only(service: Accounts) -> None:
    """His own tokens and projects; another's token looks as if there were none."""
    user, project = await service.create_user("proj", "ann", "viewer", PASSWORD)
    await service.create_user("two", "bob", "viewer", PASSWORD)
    hers, holder = await service.log_in(login())
    his, other = await service.log_in(login(name="bob"))
    assert (await service.show_token(holder.principal, hers)).token == holder.token
    for token in (his, "nonsense", "", "x" * 5000):
        with pytest.raises(NotFound):
            await service.show_token(holder.principal, token)
        with pytest.raises(NotFound):
            await service.drop_token(holder.principal, token)
    assert await service.authenticate(his) == other.principal
    second = await service.ensure_project("a second")
    await service.grant(user, second, "viewer")
    assert list(await service.my_projects(holder.principal)) == [second, project]
    _, principal = await service.create_token("third", "carl", "viewer")
    assert [one.name for one in await service.my_projects(principal)] == ["third"]


# -- accounts ----------------------------------------------------------------------------------


async def test_a_name_is_one_user_in_all_projects(service: Accounts) -> None:
    """Made once, whether by a token first or by himself; in another project he is given the role, with his password."""
    _, known = await service.create_token("proj", "ann", "viewer")
    user, first = await service.create_user("proj", "ann", "viewer", PASSWORD)
    assert user.id == known.user_id
    for project, password in (("proj", None), ("proj", PASSWORD), ("two", "another horse")):
        with pytest.raises(BadRequest, match="already"):
            await service.create_user(project, "ann", "viewer", password)
    same, second = await service.create_user("two", "ann", "developer", PASSWORD)
    third, _ = await service.create_user("three", "ann", "developer")
    assert {same.id, third.id} == {user.id}
    for who, place, role in (
        (login(), first, "viewer"),
        (login(project=Named(name="two")), second, "developer"),
    ):
        _, holder = await service.log_in(who)
        assert (holder.principal.project_id, names(holder)) == (place.id, [role])


async def test_what_cannot_be_granted_is_refused(service: Accounts) -> None:
    """An unknown role, another project's policy, a project of another domain, a key without a role."""
    user, project = await service.create_user("proj", "ann", "viewer")
    other = await service.ensure_project("two")
    foreign = await service.ensure_project("proj", "acme")
    await service.put_policy(other, Policy(name="theirs", rules=(Rule(effect=Effect.ALLOW, actions=("*",)),)))
    for place, role in ((project, "king"), (project, "theirs"), (foreign, "viewer")):
        with pytest.raises(BadRequest):
            await service.grant(user, place, role)
    with pytest.raises(BadRequest):
        await service.create_user("proj", "bob", "king")
    with pytest.raises(
        BadRequest, match=r"no role in two: grant one with `treadle user grant --project two --name ann -"
    ):
        await service.create_credential(user, other)
    far, _ = await service.create_user("proj", "eve", "viewer", None, "acme")
    with pytest.raises(BadRequest, match=r"--project 'a b' --name eve --domain acme --role developer`"):
        await service.create_credential(far, await service.ensure_project("a b", "acme"))
    with pytest.raises(BadRequest, match=r"built-in"):
        await service.put_policy(project, Policy(name="admin", rules=()))
    for name in ("", "x" * 65, "a\nb"):
        with pytest.raises(BadRequest):
            await service.create_user("proj", name, "viewer")
        with pytest.raises(BadRequest):
            await service.ensure_project(name)
    assert await service.grant(user, project, "developer")
    assert not await service.grant(user, project, "developer")
    assert await service.revoke(user, project, "developer")
    assert not await service.revoke(user, project, "developer")
    with pytest.raises(NotFound):
        await service.delete_policy(project, "none")


# -- on record ---------------------------------------------------------------------------------


async def test_every_change_is_on_record(service: Accounts, store: MemoryStore) -> None:
    """What was done to whom, without a secret or a password in it."""
    user, project = await service.create_user("proj", "ann", "viewer", PASSWORD)
    token, _ = await service.create_token("proj", "ann", "viewer")
    key = await service.create_credential(user, project)
    await service.set_password(user, "another horse")
    await service.put_policy(project, Policy(name="mine", rules=(Rule(effect=Effect.ALLOW, actions=("*",)),)))
    await service.grant(user, project, "mine")
    await service.revoke(user, project, "mine")
    await service.delete_policy(project, "mine")
    await service.enable_user(user, enabled=False)
    await service.enable_user(user, enabled=True)
    await service.delete_credential(key.access)
    await service.delete_user(user)
    events = [entry.event for entry in reversed(await store.audit(AuditFilter(), 100))]
    assert [(event.action.removeprefix("iam:"), event.outcome) for event in events] == [
        (action, "done")
        for action in (
            "user:create",
            "token:create",
            "credential:create",
            "user:updatePassword",
            "policy:put",
            "user:grant",
            "user:revoke",
            "policy:delete",
            "user:disable",
            "user:enable",
            "credential:delete",
            "user:delete",
        )
    ]
    told = repr(events)
    assert key.access in told
    assert not any(word in told for word in (PASSWORD, "another horse", token, key.secret))
