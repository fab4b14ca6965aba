"""schemathesis against the served description: every answer is one that is described, and none is a fault.

``TREADLE_FUZZ_CASES`` is how many requests each operation gets, in each of two rounds: with ids that are
made up, and with those of a workspace and a session there are.
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

from tests.service.caller import Caller, calling

CASES: Final = int(os.environ.get("TREADLE_FUZZ_CASES", "5"))

CHECKS: Final[dict[str, Any]] = {
    # What cannot be told from the schema is wrong as a request all the same: 400, or 408 for a wait that was too long.
    "positive_data_acceptance": {
        "expected-statuses": ["2xx", "400", "401", "403", "404", "408", "409", "429"],
    },
    # Numeric strings are taken for numbers, nulls for absence: what is outside the schema may well be right.
    "negative_data_rejection": {"enabled": False},
    # It sends a wrong signature beside a right token, and a token decides alone. Who is served without either
    # is in `tests.access.matrix`.
    "ignored_auth": {"enabled": False},
}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service that waits for nothing long."""
    quick = {"TREADLE_SYNC_WAIT": "2", "TREADLE_MAX_WAIT": "1", "TREADLE_LOGIN_RATE": "1000"}
    with calling(tmp_path_factory.mktemp("described") / "data", quick) as running:
        yield running


def described(caller: Caller, parameters: dict[str, str]) -> Any:
    """The description as it is served, for a caller with a token."""
    config = SchemathesisConfig.from_dict(
        {
            "headers": {"X-Auth-Token": caller.http.headers["X-Auth-Token"]},
            "parameters": parameters,
            "checks": CHECKS,
            "request-timeout": 60,
        }
    )
    return schemathesis.openapi.from_url(f"{caller.service.url}/openapi.json", config=config)


def check(schema: Any) -> None:
    """Try every operation; fail with all that is wrong with the answers."""
    found = []
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                tried(operation, mode)
            except (Exception, BaseExceptionGroup) as wrong:
                found.append(f"{operation.label} ({mode.value}): {wrong}")
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def tried(operation: Any, mode: GenerationMode) -> None:
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
        case.call_and_validate()

    # Where nothing wrong can be said, there is nothing to be tried.
    with suppress(Unsatisfiable):
        ask()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_answers_to_anybody_are_described(caller: Caller) -> None:
    """Every operation, with whatever the schema allows and does not."""
    check(described(caller, {}))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_answers_about_what_is_there_are_described(caller: Caller) -> None:
    """The same in a workspace and a session that are there."""
    there = {"workspace_id": caller.workspace_id, "session_id": caller.session().id}
    check(described(caller, there))
