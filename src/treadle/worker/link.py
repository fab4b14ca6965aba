"""The worker's end of the socket pair: blocking frames, safe to send from any thread."""

import contextlib
import socket
import threading

from treadle.wire import MAX_FRAME, FromWorker, ToWorker, frame, to_worker


class Link:
    """Framed messages over a blocking socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()

    def send(self, message: FromWorker) -> None:
        """Send one message; a vanished owner is not this call's matter (`receive` sees it)."""
        data = frame(message)
        with self._sending, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._sock.sendall(data)

    def receive(self) -> ToWorker | None:
        """The next message, or None when the owner is gone."""
        head = self._exactly(4)
        if head is None:
            return None
        length = int.from_bytes(head)
        if length > MAX_FRAME:
            return None
        body = self._exactly(length)
        return None if body is None else to_worker(body)

    def _exactly(self, count: int) -> bytes | None:
        buffer = bytearray(count)
        view = memoryview(buffer)
        done = 0
        while done < count:
            try:
                got = self._sock.recv_into(view[done:])
            except (ConnectionResetError, OSError):
                return None
            if not got:
                return None
            done += got
        return bytes(buffer)
