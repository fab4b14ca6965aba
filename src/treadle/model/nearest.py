"""Suggestions for misspelt names."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Find the nearest known name; None when none is near."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def suggested(name: str, known: Iterable[str]) -> str:
    """Format a suggestion of the nearest known name; empty when none is near."""
    return suggestion(nearest(name, known))


def suggestion(name: str | None) -> str:
    """Format a suggestion; empty without a name."""
    return f"; did you mean {name}?" if name else ""
