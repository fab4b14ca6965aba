"""What a terminal is shown: what others have written neither moves the cursor nor turns around what is beside it."""

import json
import re
from collections.abc import Callable
from typing import Final

INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]"
)
"""Characters that count as printable and are not seen."""


def seen(text: str) -> str:
    """One line of text, with whatever a terminal would obey or not show spelled out."""
    return _spelled_out(text, lambda one: one.encode("unicode_escape").decode())


def seen_json(text: str) -> str:
    """One line of JSON that says the same: what is spelled out there can only stand within a string."""
    return _spelled_out(text, lambda one: json.dumps(one)[1:-1])


def _spelled_out(text: str, spell: Callable[[str], str]) -> str:
    if text.isprintable() and (text.isascii() or not INVISIBLE.search(text)):
        return text
    return "".join(one if one.isprintable() and not INVISIBLE.match(one) else spell(one) for one in text)
