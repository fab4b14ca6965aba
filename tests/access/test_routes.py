"""Every operation for every kind of caller, and that a refusal does nothing."""

from pathlib import Path
from typing import Any

import pytest

from tests.access.matrix import COLUMNS, MATRIX
from tests.access.rig import Rig, rigged

REFUSALS = (401, 403, 404)


def rows(rig: Rig) -> tuple[Any, ...]:
    """Everything the store holds but the audit."""
    memory = rig.memory
    return tuple(dict(table) for table in (memory._workspaces, memory._endpoints, memory._sessions, memory._statements))


async def test_every_operation_is_in_the_matrix(tmp_path: Path) -> None:
    """A new operation needs a line that says who may call it."""
    async with rigged(tmp_path) as rig, rig.client(None) as client:
        described = (await client.get("/openapi.json")).json()
        served = {operation["operationId"] for item in described["paths"].values() for operation in item.values()}
        assert served == set(MATRIX)


@pytest.mark.parametrize("operation", MATRIX)
async def test_each_caller_gets_the_answer_written_down(operation: str, tmp_path: Path) -> None:
    """The answer to everybody is the one in the matrix, and whoever is refused has changed nothing."""
    line = MATRIX[operation]
    found = {}
    for column in COLUMNS:
        async with rigged(tmp_path) as rig:
            place = rig.a.places[1 if column == "one elsewhere" else 0]
            name = {"one elsewhere": "one", "without a token": None}.get(column, column)
            before = rows(rig)
            asked = line.ask(rig.a, place)
            async with rig.client(name) as client:
                answer = await client.request(asked.method, asked.path, json=asked.body)
            found[column] = answer.status_code
            if answer.status_code in REFUSALS:
                assert rows(rig) == before, column
    assert found == dict(zip(COLUMNS, line.answers, strict=True))
