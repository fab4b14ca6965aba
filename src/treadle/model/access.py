"""Who may do what: actions, policies, and the one decision over them. Pure.

The actions of the SQL operations are those of the API documentation; where it names none they are
made after the same pattern. A policy is a list of rules; a rule allows or denies actions on
resources. Nothing is allowed that no rule allows, and what any rule denies is denied.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec


class Action(StrEnum):
    """One operation, as policies name it."""

    CREATE_SESSION = "DataArtsFabric:workspace:createSqlSession"
    LIST_SESSIONS = "DataArtsFabric:workspace:listSqlSessions"
    SHOW_SESSION = "DataArtsFabric:workspace:showSqlSession"
    CLOSE_SESSION = "DataArtsFabric:workspace:deleteSqlSession"
    USE_SESSION = "DataArtsFabric:workspace:useSession"
    """The right to submit to a session that another user has opened."""
    EXECUTE = "DataArtsFabric:workspace:executeStatement"
    SHOW_RESULT = "DataArtsFabric:workspace:showStatementResult"
    CANCEL = "DataArtsFabric:workspace:cancelStatement"
    LIST_SESSION_RECORDS = "DataArtsFabric:workspace:listSessionStatementRecords"
    LIST_RECORDS = "DataArtsFabric:workspace:listStatementRecords"
    SHOW_METRICS = "DataArtsFabric:workspace:showStatementMetrics"
    CREATE_WORKSPACE = "DataArtsFabric:workspace:create"
    LIST_WORKSPACES = "DataArtsFabric:workspace:list"
    UPDATE_WORKSPACE = "DataArtsFabric:workspace:update"
    DELETE_WORKSPACE = "DataArtsFabric:workspace:delete"
    CREATE_ENDPOINT = "DataArtsFabric:endpoint:create"
    LIST_ENDPOINTS = "DataArtsFabric:endpoint:list"
    SHOW_ENDPOINT = "DataArtsFabric:endpoint:show"
    UPDATE_ENDPOINT = "DataArtsFabric:endpoint:update"
    DELETE_ENDPOINT = "DataArtsFabric:endpoint:delete"
    CREATE_CATALOG = "DataArtsFabric:catalog:create"
    LIST_CATALOGS = "DataArtsFabric:catalog:list"
    DELETE_CATALOG = "DataArtsFabric:catalog:delete"
    MAINTAIN_CATALOG = "DataArtsFabric:catalog:maintain"


class Effect(StrEnum):
    """What a rule says of what it matches."""

    ALLOW = "Allow"
    DENY = "Deny"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Allows or denies ``actions`` on ``resources``; both are patterns, where ``*`` stands for anything.

    A resource is named ``workspace:<id>`` or ``workspace:<id>/endpoint:<id>``. A rule for a workspace
    is one for its endpoints as well; what belongs to no workspace, the making of one for instance, is
    matched by ``*`` alone.
    """

    effect: Effect
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)

    def speaks_of(self, action: str) -> bool:
        """Whether it says anything about the action, somewhere."""
        return any(_pattern(one).match(action) for one in self.actions)

    def covers(self, resource: str) -> bool:
        """Whether it speaks of the resource, and therefore of all within it."""
        return any(_pattern(one).match(resource) or _pattern(f"{one}/*").match(resource) for one in self.resources)

    def matches(self, action: str, resource: str) -> bool:
        """Whether it says anything about the action on the resource."""
        return self.speaks_of(action) and self.covers(resource)

    def may_touch(self, workspace_id: str) -> bool:
        """Whether it may speak of an endpoint of the workspace; true as well where nobody can tell."""
        within = f"{resource_of(workspace_id)}/endpoint:"
        return any(_may_begin(one, within) for one in self.resources)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A named list of rules."""

    name: str
    rules: tuple[Rule, ...]


def resource_of(workspace_id: str = "", endpoint_id: str = "") -> str:
    """The name of a workspace or of an endpoint in it, for rules; of the project itself without either."""
    if not workspace_id:
        return ""
    return f"workspace:{workspace_id}/endpoint:{endpoint_id}" if endpoint_id else f"workspace:{workspace_id}"


def allows(policies: tuple[Policy, ...], action: Action, resource: str) -> bool:
    """Whether the policies together allow the action on the resource."""
    said = {rule.effect for policy in policies for rule in policy.rules if rule.matches(action, resource)}
    return Effect.ALLOW in said and Effect.DENY not in said


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    """A pattern of rules, ready to match whole texts."""
    return re.compile(expression(text) + r"\Z", re.DOTALL)


def expression(text: str) -> str:
    """A pattern of rules as a regular expression that Python and PostgreSQL read alike."""
    return ".*".join(re.escape(piece) for piece in text.split("*"))


def _may_begin(text: str, prefix: str) -> bool:
    """Whether a pattern may match a text that begins so; true as well where nobody can tell."""
    fixed, star, _ = text.partition("*")
    return (bool(star) and prefix.startswith(fixed)) or fixed.startswith(prefix)


def _allowing(name: str, *actions: str) -> Policy:
    return Policy(name=name, rules=(Rule(effect=Effect.ALLOW, actions=actions),))


_LOOK: Final = (
    "DataArtsFabric:*:list*",
    "DataArtsFabric:*:show*",
)
_WORK: Final = (Action.CREATE_SESSION, Action.CLOSE_SESSION, Action.EXECUTE, Action.CANCEL)

BUILT_IN: Final = {
    policy.name: policy
    for policy in (
        _allowing("viewer", *_LOOK),
        _allowing("developer", *_LOOK, *_WORK),
        _allowing("operator", "DataArtsFabric:*"),
        _allowing("admin", "*"),
    )
}
"""The roles that are always there: look; work; keep workspaces, endpoints and catalogs as well; everything."""
