"""The zoo: kinds of statement to cancel, those that look at interrupts and those that do not."""

from tests.conformance.zoo.calls import CALLS
from tests.conformance.zoo.kind import Kind
from tests.conformance.zoo.queries import QUERIES
from tests.conformance.zoo.shapes import SHAPES
from tests.conformance.zoo.tpc import TPC
from tests.conformance.zoo.writes import WRITES

__all__ = ["COOPERATIVE", "DEAF", "KINDS", "Kind", "named"]

KINDS = (*QUERIES, *CALLS, *SHAPES, *WRITES, *TPC)


def named(name: str) -> Kind:
    """The kind of that name."""
    return next(one for one in KINDS if one.name == name)


COOPERATIVE = tuple(one for one in KINDS if not one.deaf)
DEAF = tuple(one for one in KINDS if one.deaf)
