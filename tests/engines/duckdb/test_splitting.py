"""Cutting scripts: the lexer against the engine's own, and scripts put together and taken apart."""

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.engines.duckdb.conftest import Judge, Lake
from tests.support.properties import examples
from treadle.engines.base import EngineError
from treadle.engines.duckdb.lexer import LITERALS, SIGN, Token, lex, literal_of, plain_spaces

ENGINE = duckdb.connect()

PIECES = [
    *"'\"$\\;().,:aEe_x1-/*+[]{}=?@#~`",
    *("''", "$$", "$a$", "e'", "b'", "x'", "n'", "--", "/*", "*/", "\n", "\r", " ", "\t", "\f", "\v", "\x01"),
    *("1_0", "0x1F", ".5", "1.", "1e5", "e5", "..", "é", "query", "'a'", "'b'\n'c'", '"q"', "$1", "?1", "\u2028"),
]


@examples(2000)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join))
@example("$1_0$$x$$")
@example("1_0$$ ' $$")
@example("'a' -- c\n 'b'")
def test_lexer_agrees_with_the_engine(text: str) -> None:
    """Wherever the engine's scanner sees a token begin, so do we; what it sees as one string, we do too."""
    theirs = [offset for offset, _ in duckdb.tokenize(text)]
    ours = list(lex(text))
    if not theirs or not _closed(ours) or '""' in text:
        return  # the engine's scanner gave up: nothing of such a text can run
    at = {len(text[: token.start].encode()): token for token in ours}
    assert set(theirs) <= set(at)
    assert all(token.kind == SIGN for offset, token in at.items() if offset not in set(theirs))


def _closed(tokens: list[Token]) -> bool:
    last = tokens[-1] if tokens else None
    if last is None or any(token.text.startswith("/*") for token in tokens):
        return False
    try:
        ENGINE.extract_statements(f"SELECT {last.text}")
    except duckdb.ParserException as error:
        return "unterminated" not in str(error)
    return True


@examples(300)
@given(st.text(st.sampled_from("ab'\n\"$ \\é;"), max_size=12))
def test_plain_string_has_the_value_the_engine_gives_it(value: str) -> None:
    """The value of a quoted literal is what the engine reads."""
    literal = "'" + value.replace("'", "''") + "'"
    [token] = lex(literal)
    assert literal_of(token) == value
    row = ENGINE.execute(f"SELECT {literal}").fetchone()
    assert row == (value,)


@pytest.mark.parametrize("literal", ["'a'\n'b'", "'a' -- c\n 'b''c'\n\n'd'", "$$x$$", "$q$ $$ $q$", "e'ab'", "E'a''b'"])
def test_literal_has_the_value_the_engine_gives_it(literal: str) -> None:
    """Strings in all their forms have the value the engine reads."""
    [token] = lex(literal)
    assert token.kind in LITERALS
    row = ENGINE.execute(f"SELECT {literal}").fetchone()
    assert row == (literal_of(token),)


def test_wide_spaces_are_replaced_only_between_tokens() -> None:
    """Wide white space counts as white space, but not within strings, names and comments."""
    assert plain_spaces("a\u00a0b\u3000c") == "a b c"
    kept = "SELECT 'a\u00a0b', \"c\u2003d\"\n, $$\ufeff$$, e'\\\\\u00a0'"
    assert plain_spaces(kept) == kept
    assert plain_spaces("-- e\u3000f\n/* ' */ e'\\'\u00a0'") == f"{' ' * 6}\n{' ' * 8}e'''\u00a0'"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SELECT/* ' */'\u00a0'", "\u00a0"),
        ("SELECT/* -- */'\n\u3000'", "\n\u3000"),
        ("SELECT -- ' \u00a0\n '\u2003'", "\u2003"),
        ("SELECT e'\\'\u00a0'", "'\u00a0"),
        ("SELECT concat(e'\\'', '\u00a0')", "'\u00a0"),
        ("SELECT concat(e'\\\\', '\u00a0')", "\\\u00a0"),
    ],
)
def test_wide_spaces_stay_in_strings(judge: Judge, lake: Lake, text: str, value: str) -> None:
    """Where the engine's own idea of strings goes wrong, what it is given keeps it right."""
    [planned] = judge(text)
    assert lake.connection.execute(planned.statements[0]).fetchall() == [(value,)]


def test_pivot_within_a_transaction(judge: Judge, lake: Lake) -> None:
    """What the engine puts around a PIVOT is left out, in a transaction as well."""
    lake.connection.execute("BEGIN")
    try:
        planned = judge("PIVOT t ON s; CREATE TABLE x AS PIVOT t ON i")
    finally:
        lake.connection.execute("ROLLBACK")
    assert [len(one.statements) for one in planned] == [2, 2]
    assert [one.kind.value for one in planned] == ["query", "write"]


STATEMENTS = [
    ("SELECT ';'", "query"),
    ("SELECT 'it''s; -- x', \"a;b\" FROM (SELECT 1 AS \"a;b\") x", "query"),
    ("SELECT $$ ; ' $$, $q$ ; $$ ; $q$", "query"),
    ("SELECT e'\\';', 1", "query"),
    ("SELECT 'a;'\n'b;'", "query"),
    ("VALUES (1, ';'), (2, '--')", "query"),
    ("SELECT /* ; /* ; */ ' */ 1", "query"),
    ("SELECT 1 -- ; '\n + 1", "query"),
    ("PIVOT t ON s USING sum(i)", "query"),
    ("INSERT INTO t VALUES (1, ';')", "write"),
    ("UPDATE t SET s = ';' WHERE i = 1", "write"),
    ("CREATE TABLE x AS PIVOT t ON i", "write"),
    ("COPY t TO 'a;b.csv'", "write"),
    ("BEGIN", "begin"),
    ("COMMIT", "commit"),
    ("SET statement_timeout = '5min'", "set"),
    ("SHOW statement_timeout", "show"),
    ("PRAGMA version", "query"),
    ("SHOW TABLES", "query"),
    ("EXPLAIN SELECT ';'", "explain"),
    ("PREPARE p AS SELECT ';'", "prepare"),
    ("FROM read_csv('a;b.csv')", "query"),
]
GAPS = [
    ";",
    " ; ",
    ";\n\n",
    ";;",
    "; -- a comment; 'with' \"all\" $$ of it\n",
    "; /* ; ' /* \" */ $$ */ ;",
    "\n;\u00a0",
]


@examples(300)
@given(
    st.lists(st.tuples(st.sampled_from(STATEMENTS), st.sampled_from(GAPS)), max_size=7), st.sampled_from(["", *GAPS])
)
def test_script_is_cut_where_it_was_joined(judge: Judge, parts: list[tuple[tuple[str, str], str]], before: str) -> None:
    """Statements joined by semicolons and comments come apart as they were."""
    script = before + "".join(text + gap for (text, _), gap in parts)
    planned = judge(script)
    assert [one.kind.value for one in planned] == [kind for (_, kind), _ in parts]
    # In a script with wide white space comments are blanked.
    given = [plain_spaces(f"{text}\u00a0").strip() if "\u00a0" in script else text for (text, _), _ in parts]
    assert all(text in one.text for text, one in zip(given, planned, strict=True))


@pytest.mark.parametrize("script", ["", " \n\t", ";", ";;\n;", "-- only a comment", "/* a /* nested */ comment */;"])
def test_nothing_is_no_statement(judge: Judge, script: str) -> None:
    """A script without a statement has no parts."""
    assert judge(script) == []


SPACES = st.sampled_from(["", " ", "\n", "/**/", "/* ' */", "-- '\n", "\u00a0", "\t/* /* */ */\r\n"])


@examples(300)
@given(st.data())
def test_no_spelling_gets_a_refused_name_through(judge: Judge, lake: Lake, data: st.DataObject) -> None:
    """Case, quotes, comments, white space, qualification and neighbours do not hide a refused function."""
    names = sorted(lake.vocabulary.refused | {"query", "set_option", "options"})
    name = data.draw(st.sampled_from(names))
    cased = "".join(data.draw(st.sampled_from((letter.lower(), letter.upper()))) for letter in name)
    spelled = data.draw(st.sampled_from((cased, f'"{cased}"')))
    space = [data.draw(SPACES) for _ in range(4)]
    dot = f"{space[2]}.{space[3]}"
    qualified = data.draw(st.sampled_from(("", f"main{dot}", f'"system"{dot}main.')))
    before = data.draw(st.sampled_from(("SELECT 1; ", "", "SELECT '\"'; ", "SELECT $a$ ' $a$; ", "SELECT e'\\''; ")))
    script = f"{before}SELECT * FROM {qualified}{spelled}{space[0]}({space[1]}'x')"
    with pytest.raises(EngineError) as refusal:
        judge(script)
    assert refusal.value.sql_state in ("42501", "42601")
