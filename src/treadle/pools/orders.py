"""The messages between the gateway and its helper processes: one reply to each order.

A message is one packet. Longer data is passed beside it as a memory file descriptor.
"""

import os
from typing import Final

import msgspec

PACKET: Final = 64 * 1024
"""Maximum size of data within a message, in bytes."""

LARGEST_PACKET: Final = 2 * PACKET
"""Maximum size of a message, in bytes."""


TAKE_BACK: Final = b"X"
"""The gateway's message that takes back the current order."""


class Order(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The base class of orders."""


class MakePage(Order, frozen=True, array_like=True, tag=True):
    """Order for a page of a part; the fields are those of `treadle.results.reader.read_page`."""

    results_dir: str
    statement_id: str
    part: int
    page: int
    page_rows: int
    most: int


class MakeInlinePage(Order, frozen=True, array_like=True, tag=True):
    """Order for a page of an inline result; the fields are those of `treadle.results.inline.read_inline_page`."""

    data: bytes
    page: int
    page_rows: int


class CountStatements(Order, frozen=True, array_like=True, tag=True):
    """Order to count the statements of a script, whose text is passed as a file descriptor."""


class Reply(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The base class of replies."""


class MadePage(Reply, frozen=True, array_like=True, tag=True):
    """The page, with its rows or with a file descriptor for them."""

    row_count: int
    page_count: int
    num_rows: int
    rows: bytes | None = None


class Counted(Reply, frozen=True, array_like=True, tag=True):
    """The number of statements."""

    count: int


class Missing(Reply, frozen=True, array_like=True, tag=True):
    """The result does not exist."""


class Damaged(Reply, frozen=True, array_like=True, tag=True):
    """The files of the result are damaged."""

    what: str


class TooLarge(Reply, frozen=True, array_like=True, tag=True):
    """The page is larger than an answer may be."""


class Dropped(Reply, frozen=True, array_like=True, tag=True):
    """The order was taken back while it was carried out."""


class Failed(Reply, frozen=True, array_like=True, tag=True):
    """An unexpected exception."""

    error: str


encode: Final = msgspec.msgpack.Encoder().encode
order_of: Final = msgspec.msgpack.Decoder(MakePage | MakeInlinePage | CountStatements).decode
reply_of: Final = msgspec.msgpack.Decoder(MadePage | Counted | Missing | Damaged | TooLarge | Dropped | Failed).decode


def in_memory(content: bytes | memoryview) -> int:
    """Create a memory file with the content and return its descriptor, positioned at the start."""
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
