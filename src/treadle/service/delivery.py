"""What depends on whether an answer comes to its caller.

A request that makes something which costs, and which only its answer names, keeps it when that answer
was delivered. Any other way out of the request gives it up.
"""

from collections.abc import Callable

Settle = Callable[[bool], None]
"""Hears once whether the answer was delivered."""

Delivery = Callable[[Settle], None]
"""Has a `Settle` called when the answer of the request was delivered, or never will be."""
