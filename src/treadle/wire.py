"""What owner and worker say to each other, over a socket pair.

A frame is four bytes of length (big endian) and one MessagePack document with a tag. The owner
sends `Attach`, `Open`, `Execute`, `Cancel`, `Commit`, `Retry`, `HowFar`, `Close`; the worker answers with the
rest. Only the rows of small results travel here: others go from the worker to the results room.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from treadle.model.entities import CommitPoint, Part


class CatalogTarget(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker reaches a catalog. ``dsn`` carries no password; ``password`` goes beside it.

    ``metadata_name`` is a name nobody can guess, under which the engine attaches the metadata.
    """

    name: str
    metadata_name: str
    dsn: str
    password: str
    data_path: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a worker: ``memory`` and ``spill`` in bytes, ``threads`` of the engine; and the limits of a result,
    0 for none. A page of a result is full at ``page_rows`` rows or ``page_bytes`` bytes. ``judged_names`` is the
    maximum number of names in strings that are checked in one request.
    """

    memory: int
    threads: int
    spill: int
    result_rows: int = 0
    result_bytes: int = 0
    page_rows: int = 1000
    page_bytes: int = 8 * 2**20
    judged_names: int = 10_000


class Attach(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Attach this catalog, for a session that may come later. ``settings`` are what sessions begin with.

    ``temp_dir`` is the worker's own folder to fill, ``home`` its home folder, which is empty and stays so.
    """

    catalog: CatalogTarget
    limits: Limits
    temp_dir: str
    home: str
    results_dir: str
    copy_dirs: tuple[str, ...]
    settings: dict[str, str] = {}


class Open(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Become the host of this session, on the attached catalog."""

    session_id: str
    user_name: str = ""


class Upkeep(msgspec.Struct, frozen=True, kw_only=True):
    """The right to maintain the catalog. Snapshots that were made, and data files that fell out of use, before
    ``unused_before`` are needed by no statement that runs.
    """

    unused_before: datetime


class Execute(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Run a request: one statement, or a script from its first part.

    With several sets of ``bindings`` a statement is run once for each.
    """

    statement_id: str
    content: str
    user_name: str = ""
    bindings: tuple[tuple[str | None, ...], ...] = ()
    row_limit: int | None = None
    as_file: bool = False
    """Whether even a small result must be a file."""
    upkeep: Upkeep | None = None
    """The right to maintain the catalog, where its user has it."""


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Stop this statement, and only this one."""

    statement_id: str


class Commit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to `AtCommit`: the commit may be made, no interrupt will come."""

    statement_id: str
    part: int


class Retry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to `BeforeStart` and `CommitLost`: whether the part is to be run."""

    statement_id: str
    part: int
    granted: bool


class HowFar(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Say how much of this statement is done; answered with `SoFar` if it still runs."""

    statement_id: str


class Close(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """End the session and exit."""


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A new worker is here, under this process id."""

    pid: int


class Attached(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The catalog is attached and the engine locked down.

    ``unmended`` are the tables that could not be brought up to date; only the session that tried reports them.
    """

    unmended: tuple[str, ...] = ()


class AttachFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The catalog cannot be had; ``message`` says why, for the caller."""

    message: str


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The session is ready."""

    session_id: str


class OpenFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The session cannot be had; ``message`` says why, for the caller."""

    session_id: str
    message: str


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Part ``part`` has ended well and the script goes on with the next one.

    ``settings`` are the session settings after it.
    """

    statement_id: str
    part: Part
    settings: dict[str, str] = {}


class AtCommit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A part has done its work and asks to commit it."""

    statement_id: str
    point: CommitPoint


class BeforeStart(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A part that would probably lose a race waits for its turn before it runs."""

    statement_id: str
    part: int


class CommitLost(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The commit of a part lost a race and is undone: it could be run again, as if for the first time."""

    statement_id: str
    part: int


class Excess(StrEnum):
    """What a result can have too much of."""

    ROWS = "rows"
    BYTES = "bytes"


class Exceeded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The result has grown beyond its limit: no more of it is made, and the worker waits for its `Cancel`."""

    statement_id: str
    what: Excess


class SoFar(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How much of part ``part`` is done, in percent; None when the engine does not know."""

    statement_id: str
    part: int
    percent: float | None


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The request ended well; ``part`` is its last part, ``inline`` its result when it is small, and
    ``rows`` that as JSON. ``profile`` is what the request took, as `treadle.model.profile` encodes it;
    one that was over at once has none.
    """

    statement_id: str
    part: Part
    inline: bytes | None = None
    rows: bytes | None = None
    settings: dict[str, str] = {}
    profile: bytes | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The engine said no; ``part`` carries the error. ``wrote`` says that data files may be left.

    ``fatal`` says that the engine answers nothing any more: the worker is of no use.
    """

    statement_id: str
    part: Part
    wrote: bool = False
    fatal: bool = False
    settings: dict[str, str] = {}
    profile: bytes | None = None


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The statement has stopped in part ``number``; the executing thread itself says so.

    ``wrote`` says that data files may be left.
    """

    statement_id: str
    number: int
    wrote: bool = False
    settings: dict[str, str] = {}
    profile: bytes | None = None


ToWorker = Attach | Open | Execute | Cancel | Commit | Retry | HowFar | Close
FromWorker = (
    Hello
    | Attached
    | AttachFailed
    | Opened
    | OpenFailed
    | Progress
    | BeforeStart
    | AtCommit
    | CommitLost
    | Exceeded
    | SoFar
    | Finished
    | Failed
    | Cancelled
)

METADATA_PREFIX = "__ducklake_metadata"
"""How the name begins under which an engine attaches a catalog's metadata; no session may say such a name."""

MAX_FRAME = 256 * 1024 * 1024
"""Bytes: a statement of 10,000,000 characters, four bytes each, and its bindings fit well."""

_encoder = msgspec.msgpack.Encoder()
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def frame(message: ToWorker | FromWorker) -> bytes:
    """The bytes of one message, length first."""
    body = _encoder.encode(message)
    return len(body).to_bytes(4) + body


def to_worker(body: bytes) -> ToWorker:
    """Decode what the owner sent; raises `msgspec.DecodeError`."""
    return _to_worker.decode(body)


def from_worker(body: bytes) -> FromWorker:
    """Decode what a worker sent; raises `msgspec.DecodeError`."""
    return _from_worker.decode(body)
