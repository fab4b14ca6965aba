"""What the gateway and its helper processes say to each other: one order, one reply.

A message is one packet. What is longer than a packet takes lies in a file without a name, in memory, which is
handed over beside it.
"""

import os
from typing import Final

import msgspec

PACKET: Final = 64 * 1024
"""Bytes that travel within a message."""

LARGEST_PACKET: Final = 2 * PACKET
"""Bytes of a whole message, at most."""


TAKE_BACK: Final = b"X"
"""What the gateway says while an order is carried out that nobody waits for any more."""


class Order(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The base of what may be asked."""


class MakePage(Order, frozen=True, array_like=True, tag=True):
    """A page of a part, as `treadle.results.reader.read_page` has it."""

    results_dir: str
    statement_id: str
    part: int
    page: int
    page_rows: int
    most: int


class MakeInlinePage(Order, frozen=True, array_like=True, tag=True):
    """A page of a result in hand, as `treadle.results.inline.read_inline_page` has it."""

    data: bytes
    page: int
    page_rows: int


class CountStatements(Order, frozen=True, array_like=True, tag=True):
    """How many statements a script has; its text is handed over."""


class Reply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The base of what may be answered."""


class MadePage(Reply, frozen=True, array_like=True, tag=True):
    """The page; its rows are here or handed over."""

    row_count: int
    page_count: int
    num_rows: int
    rows: bytes | None = None


class Counted(Reply, frozen=True, array_like=True, tag=True):
    """How many there are."""

    count: int


class Missing(Reply, frozen=True, array_like=True, tag=True):
    """The result is not there."""


class Damaged(Reply, frozen=True, array_like=True, tag=True):
    """The files of the result are not what was written."""

    what: str


class TooLarge(Reply, frozen=True, array_like=True, tag=True):
    """The page has more bytes than an answer may have."""


class Dropped(Reply, frozen=True, array_like=True, tag=True):
    """The order was taken back while it was carried out."""


class Failed(Reply, frozen=True, array_like=True, tag=True):
    """A defect: what was raised."""

    error: str


encode: Final = msgspec.msgpack.Encoder().encode
order_of: Final = msgspec.msgpack.Decoder(MakePage | MakeInlinePage | CountStatements).decode
reply_of: Final = msgspec.msgpack.Decoder(MadePage | Counted | Missing | Damaged | TooLarge | Dropped | Failed).decode


def in_memory(content: bytes | memoryview) -> int:
    """The descriptor of a file in memory with that content, at its beginning."""
    descriptor = os.memfd_create("treadle")
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
