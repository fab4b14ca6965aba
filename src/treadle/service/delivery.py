"""Work that depends on the delivery of an answer.

A request that creates a resource which only its answer names keeps the resource if that answer was delivered. Any other
end of the request gives it up.
"""

from collections.abc import Callable

Settle = Callable[[bool], None]
"""A callback that gets, once, whether the answer was delivered."""

Delivery = Callable[[Settle], None]
"""Registers a `Settle` to be called when the answer of the request was delivered, or cannot be delivered any more."""
