"""Work beside the event loop, where no processes and no threads exist: the loop's own executor does it."""

import asyncio

from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.pools import orders
from treadle.pools.fair import Tenant
from treadle.pools.helpers import Answer, Helpers
from treadle.pools.orders import Order
from treadle.pools.pools import Pools
from treadle.pools.scripts import count_statements
from treadle.pools.threads import Offload, Threads
from treadle.results.inline import read_inline_page
from treadle.results.reader import ResultMissing, read_page


class _Helpers(Helpers):
    async def ask(self, tenant: Tenant, order: Order, text: bytes = b"") -> Answer:
        return await asyncio.to_thread(_carried_out, order, text), b""


class _Threads(Threads):
    def of(self, *tenant: str) -> Offload:
        return asyncio.to_thread


def _carried_out(order: Order, text: bytes) -> orders.Reply:
    try:
        match order:
            case orders.MakePage(folder, statement_id, part, page, page_rows, most):
                made = read_page(folder, statement_id, part, page, page_rows, most)
            case orders.MakeInlinePage(data, page, page_rows):
                made = read_inline_page(data, page, page_rows)
            case _:
                return orders.Counted(count_statements(text.decode()))
    except ResultMissing:
        return orders.Missing()
    return orders.MadePage(made.row_count, made.page_count, made.num_rows, bytes(made.rows_json))


def pools(settings: Settings, figures: Metrics) -> Pools:
    """The pools of one gateway."""
    made = Pools(settings, figures)
    made.pages = _Helpers("pages", size=2, line=100, seconds=60.0, idle=0, figures=figures)
    made.intake = _Helpers("intake", size=2, line=100, seconds=60.0, idle=0, figures=figures)
    made.readers = _Threads("readers", 2, 1, figures)
    made.files = _Threads("files", 2, 1, figures)
    return made
