"""Commands for the custom policies of projects."""

from pathlib import Path

import click
import msgspec

from treadle.app import operator
from treadle.cli.common import Options, command, run_async
from treadle.cli.listing import table
from treadle.cli.names import check_name, domain_option
from treadle.model.access import Action, Effect, Policy, Rule
from treadle.model.errors import BadRequest, ConfigError
from treadle.model.nearest import nearest, suggestion


@click.group()
def policy() -> None:
    """Custom policies of projects, in addition to the built-in roles."""


class RuleFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule in the file of a policy."""

    effect: Effect
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file of a policy; an unknown field is an error, because it may be meant as a limit."""

    rules: tuple[RuleFile, ...]


@command("create", policy)
@click.option("--project", "project_name", required=True, help="Project of the policy.")
@click.option(
    "--file",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    help='JSON: {"rules": [{"effect", "actions", …}]}.',
)
@domain_option
@click.argument("name")
def create_policy(options: Options, project_name: str, path: Path, domain: str, name: str) -> None:
    """Create or replace a policy; tokens that users have obtained with its rights end."""
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
@click.option("--project", "project_name", required=True, help="Project of the policies.")
@domain_option
def list_policies(options: Options, project_name: str, domain: str) -> None:
    """List the custom policies of a project."""

    async def work() -> list[Policy]:
        async with operator(options.settings) as service:
            return list(await service.deps.store.policies((await service.find_project(project_name, domain)).id))

    options.show(
        run_async(work()), lambda found: table(("POLICY", "RULES"), ((one.name, str(len(one.rules))) for one in found))
    )


@command("delete", policy)
@click.option("--project", "project_name", required=True, help="Project of the policy.")
@domain_option
@click.argument("name")
def delete_policy(options: Options, project_name: str, domain: str, name: str) -> None:
    """Delete a policy, and revoke it from every user."""

    async def work() -> None:
        async with operator(options.settings) as service:
            await service.delete_policy(await service.find_project(project_name, domain), name)

    run_async(work())


def read_policy(name: str, raw: bytes) -> Policy:
    """Parse and check the file of a policy; raises `ConfigError` or `BadRequest`."""
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
                raise BadRequest(f"no action is called {pattern}{_suggested(pattern)}")
    return Policy(name=name, rules=rules)


def _suggested(pattern: str) -> str:
    """Suggest an action by the last part of its name, of the same kind of resource where that is known."""
    kind, _, verb = pattern.rpartition(":")
    actions = [one for one in Action if one.rpartition(":")[0] == kind] or list(Action)
    verbs = {one.rpartition(":")[2].lower(): one for one in reversed(actions)}
    found = nearest(verb.lower(), verbs)
    return suggestion(verbs[found] if found else None)


COMMANDS = (policy,)
