"""Text for people: reasons that they give, and numbers with a noun."""

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


def counted(number: int, noun: str) -> str:
    """Format a number with its noun: ``1 row``, ``1,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
