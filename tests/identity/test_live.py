"""Users, tokens and signatures against a real service, with what the official SDK signs."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from tests.identity.live import PROJECT, Line, key, line, treadle, user
from tests.support.signing import Key, changed, sign, vectors
from tests.support.world import log_of, until
from treadle.demo.local import LocalService

PASSWORD = "correct horse"
COUNT = int(os.environ.get("SIGNATURE_VECTORS", "200"))
LAKE = {"instance_id": "default", "catalog": "default"}
PATHS = ("/v1/workspaces", "/v1/workspaces/{}/sessions", "/v1/workspaces/{}/sessions/x-{}/statements/s%2F{}")
"""Paths that there is an operation for, so that the question who calls comes up."""

WRONG = "verify aksk signature fail"
LOCKED = "AK access failed to reach the limit,forbidden"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """A service with a user of his own for each test."""
    with LocalService(tmp_path_factory.mktemp("identity") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def ann(service: LocalService) -> Key:
    """The access key of ``ann``, made while the service runs."""
    user(service, "ann", PASSWORD)
    return key(service, "ann")


@pytest.fixture
def wire(service: LocalService) -> Iterator[Line]:
    """A connection."""
    with line(service) as made:
        yield made


def workspace(wire: Line, signer: Key, name: str) -> str:
    """A new workspace."""
    made = wire.signed(signer, "POST", "/v1/workspaces", {"name": name})
    assert made.status == 200, made.body
    return str(made.json["id"])


def test_the_whole_life_of_a_session_by_signature(wire: Line, ann: Key) -> None:
    """Workspace, endpoint, session, statement, result, cancel, close."""
    room = f"/v1/workspaces/{workspace(wire, ann, 'life')}"

    def done(method: str, path: str, body: object = None, **more: Any) -> Any:
        answer = wire.signed(ann, method, f"{room}{path}", body, **more)
        assert answer.status in {200, 202}, answer.body
        return answer.json if answer.body else answer.headers

    endpoint = done("POST", "/endpoints", {"name": "main", "type": "sql"})["id"]
    session = done("POST", "/sessions", {"endpoint_id": endpoint, "lake_formation_config": LAKE})["session_id"]
    reply = done("POST", "/sessions/statements", {"session_id": session, "statement": "SELECT 42 AS é"})
    assert reply["results"][0]["result_set"]["rows"] == [["42"]]
    shown = done("GET", f"/sessions/{session}/statements/{reply['statement_id']}", query=[("page_num", 1)])
    assert shown["results"][0]["result_set"]["rows"] == [["42"]]
    endless = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"
    started = done("POST", "/sessions/statements", {"session_id": session, "statement": endless, "is_sync": False})
    cancel = f"/sessions/{session}/statements/{started['statement_id']}/cancel"
    assert done("POST", cancel, {})["x-cancel-outcome"] == "cancelled"
    assert done("POST", cancel, {})["x-cancel-outcome"] == "already_cancelled"
    done("DELETE", f"/sessions/{session}")
    done("DELETE", f"/endpoints/{endpoint}")


def test_what_the_sdk_signs_is_accepted_and_one_changed_bit_is_not(wire: Line, ann: Key) -> None:
    """Odd paths, queries, headers and bodies against the server, each with a bit of some part changed as well."""
    random = Random(5)
    tried = set()
    for one in vectors(ann, wire.host, COUNT, PATHS, seed=random.randrange(10**6)):
        # Where there is no such operation nobody asks who calls.
        plain = wire.with_token("wrong", one.method, one.target.decode("latin-1"))
        if plain.status != 401:
            continue
        right = wire.send(one)
        assert right.status != 401, (one, right.body)
        parts = [(part, other) for part, other in changed(one, random) if part != "path"]
        # Keys and ports differ from run to run, and what is drawn with them: what was not tried yet comes first.
        part, other = random.choice([found for found in parts if found[0] not in tried] or parts)
        tried.add(part)
        assert wire.send(other).refusal.startswith(WRONG), (part, one, other)
    assert {"signature", "access key", "x-sdk-date", "user-agent", "query", "body"} <= tried


def test_five_bad_signatures_lock_a_key_and_the_log_says_so(service: LocalService, wire: Line) -> None:
    """No other key suffers, and the token of the same user goes on."""
    user(service, "lou", PASSWORD)
    locked, other = key(service, "lou"), key(service, "lou")
    token = wire.log_in("lou", PASSWORD).headers["x-subject-token"]
    guess = msgspec.structs.replace(locked, secret="guess")
    for _ in range(5):
        assert wire.signed(guess, "GET", "/v1/workspaces").refusal == WRONG
    for signer in (guess, locked):
        assert wire.signed(signer, "GET", "/v1/workspaces").refusal == LOCKED
    assert wire.signed(other, "GET", "/v1/workspaces").status == 200
    assert wire.with_token(token, "GET", "/v1/workspaces").status == 200
    (said,) = [entry for entry in log_of(service) if entry["event"] == "credential_locked"]
    assert (said["access"], said["known"], said["address"]) == (locked.access, True, "127.0.0.1")


def test_an_unknown_key_is_refused_like_a_wrong_signature(wire: Line, ann: Key) -> None:
    """The same words, and the same in the end."""
    unknown = Key("NOBODY00000000000000", ann.secret)
    for _ in range(5):
        assert wire.signed(unknown, "GET", "/v1/workspaces").refusal == WRONG
    assert wire.signed(unknown, "GET", "/v1/workspaces").refusal == LOCKED


def test_a_date_that_is_too_far_off_is_refused(wire: Line, ann: Key) -> None:
    """However right the signature."""
    old = {"X-Sdk-Date": "20200101T000000Z"}
    assert wire.signed(ann, "GET", "/v1/workspaces", headers=old).refusal.startswith(f"{WRONG}: X-Sdk-Date")


def test_what_does_something_is_done_once(service: LocalService, wire: Line, ann: Key) -> None:
    """Overheard and sent again over another connection it is refused; what only reads is not."""
    request = sign(ann, "POST", wire.host, "/v1/workspaces", body=b'{"name":"replayed"}')
    reading = sign(ann, "GET", wire.host, "/v1/workspaces")
    assert wire.send(request).status == 200
    assert wire.send(reading).status == 200
    with line(service) as another:
        assert another.send(request).refusal == f"{WRONG}: this very request has been made already"
        assert another.send(reading).status == 200
    listed = wire.signed(ann, "GET", "/v1/workspaces", query=[("name", "replayed")])
    assert listed.json["total"] == 1


def test_an_honest_program_may_do_the_same_twice_in_a_second(wire: Line, ann: Key) -> None:
    """Over its own connection: two requests that are signed alike are two requests."""
    request = sign(ann, "POST", wire.host, "/v1/workspaces", body=b'{"name":"twice in a second"}')
    assert wire.send(request).status == 200
    assert wire.send(request).status in {400, 409}  # done again: the name is taken now


def test_the_project_is_the_signers_to_choose(service: LocalService, wire: Line) -> None:
    """Among his own; another's and none at all are forbidden alike. The SDK finds one by its name."""
    made = user(service, "zoe", role="developer")
    other = treadle(service, "project", "create", "zoes-second")
    foreign = treadle(service, "project", "create", "nobodys")
    treadle(service, "user", "grant", "--project", "zoes-second", "--name", "zoe", "--role", "operator")
    signer = key(service, "zoe")
    (found,) = wire.signed(signer, "GET", "/v3/projects", query=[("name", "zoes-second")]).json["projects"]
    assert (found["id"], found["domain_id"]) == (other["id"], "default")
    assert wire.signed(signer, "GET", "/v3/projects", query=[("name", "nobodys")]).json["projects"] == []
    assert wire.signed(signer, "POST", "/v1/workspaces", {"name": "z"}).status == 403
    assert wire.signed(signer, "POST", "/v1/workspaces", {"name": "z"}, project_id=other["id"]).status == 200
    assert wire.signed(signer, "GET", "/v1/workspaces", project_id=made["project_id"]).status == 200
    refusals = [wire.signed(signer, "GET", "/v1/workspaces", project_id=one) for one in (foreign["id"], "nowhere")]
    assert {(answer.status, answer.body) for answer in refusals} == {(403, refusals[0].body)}


def test_a_temporary_key_needs_its_security_token(service: LocalService, wire: Line, ann: Key) -> None:
    """Signed by the SDK beside the rest; a permanent key has none."""
    temporary = key(service, "ann", "--lifetime", "60")
    assert temporary.security_token is not None
    assert wire.signed(temporary, "GET", "/v1/workspaces").status == 200
    bare = msgspec.structs.replace(temporary, security_token=None)
    assert wire.signed(bare, "GET", "/v1/workspaces").refusal == WRONG
    adorned = msgspec.structs.replace(ann, security_token=temporary.security_token)
    assert wire.signed(adorned, "GET", "/v1/workspaces").refusal == WRONG
    brief = key(service, "ann", "--lifetime", "0.001")
    assert wire.signed(brief, "GET", "/v1/workspaces").refusal.startswith("token expires, expires_at: 2")


def test_a_token_for_a_password(service: LocalService, wire: Line) -> None:
    """The documented answer; the token works, shows itself, and ends when its user ends it."""
    made = user(service, "tom", PASSWORD, "developer")
    answer = wire.log_in("tom", PASSWORD, project={"name": PROJECT})
    assert answer.status == 201
    token, told = answer.headers["x-subject-token"], answer.json["token"]
    assert told["project"] == {
        "id": made["project_id"],
        "name": PROJECT,
        "domain": {"id": "default", "name": "default"},
    }
    assert [role["name"] for role in told["roles"]] == ["developer"]
    assert wire.with_token(token, "GET", "/v1/workspaces").status == 200
    assert wire.with_token(token, "POST", "/v1/workspaces", {"name": "toms"}).status == 403
    assert wire.log_in("tom", "wrong").status == 401
    ended = sign(Key("A", "s"), "DELETE", wire.host, "/v3/auth/tokens")
    ended = ended.with_header(b"x-auth-token", token.encode()).with_header(b"x-subject-token", token.encode())
    assert wire.send(ended).status == 204
    assert wire.with_token(token, "GET", "/v1/workspaces").json["error_code"] == "APIG.1002"


def test_a_token_ends_with_what_it_rests_on(service: LocalService, wire: Line) -> None:
    """The password, what is granted, the user himself: within a second of the command."""
    user(service, "eve", PASSWORD, "developer")
    for command, stdin in (
        (("user", "password", "--name", "eve", "--password-stdin"), PASSWORD + "!\n"),
        (("user", "grant", "--project", PROJECT, "--name", "eve", "--role", "viewer"), None),
        (("user", "revoke", "--project", PROJECT, "--name", "eve", "--role", "developer"), None),
        (("user", "delete", "--name", "eve"), None),
    ):
        password = PASSWORD if "password" in command else PASSWORD + "!"
        token = wire.log_in("eve", password).headers["x-subject-token"]
        assert wire.with_token(token, "GET", "/v1/workspaces").status == 200
        treadle(service, *command, stdin=stdin)
        until(lambda: wire.with_token(token, "GET", "/v1/workspaces").status == 401, f"{command} ends the token", 5.0)  # noqa: B023
    assert wire.log_in("eve", PASSWORD + "!").status == 401


def test_a_name_is_locked_after_five_wrong_passwords_and_the_log_says_so(service: LocalService, wire: Line) -> None:
    """Also for the right one."""
    user(service, "max", PASSWORD)
    for _ in range(5):
        assert wire.log_in("max", "a guess").json["error_msg"] == "The username or password is wrong."
    assert "locked" in wire.log_in("max", PASSWORD).json["error_msg"]
    assert [entry["address"] for entry in log_of(service) if entry["event"] == "login_locked"] == ["127.0.0.1"]


def test_tokens_and_keys_outlive_a_restart(tmp_path: Path) -> None:
    """The same token and the same key, on the same data; and a token that a setting makes short ends."""
    settings = {"TREADLE_TOKEN_LIFETIME": "3600"}
    with LocalService(tmp_path / "data", settings) as first, line(first) as wire:
        user(first, "ann", PASSWORD)
        signer = key(first, "ann")
        token = wire.log_in("ann", PASSWORD).headers["x-subject-token"]
    with LocalService(tmp_path / "data", {"TREADLE_TOKEN_LIFETIME": "0.001"}) as second, line(second) as wire:
        assert wire.with_token(token, "GET", "/v1/workspaces").status == 200
        assert wire.signed(signer, "GET", "/v1/workspaces").status == 200
        brief = wire.log_in("ann", PASSWORD).headers["x-subject-token"]
        assert wire.with_token(brief, "GET", "/v1/workspaces").refusal.startswith("token expires, expires_at: 2")
