"""Which catalogs have changed, and which somebody wants maintained: what maintenance waits for."""

import asyncio

from treadle.model.entities import Catalog


class Changes:
    """Collects catalogs until maintenance takes them."""

    def __init__(self) -> None:
        self._changed: dict[str, Catalog] = {}
        self._wanted: dict[str, Catalog] = {}
        self._news = asyncio.Event()

    def note(self, catalog: Catalog) -> None:
        """A commit on the catalog is over."""
        self._changed[catalog.id] = catalog
        self._news.set()

    def want(self, catalog: Catalog) -> None:
        """An operator wants the catalog maintained at once."""
        self._wanted[catalog.id] = catalog
        self._news.set()

    async def wait(self, seconds: float) -> None:
        """Wait for news, for so many seconds at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def take(self) -> tuple[list[Catalog], list[Catalog]]:
        """The catalogs that have changed, and those that are wanted, since the last call."""
        changed, wanted = [*self._changed.values()], [*self._wanted.values()]
        self._changed, self._wanted = {}, {}
        self._news.clear()
        return changed, wanted
