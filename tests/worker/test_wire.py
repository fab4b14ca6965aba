"""Frames between owner and worker: whole whatever the pieces they arrive in."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from treadle.model.columns import Column
from treadle.model.entities import CommitPoint, Evidence, Part
from treadle.model.states import Effects, PartStatus
from treadle.scheduler.processes import _Pipe
from treadle.wire import (
    MAX_FRAME,
    AtCommit,
    Attach,
    Attached,
    AttachFailed,
    BeforeStart,
    Cancel,
    Cancelled,
    CatalogTarget,
    Close,
    Commit,
    CommitLost,
    Exceeded,
    Excess,
    Execute,
    Failed,
    Finished,
    FromWorker,
    Hello,
    HowFar,
    Limits,
    Open,
    Opened,
    OpenFailed,
    Progress,
    Retry,
    SoFar,
    ToWorker,
    frame,
    from_worker,
    to_worker,
)
from treadle.worker.link import Link

calm = examples()
PATIENCE = 20.0

text = st.text(max_size=20)
small = st.integers(-(2**31), 2**31)
names = st.dictionaries(text, text, max_size=3)
columns = st.builds(Column, name=text, type=small, size=small, type_mod=small, engine_type=text)
parts = st.builds(
    Part,
    number=small,
    status=st.sampled_from(PartStatus),
    rows=st.integers(0, 2**63 - 1),
    columns=st.lists(columns, max_size=3).map(tuple),
    sql_state=text,
    message=text,
    position=st.none() | st.integers(1, 10_000_000),
    effects=st.sampled_from(Effects),
)
points = st.builds(CommitPoint, part=small, last=st.booleans(), evidence=st.sampled_from(Evidence), staged=text)
bindings = st.lists(st.lists(st.none() | text, max_size=4).map(tuple), max_size=3).map(tuple)
targets = st.builds(CatalogTarget, name=text, metadata_name=text, dsn=text, password=text, data_path=text)
attaches = st.builds(
    Attach,
    catalog=targets,
    limits=st.builds(Limits, memory=small, threads=small, spill=small, result_rows=small, result_bytes=small),
    temp_dir=text,
    home=text,
    results_dir=text,
    copy_dirs=st.lists(text, max_size=3).map(tuple),
    settings=names,
)
executes = st.builds(
    Execute, statement_id=text, content=text, user_name=text, bindings=bindings, row_limit=st.none() | small
)
orders: st.SearchStrategy[ToWorker] = st.one_of(
    attaches,
    st.builds(Open, session_id=text, user_name=text),
    executes,
    st.builds(HowFar, statement_id=text),
    st.builds(Cancel, statement_id=text),
    st.builds(Commit, statement_id=text, part=small),
    st.builds(Retry, statement_id=text, part=small, granted=st.booleans()),
    st.just(Close()),
)
answers: st.SearchStrategy[FromWorker] = st.one_of(
    st.builds(Hello, pid=small),
    st.just(Attached()),
    st.builds(AttachFailed, message=text),
    st.builds(Opened, session_id=text),
    st.builds(OpenFailed, session_id=text, message=text),
    st.builds(Progress, statement_id=text, part=parts, settings=names),
    st.builds(AtCommit, statement_id=text, point=points),
    st.builds(BeforeStart, statement_id=text, part=small),
    st.builds(CommitLost, statement_id=text, part=small),
    st.builds(Exceeded, statement_id=text, what=st.sampled_from(Excess)),
    st.builds(SoFar, statement_id=text, part=small, percent=st.none() | st.floats(0, 100)),
    st.builds(Finished, statement_id=text, part=parts, inline=st.none() | st.binary(max_size=20), settings=names),
    st.builds(Failed, statement_id=text, part=parts, settings=names),
    st.builds(Cancelled, statement_id=text, number=small, wrote=st.booleans(), settings=names),
)

PART = Part(number=1, status=PartStatus.TUPLES_OK, rows=3, columns=(Column(name="ß", type=23),))
SOME_ANSWERS: list[FromWorker] = [
    Hello(pid=4711),
    Opened(session_id="s"),
    AtCommit(statement_id="a", point=CommitPoint(part=2, evidence=Evidence.FILE, staged="/x")),
    Finished(statement_id="a", part=PART, settings={"k": "v"}),
]
SOME_ORDERS: list[ToWorker] = [
    Execute(statement_id="a", content="SELECT 'ü'", bindings=(("1", None), ("2", "x"))),
    Cancel(statement_id="a"),
    Close(),
]


class Ear:
    """The owner's end of a pipe, and what it heard."""

    def __init__(self) -> None:
        self.heard: list[FromWorker] = []
        self.hung_up = 0
        self.pipe = _Pipe(self.heard.append, self._hang_up)

    def _hang_up(self) -> None:
        self.hung_up += 1


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Link]]:
    """The owner's raw socket and the worker's link."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, Link(theirs)


# -- round trips -------------------------------------------------------------------------------


@calm
@given(orders)
def test_orders_come_back(order: ToWorker) -> None:
    """What the owner says is what the worker understands."""
    data = frame(order)
    assert int.from_bytes(data[:4]) == len(data) - 4
    assert to_worker(data[4:]) == order


@calm
@given(answers)
def test_answers_come_back(answer: FromWorker) -> None:
    """What a worker says is what the owner understands."""
    assert from_worker(frame(answer)[4:]) == answer


def test_every_message_is_tested() -> None:
    """The strategies above know every message there is."""
    kinds = {type(m) for m in (*SOME_ORDERS, Commit(statement_id="a", part=1))} | {Attach, HowFar, Open, Retry}
    assert kinds == set(ToWorker.__args__)
    others = {Attached, AttachFailed, BeforeStart, CommitLost, Exceeded, Failed, Cancelled, OpenFailed, Progress, SoFar}
    assert {type(m) for m in SOME_ANSWERS} | others == set(FromWorker.__args__)


@pytest.mark.parametrize("body", [b"", b"\x00", b"garbage", b"\x81\xa4type\xa4Nope", frame(Close())[4:-1]])
def test_what_is_no_message(body: bytes) -> None:
    """Bytes that are no message are refused, not guessed."""
    for decode in (to_worker, from_worker):
        with pytest.raises(msgspec.DecodeError):
            decode(body)


def test_no_end_takes_the_other_ends_words() -> None:
    """An order is no answer and an answer is no order."""
    for order in SOME_ORDERS:
        with pytest.raises(msgspec.ValidationError):
            from_worker(frame(order)[4:])
    for answer in SOME_ANSWERS:
        with pytest.raises(msgspec.ValidationError):
            to_worker(frame(answer)[4:])


# -- the owner's end ---------------------------------------------------------------------------


def test_the_owner_hears_frames_cut_anywhere() -> None:
    """Two pieces, cut at every byte: the same messages in the same order, none before its last byte."""
    data = b"".join(map(frame, SOME_ANSWERS))
    for cut in range(len(data) + 1):
        ear = Ear()
        ear.pipe.data_received(data[:cut])
        assert len(ear.heard) == _whole(data[:cut])
        ear.pipe.data_received(data[cut:])
        assert ear.heard == SOME_ANSWERS


def _whole(data: bytes) -> int:
    """How many whole frames there are."""
    count = 0
    while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:4]):
        data = data[4 + int.from_bytes(data[:4]) :]
        count += 1
    return count


@calm
@given(st.lists(answers, max_size=5), st.lists(st.integers(1, 30), min_size=1))
def test_the_owner_hears_frames_in_any_pieces(said: list[FromWorker], sizes: list[int]) -> None:
    """Whatever the pieces, the messages are whole and in order."""
    data, ear, n = b"".join(map(frame, said)), Ear(), 0
    while data:
        piece, data = data[: sizes[n % len(sizes)]], data[sizes[n % len(sizes)] :]
        ear.pipe.data_received(piece)
        n += 1
    assert ear.heard == said


def test_the_owner_refuses_an_oversized_frame() -> None:
    """A length beyond the bound is refused before anything of that size is kept; what came before is heard."""
    ear = Ear()
    with pytest.raises(ValueError, match="oversized"):
        ear.pipe.data_received(frame(Hello(pid=1)) + (MAX_FRAME + 1).to_bytes(4))
    assert ear.heard == [Hello(pid=1)]
    Ear().pipe.data_received(MAX_FRAME.to_bytes(4))


def test_the_owner_knows_that_the_pipe_is_closed() -> None:
    """The end of the pipe is told once, half a message is nobody's."""
    ear = Ear()
    ear.pipe.data_received(frame(Hello(pid=1))[:-1])
    ear.pipe.connection_lost(None)
    assert (ear.heard, ear.hung_up) == ([], 1)


# -- the worker's end --------------------------------------------------------------------------


def test_the_worker_hears_frames_cut_anywhere(ends: tuple[socket.socket, Link]) -> None:
    """Two pieces over a real socket, cut at every byte: whole messages in order."""
    ours, link = ends
    data = b"".join(map(frame, SOME_ORDERS))
    with ThreadPoolExecutor(1) as pool:
        for cut in range(len(data) + 1):
            ours.sendall(data[:cut])
            heard = pool.submit(lambda: [link.receive() for _ in SOME_ORDERS])
            ours.sendall(data[cut:])
            assert heard.result(PATIENCE) == SOME_ORDERS


def test_the_worker_hears_frames_byte_by_byte(ends: tuple[socket.socket, Link]) -> None:
    """The slowest sender there is: still whole messages in order."""
    ours, link = ends

    def drip() -> None:
        for byte in b"".join(map(frame, SOME_ORDERS)):
            ours.sendall(bytes([byte]))

    sender = threading.Thread(target=drip)
    sender.start()
    assert [link.receive() for _ in SOME_ORDERS] == SOME_ORDERS
    sender.join(PATIENCE)


def test_a_large_order_is_heard_whole(ends: tuple[socket.socket, Link]) -> None:
    """A statement of ten million characters, four bytes each, passes."""
    ours, link = ends
    order = Execute(statement_id="a", content="𝄞" * 10_000_000)
    sender = threading.Thread(target=ours.sendall, args=(frame(order),))
    sender.start()
    assert link.receive() == order
    sender.join(PATIENCE)


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 5])
def test_the_worker_knows_that_the_owner_is_gone(ends: tuple[socket.socket, Link], cut: int) -> None:
    """The end of the pipe, in whatever part of a frame, is told as None, again and again."""
    ours, link = ends
    ours.sendall(frame(Cancel(statement_id="a"))[:cut])
    ours.close()
    assert link.receive() is None
    assert link.receive() is None


def test_the_worker_refuses_an_oversized_frame(ends: tuple[socket.socket, Link]) -> None:
    """A length beyond the bound ends the conversation."""
    ours, link = ends
    ours.sendall((MAX_FRAME + 1).to_bytes(4))
    assert link.receive() is None


def test_what_is_said_to_a_vanished_owner_is_nobodys_trouble(ends: tuple[socket.socket, Link]) -> None:
    """Sending after the owner has gone raises nothing; receiving tells."""
    ours, link = ends
    ours.close()
    for _ in range(3):
        link.send(Hello(pid=1))
    assert link.receive() is None


def test_frames_of_many_threads_do_not_mix(ends: tuple[socket.socket, Link]) -> None:
    """Large messages of several threads arrive each one whole, those of a thread in their order."""
    ours, link = ends
    ear, threads, each = Ear(), 4, 10

    def say(thread: int) -> None:
        for n in range(each):
            link.send(OpenFailed(session_id=str(thread), message=str(n) + "x" * 300_000))

    def hear() -> None:
        while len(ear.heard) < threads * each:
            ear.pipe.data_received(ours.recv(65536))

    with ThreadPoolExecutor(threads + 1) as pool:
        heard = pool.submit(hear)
        for said in [pool.submit(say, n) for n in range(threads)]:
            said.result(PATIENCE)
        heard.result(PATIENCE)
    for thread in range(threads):
        mine = [m.message.rstrip("x") for m in ear.heard if isinstance(m, OpenFailed) and m.session_id == str(thread)]
        assert mine == [str(n) for n in range(each)]
