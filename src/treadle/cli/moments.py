"""Points in time on the command line."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

_AGO: Final = re.compile(r"(\d+)([smhd])\Z")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Moment(click.ParamType[datetime]):
    """A date and time (UTC unless it has an offset), or an age: 90s, 15m, 24h, 7d."""

    name = "WHEN"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        text = str(value)
        try:
            if ago := _AGO.match(text):
                return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
            parsed = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fail(f"{text} is neither a date and time (2026-07-13T08:00:00Z) nor a time ago (24h)", param, ctx)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
