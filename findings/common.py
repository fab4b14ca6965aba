"""What the scripts share: a comparison that ends the script."""

import sys
import warnings

warnings.simplefilter("ignore")  # of the packages under test


def check(what: str, seen: object, expected: object) -> None:
    """Print what was seen; exit with 1 when it has changed."""
    print(f"{what}: {seen!r}")
    if seen != expected:
        sys.exit(f"changed: expected {expected!r}")
