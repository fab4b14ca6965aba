"""Commands for who there is: projects, users with what they may do, access keys, policies."""

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import msgspec

from treadle.app import operator
from treadle.cli.common import Options, command, lines, run_async
from treadle.cli.names import check_name, check_new
from treadle.cli.tokens import Lifetime, ShownToken, described, shown
from treadle.model.access import Action, Effect, Policy, Rule
from treadle.model.errors import BadRequest, ConfigError
from treadle.model.identity import DEFAULT_DOMAIN, Credential, Project, TokenHolder, User
from treadle.service import Service
from treadle.service.accounts import NewCredential


@click.group()
def project() -> None:
    """Projects, which own workspaces."""


@click.group()
def user() -> None:
    """Users and their rights in projects."""


@click.group()
def credential() -> None:
    """Access keys (AK/SK) that requests are signed with."""


@click.group()
def policy() -> None:
    """Custom policies of projects, in addition to the built-in roles."""


class ShownProject(msgspec.Struct, frozen=True, kw_only=True):
    """A project as it is printed."""

    id: str
    name: str
    domain: str


class ShownGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a user has been granted, as it is printed."""

    project_id: str
    project: str
    role: str


class ShownUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user as he is printed: without his password's hash."""

    id: str
    name: str
    domain: str
    project_id: str | None
    enabled: bool
    has_password: bool
    grants: tuple[ShownGrant, ...] = ()
    tokens: tuple[ShownToken, ...] | msgspec.UnsetType = msgspec.UNSET
    """Subcommands that some groups have."""


class ShownCredential(msgspec.Struct, frozen=True, kw_only=True):
    """An access key as it is listed: without its secret key, which nobody can be told again."""

    access: str
    project_id: str
    created_at: str
    expires_at: str | None


class RuleFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule of a policy's file."""

    effect: Effect
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy's file; a word that is not known is an error, for it might have been a limit."""

    rules: tuple[RuleFile, ...]


def _domain(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--domain", default=DEFAULT_DOMAIN, show_default=True, help="Domain of project and user.")(
        function
    )


def _read_password() -> str:
    """The first line of standard input."""
    return sys.stdin.readline().rstrip("\r\n")


# -- projects -------------------------------------------------------------------------------


@command("create", project)
@_domain
@click.argument("name")
def create_project(options: Options, domain: str, name: str) -> None:
    """Make a project, unless there is one of that name."""

    async def work() -> ShownProject:
        async with operator(options.settings, create=True) as service:
            await check_new(service, project=name, domain=domain)
            return _project(await service.ensure_project(name, domain))

    options.show(run_async(work()), lambda made: made.id)


@command("list", project)
def list_projects(options: Options) -> None:
    """List every project."""

    async def work() -> list[ShownProject]:
        async with operator(options.settings) as service:
            return [_project(one) for one in await service.deps.store.projects()]

    options.show(run_async(work()), lambda found: lines((p.id, p.name, p.domain) for p in found))


# -- users ----------------------------------------------------------------------------------


@command("create", user)
@click.option("--project", "project_name", required=True, help="Project, made if there is none of that name.")
@click.option("--name", required=True, help="Name in the domain.")
@click.option("--role", default="operator", show_default=True, help="Built-in role, or policy of the project's own.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input; without, there is none.")
@_domain
def create_user(options: Options, project_name: str, name: str, role: str, password_stdin: bool, domain: str) -> None:
    """Make a user with a role in a project."""
    password = _read_password() if password_stdin else None

    async def work() -> ShownUser:
        async with operator(options.settings, create=True) as service:
            await check_new(service, project=project_name, user=name, domain=domain)
            made, place = await service.create_user(project_name, name, role, password, domain)
            grant = ShownGrant(project_id=place.id, project=place.name, role=role)
            return _user(made, (grant,), has_password=password is not None or made.password is not None)

    options.show(run_async(work()), lambda made: made.id)


@command("list", user)
@click.option("--project", "project_name", help="Only users with a grant or a token there.")
def list_users(options: Options, project_name: str | None) -> None:
    """List users with their grants and the rights of their tokens."""

    async def work() -> list[ShownUser]:
        async with operator(options.settings) as service:
            store = service.deps.store
            names = {one.id: one.name for one in await store.projects()}
            tokens = _by_user(await service.tokens(), service)
            found = []
            for one in await store.users():
                grants = tuple(
                    ShownGrant(project_id=grant.project_id, project=names[grant.project_id], role=grant.policy)
                    for grant in await store.grants_of(one.id)
                )
                held = tuple(tokens.get(one.id, ()))
                places = {*(one.project for one in grants), *(one.project for one in held)}
                if project_name is None or project_name in places:
                    found.append(msgspec.structs.replace(_user(one, grants), tokens=held or msgspec.UNSET))
            return found

    options.show(
        run_async(work()),
        lambda found: lines(
            (u.id, u.name, u.domain, "enabled" if u.enabled else "disabled", _rights(u)) for u in found
        ),
    )


@command("password", user)
@click.option("--name", required=True, help="Whose password.")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@_domain
def change_password(options: Options, name: str, password_stdin: bool, domain: str) -> None:  # noqa: ARG001
    """Give a user another password; the tokens he got himself end."""
    password = _read_password()

    async def work() -> None:
        async with operator(options.settings) as service:
            await service.set_password(await service.find_user(name, domain), password)

    run_async(work())


def _switch(word: str, enabled: bool, text: str) -> click.Command:
    """A command that lets a user in or keeps him out."""

    @click.option("--name", required=True, help="Which user.")
    @_domain
    def run(options: Options, name: str, domain: str) -> None:
        async def work() -> None:
            async with operator(options.settings) as service:
                await service.enable_user(await service.find_user(name, domain), enabled=enabled)

        run_async(work())

    run.__doc__ = text
    return command(word, user)(run)


enable = _switch("enable", True, "Let a user in again.")
disable = _switch("disable", False, "Keep a user out: his tokens end, and his access keys open nothing meanwhile.")


@command("delete", user)
@click.option("--name", required=True, help="Which user.")
@_domain
def delete_user(options: Options, name: str, domain: str) -> None:
    """Delete a user with his tokens, access keys and grants; what he ran stays on record."""

    async def work() -> None:
        async with operator(options.settings) as service:
            await service.delete_user(await service.find_user(name, domain))

    run_async(work())


def _granting(word: str, grants: bool, text: str) -> click.Command:
    """A command that grants or revokes."""

    @click.option("--project", "project_name", required=True, help="In which project.")
    @click.option("--name", required=True, help="To which user.")
    @click.option("--role", required=True, help="Built-in role, or policy of the project's own.")
    @_domain
    def run(options: Options, project_name: str, name: str, role: str, domain: str) -> None:
        async def work() -> bool:
            async with operator(options.settings) as service:
                place = await service.find_project(project_name, domain)
                one = await service.find_user(name, domain)
                return await (service.grant if grants else service.revoke)(one, place, role)

        options.show({"changed": run_async(work())}, lambda done: "" if done["changed"] else "nothing to change")

    run.__doc__ = text
    return command(word, user)(run)


grant = _granting("grant", True, "Grant a role or a policy in a project; tokens he got himself for it end.")
revoke = _granting("revoke", False, "Take a role or a policy back; tokens he got himself for the project end.")


# -- access keys ----------------------------------------------------------------------------


@command("create", credential)
@click.option("--project", "project_name", required=True, help="Project of requests that name none.")
@click.option("--user", "user_name", required=True, help="Whose key.")
@click.option(
    "--lifetime",
    type=Lifetime(),
    help="Seconds the key is valid: it is a temporary one then, with a security token.",
)
@_domain
def create_credential(options: Options, project_name: str, user_name: str, lifetime: float | None, domain: str) -> None:
    """Make an access key and print it with its secret key, once."""

    async def work() -> NewCredential:
        async with operator(options.settings) as service:
            one = await service.find_user(user_name, domain)
            return await service.create_credential(one, await service.find_project(project_name, domain), lifetime)

    options.show(run_async(work()), _key)


@command("list", credential)
@click.option("--user", "user_name", required=True, help="Whose keys.")
@_domain
def list_credentials(options: Options, user_name: str, domain: str) -> None:
    """List the access keys of a user, oldest first, without their secret keys."""

    async def work() -> list[ShownCredential]:
        async with operator(options.settings) as service:
            return [_listed(one) for one in await service.credentials(await service.find_user(user_name, domain))]

    options.show(
        run_async(work()),
        lambda found: lines((c.access, c.project_id, c.created_at, c.expires_at or "") for c in found),
    )


@command("delete", credential)
@click.argument("access")
def delete_credential(options: Options, access: str) -> None:
    """Delete an access key."""

    async def work() -> None:
        async with operator(options.settings) as service:
            await service.delete_credential(access)

    run_async(work())


# -- policies -------------------------------------------------------------------------------


@command("create", policy)
@click.option("--project", "project_name", required=True, help="Whose policy.")
@click.option(
    "--file",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    help='JSON: {"rules": [{"effect", "actions", …}]}.',
)
@_domain
@click.argument("name")
def create_policy(options: Options, project_name: str, path: Path, domain: str, name: str) -> None:
    """Make a policy, or change the one of that name; tokens that users got themselves and that rest on it end."""
    made = read_policy(name, path.read_bytes())

    async def work() -> Policy:
        async with operator(options.settings) as service:
            place = await service.find_project(project_name, domain)
            if not any(one.name == name for one in await service.deps.store.policies(place.id)):
                check_name(name, "name")
            await service.put_policy(place, made)
            return made

    options.show(run_async(work()), lambda _: "")


@command("list", policy)
@click.option("--project", "project_name", required=True, help="Whose policies.")
@_domain
def list_policies(options: Options, project_name: str, domain: str) -> None:
    """List the policies of a project's own."""

    async def work() -> list[Policy]:
        async with operator(options.settings) as service:
            return list(await service.deps.store.policies((await service.find_project(project_name, domain)).id))

    options.show(run_async(work()), lambda found: lines((one.name, f"{len(one.rules)} rules") for one in found))


@command("delete", policy)
@click.option("--project", "project_name", required=True, help="Whose policy.")
@_domain
@click.argument("name")
def delete_policy(options: Options, project_name: str, domain: str, name: str) -> None:
    """Delete a policy; nobody has it any more."""

    async def work() -> None:
        async with operator(options.settings) as service:
            await service.delete_policy(await service.find_project(project_name, domain), name)

    run_async(work())


def read_policy(name: str, raw: bytes) -> Policy:
    """The policy in a file; raises `ConfigError` for one that cannot mean what it says."""
    try:
        given = msgspec.json.decode(raw, type=PolicyFile)
    except msgspec.DecodeError as error:
        raise ConfigError(f"the policy cannot be read: {error}") from None
    rules = tuple(Rule(effect=one.effect, actions=one.actions, resources=one.resources) for one in given.rules)
    if not rules or not all(rule.actions and rule.resources for rule in rules):
        raise BadRequest("a policy has rules, and each of them actions and resources")
    for rule in rules:
        for pattern in rule.actions:
            alone = Rule(effect=rule.effect, actions=(pattern,))
            if not any(alone.speaks_of(action) for action in Action):
                raise BadRequest(f"no action is called {pattern}")
    return Policy(name=name, rules=rules)


# -- what is printed ------------------------------------------------------------------------


def _project(one: Project) -> ShownProject:
    return ShownProject(id=one.id, name=one.name, domain=one.domain.name)


def _user(one: User, grants: tuple[ShownGrant, ...], *, has_password: bool | None = None) -> ShownUser:
    return ShownUser(
        id=one.id,
        name=one.name,
        domain=one.domain.name,
        project_id=one.project_id,
        enabled=one.enabled,
        has_password=one.password is not None if has_password is None else has_password,
        grants=grants,
    )


def _by_user(holders: Sequence[TokenHolder], service: Service) -> dict[str, list[ShownToken]]:
    """Group valid tokens by user id."""
    found: defaultdict[str, list[ShownToken]] = defaultdict(list)
    for one in holders:
        if not (token := shown(one, service)).over:
            found[one.principal.user_id].append(token)
    return found


def _rights(one: ShownUser) -> str:
    granted = ", ".join(f"{grant.role} in {grant.project}" for grant in one.grants)
    tokens = [] if one.tokens is msgspec.UNSET else [f"token {token.id}: {described(token)}" for token in one.tokens]
    return "; ".join(part for part in (granted, *tokens) if part)


def _key(made: NewCredential) -> str:
    temporary = (
        (f"securitytoken  {made.securitytoken}", f"expires_at     {made.expires_at:%Y-%m-%dT%H:%M:%SZ}")
        if made.expires_at is not None
        else ()
    )
    return "\n".join((f"access         {made.access}", f"secret         {made.secret}", *temporary))


def _listed(one: Credential) -> ShownCredential:
    return ShownCredential(
        access=one.access,
        project_id=one.project_id,
        created_at=f"{one.created_at:%Y-%m-%dT%H:%M:%SZ}",
        expires_at=f"{one.expires_at:%Y-%m-%dT%H:%M:%SZ}" if one.expires_at is not None else None,
    )


COMMANDS = (project, user, credential, policy)
