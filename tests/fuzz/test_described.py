"""schemathesis against the served description: every answer is one that is described, and none is a fault.

All its checks are on. ``TREADLE_FUZZ_CASES`` is how many requests each operation gets, in each of two
rounds: with ids that are made up, and with those of a workspace and a session there are.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.service.caller import Caller, calling

CASES: Final = int(os.environ.get("TREADLE_FUZZ_CASES", "5"))

SUBMIT: Final = (
    # Two fields that must agree with each other.
    "statement_id: differs from the header X-Statement-Id",
    "tags: must be at most 16 tags",
    # Unicode's categories, which patterns of JSON Schema do not know.
    "tags: must be tags of 1-128 printable characters",
    # What only a parser of SQL can tell.
    "bindings: ",
)
TAKEN: Final = (
    # What there is already.
    "name: a workspace named ",
    "name: a catalog named ",
    "name: an endpoint named ",
)
ENDPOINT: Final = (
    *TAKEN,
    # Names that are the operator's settings.
    "config.engine: ",
    "reserved_resource.dpu.spec_code: ",
    # Two fields that must agree with each other.
    "reserved_resource.dpu.warm_up_num: ",
    "reserved_resource.dpu.max_num: ",
)
ANYWHERE: Final = (
    # Of fields that are described nowhere, and so may hold anything: no more than a database can keep.
    "holds an integer beyond 64 bits",
    "holds a number beyond 64 bits",
    "holds a NUL character or an unpaired surrogate",
)
UNSAID: Final[dict[str, tuple[str, ...]]] = {
    "ExecuteSqlStatement": SUBMIT,
    "ExecuteAuraSqlStatement": SUBMIT,
    "CreateWorkspace": TAKEN,
    "UpdateWorkspace": TAKEN,
    "CreateEndpoint": ENDPOINT,
    "UpdateEndpoint": ENDPOINT,
}
"""Why an operation may refuse a request that its schema allows: what a schema has no words for, by operation."""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service that waits for nothing long, and lets itself be asked often."""
    quick = {"SYNC_WAIT": "2", "MAX_WAIT": "1", "LOGIN_RATE": "1000", "STRANGER_RATE": "10000"}
    with calling(
        tmp_path_factory.mktemp("described") / "data", {f"TREADLE_{name}": value for name, value in quick.items()}
    ) as running:
        yield running


def described(caller: Caller, parameters: dict[str, str]) -> Any:
    """The description as it is served."""
    config = SchemathesisConfig.from_dict({"parameters": parameters, "request-timeout": 60})
    return schemathesis.openapi.from_url(f"{caller.service.url}/openapi.json", config=config)


def check(schema: Any, token: str) -> None:
    """Try every operation; fail with all that is wrong with the answers."""
    found = []
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                tried(operation, mode, token)
            except (Exception, BaseExceptionGroup) as wrong:
                found.append(f"{operation.label} ({mode.value}): {wrong}")
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def tried(operation: Any, mode: GenerationMode, token: str) -> None:
    """Ask for the operation again and again; raises for the smallest request whose answer is wrong."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=CASES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )
    def ask(case: Any) -> None:
        headers = {"X-Auth-Token": token}
        answer = case.call(headers=headers)
        spared = [positive_data_acceptance] if is_unsaid(case, answer) else []
        case.validate_response(answer, headers=headers, excluded_checks=spared)

    # Where nothing wrong can be said, there is nothing to be tried.
    with suppress(Unsatisfiable):
        ask()


def is_unsaid(case: Any, answer: Any) -> bool:
    """Whether a request is refused for one of the reasons that its schema has no words for."""
    if answer.status_code != 400:
        return False
    told = answer.json()["error_msg"].rpartition("code: 400, reason: ")[2]
    reasons = UNSAID.get(case.operation.definition.raw["operationId"], ())
    return told.startswith(reasons) or any(one in told for one in ANYWHERE)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_answers_to_anybody_are_described(caller: Caller) -> None:
    """Every operation, with whatever the schema allows and does not."""
    check(described(caller, {}), caller.http.headers["X-Auth-Token"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_answers_about_what_is_there_are_described(caller: Caller) -> None:
    """The same in a workspace and a session that are there."""
    there = {"workspace_id": caller.workspace_id, "session_id": caller.session().id}
    check(described(caller, there), caller.http.headers["X-Auth-Token"])
