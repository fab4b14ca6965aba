"""Commands for projects, and for users with their passwords and grants."""

import sys
from collections import defaultdict
from collections.abc import Sequence

import click
import msgspec

from treadle.app import operator
from treadle.cli.common import Options, command, run_async
from treadle.cli.listing import table
from treadle.cli.names import check_new, domain_option
from treadle.cli.tokens import LEAST_ROLE, ShownToken, described, shown
from treadle.model.identity import Project, TokenHolder, User
from treadle.service import Service


@click.group()
def project() -> None:
    """Projects, which own workspaces."""


@click.group()
def user() -> None:
    """Users and their rights in projects."""


class ShownProject(msgspec.Struct, frozen=True, kw_only=True):
    """A project as printed."""

    id: str
    name: str
    domain: str


class ShownGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A grant of a user, as printed."""

    project_id: str
    project: str
    role: str


class ShownUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user as printed, without the hash of the password."""

    id: str
    name: str
    domain: str
    project_id: str | None
    enabled: bool
    has_password: bool
    grants: tuple[ShownGrant, ...] = ()
    tokens: tuple[ShownToken, ...] | msgspec.UnsetType = msgspec.UNSET


def _read_password() -> str:
    """Read the first line of standard input."""
    return sys.stdin.readline().rstrip("\r\n")


# -- projects -------------------------------------------------------------------------------


@command("create", project)
@domain_option
@click.argument("name")
def create_project(options: Options, domain: str, name: str) -> None:
    """Create a project, unless there is one of that name."""

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

    options.show(
        run_async(work()), lambda found: table(("PROJECT", "NAME", "DOMAIN"), ((p.id, p.name, p.domain) for p in found))
    )


# -- users ----------------------------------------------------------------------------------


@command("create", user)
@click.option("--project", "project_name", required=True, help="Project, created if it does not exist.")
@click.option("--name", required=True, help="Name in the domain.")
@click.option("--role", default=LEAST_ROLE, show_default=True, help="Built-in role, or custom policy of the project.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input; the default is none.")
@domain_option
def create_user(options: Options, project_name: str, name: str, role: str, password_stdin: bool, domain: str) -> None:
    """Create a user with a role in a project."""
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
        lambda found: table(
            ("USER", "NAME", "DOMAIN", "STATUS", "RIGHTS"),
            ((u.id, u.name, u.domain, "enabled" if u.enabled else "disabled", _rights(u)) for u in found),
        ),
    )


@command("password", user)
@click.option("--name", required=True, help="Name of the user.")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the password from standard input.")
@domain_option
def change_password(options: Options, name: str, password_stdin: bool, domain: str) -> None:  # noqa: ARG001
    """Change the password of a user, and end the tokens obtained with it."""
    password = _read_password()

    async def work() -> None:
        async with operator(options.settings) as service:
            await service.set_password(await service.find_user(name, domain), password)

    run_async(work())


def _switch(word: str, enabled: bool, text: str) -> click.Command:
    """A command that enables or disables a user."""

    @click.option("--name", required=True, help="Name of the user.")
    @domain_option
    def run(options: Options, name: str, domain: str) -> None:
        async def work() -> None:
            async with operator(options.settings) as service:
                await service.enable_user(await service.find_user(name, domain), enabled=enabled)

        run_async(work())

    run.__doc__ = text
    return command(word, user)(run)


enable = _switch("enable", True, "Enable a user again.")
disable = _switch("disable", False, "Disable a user: their tokens end, and their access keys are refused meanwhile.")


@command("delete", user)
@click.option("--name", required=True, help="Name of the user.")
@domain_option
def delete_user(options: Options, name: str, domain: str) -> None:
    """Delete a user with their tokens, access keys and grants; the records of their statements stay."""

    async def work() -> None:
        async with operator(options.settings) as service:
            await service.delete_user(await service.find_user(name, domain))

    run_async(work())


def _granting(word: str, grants: bool, text: str) -> click.Command:
    """A command that grants or revokes."""

    @click.option("--project", "project_name", required=True, help="Project of the grant.")
    @click.option("--name", required=True, help="Name of the user.")
    @click.option("--role", required=True, help="Built-in role, or custom policy of the project.")
    @domain_option
    def run(options: Options, project_name: str, name: str, role: str, domain: str) -> None:
        async def work() -> bool:
            async with operator(options.settings) as service:
                place = await service.find_project(project_name, domain)
                one = await service.find_user(name, domain)
                return await (service.grant if grants else service.revoke)(one, place, role)

        options.show({"changed": run_async(work())}, lambda done: "" if done["changed"] else "nothing to change")

    run.__doc__ = text
    return command(word, user)(run)


grant = _granting("grant", True, "Grant a role or a policy in a project; tokens that the user has obtained for it end.")
revoke = _granting("revoke", False, "Revoke a role or a policy; tokens that the user has obtained for the project end.")


# -- output ---------------------------------------------------------------------------------


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
        if not (token := shown(one, service)).expired:
            found[one.principal.user_id].append(token)
    return found


def _rights(one: ShownUser) -> str:
    granted = ", ".join(f"{grant.role} in {grant.project}" for grant in one.grants)
    tokens = [] if one.tokens is msgspec.UNSET else [f"token {token.id}: {described(token)}" for token in one.tokens]
    return "; ".join(part for part in (granted, *tokens) if part)


COMMANDS = (project, user)
