"""The inside of a worker: one thread listens, one strikes, one gauges, the first one executes.

The listening thread reads every message at once, so a cancel is never stuck behind data; it hands
orders to the executing thread and cancels to the fence. When the owner is gone it ends the process.
"""

import os
import queue
import threading
from collections.abc import Callable
from typing import Final, Generic

from treadle.engines.base import Engine, EngineError, P
from treadle.wire import (
    Attach,
    Attached,
    AttachFailed,
    Cancel,
    Cancelled,
    Close,
    Commit,
    Execute,
    Hello,
    HowFar,
    Open,
    Opened,
    OpenFailed,
    Retry,
    SoFar,
    ToWorker,
)
from treadle.worker.contention import Contention
from treadle.worker.fence import Fence
from treadle.worker.link import Link
from treadle.worker.process import bound_memory, give_way, keep_secret
from treadle.worker.script import Script

IDLE_SECONDS: Final = 1.0
WORTH_TRIMMING: Final = 32 * 2**20
"""Bytes of growth that are worth the milliseconds of a trim."""


class Host(Generic[P]):
    """One session in one process.

    ``confine`` makes the process give up what an order does not need, and returns it as it can be
    carried out then; it raises `OSError` where the kernel refuses.
    """

    def __init__(self, link: Link, engine: Engine[P], confine: Callable[[Attach], Attach]) -> None:
        self._link = link
        self._engine = engine
        self._confine = confine
        self._orders: queue.SimpleQueue[ToWorker] = queue.SimpleQueue()
        self._fence = Fence(engine.interrupt)
        self._contention = Contention()
        self._attached: Attach | None = None
        self._session: Open | None = None
        self._script: Script[P] | None = None
        self._questions: queue.SimpleQueue[HowFar] = queue.SimpleQueue()

    def run(self) -> None:
        """Serve orders until told to close; called in the executing thread, before there is any other."""
        self._link.send(Hello(pid=os.getpid()))
        first = self._first()
        if first is None:
            return
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        threading.Thread(target=self._fence.strike_forever, name="strike", daemon=True).start()
        threading.Thread(target=self._gauge_forever, name="gauge", daemon=True).start()
        # The threads above stay where they are; the engine's will come from this one.
        give_way()
        self._attach(first)
        while True:
            match self._next():
                case Attach() as order:
                    self._attach(order)
                case Open() as order:
                    self._open(order)
                case Execute() as order:
                    self._execute(order)
                case Cancel() | Commit() | Retry() | HowFar():
                    pass  # for a statement that has ended meanwhile
                case Close():
                    self._engine.close()
                    return

    def _next(self) -> ToWorker:
        """The next order; a worker that has waited for it for a while gives memory back to the system first."""
        try:
            return self._orders.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            self._engine.trim(WORTH_TRIMMING)
            return self._orders.get()

    def _first(self) -> Attach | None:
        """Wait for the order to attach and be confined for it; None when there is nothing to do.

        Threads are confined as the one that starts them is: until then this one is alone.
        """
        while True:
            match self._link.receive():
                case Attach() as order:
                    bound_memory(order.limits.memory)
                    try:
                        return self._confine(order)
                    except OSError as error:
                        self._link.send(AttachFailed(message=f"its worker cannot be confined: {error}"))
                        return None
                case Close() | None:
                    return None
                case _:
                    pass  # for a session that never came to be

    def _listen(self) -> None:
        # Without this thread the worker cannot be told anything: it must not outlive it.
        try:
            while (message := self._link.receive()) is not None:
                self._hear(message)
        finally:
            os._exit(0)

    def _hear(self, message: ToWorker) -> None:
        match message:
            case Execute():
                self._fence.announce(message.statement_id)
            case Cancel():
                self._fence.cancel(message.statement_id)
            case HowFar():
                self._questions.put(message)
                return
            case _:
                pass
        self._orders.put(message)

    def _attach(self, order: Attach) -> None:
        try:
            unmended = self._engine.attach(order)
        except EngineError as error:
            self._link.send(AttachFailed(message=error.message))
            return
        # The engine has opened what it needs of its own process, which its user may not do any more.
        keep_secret()
        self._attached = order
        self._link.send(Attached(unmended=unmended))

    def _open(self, order: Open) -> None:
        try:
            self._engine.open(order)
        except EngineError as error:
            self._link.send(OpenFailed(session_id=order.session_id, message=error.message))
            return
        self._session = order
        self._link.send(Opened(session_id=order.session_id))

    def _execute(self, order: Execute) -> None:
        if self._attached is None or self._session is None:
            raise RuntimeError("a statement came before its session")
        script = Script(order, self._attached, self._engine, self._fence, self._link, self._orders, self._contention)
        self._script = script
        last = script.run()
        self._script = None
        self._fence.forget(order.statement_id)
        self._link.send(last)
        if isinstance(last, Cancelled):
            self._engine.trim(WORTH_TRIMMING)

    def _gauge_forever(self) -> None:
        # In a thread of its own: whatever the engine does with the question, a cancel is not behind it.
        while True:
            question = self._questions.get()
            script = self._script
            if script is None or script.statement_id != question.statement_id:
                continue
            part = script.number
            percent = self._engine.progress()
            # What it was asked may belong to the next part, or the next statement, already.
            if self._script is script and script.number == part:
                self._link.send(SoFar(statement_id=question.statement_id, part=part, percent=percent))
