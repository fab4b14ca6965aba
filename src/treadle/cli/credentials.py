"""Commands for the access keys (AK/SK) of users."""

import click
import msgspec

from treadle.app import operator
from treadle.cli.common import Options, command, run_async
from treadle.cli.listing import table
from treadle.cli.names import domain_option
from treadle.cli.tokens import Lifetime
from treadle.model.identity import Credential
from treadle.service.accounts import NewCredential

_HEADINGS = ("ACCESS KEY", "USER", "PROJECT", "CREATED", "EXPIRES")


@click.group()
def credential() -> None:
    """Access keys (AK/SK) that requests are signed with."""


class ShownCredential(msgspec.Struct, frozen=True, kw_only=True):
    """An access key as listed, without its secret key, which is shown only once."""

    access: str
    user: str
    project_id: str
    created_at: str
    expires_at: str | None


@command("create", credential)
@click.option("--project", "project_name", required=True, help="Project of requests that name none.")
@click.option("--user", "user_name", required=True, help="User of the key.")
@click.option(
    "--lifetime",
    type=Lifetime(),
    help="Validity in seconds of a temporary key with a security token; the default is a permanent key.",
)
@domain_option
def create_credential(options: Options, project_name: str, user_name: str, lifetime: float | None, domain: str) -> None:
    """Create an access key and print it with its secret key, once."""

    async def work() -> NewCredential:
        async with operator(options.settings) as service:
            one = await service.find_user(user_name, domain)
            return await service.create_credential(one, await service.find_project(project_name, domain), lifetime)

    options.show(run_async(work()), _key)


@command("list", credential)
@click.option("--user", "user_name", help="User of the keys; the default is every user.")
@domain_option
def list_credentials(options: Options, user_name: str | None, domain: str) -> None:
    """List access keys, oldest first, without their secret keys."""

    async def work() -> list[ShownCredential]:
        async with operator(options.settings) as service:
            holder = await service.find_user(user_name, domain) if user_name is not None else None
            names = {one.id: one.name for one in await service.deps.store.users()}
            return [_listed(one, names[one.user_id]) for one in await service.credentials(holder)]

    options.show(
        run_async(work()),
        lambda found: table(
            _HEADINGS, ((c.access, c.user, c.project_id, c.created_at, c.expires_at or "") for c in found)
        ),
    )


@command("delete", credential)
@click.argument("access")
def delete_credential(options: Options, access: str) -> None:
    """Delete an access key."""

    async def work() -> None:
        async with operator(options.settings) as service:
            await service.delete_credential(access)

    run_async(work())


def _key(made: NewCredential) -> str:
    temporary = (
        (f"securitytoken  {made.securitytoken}", f"expires_at     {made.expires_at:%Y-%m-%dT%H:%M:%SZ}")
        if made.expires_at is not None
        else ()
    )
    return "\n".join((f"access         {made.access}", f"secret         {made.secret}", *temporary))


def _listed(one: Credential, user: str) -> ShownCredential:
    return ShownCredential(
        access=one.access,
        user=user,
        project_id=one.project_id,
        created_at=f"{one.created_at:%Y-%m-%dT%H:%M:%SZ}",
        expires_at=f"{one.expires_at:%Y-%m-%dT%H:%M:%SZ}" if one.expires_at is not None else None,
    )


COMMANDS = (credential,)
