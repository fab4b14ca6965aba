"""Commands that create, list and revoke tokens."""

import math
import sys
from datetime import timedelta
from typing import Any, Final

import click
import msgspec

from treadle.app import operator
from treadle.cli.common import Options, Refused, command, run_async
from treadle.cli.listing import table
from treadle.cli.names import check_new
from treadle.model.access import BUILT_IN
from treadle.model.identity import TokenHolder
from treadle.service import Service
from treadle.service.identity import token_id

LIFETIME: Final = timedelta(days=30).total_seconds()
LONGEST: Final = timedelta(days=3650)
_HEADINGS: Final = ("TOKEN", "USER", "CREATED", "RIGHTS")
LEAST_ROLE: Final = next(iter(BUILT_IN))


class Lifetime(click.FloatRange):
    """A validity in seconds, greater than zero and at most ten years."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=LONGEST.total_seconds())

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value} is not a number of seconds", param, ctx)
        return seconds


@click.group()
def token() -> None:
    """Tokens for the header X-Auth-Token."""


class ShownToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token in a list, without the token itself.

    ``rights`` are the role it was given, or the roles and policies that its user has in its project.
    """

    id: str
    user: str
    project: str
    rights: tuple[str, ...]
    created_at: str
    expires_at: str | None
    expired: bool


class MadeToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new token, which is shown only once."""

    token: str
    id: str
    project_id: str
    role: str
    expires_at: str | None


@command("create", token)
@click.option("--project", required=True, help="Project, created if it does not exist.")
@click.option("--user", required=True, help="User, created if it does not exist in the project.")
@click.option(
    "--role",
    type=click.Choice([*BUILT_IN]),
    default=LEAST_ROLE,
    show_default=True,
    help="Rights of the token: read; run statements; manage workspaces, endpoints and catalogs; everything.",
)
@click.option(
    "--lifetime",
    type=Lifetime(),
    default=LIFETIME,
    show_default="30 days",
    help="Validity of the token in seconds.",
)
def create_token(options: Options, project: str, user: str, role: str, lifetime: float) -> None:
    """Create a token and print it once."""

    async def work() -> MadeToken:
        async with operator(options.settings, create=True) as service:
            await check_new(service, project=project, user=user)
            made, principal = await service.create_token(project, user, role, lifetime)
            [one] = [shown(one, service) for one in await service.tokens() if one.token.id == token_id(made)]
            return MadeToken(
                token=made, id=one.id, project_id=principal.project_id, role=role, expires_at=one.expires_at
            )

    options.show(
        run_async(work()),
        lambda made: "\n".join(f"{name:<11} {value}" for name, value in msgspec.structs.asdict(made).items()),
    )


@command("list", token)
@click.option("--project", "project_name", help="Only tokens for this project.")
@click.option("--user", "user_name", help="Only tokens of this user.")
def list_tokens(options: Options, project_name: str | None, user_name: str | None) -> None:
    """List tokens, oldest first, with their users, rights and ends."""

    async def work() -> list[ShownToken]:
        async with operator(options.settings) as service:
            return [
                shown(one, service)
                for one in await service.tokens()
                if project_name in (None, one.principal.project_name) and user_name in (None, one.principal.user_name)
            ]

    options.show(run_async(work()), lambda found: table(_HEADINGS, map(_row, found)))


@command("revoke", token)
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option("--token-stdin", is_flag=True, help="Read the token itself from standard input instead of an id.")
def revoke_tokens(options: Options, ids: tuple[str, ...], token_stdin: bool) -> None:
    """Revoke tokens; they are refused at once. `token list` and `token create` show their ids."""
    if not ids and not token_stdin:
        raise Refused("missing token: give its id, or the token itself with --token-stdin")
    given = sys.stdin.readline().strip() if token_stdin else None

    async def work() -> list[ShownToken]:
        async with operator(options.settings) as service:
            return [shown(one, service) for one in await service.revoke_tokens(ids, given)]

    options.show(run_async(work()), lambda found: table(_HEADINGS, map(_row, found)))


def shown(holder: TokenHolder, service: Service) -> ShownToken:
    """Convert a token for a list."""
    one, ends = holder.token, holder.token.expires_at
    return ShownToken(
        id=one.id,
        user=holder.principal.user_name,
        project=holder.principal.project_name,
        rights=tuple(policy.name for policy in holder.principal.policies),
        created_at=f"{one.created_at:%Y-%m-%dT%H:%M:%SZ}",
        expires_at=f"{ends:%Y-%m-%dT%H:%M:%SZ}" if ends is not None else None,
        expired=ends is not None and ends <= service.deps.clock.now(),
    )


def described(one: ShownToken) -> str:
    """Format the rights of a token, their scope and their end."""
    end = "never ends" if one.expires_at is None else f"{'ended' if one.expired else 'until'} {one.expires_at}"
    return f"{', '.join(one.rights) or 'nothing'}{f' in {one.project}' if one.project else ''}, {end}"


def _row(one: ShownToken) -> tuple[str, ...]:
    return one.id, one.user, one.created_at, described(one)


COMMANDS = (token,)
