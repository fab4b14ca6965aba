"""Normalises the reason that a person gives for an action."""

import unicodedata
from typing import Final

MOST_REASON: Final = 512
"""Maximum length of a reason."""

_UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"))
"""Unicode categories that move, hide or reorder text; replaced by blanks."""


def reason_of(text: str | None) -> str | None:
    """Convert to one line of plain text; None for a text without words."""
    if text is None:
        return None
    plain = "".join(" " if unicodedata.category(one) in _UNSEEN else one for one in text)
    return " ".join(plain.split()) or None
