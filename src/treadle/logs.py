"""Log lines: one line an event, JSON or console, never with a secret in it.

Our own events and those of the standard library's loggers (uvicorn, asyncio, asyncpg) go through
one handler, so they look alike and pass the same mask. Ids bound with `context` (``request_id``,
``session_id``, ``statement_id``) stand on every line that is written inside it.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal, TextIO, cast

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

_FIRST: Final = ("time", "level", "event", "logger", "request_id", "session_id", "statement_id")


class _Handler(logging.StreamHandler[TextIO]):
    """The one handler of ours; its class tells it from handlers of others."""


def configure(
    level: Level = "info", format: Format = "json", stream: TextIO | None = None, *, log_sql: bool = False
) -> None:
    """Send every log line to ``stream`` (standard error by default) in ``format``, from ``level`` on.

    Calling it again replaces the earlier configuration. ``log_sql`` shows the text of statements
    at any level; without it only ``debug`` lines carry it.
    """
    shared = _shared_processors()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=_final_processors(format, log_sql=log_sql)
        )
    )
    root = logging.getLogger()
    root.handlers = [*(h for h in root.handlers if not isinstance(h, _Handler)), handler]
    root.setLevel(level.upper())
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


def _is_secret(key: str) -> bool:
    return any(word.lower() in SECRET_WORDS for word in _WORD.findall(key))


def _shared_processors() -> list[Processor]:
    """What both our own and the standard library's events go through."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
    ]


def _final_processors(format: Format, *, log_sql: bool) -> list[Processor]:
    """From the event to the line. Exceptions become text before the mask looks at them."""
    renderer: Processor = structlog.processors.JSONRenderer()
    if format == "console":
        renderer = structlog.dev.ConsoleRenderer(
            colors=False, timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
        )
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        *([] if log_sql else [_hide_sql]),
        _mask_secrets,
        _in_order,
        renderer,
    ]


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
