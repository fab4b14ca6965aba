"""What the policies of one caller come to: worked out once, then asked at every request. Pure.

Most policies speak of everything (``*``). Then a decision is one look into a table, and it is the same
in the whole project. The others are decided by the name of the resource, and remembered.
"""

from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Final, Self

import msgspec

from treadle.model.access import Action, Effect, Policy, Rule, allows, expression, resource_of

REMEMBERED_MOST: Final = 10_000
"""Decisions one caller's grants remember."""


class Reach(msgspec.Struct, frozen=True, dict=True):
    """Where an action is allowed: on the resources that one of ``allowed`` names and none of ``denied`` does."""

    allowed: tuple[str, ...]
    denied: tuple[str, ...] = ()

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> Self:
        """What the rules that speak of an action allow."""
        by_effect: dict[Effect, list[str]] = {Effect.ALLOW: [], Effect.DENY: []}
        for rule in rules:
            by_effect[rule.effect] += rule.resources
        return cls(tuple(by_effect[Effect.ALLOW]), tuple(by_effect[Effect.DENY]))

    @cached_property
    def pattern(self) -> str:
        """The whole as one regular expression over the names of resources, for Python and PostgreSQL alike."""
        refused = f"(?!{_any_of(self.denied)}$)" if self.denied else ""
        return f"^{refused}{_any_of(self.allowed)}$"


class Grants:
    """The decisions over one caller's policies."""

    def __init__(self, policies: tuple[Policy, ...]) -> None:
        self._policies = policies
        self._rules = {
            action: tuple(rule for policy in policies for rule in policy.rules if rule.speaks_of(action))
            for action in Action
        }
        self._everywhere = {
            action: any(rule.effect is Effect.ALLOW for rule in rules)
            and not any(rule.effect is Effect.DENY for rule in rules)
            for action, rules in self._rules.items()
            if all("*" in rule.resources for rule in rules)
        }
        self._known: dict[tuple[Action, str, str], bool] = {}

    def allows(self, action: Action, workspace_id: str = "", endpoint_id: str = "") -> bool:
        """Whether the action is allowed on an endpoint of a workspace, on a workspace, or (neither) in the project."""
        same = self._everywhere.get(action)
        return same if same is not None else self._decided(action, workspace_id, endpoint_id)

    def _decided(self, action: Action, workspace_id: str, endpoint_id: str) -> bool:
        key = (action, workspace_id, endpoint_id)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= REMEMBERED_MOST:
                self._known.clear()
            known = allows(self._policies, action, resource_of(workspace_id, endpoint_id))
            self._known[key] = known
        return known

    def depends(self, action: Action, workspace_id: str) -> bool:
        """Whether it may matter which endpoint of the workspace it is about."""
        if action in self._everywhere:
            return False
        workspace = resource_of(workspace_id)
        return any(not rule.covers(workspace) and rule.may_touch(workspace_id) for rule in self._rules[action])

    def somewhere(self, action: Action, workspace_id: str) -> bool:
        """Whether the action may be allowed on the workspace or on one of its endpoints."""
        if self.allows(action, workspace_id):
            return True
        if not self.depends(action, workspace_id):
            return False
        workspace = resource_of(workspace_id)
        rules = self._rules[action]
        return any(rule.effect is Effect.ALLOW and rule.may_touch(workspace_id) for rule in rules) and not any(
            rule.effect is Effect.DENY and rule.covers(workspace) for rule in rules
        )

    def same_everywhere(self, action: Action) -> bool:
        """Whether no rule makes a difference between one resource and another."""
        return action in self._everywhere

    def anywhere(self, action: Action) -> bool:
        """Whether the action may be allowed on anything at all."""
        same = self._everywhere.get(action)
        return same if same is not None else any(rule.effect is Effect.ALLOW for rule in self._rules[action])

    def sees(self, workspace_id: str, endpoint_id: str = "") -> bool:
        """Whether anything at all is allowed there: if not, it looks as if it did not exist."""
        if not workspace_id:
            return True
        if endpoint_id:
            return any(self.allows(action, workspace_id, endpoint_id) for action in Action)
        return any(self.somewhere(action, workspace_id) for action in Action)

    def reach(self, action: Action, workspace_id: str) -> Reach | None:
        """Where in the workspace the action is allowed; None when it is on all of it."""
        if self.allows(action, workspace_id) and not self.depends(action, workspace_id):
            return None
        return Reach.of(self._rules[action])


@lru_cache(maxsize=4096)
def grants_of(policies: tuple[Policy, ...]) -> Grants:
    """The grants of a caller's policies, the same for the same policies."""
    return Grants(policies)


def _any_of(resources: tuple[str, ...]) -> str:
    """The names that one of the patterns names, and what lies within them."""
    return "(?:" + "|".join(f"{expression(one)}(?:/.*)?" for one in resources) + ")"
