"""Tokens, workspaces, endpoints, catalogs."""

import hashlib
import json
import re
import tarfile
from pathlib import Path

import psycopg
import pytest

from tests.cli.running import Cli
from treadle import config
from treadle.model.words import counted
from treadle.store.dsn import Address
from treadle.store.embedded import EmbeddedPostgres

HARMED = """
    CREATE TABLE ducklake_schema (schema_id bigint, schema_name text, begin_snapshot bigint, end_snapshot bigint);
    CREATE TABLE ducklake_table (table_id bigint, schema_id bigint, table_name text, end_snapshot bigint);
    CREATE TABLE ducklake_column (
        table_id bigint, column_id bigint, column_order bigint, column_name text, column_type text,
        parent_column bigint, end_snapshot bigint
    );
    CREATE TABLE ducklake_macro (
        schema_id bigint, macro_id bigint, macro_name text, begin_snapshot bigint, end_snapshot bigint
    );
    CREATE TABLE ducklake_macro_impl (macro_id bigint, impl_id bigint, dialect text, sql text, type text);
    CREATE TABLE ducklake_macro_parameters (
        macro_id bigint, impl_id bigint, column_id bigint, parameter_name text, parameter_type text,
        default_value text, default_value_type text
    );
    INSERT INTO ducklake_schema VALUES (0, 'main', 0);
    INSERT INTO ducklake_macro VALUES (0, 1, 'bad', 1);
    INSERT INTO ducklake_macro_impl VALUES (1, 0, 'duckdb', 'a', 'scalar');
    INSERT INTO ducklake_macro_parameters VALUES (1, 0, 0, 'a', 'unknown', '[1]', 'list');
"""
"""The metadata of a catalog with a macro that cannot be read, as far as it is looked at."""

CATALOG_KEYS = {"id", "workspace_id", "instance_id", "name", "database", "data_path"}


def holds(folder: Path, word: str) -> list[Path]:
    """The files below that have the word in them."""
    return [p for p in folder.rglob("*") if p.is_file() and word.encode() in p.read_bytes()]


# -- tokens ------------------------------------------------------------------------------------


def test_no_token_is_stored(cli: Cli) -> None:
    """A token is in no file of the data folder, PostgreSQL's log of changes included, only its digest."""
    token = cli.json("token", "create", "--project", "p", "--user", "grep")["token"]
    assert holds(cli.data_dir, token) == []
    assert holds(cli.data_dir, "grep") != []
    digest = hashlib.sha256(token.encode()).digest()
    assert any(digest in p.read_bytes() or holds_hex(p, digest) for p in cli.data_dir.rglob("*") if p.is_file())


def holds_hex(path: Path, digest: bytes) -> bool:
    """Whether the file has the digest as text in it."""
    return digest.hex().encode() in path.read_bytes()


# -- workspaces, endpoints, catalogs -----------------------------------------------------------


def test_the_life_of_a_workspace(cli: Cli) -> None:
    """Made with its catalog `default`, listed, deleted with it; its name is taken meanwhile."""
    made = cli.json("workspace", "create", "--project", "life", "--description", "d", "w1")
    assert (made["name"], made["description"]) == ("w1", "d")
    assert made["create_user_name"] == "operator"
    assert made in cli.json("workspace", "list")
    assert f"{made['id']}  w1" in cli.ok("workspace", "list")
    (catalog,) = cli.json("catalog", "list", "--workspace", made["id"])
    assert (catalog["instance_id"], catalog["name"]) == ("default", "default")
    assert "w1" in cli.fails("workspace", "create", "--project", "life", "w1")
    assert cli.ok("workspace", "create", "--project", "another", "w1").strip() != made["id"]
    assert cli.ok("workspace", "delete", made["id"]) == ""
    assert made["id"] not in cli.ok("workspace", "list")
    assert cli.fails("workspace", "delete", made["id"]) == f"treadle: no such workspace: {made['id']}\n"
    assert not Path(catalog["data_path"]).exists()


def test_the_life_of_an_endpoint(cli: Cli, workspace_id: str) -> None:
    """Made with its limits, listed, deleted; a workspace that has one stays."""
    place = ("--workspace", workspace_id)
    made = cli.json("endpoint", "create", *place, "--max-sessions", "3", "e1")
    assert (made["name"], made["engine"], made["max_sessions"]) == ("e1", "duckdb", 3)
    assert made["max_statements"] == config.load().endpoint_statements
    assert cli.json("endpoint", "list", *place) == [made]
    headings, row = map(str.split, cli.ok("endpoint", "list", *place).splitlines())
    assert headings == ["ENDPOINT", "NAME", "ENGINE", "STATUS"]
    assert row == [made["id"], "e1", "duckdb", "RUNNING"]
    assert "e1" in cli.fails("endpoint", "create", *place, "e1")
    assert "oracle" in cli.fails("endpoint", "create", *place, "--engine", "oracle", "e2")
    assert "endpoints" in cli.fails("workspace", "delete", workspace_id)
    assert cli.ok("endpoint", "delete", *place, made["id"]) == ""
    assert cli.json("endpoint", "list", *place) == []
    assert cli.ok("workspace", "delete", workspace_id) == ""


def test_the_life_of_a_catalog(cli: Cli, workspace_id: str) -> None:
    """Made in its instance, listed without its password, deleted with its data."""
    place = ("--workspace", workspace_id)
    made = cli.json("catalog", "create", *place, "--instance", "i1", "c1")
    assert set(made) == CATALOG_KEYS
    assert (made["instance_id"], made["name"], made["workspace_id"]) == ("i1", "c1", workspace_id)
    listed = cli.json("catalog", "list", *place)
    assert made in listed
    assert {one["name"] for one in listed} == {"default", "c1"}
    assert "i1" in cli.ok("catalog", "list", *place)
    assert "c1" in cli.fails("catalog", "create", *place, "--instance", "i1", "c1")
    assert "name" in cli.fails("catalog", "create", *place, "no spaces")
    assert cli.fails("catalog", "delete", *place, "c1") == "treadle: no such catalog\n"
    assert cli.ok("catalog", "delete", *place, "--instance", "i1", "c1") == ""
    assert cli.fails("catalog", "delete", *place, "--instance", "i1", "c1") == "treadle: no such catalog\n"


@pytest.mark.parametrize(
    "args",
    [
        ["workspace", "delete", "nope"],
        ["endpoint", "list", "--workspace", "nope"],
        ["endpoint", "create", "--workspace", "nope", "e"],
        ["endpoint", "delete", "--workspace", "nope", "e"],
        ["catalog", "list", "--workspace", "nope"],
        ["catalog", "create", "--workspace", "nope", "c"],
        ["catalog", "delete", "--workspace", "nope", "c"],
        ["sessions", "--workspace", "nope"],
        ["statements", "--workspace", "nope"],
        ["cancel", "--workspace", "nope", "s"],
    ],
)
def test_an_unknown_workspace(cli: Cli, args: list[str]) -> None:
    """It is said so, with exit code 1, with and without JSON: its lists are not simply empty."""
    assert cli.fails(*args) == "treadle: no such workspace: nope\n"
    assert cli.fails(*args, "--json") == "treadle: no such workspace: nope\n"


# -- what runs ---------------------------------------------------------------------------------


def test_nothing_runs(cli: Cli, workspace_id: str) -> None:
    """Where nothing runs the lists are empty."""
    for command in ("sessions", "statements"):
        assert cli.json(command, "--workspace", workspace_id) == []
        assert cli.ok(command, "--workspace", workspace_id) == ""
    assert cli.ok("endpoint", "list", "--workspace", workspace_id) == ""


@pytest.mark.parametrize(
    "args",
    [
        ["workspace", "list"],
        ["workspace", "delete", "w"],
        ["endpoint", "create", "--workspace", "w", "e"],
        ["endpoint", "list", "--workspace", "w"],
        ["endpoint", "delete", "--workspace", "w", "e"],
        ["catalog", "create", "--workspace", "w", "c"],
        ["catalog", "list", "--workspace", "w"],
        ["catalog", "delete", "--workspace", "w", "c"],
        ["sessions"],
        ["statements"],
        ["cancel", "s"],
        ["backup", "/nowhere/backup.tar.gz"],
    ],
)
def test_where_there_is_no_service(bare: Cli, args: list[str]) -> None:
    """A command that looks, or stops, or copies, makes no service where there is none, and says where it looked."""
    assert bare.fails(*args) == f"treadle: data_dir: there is no service data in {bare.data_dir}\n"
    assert not bare.data_dir.exists()


def test_a_server_that_was_not_running_is_stopped_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A command without a service starts the private PostgreSQL for itself, keeps its work, and leaves none running."""
    cli = Cli(tmp_path_factory.mktemp("alone") / "data")
    done = cli.process("workspace", "create", "--project", "p", "--json", "kept")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (cli.data_dir / "postgres" / "postmaster.pid").exists()
    assert json.loads(done.stdout) in cli.json("workspace", "list")
    assert not (cli.data_dir / "postgres" / "postmaster.pid").exists()
    assert cli.data_dir.stat().st_mode & 0o077 & ~0o001 == 0


def test_a_catalog_is_repaired(cli: Cli, workspace_id: str) -> None:
    """Without --apply the faults are only listed; with it they are repaired."""
    place = ("--workspace", workspace_id)
    made = cli.json("catalog", "create", *place, "harmed")
    assert cli.json("catalog", "repair", *place, "harmed") == []
    assert cli.ok("catalog", "repair", *place, "harmed") == ""
    dsn = Address.parse(EmbeddedPostgres.start(cli.data_dir).admin_dsn).at(database=made["database"]).dsn
    with psycopg.connect(dsn, autocommit=True) as metadata:
        metadata.execute(f'SET ROLE "{made["database"]}"')  # its own, as everything in it
        metadata.execute(HARMED)
    [found] = cli.json("catalog", "repair", *place, "harmed")
    assert (found["schema"], found["name"], found["snapshot"], found["repaired"]) == ("main", "bad", 1, False)
    said = cli.ok("catalog", "repair", *place, "harmed")
    headings, fault = said.splitlines()
    assert headings.split() == ["OBJECT", "SNAPSHOT", "FAULT", "REMEDY", "OUTCOME"]
    assert re.match(r'main\.bad +1 +the default of parameter "a" is nested', fault)
    assert "take a backup, then use --apply" in said
    assert cli.ok("catalog", "repair", *place, "--apply", "harmed").rstrip().endswith("  repaired")
    assert cli.json("catalog", "repair", *place, "harmed") == []
    assert cli.fails("catalog", "repair", *place, "nosuch") == "treadle: no such catalog: default.nosuch\n"
    assert cli.fails("catalog", "repair", "--workspace", "nosuch", "harmed").startswith("treadle: no such workspace")


def test_a_backup_replaces_a_file_only_by_force(cli: Cli, tmp_path: Path) -> None:
    """What is there stays as it is."""
    target = tmp_path / "all.tar.gz"
    target.write_bytes(b"another backup")
    assert cli.fails("backup", str(target)) == f"treadle: {target} exists; --force replaces it\n"
    assert target.read_bytes() == b"another backup"
    done = cli.run("backup", "--force", str(target))
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"wrote {target}" in done.stderr
    assert tarfile.is_tarfile(target)
    assert cli.run("backup", "--force", str(tmp_path)).exit_code == 2


def test_numbers_agree_with_their_nouns() -> None:
    """One is singular."""
    assert [counted(number, "catalog") for number in (0, 1, 2, 1000)] == [
        "0 catalogs",
        "1 catalog",
        "2 catalogs",
        "1,000 catalogs",
    ]
