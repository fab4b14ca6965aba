"""The service's records and the rows that can be seen, held against the ledger."""

from collections import Counter
from typing import Any, Final

import pyarrow.parquet as pq

from tests.crashes.ledger import Entry, Kind, Ledger, key_of
from tests.crashes.load import WRITERS
from tests.support.world import World
from treadle.demo.client import Session

Record = dict[str, Any]

FINAL: Final = frozenset({"SUCCESSFUL", "CANCELED", "FAILED", "ERROR"})
TOLD: Final = {0: {"SUCCESSFUL"}, 2: {"SUCCESSFUL"}, 4: {"CANCELED"}, -1: {"FAILED", "ERROR"}}
PAGE: Final = 100
READ_AGAIN: Final = 8
"""How many acknowledged results of a round are read again."""


def records(world: World) -> list[Record]:
    """Every record of the round's clients: the statements that carry a key."""
    found: list[Record] = []
    while True:
        path = f"{world.base}/statement-records?limit={PAGE}&offset={len(found)}"
        answer = world.api.get(dict[str, Any], path)
        found += answer["records"]
        if len(found) >= answer["total"] or not answer["records"]:
            return [one for one in found if "/*k" in one["statement_content"]]


def check(world: World, ledger: Ledger, writers: int = WRITERS) -> Counter[str]:
    """Assert that what was told, what is on record and what is there are one truth; counts the statuses."""
    found = records(world)
    _one_final_record_each(found, ledger)
    entries = ledger.by_key()
    expected: dict[str, int] = {}
    for record in found:
        entry = entries[key_of(record["statement_content"])]
        _agrees_with_the_client(record, entry)
        _keeps_its_word(record)
        expected |= effects_of(record, entry)
    seen = visible(world, writers)
    wrong = {name: (expected.get(name), seen.get(name)) for name in expected.keys() ^ seen.keys()} | {
        name: (expected[name], seen[name]) for name in expected.keys() & seen.keys() if expected[name] != seen[name]
    }
    assert not wrong, f"on record and seen differ (record, seen): {wrong}"
    _results_are_whole(world, ledger)
    return Counter(record["status"] for record in found)


def _one_final_record_each(found: list[Record], ledger: Ledger) -> None:
    by_id = Counter(record["id"] for record in found)
    assert not by_id or max(by_id.values()) == 1, by_id.most_common(3)
    by_key = Counter(key_of(record["statement_content"]) for record in found)
    assert not by_key or max(by_key.values()) == 1, by_key.most_common(3)
    unfinished = [record for record in found if record["status"] not in FINAL]
    assert not unfinished, unfinished
    missing = [one for one in ledger.entries if one.statement_id and one.statement_id not in by_id]
    assert not missing, missing


def _agrees_with_the_client(record: Record, entry: Entry) -> None:
    assert entry.statement_id in (None, record["id"]), (entry, record)
    if entry.told is not None:
        assert record["status"] in TOLD[entry.told], (entry, record)
    if entry.verdict is not None:
        assert record["status"] == entry.verdict.state, (entry, record)


def _keeps_its_word(record: Record) -> None:
    """C2, C7, C12: the clauses that a record alone can break."""
    status, effects = record["status"], record.get("effects")
    assert effects in {"none", "committed", "partial"}, record  # nothing of this load is untellable
    if status == "CANCELED":
        assert effects != "committed", record
    if status == "SUCCESSFUL":
        assert effects != "partial", record
    if record.get("cancel_requested_at") and status == "ERROR":
        # Asked to stop and lost with its gateway, that is a stop; only a worker that had died before is an error.
        assert record["reason"] == "worker_crashed", record


def effects_of(record: Record, entry: Entry) -> dict[str, int]:
    """What must be there, by what the record says."""
    match record["effects"]:
        case "none":
            return {}
        case "committed":
            return {name: size for part in entry.pieces for name, size in part.items()}
        case _:
            parts = record.get("parts", [])
            kept = [n for n, part in enumerate(parts) if part["effects"] == "committed"]
            assert kept, record
            return {name: size for n in kept for name, size in entry.pieces[n].items()}


def visible(world: World, writers: int) -> dict[str, int]:
    """Everything of the round that can be seen, with its rows; fails where a row is there twice."""
    with world.session() as session:
        seen: dict[str, int] = {}
        for key, rows, distinct in _all(session, "SELECT k, count(*), count(DISTINCT i) FROM written GROUP BY k"):
            assert rows == distinct, f"rows {key} are there more than once"
            seen[f"rows {key}"] = rows
        tables = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'made%'"
        for (name,) in _texts(session, tables):
            ((size,),) = _all(session, f"SELECT count(*) FROM {name}")
            seen[f"table {name}"] = size
        for writer in range(writers):
            ((marks,),) = _texts(session, f"SELECT keys FROM marks_{writer}")
            counted = Counter(marks.split(",")[1:])
            seen |= {f"mark {key}": times for key, times in counted.items()}
    for file in world.files.glob("*.parquet"):
        seen[f"file {file.name}"] = pq.read_metadata(file).num_rows
    return seen


def _texts(session: Session, sql: str) -> list[list[str]]:
    first = session.run(sql)
    rows = list(first.rows)
    for page in range(2, first.page_count + 1):
        rows += session.show(first.statement_id, page).last.rows
    return [[value or "" for value in row] for row in rows]


def _all(session: Session, sql: str) -> list[list[int]]:
    return [[int(value) for value in row] for row in _texts(session, sql)]


def _results_are_whole(world: World, ledger: Ledger) -> None:
    """An acknowledged result is read again, its last page too."""
    selects = [one for one in ledger.acknowledged() if one.kind is Kind.SELECT]
    for entry in selects[-READ_AGAIN:]:
        session = Session(world.api, world.workspace_id, entry.session_id)
        first = session.show(entry.statement_id or "").last
        assert first.num_rows == entry.rows, (entry, first.num_rows)
        last = session.show(entry.statement_id or "", first.page_count).last
        assert last.rows[-1] == [str(entry.rows - 1)], entry
