"""Suggestions for misspelt names."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggested(name: str, known: Iterable[str]) -> str:
    """Format a suggestion of the nearest known name; empty when none is near."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
