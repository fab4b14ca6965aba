"""A store in memory that fails on demand."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from treadle.store.errors import StoreUnavailable
from treadle.store.memory import MemoryStore


async def happens(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (what is waited for sets no event)
            await asyncio.sleep(0)


class Fragile(MemoryStore):
    """Fails in the method of that name, ``before`` or ``after`` its effect, so many times."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Counter[str] = Counter()
        self.after: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name.startswith("_") or name in {"before", "after"}:
            return value
        before, after = self.before, self.after
        if not (before[name] or after[name]):
            return value

        async def call(*args: Any, **kwargs: Any) -> Any:
            _fail(before, name)
            result = await value(*args, **kwargs)
            _fail(after, name)
            return result

        return call


def _fail(counts: Counter[str], name: str) -> None:
    if counts[name] > 0:
        counts[name] -= 1
        raise StoreUnavailable("gone")
