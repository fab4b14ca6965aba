"""Words that a person gives as the reason of what they do, as they are kept and shown."""

import unicodedata
from typing import Final

MOST_REASON: Final = 512
"""Characters of a reason."""

_UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"))
"""Kinds of characters that move, hide or part other text: a blank stands for each."""


def reason_of(text: str | None) -> str | None:
    """One line of plain text; None for a text without words."""
    if text is None:
        return None
    plain = "".join(" " if unicodedata.category(one) in _UNSEEN else one for one in text)
    return " ".join(plain.split()) or None
