"""The settings of a session: which there are and what they may be.

The two time-outs are kept outside the engine, which therefore cannot be told to ignore them. The parameters
of the engine that a session may set are in `engine_settings`. The other names are those PostgreSQL clients set
when they connect: they are accepted when they ask for what is so anyway. Everything else the engine knows is out
of a session's reach.
"""

import math
import re
from collections.abc import Mapping
from itertools import chain
from typing import Final, TypeVar

import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb import engine_settings, profile

TIMEOUTS: Final = ("statement_timeout", "session_timeout")
ALL: Final = "all"
MAIN: Final = "main"
PROFILING: Final = "query_profiling"

_MOST_SECONDS: Final[dict[str, float]] = {"statement_timeout": 2_147_483, "session_timeout": 86_400}
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]*)?)\s*([a-z]*)\s*", re.IGNORECASE)
_TRUE: Final = frozenset(("on", "true", "yes", "1"))
_FALSE: Final = frozenset(("off", "false", "no", "0"))
_PROFILERS: Final = {"off": profile.OFF, "on": profile.ON, "detailed": profile.DETAILED}
_SHOWN_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1))
PUBLISHED: Final = "__internal_settings"
"""The engine's variable with the values of all settings as SHOW shows them, for the relations that list settings."""

SEPARATOR: Final = "\x1f"
"""The separator between two values in it."""

_NAME: Final = '"'
_LITERAL: Final = "'"


class Setting(msgspec.Struct, frozen=True):
    """One setting: its name as shown, its default, what else means the same, and what it is for.

    Without ``accepted`` any value goes.
    """

    name: str
    default: str
    about: str
    accepted: frozenset[str] | None = None


def _fixed(name: str, value: str, about: str, *same: str) -> Setting:
    return Setting(name, value, about, frozenset((value.lower(), *same)))


SETTINGS: Final = {
    setting.name.lower(): setting
    for setting in (
        Setting("statement_timeout", "0", "Seconds a statement may run; 0 is for ever."),
        Setting("session_timeout", "600", "Idle seconds after which the session is closed; 0 is never."),
        Setting("TimeZone", "UTC", "The time zone of timestamps with time zone."),
        Setting(PROFILING, "on", "What is measured of operators: off; on, their rows; detailed, their times as well."),
        Setting("search_path", MAIN, "The schemas where names are looked up; the first is where things are created."),
        Setting("application_name", "", "What the client calls itself."),
        _fixed("bytea_output", "hex", "How binary values are written."),
        _fixed("Calendar", "gregorian", "The calendar of timestamps with time zone."),
        _fixed("client_encoding", "UTF8", "The character set of the client.", "utf-8", "unicode"),
        _fixed("client_min_messages", "notice", "The least message sent to the client."),
        _fixed("DateStyle", "ISO, MDY", "How dates are written.", "iso", "iso,mdy"),
        _fixed("default_order", "ASCENDING", "Rows are sorted upwards by default.", "asc"),
        _fixed("default_transaction_isolation", "repeatable read", "The isolation of new transactions."),
        _fixed("extra_float_digits", "1", "Floating-point numbers are written exactly.", "2", "3"),
        _fixed("idle_in_transaction_session_timeout", "0", "An idle transaction ends with its session."),
        _fixed("integer_datetimes", "on", "Date-times are whole numbers inside.", *_TRUE),
        _fixed("IntervalStyle", "postgres", "How intervals are written."),
        _fixed("lock_timeout", "0", "Nothing waits for locks."),
        _fixed("server_encoding", "UTF8", "The character set of the catalog.", "utf-8", "unicode"),
        _fixed("standard_conforming_strings", "on", "A backslash in a plain string is a backslash.", *_TRUE),
        _fixed("transaction_isolation", "repeatable read", "The isolation of the transaction."),
        *(Setting(one.name, one.default, one.about) for one in engine_settings.of_session(1).values()),
    )
}


class Change(msgspec.Struct, frozen=True):
    """What a SET, RESET or USE asks for; ``value`` None is the default.

    ``engine`` are the statements the engine has to run first; when one fails, nothing changes.
    ``local`` holds until the transaction ends, and without one not at all.
    """

    name: str
    value: str | None
    engine: tuple[str, ...] = ()
    local: bool = False


class Show(msgspec.Struct, frozen=True):
    """What a SHOW asks for: a setting by its name as shown, or `ALL`."""

    name: str


class SessionSettings(msgspec.Struct, frozen=True):
    """The settings of one session, immutable: `apply` gives the next ones.

    ``changed`` are, by setting, the engine's own statements for those that are not as they began,
    ``changed_local`` for those that were set LOCAL. ``before`` are the settings as the open transaction found them.
    """

    defaults: Mapping[str, str] = {}
    values: Mapping[str, str] = {}
    local: Mapping[str, str] = {}
    changed: Mapping[str, tuple[str, ...]] = {}
    changed_local: Mapping[str, tuple[str, ...]] = {}
    catalog: str = ""
    before: "SessionSettings | None" = None

    @classmethod
    def from_wire(cls, settings: Mapping[str, str], *, catalog: str, threads: int = 1) -> "SessionSettings":
        """The settings a session begins with; raises `EngineError` (22023)."""
        timeouts = {name: value_of(name, settings[name]) for name in TIMEOUTS if name in settings}
        return cls({**timeouts, "threads": str(threads)}, catalog=catalog)

    def engine(self) -> tuple[str, ...]:
        """The statements that bring the engine to these settings, whatever its own are."""
        return tuple(chain.from_iterable(self._engine().values()))

    def parsing(self) -> tuple[str, ...]:
        """Get the values of the parameters that apply to parsing."""
        return tuple(self.show(name) for name in sorted(engine_settings.PARSING))

    def moved(self, goal: "SessionSettings") -> tuple[str, ...]:
        """The statements that bring the engine from these settings to others."""
        now = self._engine()
        return tuple(chain.from_iterable(told for key, told in goal._engine().items() if told != now[key]))

    def _engine(self) -> dict[str, tuple[str, ...]]:
        """The engine's statements by setting."""
        own = engine_settings.of_session(int(self._default("threads"))).values()
        return {
            "search_path": use_schemas(((self.catalog, MAIN),)),
            "timezone": (set_time_zone(self._default("timezone")),),
            PROFILING: (set_profiling(self._default(PROFILING)),),
            **{one.name: (engine_settings.statement(one.name, one.default),) for one in own},
            **self.changed,
            **self.changed_local,
            PUBLISHED: (self.published(),),
        }

    def apply(self, change: Change) -> "SessionSettings":
        """The settings after a change."""
        if change.name == ALL:
            return SessionSettings(self.defaults, catalog=self.catalog, before=self.before)
        key = change.name.lower()
        value = self._default(key) if change.value is None else change.value
        engine = {key: change.engine} if change.engine else {}
        if change.local:
            if self.before is None:
                return self
            return msgspec.structs.replace(
                self, local={**self.local, key: value}, changed_local={**self.changed_local, **engine}
            )
        return msgspec.structs.replace(
            self,
            values={**self.values, key: value},
            changed={**self.changed, **engine},
            local=_without(self.local, key),
            changed_local=_without(self.changed_local, key),
        )

    def begin_transaction(self) -> "SessionSettings":
        """The settings after BEGIN: they know the way back."""
        return msgspec.structs.replace(self, before=self)

    def commit(self) -> "SessionSettings":
        """The settings after COMMIT: those set LOCAL are as they were, the others stay."""
        if self.before is None:
            return self
        return msgspec.structs.replace(self, local={}, changed_local={}, before=None)

    def roll_back(self) -> "SessionSettings":
        """The settings after ROLLBACK, or an error in the transaction: as it found them, as in PostgreSQL."""
        return self if self.before is None else self.before

    def published(self) -> str:
        """Build the engine's statement that publishes the shown values of the settings."""
        values = (self.show(key).replace(SEPARATOR, " ") for key in sorted(SETTINGS))
        return f"SET VARIABLE {PUBLISHED} = {_quoted(SEPARATOR.join(values), _LITERAL)}"

    def show(self, name: str) -> str:
        """Format the value of a setting for SHOW."""
        value = self._value(name)
        return _with_unit(value) if name.lower() in TIMEOUTS else value

    def _value(self, name: str) -> str:
        key = name.lower()
        return self.local.get(key, self.values.get(key, self._default(key)))

    def show_all(self) -> tuple[tuple[str, str, str], ...]:
        """Every setting with its value and what it is for, by name."""
        settings = sorted(SETTINGS.items())
        return tuple((setting.name, self.show(key), setting.about) for key, setting in settings)

    def as_wire(self) -> dict[str, str]:
        """The time-outs, in seconds."""
        return {name: self._value(name) for name in TIMEOUTS}

    def _default(self, key: str) -> str:
        return self.defaults.get(key, SETTINGS[key].default)


V = TypeVar("V")


def _without(settings: Mapping[str, V], key: str) -> Mapping[str, V]:
    return {name: kept for name, kept in settings.items() if name != key}


def value_of(name: str, text: str) -> str:
    """A value in the form it is kept and shown; raises `EngineError` (22023)."""
    if name in TIMEOUTS:
        return _seconds(name, text)
    if name == PROFILING:
        return _measured(name, text)
    accepted = SETTINGS[name.lower()].accepted
    if accepted is None:
        return text
    given = text.strip().lower()
    if given in accepted:
        return SETTINGS[name.lower()].default
    raise wrong_value(name, text)


def _seconds(name: str, text: str) -> str:
    found = _DURATION.fullmatch(text)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise wrong_value(name, text)
    seconds = float(found[1]) * unit
    if not 0 <= seconds <= _MOST_SECONDS[name]:
        most = int(_MOST_SECONDS[name])
        raise EngineError("22023", f'{text} is outside the valid range for parameter "{name}" (0 s .. {most} s)')
    # A time below the resolution must not become "never": milliseconds as in PostgreSQL, or whole seconds.
    steps = 1 if name == "session_timeout" else 1000
    seconds = math.ceil(round(seconds * steps, 6)) / steps
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _with_unit(seconds: str) -> str:
    """Format a time like PostgreSQL, in the largest unit without a fraction."""
    millis = round(float(seconds) * 1000)
    if not millis:
        return "0"
    return next(f"{millis // size}{unit}" for unit, size in _SHOWN_UNITS if millis % size == 0)


def _measured(name: str, text: str) -> str:
    given = text.strip().lower()
    given = "on" if given in _TRUE else "off" if given in _FALSE else given
    if given not in _PROFILERS:
        raise wrong_value(name, text)
    return given


def wrong_value(name: str, text: str) -> EngineError:
    """The refusal of a value."""
    return EngineError("22023", f'invalid value for parameter "{name}": "{text}"')


def set_time_zone(value: str) -> str:
    """The engine's statement for a time zone."""
    return f"SET TimeZone = {_quoted(value, _LITERAL)}"


def set_profiling(value: str) -> str:
    """The engine's statement for its profiler."""
    return _PROFILERS[value]


def use_schemas(path: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The engine's statements for a search path of catalogs and schemas."""
    names = [f"{_quoted(catalog, _NAME)}.{_quoted(schema, _NAME)}" for catalog, schema in path]
    if len(names) == 1:
        return (f"USE {names[0]}",)
    return (f"SET search_path = {_quoted(','.join(names), _LITERAL)}",)


def _quoted(text: str, mark: str) -> str:
    return f"{mark}{text.replace(mark, mark * 2)}{mark}"
