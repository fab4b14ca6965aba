"""The inside of a worker: one thread listens, one strikes, the first one executes.

The listening thread reads every message at once, so a cancel is never stuck behind data; it hands
orders to the executing thread and cancels to the fence. When the owner is gone it ends the process.
"""

import os
import queue
import threading
from typing import Generic

from treadle.engines.base import Engine, EngineError, P
from treadle.wire import Cancel, Close, Commit, Execute, Hello, Open, Opened, OpenFailed, ToWorker
from treadle.worker.fence import Fence
from treadle.worker.link import Link
from treadle.worker.process import bound_memory
from treadle.worker.script import Script


class Host(Generic[P]):
    """One session in one process."""

    def __init__(self, link: Link, engine: Engine[P]) -> None:
        self._link = link
        self._engine = engine
        self._orders: queue.SimpleQueue[ToWorker] = queue.SimpleQueue()
        self._fence = Fence(engine.interrupt)
        self._session: Open | None = None

    def run(self) -> None:
        """Serve orders until told to close; called in the executing thread."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        threading.Thread(target=self._fence.strike_forever, name="strike", daemon=True).start()
        self._link.send(Hello(pid=os.getpid()))
        while True:
            match self._orders.get():
                case Open() as order:
                    self._open(order)
                case Execute() as order:
                    self._execute(order)
                case Cancel() | Commit():
                    pass  # for a statement that has ended meanwhile
                case Close():
                    self._engine.close()
                    return

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
            case _:
                pass
        self._orders.put(message)

    def _open(self, order: Open) -> None:
        try:
            bound_memory(order.limits.memory)
            self._engine.open(order)
        except EngineError as error:
            self._link.send(OpenFailed(session_id=order.session_id, message=error.message))
            return
        self._session = order
        self._link.send(Opened(session_id=order.session_id))

    def _execute(self, order: Execute) -> None:
        if self._session is None:
            raise RuntimeError("a statement came before its session")
        script = Script(order, self._session, self._engine, self._fence, self._link, self._orders)
        last = script.run()
        self._fence.forget(order.statement_id)
        self._link.send(last)
