"""Files of results that are missing or not what was written: a clear error about the result, and nothing more."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.service.caller import Caller, Sql
from tests.support.world import log_of, until

QUERY = "SELECT i, md5(i::text) AS s, [i, i + 1] AS l FROM range(3000) t(i)"


def emptied(file: Path) -> None:
    """Leave nothing in it."""
    file.write_bytes(b"")


def halved(file: Path) -> None:
    """Leave the first half."""
    os.truncate(file, file.stat().st_size // 2)


def overwritten(file: Path) -> None:
    """Put other bytes in its place."""
    file.write_bytes(random.Random(1).randbytes(file.stat().st_size))


def scrambled(file: Path) -> None:
    """Change bytes all over its body: lengths, places and texts, not its beginning and end."""
    content = bytearray(file.read_bytes())
    for at in range(1000, len(content) - 2000, 37):
        content[at] ^= 0xFF
    file.write_bytes(content)


DAMAGES: tuple[Callable[[Path], None], ...] = (emptied, halved, overwritten, scrambled)


def told(answer: httpx.Response, statement_id: str, how: str) -> None:
    """The documented shape, and which result it is."""
    assert answer.status_code == 404, answer.text
    assert answer.json() == {
        "error_code": "common.01000001",
        "error_msg": f"the result of statement {statement_id}_1 cannot be read: its file is {how}; "
        "run the statement again",
    }


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_an_error_about_the_result(caller: Caller, sql: Sql, damage: Callable[[Path], None]) -> None:
    """Whatever page is asked for; the service goes on, and its log tells of the file and shows no traceback."""
    statement_id = sql.execute(QUERY)["statement_id"]
    path = f"{sql.path}/statements/{statement_id}"
    [file] = caller.results.rglob(f"{statement_id}/1.arrow")
    damage(file)
    for page in (1, 3, 2):
        told(caller.http.get(path, params={"page_num": page}), statement_id, "damaged")
    assert sql.rows("SELECT 42") == [["42"]]
    lines = until(lambda: warnings(caller, "result_damaged", statement_id), "the log tells of it")
    assert lines[0]["level"] == "warning"
    assert not any("Traceback" in str(line) for line in lines)


@pytest.mark.parametrize("name", ["1.arrow", "1.index"])
def test_a_missing_file_is_an_error_about_the_result(caller: Caller, sql: Sql, name: str) -> None:
    """It has not expired, and that is not said; nor is the place of a file told that is not there."""
    statement_id = sql.execute(QUERY)["statement_id"]
    path = f"{sql.path}/statements/{statement_id}"
    [file] = caller.results.rglob(f"{statement_id}/{name}")
    file.unlink()
    told(caller.http.get(path), statement_id, "missing")
    if name == "1.arrow":
        told(caller.http.get(path, params={"is_enable_obs_path": "true"}), statement_id, "missing")
    assert warnings(caller, "result_missing", statement_id)


def test_an_index_that_is_not_its_own_is_an_error(caller: Caller, sql: Sql) -> None:
    """Never other rows than there were, and never a short page that looks whole."""
    statement_id = sql.execute(QUERY)["statement_id"]
    path = f"{sql.path}/statements/{statement_id}"
    [index] = caller.results.rglob(f"{statement_id}/1.index")
    whole = index.read_bytes()
    for content in (b"", whole[:-3], whole[:8], b"\xff" * len(whole), whole[8:] + whole[:8]):
        index.write_bytes(content)
        told(caller.http.get(path, params={"page_num": 2}), statement_id, "damaged")
    index.write_bytes(whole)
    assert len(sql.show(statement_id, page_num=2)["results"][0]["result_set"]["rows"]) == 1000


def test_what_arrow_thinks_wrong_is_no_damage(sql: Sql) -> None:
    """Values the engine has and Arrow's own check refuses: 24:00, and integers of 39 digits."""
    query = "SELECT time '24:00:00' AS t, 170141183460469231731687303715884105727::hugeint AS h FROM range(3000)"
    statement_id = sql.execute(query)["statement_id"]
    assert sql.show(statement_id, page_num=3)["results"][0]["result_set"]["rows"][0] == [
        "24:00:00",
        "170141183460469231731687303715884105727",
    ]


def warnings(caller: Caller, event: str, statement_id: str) -> list[dict[str, object]]:
    """What the service has logged of the files of a statement."""
    return [one for one in log_of(caller.service) if one["event"] == event and one["statement_id"] == statement_id]
