"""Intervals in PostgreSQL's ``postgres`` style: ``1 year 2 mons -3 days +04:05:06.5``."""

from typing import Final

from treadle.results.arrays import AnyArray, strings

_NANOS: Final = 1_000_000_000


def interval(array: AnyArray) -> AnyArray:
    """Months, days and a time of day of either sign."""
    return strings(None if value is None else spell(*value) for value in array.to_pylist())


def spell(months: int, days: int, nanoseconds: int) -> str:
    """One interval, as PostgreSQL's EncodeInterval writes it.

    A part after a negative one carries its plus sign.
    """
    years, months = _divided(months, 12)
    parts = []
    before_negative = False
    for amount, unit in ((years, "year"), (months, "mon"), (days, "day")):
        if amount:
            plus = "+" if before_negative and amount > 0 else ""
            parts.append(f"{plus}{amount} {unit}{'' if amount == 1 else 's'}")
            before_negative = amount < 0
    if nanoseconds or not parts:
        sign = "-" if nanoseconds < 0 else "+" if before_negative else ""
        parts.append(sign + _clock(abs(nanoseconds)))
    return " ".join(parts)


def _divided(value: int, by: int) -> tuple[int, int]:
    """Quotient towards zero and the rest, both of the sign of ``value``."""
    quotient, rest = divmod(abs(value), by)
    return (quotient, rest) if value >= 0 else (-quotient, -rest)


def _clock(nanoseconds: int) -> str:
    seconds, nanos = divmod(nanoseconds, _NANOS)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"
