import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from treadle import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The root logger as it was before."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)


class Lines:
    """What a configured log wrote."""

    def __init__(self, **settings: Any) -> None:
        self.stream = io.StringIO()
        logs.configure(stream=self.stream, **settings)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def last(self) -> dict[str, Any]:
        line: dict[str, Any] = json.loads(self.text.splitlines()[-1])
        return line


def test_a_line_is_json_with_time_level_event_and_ids() -> None:
    """A line says when (UTC), how grave, what, and for which request, session and statement."""
    lines = Lines()
    with logs.context(request_id="r1", session_id="s1", statement_id="q1"):
        logs.get_logger("treadle.test").info("cancelled", millis=3.5)
    assert lines.last | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "cancelled",
        "logger": "treadle.test",
        "request_id": "r1",
        "session_id": "s1",
        "statement_id": "q1",
        "millis": 3.5,
    }
    assert lines.last["time"].endswith("Z")
    assert list(lines.last)[:3] == ["time", "level", "event"]


def test_ids_are_gone_after_their_context() -> None:
    """A line after the context carries no id of it."""
    lines = Lines()
    with logs.context(request_id="r1"):
        pass
    logs.get_logger("treadle.test").info("later")
    assert "request_id" not in lines.last


def test_the_standard_library_goes_through_the_same_renderer() -> None:
    """A line of uvicorn looks like one of ours and passes the same mask."""
    lines = Lines()
    with logs.context(request_id="r2"):
        logging.getLogger("uvicorn.error").warning("lost %s", "postgresql://u:hunter2@db/x")
    assert lines.last["level"] == "warning"
    assert lines.last["logger"] == "uvicorn.error"
    assert lines.last["request_id"] == "r2"
    assert lines.last["event"] == "lost postgresql://u:***@db/x"


def test_levels_below_the_configured_one_are_silent() -> None:
    """At level warning an info line of ours or of a library is not written."""
    lines = Lines(level="warning")
    logs.get_logger("treadle.test").info("quiet")
    logging.getLogger("asyncio").info("quiet")
    assert lines.text == ""


def test_configuring_again_replaces_the_earlier_stream() -> None:
    """Every line is written once, to the stream configured last."""
    first, second = Lines(), Lines()
    logs.get_logger("treadle.test").info("once")
    assert first.text == ""
    assert second.text.count("once") == 1


def test_console_lines_are_for_people() -> None:
    """The console format is not JSON and still masks secrets, exceptions included."""
    lines = Lines(format="console")
    try:
        raise ValueError("cannot reach postgresql://u:hunter2@db")
    except ValueError:
        logs.get_logger("treadle.test").exception("failed", token="abc123")
    assert "failed" in lines.text
    assert "ValueError" in lines.text
    assert not lines.text.startswith("{")
    assert "hunter2" not in lines.text
    assert "abc123" not in lines.text


@pytest.mark.parametrize(
    "key", ["token", "X-Auth-Token", "password", "client_secret", "secretAccessKey", "authorization", "dsn", "Cookie"]
)
def test_values_of_secret_keys_are_masked(key: str) -> None:
    """A value under a key that names a secret is never written, however deep it lies."""
    lines = Lines()
    logs.get_logger("treadle.test").info("event", **{key: "hunter2"}, nested={"list": [{key: b"hunter2"}]})
    assert "hunter2" not in lines.text
    assert lines.last[key] == "***"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://ann:p@ss/word@db:5432/x", "postgresql://ann:***@db:5432/x"),
        ("host=db password=hunter2 dbname=x", "host=db password=*** dbname=x"),
        ("host=db password='hun ter2' dbname=x", "host=db password=*** dbname=x"),
        ("{'password': 'hunter2', 'a': 1}", "{'password': ***, 'a': 1}"),
        ("X-Auth-Token: hunter2", "X-Auth-Token: ***"),
        ("Authorization: Bearer hunter2", "Authorization: ***"),
        ("GET /x?token=hunter2&a=1", "GET /x?token=***&a=1"),
        ("unexpected token: SELECT", "unexpected token: SELECT"),
        ("http://127.0.0.1:8760/v1", "http://127.0.0.1:8760/v1"),
    ],
)
def test_secrets_inside_text_are_masked(text: str, masked: str) -> None:
    """Credentials quoted in a sentence are masked, and the sentence stays readable."""
    assert logs.mask_text(text) == masked


def test_exceptions_are_masked() -> None:
    """Neither a traceback nor an exception given as a value shows a password."""
    lines = Lines()
    error = OSError("postgresql://u:hunter2@db refused")
    try:
        raise error
    except OSError:
        logs.get_logger("treadle.test").exception("lost", error=error)
    assert "refused" in lines.last["exception"]
    assert lines.last["error"] == "OSError: postgresql://u:***@db refused"
    assert "hunter2" not in lines.text


def test_numbers_and_flags_stay_what_they_are() -> None:
    """A mask changes text only: numbers, flags and nothing stay JSON values."""
    lines = Lines()
    logs.get_logger("treadle.test").info("event", count=3, share=0.5, on=True, missing=None, items=(1, "a"))
    assert {key: lines.last[key] for key in ("count", "share", "on", "missing", "items")} == {
        "count": 3,
        "share": 0.5,
        "on": True,
        "missing": None,
        "items": [1, "a"],
    }


@pytest.mark.parametrize(
    ("level", "log_sql", "shown"), [("info", False, False), ("debug", False, True), ("info", True, True)]
)
def test_sql_is_shown_only_when_asked_for(level: str, log_sql: bool, shown: bool) -> None:
    """The text of a statement stands in debug lines, and in others only with `log_sql`."""
    lines = Lines(level="debug", log_sql=log_sql)
    getattr(logs.get_logger("treadle.test"), level)("submitted", sql="SELECT 42")
    assert ("SELECT 42" in lines.text) is shown
    assert "submitted" in lines.text
