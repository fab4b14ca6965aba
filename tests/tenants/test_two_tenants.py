"""What is another tenant's looks exactly like what does not exist: by answer, by header, by work done."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.access.matrix import MATRIX, Asked
from tests.access.rig import Place, Rig, Tenant, rigged
from tests.store.things import endpoint, session, statement, workspace
from treadle.model.entities import Statement

OWN = ("date", "x-request-id", "content-length", "x-cancel-millis")
"""Headers that differ between any two requests."""


class Seen(NamedTuple):
    """An answer without what differs between any two requests, and what it cost."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    asked: Counter[str]


def nothing_there() -> Tenant:
    """A tenant there is not: ids and names of the same form as those of one there is."""
    home = workspace(project_id="project-c", name="room-of-c")
    found = endpoint(home.id, name="endpoint-c-0")
    opened = session(found)
    waiting, ended = statement(opened, chosen_id="chosen-c-0"), statement(opened)
    return Tenant(home, (Place(found, opened, waiting, ended),))


def words_of(tenant: Tenant) -> Iterator[tuple[str, str]]:
    """Everything that is a tenant's alone, and what stands for it."""
    name = tenant.workspace.project_id.removeprefix("project-")
    yield tenant.workspace.id, "<workspace>"
    for place in tenant.places:
        yield place.endpoint.id, "<endpoint>"
        yield place.session.id, "<session>"
        yield place.waiting.id, "<statement>"
        yield place.ended.id, "<ended>"
    for word in ("room-of", "user-of", "tag-of", "project", "name-of", "secret of", "ended of", "chosen", "endpoint"):
        yield f"{word}-{name}" if " " not in word else f"{word} {name}", f"<{word}>"


def without(text: str, tenant: Tenant) -> str:
    """The text with the tenant's words replaced by what stands for them."""
    for word, placeholder in words_of(tenant):
        text = text.replace(word, placeholder)
    # What the service makes anew: ids, times, durations.
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<new>", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<now>", re.sub(r'"millis":[\d.]+', '"millis":0', text))


async def seen(rig: Rig, asked: Asked, about: Tenant, headers: dict[str, str] | None = None) -> Seen:
    """What the stranger sees who asks that."""
    await rig.service.deps.audit.flush()
    rig.spy.asked.clear()
    async with rig.client("stranger") as client:
        answer = await client.request(asked.method, asked.path, json=asked.body, headers=headers)
    kept = tuple(sorted((k, without(v, about)) for k, v in answer.headers.items() if k not in OWN))
    body = without(without(answer.text, about), rig.b)
    told = Counter({name: number for name, number in rig.spy.asked.items() if name != "add_audit"})
    return Seen(answer.status_code, kept, body, told)


def tables(rig: Rig) -> tuple[Any, ...]:
    """Everything of the first tenant that is stored."""
    memory, home = rig.memory, rig.a.workspace.id
    return (
        memory._workspaces[home],
        [one for one in memory._endpoints.values() if one.workspace_id == home],
        [one for one in memory._sessions.values() if one.workspace_id == home],
        [one for one in memory._statements.values() if one.workspace_id == home],
        [one for one in memory._catalogs.values() if one.workspace_id == home],
        {grave for grave in memory._tombstones if grave[0] in {place.session.id for place in rig.a.places}},
    )


@pytest.mark.parametrize("operation", MATRIX)
async def test_foreign_ids_look_like_unknown_ones(operation: str, tmp_path: Path) -> None:
    """Each operation on the other tenant's things: same status, headers, body and work as on what is not there."""
    line = MATRIX[operation]
    async with rigged(tmp_path) as rig:
        before = tables(rig)
        foreign = await seen(rig, line.ask(rig.a, rig.a.places[0]), rig.a)
        assert tables(rig) == before
    async with rigged(tmp_path) as rig:
        nobody = nothing_there()
        assert await seen(rig, line.ask(nobody, nobody.places[0]), nobody) == foreign


class Case(NamedTuple):
    """A request of the stranger's about things that are partly his own, with the rest in braces."""

    method: str
    path: str
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


B = "/v1/workspaces/{bw}"
S = B + "/sessions/{bs}"
V2 = "/v2/workspaces/{bw}"
EXECUTE = {"session_id": "{bs}", "statement": "SELECT 1", "is_sync": False}

CASES = {
    # the other's ids in a workspace of one's own
    "session in own workspace": Case("GET", B + "/sessions/{s}"),
    "close session": Case("DELETE", B + "/sessions/{s}"),
    "endpoint in own workspace": Case("GET", B + "/endpoints/{e}"),
    "delete endpoint": Case("DELETE", B + "/endpoints/{e}"),
    "update endpoint": Case("PUT", B + "/endpoints/{e}", {"description": "x"}),
    "statement in own session": Case("GET", S + "/statements/{d}"),
    "chosen statement in own session": Case("GET", S + "/statements/{t}"),
    "part of a statement": Case("GET", S + "/statements/{d}_1"),
    "statement in the other's session": Case("GET", B + "/sessions/{s}/statements/{d}"),
    "cancel in own session": Case("POST", S + "/statements/{t}/cancel", {}),
    "cancel in the other's session": Case("POST", B + "/sessions/{s}/statements/{t}/cancel", {}),
    "cancel before submit": Case("POST", B + "/sessions/{s}/statements/{t}/cancel?before_submit=true", {}),
    "own tombstone under the other's id": Case("POST", S + "/statements/{t}/cancel?before_submit=true", {}),
    "cancel a session": Case("POST", B + "/sessions/{s}/cancel", {}),
    "session records": Case("GET", B + "/sessions/{s}/statements"),
    # one's own ids in the other's workspace
    "own session in the other's workspace": Case("GET", "/v1/workspaces/{w}/sessions/{bs}"),
    "own statement in the other's workspace": Case("GET", "/v1/workspaces/{w}/sessions/{bs}/statements/{bd}"),
    "cancel own in the other's workspace": Case("POST", "/v1/workspaces/{w}/sessions/{bs}/statements/{bt}/cancel"),
    "submit to own session there": Case("POST", "/v1/workspaces/{w}/sessions/statements", EXECUTE),
    # bodies
    "open on the other's endpoint": Case(
        "POST",
        B + "/sessions",
        {
            "endpoint_id": "{e}",
            "lake_formation_config": {"instance_id": "default", "catalog": "default"},
            "wait_timeout": 300,
        },
    ),
    "submit to the other's session": Case("POST", B + "/sessions/statements", EXECUTE | {"session_id": "{s}"}),
    "submit under the other's chosen id": Case("POST", B + "/sessions/statements", EXECUTE | {"statement_id": "{t}"}),
    "cancel many by id": Case("POST", B + "/statements/cancel", {"statement_ids": ["{t}", "{d}"]}),
    "cancel many by session": Case("POST", B + "/statements/cancel", {"session_id": "{s}"}),
    "cancel many by endpoint": Case("POST", B + "/statements/cancel", {"endpoint_id": "{e}"}),
    "cancel many by tag": Case("POST", B + "/statements/cancel", {"tags": ["{tag}"]}),
    "cancel many by user": Case("POST", B + "/statements/cancel", {"user_name": "{user}"}),
    "plan to cancel many": Case("POST", B + "/statements/cancel", {"statement_ids": ["{t}"], "dry_run": True}),
    "cancel everything there": Case("POST", "/v1/workspaces/{w}/statements/cancel", {}),
    "workspace of the same name": Case("POST", "/v1/workspaces", {"name": "{room}"}),
    "endpoint of the same name": Case("POST", B + "/endpoints", {"name": "{name}", "type": "sql"}),
    # version 2
    "aura: session": Case("GET", V2 + "/aura-sessions/{s}"),
    "aura: close": Case("DELETE", V2 + "/aura-sessions/{s}"),
    "aura: open on the other's endpoint": Case(
        "POST",
        V2 + "/aura-sessions",
        {"endpoint_name": "{name}", "catalog_context": {"catalog_name": "default"}, "wait_timeout": 300},
    ),
    "aura: submit to the other's session": Case(
        "POST", V2 + "/aura-sessions/statements", EXECUTE | {"session_id": "{s}"}
    ),
    "aura: statement in own session": Case("GET", V2 + "/aura-sessions/{bs}/statements/{d}"),
    "aura: cancel in own session": Case("POST", V2 + "/aura-sessions/{bs}/statements/{t}/cancel"),
    "aura: query metrics": Case("GET", V2 + "/aura-sessions/{bs}/statements/{d}/query-metrics"),
    "aura: operator metrics": Case("GET", V2 + "/aura-sessions/{s}/statements/{d}/operator-metrics"),
    "aura: sessions by endpoint name": Case("GET", V2 + "/aura-sessions?endpoint_name={name}"),
    "aura: sessions by endpoint id": Case("GET", V2 + "/aura-sessions?endpoint_name={bname}&endpoint_id={e}"),
    "aura: sessions after a marker": Case("GET", V2 + "/aura-sessions?endpoint_name={bname}&marker={s}"),
    "aura: records by endpoint name": Case("GET", V2 + "/aura-statement-records?endpoint_name={name}"),
    "aura: records after a marker": Case("GET", V2 + "/aura-statement-records?endpoint_name={bname}&marker={d}"),
    "aura: records after a chosen one": Case("GET", V2 + "/aura-statement-records?endpoint_name={bname}&marker={t}"),
    "aura: records by session": Case("GET", V2 + "/aura-statement-records?endpoint_name={bname}&session_id={s}"),
    "aura: session records after a marker": Case("GET", V2 + "/aura-sessions/{bs}/statements?marker={d}"),
    # headers
    "the other's id in a header": Case("POST", B + "/sessions/statements", EXECUTE, (("X-Statement-Id", "{t}"),)),
    "the other's key": Case("POST", B + "/sessions/statements", EXECUTE, (("Idempotency-Key", "{key}"),)),
    "the other's tag": Case("POST", B + "/sessions/statements", EXECUTE, (("X-Statement-Tags", "{tag}"),)),
    "the other's project": Case("GET", "/v1/workspaces", None, (("X-Project-Id", "{project}"),)),
    # queries
    "workspaces by id": Case("GET", "/v1/workspaces?id={w}"),
    "workspaces by name": Case("GET", "/v1/workspaces?name={room}"),
    "endpoints by id": Case("GET", B + "/endpoints?endpoint_id={e}"),
    "endpoints by name": Case("GET", B + "/endpoints?name={name}"),
    "sessions by endpoint": Case("GET", B + "/sessions?endpoint_id={e}"),
    "sessions by id": Case("GET", B + "/sessions?session_id={s}"),
    "records by id": Case("GET", B + "/statement-records?statement_id={d}"),
    "records by chosen id": Case("GET", B + "/statement-records?statement_id={t}"),
    "records by endpoint": Case("GET", B + "/statement-records?endpoint_id={e}"),
    "records by tag": Case("GET", B + "/statement-records?tag={tag}"),
    "session records by id": Case("GET", S + "/statements?statement_id={d}"),
    "session records by tag": Case("GET", S + "/statements?tag={tag}"),
}


def asked_of(case: Case, rig: Rig, about: Tenant) -> tuple[Asked, dict[str, str]]:
    """The request, with the ids of the tenant it is about."""
    place, own = about.places[0], rig.b.places[0]
    name = about.workspace.project_id.removeprefix("project-")
    values = {
        "w": about.workspace.id,
        "e": place.endpoint.id,
        "s": place.session.id,
        "t": place.waiting.public_id,
        "d": place.ended.public_id,
        "room": f"room-of-{name}",
        "name": f"endpoint-{name}-0",
        "tag": f"tag-of-{name}",
        "user": f"user-of-{name}",
        "key": f"key-of-{name}",
        "project": f"project-{name}",
        "bw": rig.b.workspace.id,
        "bname": own.endpoint.name,
        "bs": own.session.id,
        "bt": own.waiting.public_id,
        "bd": own.ended.public_id,
    }

    def fill(value: Any) -> Any:
        match value:
            case str():
                return value.format(**values)
            case dict():
                return {key: fill(inner) for key, inner in value.items()}
            case list():
                return [fill(inner) for inner in value]
            case _:
                return value

    return Asked(case.method, fill(case.path), fill(case.body)), {key: fill(value) for key, value in case.headers}


@pytest.mark.parametrize("name", CASES)
async def test_a_mixture_of_own_and_foreign_tells_nothing(name: str, tmp_path: Path) -> None:
    """The other's ids, names, tags and keys, wherever one may say them: as if there were none, and nothing is done."""
    case = CASES[name]
    async with rigged(tmp_path) as rig:
        await keyed(rig)
        before = tables(rig)
        asked, headers = asked_of(case, rig, rig.a)
        foreign = await seen(rig, asked, rig.a, headers)
        assert tables(rig) == before
    async with rigged(tmp_path) as rig:
        nobody = nothing_there()
        asked, headers = asked_of(case, rig, nobody)
        assert await seen(rig, asked, nobody, headers) == foreign


async def keyed(rig: Rig) -> Statement | None:
    """A statement of the first tenant under an idempotency key."""
    place = rig.a.places[0]
    body = {"session_id": place.session.id, "statement": "SELECT 2", "is_sync": False}
    async with rig.client("operator") as client:
        answer = await client.post(
            f"{rig.a.base}/sessions/statements", json=body, headers={"Idempotency-Key": "key-of-a"}
        )
    assert answer.status_code == 200
    return rig.memory._statements[answer.json()["statement_id"]]


@pytest.mark.parametrize("operation", MATRIX)
async def test_nothing_of_the_other_tenant_is_in_any_answer(operation: str, tmp_path: Path) -> None:
    """Whatever is asked of one's own things: no id, name, tag or text of the other's is in the answer."""
    async with rigged(tmp_path) as rig:
        asked = MATRIX[operation].ask(rig.b, rig.b.places[0])
        async with rig.client("stranger") as client:
            answer = await client.request(asked.method, asked.path, json=asked.body)
        assert answer.status_code < 500
        told = answer.text + repr(answer.headers)
        assert [word for word, _ in words_of(rig.a) if word in told] == []
