"""Intervals in PostgreSQL's ``postgres`` style: ``1 year 2 mons -3 days +04:05:06.5``.

Arrow counts nanoseconds, DuckDB microseconds: beyond 292 years of hours the engine's product overflows
its 64 bits. The factor 1,000 is 8 times an odd number, so that up to `MOST_MICROSECONDS` the overflow
can be undone; the adapter refuses what lies beyond.
"""

from typing import Final

from treadle.results.arrays import AnyArray, strings

_MICROS: Final = 1_000_000
"""In a second."""

MOST_MICROSECONDS: Final = 2**60 - 1
"""About 36,000 years."""

_CYCLE: Final = 2**61
_ODD_INVERSE: Final = pow(125, -1, _CYCLE)


def interval(array: AnyArray) -> AnyArray:
    """Months, days and a time of day of either sign."""
    return strings(
        None if value is None else spell(value.months, value.days, microseconds(value.nanoseconds))
        for value in array.to_pylist()
    )


def microseconds(product: int) -> int:
    """The microseconds of which ``product`` is 1,000 times as many, within 64 bits."""
    found = product // 8 * _ODD_INVERSE % _CYCLE
    return found - _CYCLE if found > MOST_MICROSECONDS else found


def spell(months: int, days: int, micros: int) -> str:
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
    if micros or not parts:
        sign = "-" if micros < 0 else "+" if before_negative else ""
        parts.append(sign + _clock(abs(micros)))
    return " ".join(parts)


def _divided(value: int, by: int) -> tuple[int, int]:
    """Quotient towards zero and the rest, both of the sign of ``value``."""
    quotient, rest = divmod(abs(value), by)
    return (quotient, rest) if value >= 0 else (-quotient, -rest)


def _clock(micros: int) -> str:
    seconds, rest = divmod(micros, _MICROS)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"
