"""Log lines: one line an event, JSON or console, never with a secret in it.

Our own events and those of the standard library's loggers (uvicorn, asyncio, asyncpg) take the same
last steps, so they look alike and pass the same mask; ours take no other. Ids bound with `context` (``request_id``,
``session_id``, ``statement_id``) stand on every line that is written inside it.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final, Literal, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]

SQL_KEYS: Final = frozenset({"sql", "statement", "content", "statement_content"})
"""Event keys that hold the text of statements."""

SECRET_WORDS: Final = frozenset(
    {"token", "password", "passwd", "pwd", "secret", "authorization", "dsn", "credential", "credentials", "cookie"}
)
"""A key with one of these words in it (``x-auth-token``, ``secretAccessKey``) holds a secret."""

MASK: Final = "***"

_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
# user:password@ of a URL; greedy, because people write passwords with an unescaped @ in them.
_URL_CREDENTIALS: Final = re.compile(r"(?P<head>[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@'\"]*):[^\s'\"]*@")
_HEADER: Final = re.compile(
    r"(?P<head>\b(?:x-auth-token|authorization)['\"]?\s*[:=]\s*['\"]?)[^\r\n'\"]+", re.IGNORECASE
)
_ASSIGNED: Final = re.compile(
    r"(?P<head>\b\w*(?:(?:password|passwd|secret)\w*['\"]?\s*[:=]|token['\"]?\s*=)\s*)"
    r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s&,;)}\]'\"]+)",
    re.IGNORECASE,
)

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "msg": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}

_FIRST: Final = ("time", "level", "event", "logger", "request_id", "session_id", "statement_id")


class _Handler(logging.StreamHandler[TextIO]):
    """The one handler of ours; its class tells it from handlers of others."""


class _Output:
    """Where our own lines go. It may be replaced at any time, whatever loggers were made before."""

    stream: TextIO = sys.stderr
    level: int = logging.INFO
    final: tuple[Processor, ...] = ()


class _Lines:
    """What a logger of ours writes with: a name, and the output."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        """Write one line."""
        # A full disk or a closed pipe must not stop whoever has something to say.
        with suppress(OSError, ValueError):
            _Output.stream.write(line + "\n")
            _Output.stream.flush()

    debug = info = warning = error = critical = msg


def configure(
    level: Level = "info", format: Format = "json", stream: TextIO | None = None, *, log_sql: bool = False
) -> None:
    """Send every log line to ``stream`` (standard error by default) in ``format``, from ``level`` on.

    Calling it again replaces the earlier configuration. ``log_sql`` shows the text of statements
    at any level; without it only ``debug`` lines carry it.
    """
    final = _final_processors(format, log_sql=log_sql)
    _Output.stream = stream or sys.stderr
    _Output.level = logging.getLevelNamesMapping()[level.upper()]
    _Output.final = tuple(final)
    structlog.configure(
        processors=[
            _drop_quiet,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            _named,
            _finish,
        ],
        logger_factory=_Lines,
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        cache_logger_on_first_use=True,
    )
    _take_over_libraries(final, _Output.stream, _Output.level)


def _take_over_libraries(final: Sequence[Processor], stream: TextIO, level: int) -> None:
    """Lines of the standard library's loggers (uvicorn, asyncio, asyncpg) look like ours and pass the same mask."""
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(h for h in root.handlers if not isinstance(h, _Handler)), handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(True)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose lines carry ``name``; usable before `configure`."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(name))


@contextmanager
def context(**ids: str) -> Iterator[None]:
    """Put these ids on every line written inside, in this task and what it starts."""
    with structlog.contextvars.bound_contextvars(**ids):
        yield


def mask_text(text: str) -> str:
    """``text`` without the passwords of URLs, connection strings and headers quoted in it."""
    if ":" not in text and "=" not in text:
        return text  # none of the forms below does without
    text = _URL_CREDENTIALS.sub(rf"\g<head>:{MASK}@", text)
    text = _HEADER.sub(rf"\g<head>{MASK}", text)
    return _ASSIGNED.sub(rf"\g<head>{MASK}", text)


def mask_value(key: str, value: object) -> object:
    """``value`` as a log line may show it under ``key``: nested values are masked by their own keys."""
    if value is not None and not isinstance(value, bool) and _is_secret(key):
        return MASK
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return mask_text(value)
        case Mapping():
            return {str(k): mask_value(str(k), v) for k, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [mask_value("", item) for item in value]
        case BaseException():
            return mask_text(f"{type(value).__name__}: {value}")
        case _:
            return mask_text(str(value))


@cache
def _is_secret(key: str) -> bool:
    return any(word.lower() in SECRET_WORDS for word in _WORD.findall(key))


def _drop_quiet(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Lines below the configured level end here."""
    if _LEVELS[method] < _Output.level:
        raise structlog.DropEvent
    return event


def _named(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["logger"] = logger.name
    return event


def _finish(logger: WrappedLogger, method: str, event: EventDict) -> Any:
    """The rest of the way, as it is configured now."""
    line: Any = event
    for process in _Output.final:
        line = process(logger, method, line)
    return line


def _final_processors(format: Format, *, log_sql: bool) -> list[Processor]:
    """From the event to the line. Exceptions become text before the mask looks at them."""
    renderer: Processor = structlog.processors.JSONRenderer(serializer=_to_json)
    if format == "console":
        renderer = structlog.dev.ConsoleRenderer(
            colors=False, timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
        )
    return [
        structlog.processors.format_exc_info,
        *([] if log_sql else [_hide_sql]),
        _mask_secrets,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _in_order,
        renderer,
    ]


def _to_json(event: EventDict, **_: object) -> str:
    return msgspec.json.encode(event).decode()


def _hide_sql(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The text of statements stands in debug lines only."""
    if event.get("level") == "debug":
        return event
    return {key: value for key, value in event.items() if key not in SQL_KEYS}


def _mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> Mapping[str, object]:
    """No value of the line, however deep, carries a secret."""
    return {key: mask_text(str(value)) if key == "event" else mask_value(key, value) for key, value in event.items()}


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The fields everybody looks for come first."""
    first = {key: event[key] for key in _FIRST if key in event}
    return first | {key: value for key, value in event.items() if key not in first}
