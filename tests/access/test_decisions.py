"""The one decision over policies: what it must be, whatever the policies are."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from treadle.model.access import BUILT_IN, Action, Effect, Policy, Rule, allows, resource_of
from treadle.model.grants import Grants

WORKSPACES = ("w1", "w2")
ENDPOINTS = ("e1", "e2", "")
ACTION_PATTERNS = (
    "*",
    "DataArtsFabric:*",
    "DataArtsFabric:workspace:*",
    "DataArtsFabric:*:list*",
    *(str(action) for action in (Action.CANCEL, Action.EXECUTE, Action.LIST_SESSIONS)),
)
RESOURCE_PATTERNS = (
    "*",
    "workspace:*",
    "workspace:w1",
    "workspace:w1/endpoint:*",
    "workspace:w1/endpoint:e1",
    "workspace:*/endpoint:e2",
    "workspace:w2",
    "*e1",
    "workspace:w",
)

rules = st.builds(
    Rule,
    effect=st.sampled_from(Effect),
    actions=st.lists(st.sampled_from(ACTION_PATTERNS), max_size=3).map(tuple),
    resources=st.lists(st.sampled_from(RESOURCE_PATTERNS), max_size=3).map(tuple),
)
policies = st.lists(st.builds(Policy, name=st.just("p"), rules=st.lists(rules, max_size=4).map(tuple)), max_size=3).map(
    tuple
)
actions = st.sampled_from(Action)
workspaces = st.sampled_from(WORKSPACES)
places = st.tuples(workspaces, st.sampled_from(ENDPOINTS))


@given(policies, actions, places)
@examples(400)
def test_grants_say_what_the_policies_say(policies: tuple[Policy, ...], action: Action, place: tuple[str, str]) -> None:
    """What is worked out once is what the plain decision says, also when it is asked again."""
    grants = Grants(policies)
    plain = allows(policies, action, resource_of(*place))
    assert grants.allows(action, *place) is plain
    assert grants.allows(action, *place) is plain


@given(policies, actions, places)
@examples(200)
def test_a_denial_wins(policies: tuple[Policy, ...], action: Action, place: tuple[str, str]) -> None:
    """Nothing added to a denial takes it away."""
    denial = Policy(name="no", rules=(Rule(effect=Effect.DENY, actions=(str(action),)),))
    assert not allows((*policies, denial), action, resource_of(*place))


@given(policies, actions, places)
@examples(200)
def test_nothing_is_allowed_that_no_rule_allows(
    policies: tuple[Policy, ...], action: Action, place: tuple[str, str]
) -> None:
    """Without the rules that allow nothing is allowed."""
    denials = tuple(
        Policy(name="d", rules=tuple(rule for rule in policy.rules if rule.effect is Effect.DENY))
        for policy in policies
    )
    assert not allows(denials, action, resource_of(*place))


@given(policies, actions, workspaces, st.sampled_from(("e1", "e2", "e3")))
@examples(400)
def test_a_rule_of_a_workspace_is_one_of_its_endpoints(
    policies: tuple[Policy, ...], action: Action, workspace: str, endpoint: str
) -> None:
    """Where no rule speaks of endpoints the workspace's decision is that of its endpoints."""
    grants = Grants(policies)
    if not grants.depends(action, workspace):
        assert grants.allows(action, workspace, endpoint) is grants.allows(action, workspace)
    if grants.allows(action, workspace, endpoint):
        assert grants.somewhere(action, workspace)
        assert grants.sees(workspace, endpoint)
        assert grants.sees(workspace)
        assert grants.anywhere(action)


@given(policies, actions, workspaces, st.sampled_from(("e1", "e2", "e3", "e1-more")))
@examples(400)
def test_the_reach_is_the_decision_as_one_expression(
    policies: tuple[Policy, ...], action: Action, workspace: str, endpoint: str
) -> None:
    """The expression that filters lists matches what is allowed, and nothing else."""
    grants = Grants(policies)
    reach = grants.reach(action, workspace)
    allowed = grants.allows(action, workspace, endpoint)
    name = resource_of(workspace, endpoint)
    assert allowed is (reach is None or re.search(reach.pattern, name) is not None)


def test_patterns_know_the_star_and_nothing_else() -> None:
    """What other languages read as a pattern is plain text here."""
    for odd in ("workspace:w?", "workspace:w[12]", "workspace:w.", "workspace:(w1|w2)", "workspace:w1\n"):
        policy = Policy(name="odd", rules=(Rule(effect=Effect.ALLOW, actions=("*",), resources=(odd,)),))
        assert not allows((policy,), Action.CANCEL, resource_of("w1"))
        assert not Grants((policy,)).sees("w1")


def test_the_built_in_roles() -> None:
    """Each role may do what the one before may, and more."""
    may = {name: {action for action in Action if Grants((policy,)).allows(action)} for name, policy in BUILT_IN.items()}
    assert may["viewer"] < may["developer"] < may["operator"] <= may["admin"] == set(Action)
    assert may["developer"] - may["viewer"] == {
        Action.CREATE_SESSION,
        Action.CLOSE_SESSION,
        Action.EXECUTE,
        Action.CANCEL,
    }
