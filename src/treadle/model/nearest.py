"""The name somebody may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggested(name: str, known: Iterable[str]) -> str:
    """What to add to the refusal of an unknown name: the nearest known one, if any is near."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
