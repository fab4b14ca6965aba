"""Users, projects, access keys and policies on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Cli
from tests.cli.test_resources import holds


def created(cli: Cli, name: str, *more: str, project: str = "people") -> dict[str, Any]:
    """A new user."""
    made: dict[str, Any] = cli.json("user", "create", "--project", project, "--name", name, *more)
    return made


def test_the_life_of_a_user(cli: Cli) -> None:
    """Made with a role in a project, granted more, kept out, let in, deleted; its name is taken meanwhile."""
    made = created(cli, "ann", "--role", "developer")
    grant = {"project_id": made["project_id"], "project": "people", "role": "developer"}
    assert made == {
        "id": made["id"],
        "name": "ann",
        "domain": "default",
        "project_id": made["project_id"],
        "enabled": True,
        "has_password": False,
        "grants": [grant],
    }
    assert made in cli.json("user", "list", "--project", "people")
    assert cli.json("user", "list", "--project", "nobodys") == []
    assert "already" in cli.fails("user", "create", "--project", "people", "--name", "ann")
    place = ("--project", "people", "--name", "ann", "--role", "viewer")
    assert cli.json("user", "grant", *place) == {"changed": True}
    assert cli.json("user", "grant", *place) == {"changed": False}
    assert "developer in people, viewer in people" in cli.ok("user", "list")
    assert cli.ok("user", "revoke", *place) == ""
    assert cli.ok("user", "revoke", *place) == "nothing to change\n"
    for word, enabled in (("disable", False), ("enable", True)):
        assert cli.ok("user", word, "--name", "ann") == ""
        (listed,) = cli.json("user", "list", "--project", "people")
        assert listed["enabled"] is enabled
    assert cli.ok("user", "delete", "--name", "ann") == ""
    assert cli.fails("user", "delete", "--name", "ann") == "treadle: no such user: ann\n"


def test_the_default_role_is_the_least(cli: Cli) -> None:
    """As with tokens; an unknown one is refused, and then there is no user."""
    (grant,) = created(cli, "olga")["grants"]
    assert grant["role"] == "viewer"
    assert "king" in cli.fails("user", "create", "--project", "people", "--name", "otto", "--role", "king")
    assert "otto" not in cli.ok("user", "list")


def test_a_password_is_read_and_kept_nowhere(cli: Cli) -> None:
    """Neither it nor a secret key is in any file of the data folder, PostgreSQL's log of changes included."""
    password = "a horse of nine colours"
    done = cli.run(
        "user", "create", "--project", "people", "--name", "pia", "--password-stdin", "--json", stdin=password + "\n"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["has_password"] is True
    assert cli.run("user", "password", "--name", "pia", "--password-stdin", stdin="short\n").exit_code == 1
    assert cli.run("user", "password", "--name", "pia", "--password-stdin", stdin=password + "!\n").exit_code == 0
    key = cli.json("credential", "create", "--project", "people", "--user", "pia")
    assert holds(cli.data_dir, key["access"]) != []
    for word in (password, key["secret"]):
        assert holds(cli.data_dir, word) == []


def test_the_life_of_an_access_key(cli: Cli) -> None:
    """Shown once with its secret, listed without, deleted; a temporary one has a security token and an end."""
    created(cli, "kay")
    whose = ("--project", "people", "--user", "kay")
    first = cli.json("credential", "create", *whose)
    assert set(first) == {"access", "secret"}
    words = cli.ok("credential", "create", *whose, "--lifetime", "60").split()
    assert words[::2] == ["access", "secret", "securitytoken", "expires_at"]
    listed = cli.json("credential", "list", "--user", "kay")
    assert [one["access"] for one in listed] == [first["access"], words[1]]
    assert all(set(one) == {"access", "user", "project_id", "created_at", "expires_at"} for one in listed)
    assert cli.ok("credential", "delete", first["access"]) == ""
    assert "no such access key" in cli.fails("credential", "delete", first["access"])
    assert (cli.data_dir / "credential.key").stat().st_mode & 0o777 == 0o600
    hint = f"treadle user grant --project {other(cli)} --name kay --role developer"
    assert f"no role in empty: grant one with `{hint}`" in cli.fails(
        "credential", "create", "--project", "empty", "--user", "kay"
    )
    cli.ok(*hint.split()[1:])
    cli.ok("credential", "create", "--project", "empty", "--user", "kay")
    assert "no such user" in cli.fails("credential", "create", "--project", "people", "--user", "nobody")
    assert "no such project" in cli.fails("credential", "create", "--project", "nowhere", "--user", "kay")


def test_access_keys_of_every_user_are_listed(cli: Cli) -> None:
    """Without a user the list has the keys of all, each with the name of its user, as JSON and as text."""
    for name in ("lea", "leo"):
        created(cli, name)
        cli.json("credential", "create", "--project", "people", "--user", name)
    listed = cli.json("credential", "list")
    assert [one["user"] for one in listed if one["user"].startswith("le")] == ["lea", "leo"]
    (of_leo,) = cli.json("credential", "list", "--user", "leo")
    assert of_leo == listed[-1]
    last = cli.ok("credential", "list").splitlines()[-1].split()
    assert last[:2] == [of_leo["access"], "leo"]


def other(cli: Cli) -> str:
    """A project in which nobody has anything."""
    made = cli.json("project", "create", "empty")
    assert made in cli.json("project", "list")
    assert cli.ok("project", "create", "empty").strip() == made["id"]
    return "empty"


def test_projects_and_users_of_another_domain(cli: Cli) -> None:
    """The same names are others there."""
    here = created(cli, "dora")
    there = created(cli, "dora", "--domain", "acme")
    assert (there["domain"], there["id"] != here["id"]) == ("acme", True)
    assert there["project_id"] != here["project_id"]
    assert "acme" in cli.ok("project", "list")
    assert cli.ok("user", "delete", "--name", "dora", "--domain", "acme") == ""
    assert here in cli.json("user", "list")


def test_the_life_of_a_policy(cli: Cli, tmp_path: Path) -> None:
    """Read from a file, granted like a role, changed, deleted and with it what was granted."""
    path = tmp_path / "policy.json"
    path.write_text('{"rules": [{"effect": "Allow", "actions": ["DataArtsFabric:*:list*"]}]}')
    place = ("--project", "people")
    assert "no such project" in cli.fails("policy", "create", "--project", "nowhere", "--file", str(path), "readers")
    created(cli, "paul", "--role", "viewer")
    made = cli.json("policy", "create", *place, "--file", str(path), "readers")
    assert (made["name"], made["rules"][0]["resources"]) == ("readers", ["*"])
    assert cli.json("policy", "list", *place) == [made]
    grant = (*place, "--name", "paul", "--role", "readers")
    assert cli.json("user", "grant", *grant) == {"changed": True}
    path.write_text('{"rules": [{"effect": "Deny", "actions": ["*"], "resources": ["workspace:1"]}]}')
    assert cli.ok("policy", "create", *place, "--file", str(path), "readers") == ""
    assert cli.ok("policy", "list", *place) == "POLICY   RULES\nreaders  1\n"
    assert cli.ok("policy", "delete", *place, "readers") == ""
    assert "no such policy" in cli.fails("policy", "delete", *place, "readers")
    assert "readers" not in cli.ok("user", "list")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"rules": []}',
        '{"rules": [{"effect": "Allow", "actions": []}]}',
        '{"rules": [{"effect": "Allow", "actions": ["*"], "resources": []}]}',
        '{"rules": [{"effect": "Perhaps", "actions": ["*"]}]}',
        '{"rules": [{"effect": "Allow", "actions": ["*"], "resource": ["workspace:1"]}]}',
        '{"rules": [{"effect": "Allow", "actions": ["DataArtsFabric:workspace:fly"]}]}',
        '{"rules": [{"effect": "Allow", "actions": ["*"]}], "more": 1}',
    ],
)
def test_a_policy_that_cannot_mean_what_it_says_is_refused(cli: Cli, tmp_path: Path, text: str) -> None:
    """Nothing in it is passed over."""
    path = tmp_path / "policy.json"
    path.write_text(text)
    cli.json("project", "create", "people")
    assert cli.fails("policy", "create", "--project", "people", "--file", str(path), "bad")


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("cancelStatment", "; did you mean DataArtsFabric:workspace:cancelStatement?"),
        ("cancelStatement", "; did you mean DataArtsFabric:workspace:cancelStatement?"),
        ("DataArtsFabric:workspace:cancelstatement", "; did you mean DataArtsFabric:workspace:cancelStatement?"),
        ("DataArtsFabric:endpoint:creat", "; did you mean DataArtsFabric:endpoint:create?"),
        ("DataArtsFabric:workspace:fly", ""),
        ("xyz", ""),
    ],
)
def test_a_misspelt_action_is_refused_with_the_nearest_one(cli: Cli, tmp_path: Path, action: str, said: str) -> None:
    """By the last part of its name."""
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"rules": [{"effect": "Allow", "actions": [action]}]}))
    cli.json("project", "create", "people")
    failed = cli.fails("policy", "create", "--project", "people", "--file", str(path), "bad")
    assert failed == f"treadle: no action is called {action}{said}\n"


def test_a_token_may_have_any_built_in_role(cli: Cli) -> None:
    """As `token create` always did, and with the new roles as well."""
    for role in ("viewer", "developer", "operator", "admin"):
        assert cli.json("token", "create", "--project", "p", "--user", "u", "--role", role)["role"] == role
    assert cli.run("token", "create", "--project", "p", "--user", "u", "--role", "king").exit_code == 2
