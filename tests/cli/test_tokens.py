"""Tokens: made with an end and the least role, listed, revoked, and refused from then on."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.running import Cli
from treadle.demo.local import LocalService, make_token

MONTH = timedelta(days=30)


def made(cli: Cli, user: str, *more: str, project: str = "p") -> dict[str, Any]:
    """A new token, as `token create` tells of it."""
    told: dict[str, Any] = cli.json("token", "create", "--project", project, "--user", user, *more)
    return told


def moment(text: str) -> datetime:
    """A date and time as the commands write it."""
    return datetime.fromisoformat(text).astimezone(UTC)


def test_a_token_is_made_each_time(cli: Cli) -> None:
    """Two calls for one user give two tokens of one project, as a process and as text too."""
    first = made(cli, "u")
    assert set(first) == {"token", "id", "project_id", "role", "expires_at"}
    done = cli.process("token", "create", "--project", "p", "--user", "u", "--role", "developer", "--lifetime", "60")
    assert (done.returncode, done.stderr) == (0, "")
    words = dict(line.split() for line in done.stdout.splitlines())
    assert set(words) == set(first)
    assert (words["project_id"], words["role"]) == (first["project_id"], "developer")
    assert words["token"] != first["token"]
    assert min(len(words["token"]), len(first["token"])) >= 43
    assert made(cli, "u", project="other")["project_id"] != first["project_id"]


def test_a_token_has_the_least_role_and_a_month_unless_more_is_asked_for(cli: Cli) -> None:
    """Whoever needs more says so."""
    before = datetime.now(UTC).replace(microsecond=0)
    plain, more = made(cli, "least"), made(cli, "least", "--role", "operator", "--lifetime", "60")
    after = datetime.now(UTC)
    assert plain["role"] == "viewer"
    assert before + MONTH <= moment(plain["expires_at"]) <= after + MONTH
    assert more["role"] == "operator"
    assert before + timedelta(seconds=60) <= moment(more["expires_at"]) <= after + timedelta(seconds=60)


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", "1e12", "a month"])
def test_a_token_without_an_end_is_not_made(cli: Cli, seconds: str) -> None:
    """Nor one that has ended."""
    assert cli.run("token", "create", "--project", "p", "--user", "u", "--lifetime", seconds).exit_code == 2


def test_tokens_are_listed_with_what_they_may_do(cli: Cli) -> None:
    """By user and by project; never the token itself."""
    viewer, keeper = made(cli, "liz"), made(cli, "liz", "--role", "admin", project="q")
    listed = cli.json("token", "list", "--user", "liz")
    assert [(one["id"], one["project"], one["rights"], one["expired"]) for one in listed] == [
        (viewer["id"], "p", ["viewer"], False),
        (keeper["id"], "q", ["admin"], False),
    ]
    assert [one["expires_at"] for one in listed] == [viewer["expires_at"], keeper["expires_at"]]
    assert [one["id"] for one in cli.json("token", "list", "--user", "liz", "--project", "q")] == [keeper["id"]]
    text = cli.ok("token", "list", "--user", "liz")
    assert f"viewer in p, until {viewer['expires_at']}" in text
    assert viewer["token"] not in text + json.dumps(listed)


def test_a_users_tokens_and_grants_are_shown_together(cli: Cli) -> None:
    """What a token may do is not what its user has been granted; one that is over opens nothing."""
    cli.json("user", "create", "--project", "p", "--name", "max", "--role", "viewer")
    token = made(cli, "max", "--role", "operator")
    made(cli, "max", "--lifetime", "0.001")
    [shown] = [one for one in cli.json("user", "list") if one["name"] == "max"]
    assert [one["role"] for one in shown["grants"]] == ["viewer"]
    assert [(one["id"], one["rights"]) for one in shown["tokens"]] == [(token["id"], ["operator"])]
    assert f"viewer in p; token {token['id']}: operator in p, until" in cli.ok("user", "list")
    made(cli, "nora", project="elsewhere")
    assert [one["name"] for one in cli.json("user", "list", "--project", "elsewhere")] == ["nora"]


def test_what_cannot_be_revoked_is_said(cli: Cli) -> None:
    """An unknown id ends nothing, also not the known ones beside it."""
    token = made(cli, "tom")
    assert "no such token: 0123456789abcdef" in cli.fails("token", "revoke", token["id"], "0123456789abcdef")
    assert "missing token" in cli.fails("token", "revoke")
    assert [one["id"] for one in cli.json("token", "list", "--user", "tom")] == [token["id"]]


def test_a_revoked_token_is_gone_and_on_record(cli: Cli) -> None:
    """By its id, or by the token itself from standard input; each is an action of its own in the audit."""
    first, second = made(cli, "ron"), made(cli, "ron", "--role", "developer")
    assert [one["id"] for one in cli.json("token", "revoke", first["id"])] == [first["id"]]
    done = cli.run("token", "revoke", "--token-stdin", "--json", stdin=second["token"] + "\n")
    assert [one["id"] for one in json.loads(done.stdout)] == [second["id"]]
    assert cli.json("token", "list", "--user", "ron") == []
    assert "no such token" in cli.fails("token", "revoke", first["id"])
    events = cli.json("audit", "--action", "iam:token:revoke")
    assert [(one["resource"], one["detail"]) for one in events[:2]] == [
        (f"token:{second['id']}", "ron: developer"),
        (f"token:{first['id']}", "ron: viewer"),
    ]
    created = cli.json("audit", "--action", "iam:token:create")
    assert created[0]["detail"] == f"ron: developer, token {second['id']}"
    assert first["token"] not in json.dumps([*events, *created])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """A service that runs."""
    with LocalService(tmp_path_factory.mktemp("tokens") / "data") as running:
        yield running


def test_a_running_service_refuses_a_revoked_token_at_once(served: LocalService, tmp_path: Path) -> None:
    """It has just been good, so that the service remembers it; other tokens of the user go on."""
    cli = Cli(served.data_dir)
    kept = make_token(served.data_dir, "demo", "kim")
    with httpx.Client(base_url=served.url) as http:
        for _ in range(5):
            token = made(cli, "kim", project="demo")
            assert http.get("/v1/workspaces", headers={"X-Auth-Token": token["token"]}).status_code == 200
            cli.ok("token", "revoke", token["id"])
            refused = http.get("/v1/workspaces", headers={"X-Auth-Token": token["token"]})
            assert (refused.status_code, refused.json()["error_code"]) == (401, "APIG.1002")
            assert http.get("/v1/workspaces", headers={"X-Auth-Token": kept}).status_code == 200


def test_a_running_service_hears_of_every_change(served: LocalService) -> None:
    """A user who is kept out, and what is taken back, hold at once as well."""
    cli = Cli(served.data_dir)
    with httpx.Client(base_url=served.url) as http:
        for number in range(5):
            token = made(cli, f"user{number}", project="demo")["token"]
            assert http.get("/v1/workspaces", headers={"X-Auth-Token": token}).status_code == 200
            cli.ok("user", "disable", "--name", f"user{number}")
            assert http.get("/v1/workspaces", headers={"X-Auth-Token": token}).status_code == 401
