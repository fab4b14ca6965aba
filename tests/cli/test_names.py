"""Names that read like another's, and texts that a terminal would obey."""

import json
import unicodedata

import pytest

from tests.cli.running import Cli
from tests.cli.test_statements import queued_statement
from treadle.cli.names import check_name
from treadle.cli.terminal import seen, seen_json
from treadle.model.errors import BadRequest

HOSTILE = "SELECT '\x1b]0;owned\x07\x1b[2J', '\u202eabc', '\x9b31m', 'a\u034f', '\ue0001', '\U000e0041'"
"""A title for the window, a clean screen, text from right to left, colours, and what is not seen."""


@pytest.mark.parametrize(
    "name",
    ["ann", "Ann B. Lee", "müller", "Łukasz", "анна", "王小明", "王 Anna", "a_b-c@d'e", "O'Neil", "1", "数据（测试）"],
)
def test_names_as_people_have_them(name: str) -> None:
    """Any alphabet, with digits, blanks and signs."""
    check_name(name, "name")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 65,
        *("ann\n", "ann\x00", "ann\x1b[31m", "ann\x85", "ann\u200b", "ann\u2028", "nna\u202e", "ann\udcff", "ann\xa0"),
        *(" ann", "ann ", "ann  127.0.0.1"),
        *("ann\u034f", "ann\ufe0f", "ann\u3164", "ann\u115f", "ann\u2800", "a\U000e0100nn"),
        *("\uff41nn", unicodedata.normalize("NFD", "ánn"), "ﬁnn", "ann²"),
        *("аnn", "αnn", "Ꭺnn"),
    ],
)
def test_names_that_read_like_another(name: str) -> None:
    """Unseen characters, blanks at the ends, other ways to write the same letters, letters of another alphabet."""
    with pytest.raises(BadRequest) as refused:
        check_name(name, "name")
    assert refused.value.field == "name"


def test_no_command_makes_such_a_name(cli: Cli) -> None:
    """Whichever makes a user, a project, a workspace or an endpoint refuses it in one line, and makes nothing."""
    before = cli.json("user", "list"), cli.json("project", "list"), cli.json("workspace", "list")
    for name in ("\u0430nn", "\x1b[31mann\udcff"):
        for words in (
            ("token", "create", "--project", "p", "--user", name),
            ("token", "create", "--project", name, "--user", "ann"),
            ("user", "create", "--project", "p", "--name", name),
            ("user", "create", "--project", name, "--name", "ann"),
            ("user", "create", "--project", "p", "--name", "ann", "--domain", name),
            ("project", "create", name),
            ("workspace", "create", "--project", name, "w"),
        ):
            assert "must " in cli.fails(*words)
    for name in ("w\n", "\u202ew"):
        assert "must be a string" in cli.fails("workspace", "create", "--project", "p", name)
        assert "must be a string" in cli.fails("endpoint", "create", "--workspace", "w", name)
    assert before == (cli.json("user", "list"), cli.json("project", "list"), cli.json("workspace", "list"))


def test_what_is_there_keeps_its_name(cli: Cli) -> None:
    """A user of before this was asked can be given a token, and be deleted."""
    first = cli.json("token", "create", "--project", "old", "--user", "old")
    assert cli.json("token", "create", "--project", "old", "--user", "old")["project_id"] == first["project_id"]
    assert cli.json("user", "create", "--project", "old", "--name", "old", "--role", "viewer")["grants"]


def test_what_others_wrote_is_shown_and_not_obeyed(cli: Cli, workspace_id: str) -> None:
    """SQL with everything that moves a cursor: as text and as JSON it is spelled out, and JSON says the same."""
    statement = queued_statement(cli.data_dir, workspace_id, content=HOSTILE)
    text = cli.ok("statements", "--session", statement.session_id)
    assert text.count("\n") == 2
    assert text.replace("\n", "").isprintable()
    assert r"SELECT '\x1b]0;owned\x07\x1b[2J', '\u202eabc'" in text
    printed = cli.ok("statements", "--session", statement.session_id, "--json")
    assert printed.rstrip("\n").isprintable()
    (listed,) = json.loads(printed)
    assert listed["content"] == HOSTILE


def test_what_is_seen_as_it_is() -> None:
    """Other alphabets stay as they are; what is unseen is spelled out, beyond 16 bits as well."""
    assert seen("Grüße, 世界 — שלום") == "Grüße, 世界 — שלום"
    assert seen("a\u034fb\U000e0041") == r"a\u034fb\U000e0041"
    assert seen_json('"\U000e0041"') == r'"\udb40\udc41"'
