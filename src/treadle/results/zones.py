"""Time zones by name, the same ones on every machine.

They come from the `tzdata` package that is locked with the service, not from the machine's own files:
those may be older than the engine's, merged differently, or missing.
"""

from datetime import UTC, tzinfo
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

_UTC: Final = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "GMT", "Etc/GMT"})

_OF_THE_ENGINE: Final = {
    "ACT": "Australia/Darwin",
    "AET": "Australia/Sydney",
    "AGT": "America/Argentina/Buenos_Aires",
    "ART": "Africa/Cairo",
    "AST": "America/Anchorage",
    "BET": "America/Sao_Paulo",
    "BST": "Asia/Dhaka",
    "CAT": "Africa/Maputo",
    "CNT": "America/St_Johns",
    "CST": "America/Chicago",
    "CTT": "Asia/Shanghai",
    "Canada/East-Saskatchewan": "America/Regina",
    "EAT": "Africa/Nairobi",
    "ECT": "Europe/Paris",
    "IET": "America/Indiana/Indianapolis",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "MIT": "Pacific/Apia",
    "NET": "Asia/Yerevan",
    "NST": "Pacific/Auckland",
    "PLT": "Asia/Karachi",
    "PNT": "America/Phoenix",
    "PRT": "America/Puerto_Rico",
    "PST": "America/Los_Angeles",
    "SST": "Pacific/Guadalcanal",
    "US/Pacific-New": "America/Los_Angeles",
    "VST": "Asia/Ho_Chi_Minh",
}
"""Names that DuckDB's own zones (ICU's) have beside everybody's, and what they stand for there."""


@cache
def zone_of(name: str) -> tzinfo:
    """The zone of a name; one that nobody knows (ICU's ``SystemV/…`` are left) is shown as UTC."""
    if name in _UTC:
        return UTC
    found = _OF_THE_ENGINE.get(name, name)
    if found not in _names():
        return UTC
    with resources.files("tzdata").joinpath("zoneinfo", *found.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=found)


@cache
def _names() -> frozenset[str]:
    """Every zone of the package."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())
