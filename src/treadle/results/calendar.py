"""One date, time or timestamp of any size in PostgreSQL's text form, beyond what Python's own can hold.

``ticks`` is always how many units make a second: 1, 1,000, 1,000,000 or 1,000,000,000.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

DAY: Final = 86_400
"""Seconds."""

_CYCLE_DAYS: Final = 146_097
"""The Gregorian calendar repeats after 400 years."""

_YEAR_1: Final = -719_162
"""0001-01-01 in days from 1970-01-01."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def civil(days: int) -> tuple[int, int, int]:
    """Year (0 is 1 BC), month and day of a day counted from 1970-01-01."""
    cycles, day = divmod(days - _YEAR_1, _CYCLE_DAYS)
    date = _EPOCH + timedelta(days=day + _YEAR_1)
    return date.year + 400 * cycles, date.month, date.day


def _ymd(days: int) -> tuple[str, str]:
    """The date and what follows it at the very end, `` BC`` or nothing."""
    year, month, day = civil(days)
    shown, era = (year, "") if year > 0 else (1 - year, " BC")
    return f"{shown:04d}-{month:02d}-{day:02d}", era


def date(days: int, infinity: int) -> str:
    """A date; plus and minus ``infinity`` days are no dates."""
    if abs(days) == infinity:
        return "infinity" if days > 0 else "-infinity"
    return "".join(_ymd(days))


def clock(value: int, ticks: int) -> str:
    """A time of day, ``24:00:00`` included."""
    seconds, rest = divmod(value, ticks)
    shown = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{shown}.{rest:0{len(str(ticks)) - 1}d}".rstrip("0") if rest else shown


def offset(seconds: int) -> str:
    """A distance from UTC: ``+00``, ``+05:30``, ``-00:25:21``."""
    minutes, rest = divmod(abs(seconds), 60)
    shown = f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}"
    if minutes % 60 or rest:
        shown += f":{minutes % 60:02d}"
    return f"{shown}:{rest:02d}" if rest else shown


def timestamp(value: int, ticks: int, zone: tzinfo | None) -> str:
    """A timestamp counted from 1970-01-01, shown in ``zone`` when it has one."""
    if abs(value) == 2**63 - 1:
        return "infinity" if value > 0 else "-infinity"
    ahead = 0 if zone is None else distance(value // ticks, zone)
    days, rest = divmod(value + ahead * ticks, DAY * ticks)
    shown, era = _ymd(days)
    return f"{shown} {clock(rest, ticks)}{'' if zone is None else offset(ahead)}{era}"


def distance(seconds: int, zone: tzinfo) -> int:
    """Seconds that the zone is ahead of UTC; years Python cannot hold are like those 400 years nearer."""
    cycle = _CYCLE_DAYS * DAY
    least, most = (_YEAR_1 + 366) * DAY, (2_932_896 - 366) * DAY
    if seconds < least:
        seconds += -((seconds - least) // cycle) * cycle
    elif seconds > most:
        seconds -= -((most - seconds) // cycle) * cycle
    found = datetime.fromtimestamp(seconds, zone).utcoffset()
    return 0 if found is None else int(found.total_seconds())
