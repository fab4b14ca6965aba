"""What Ctrl-C does to the demo's commands."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

EXIT_CODE: Final = 130
"""128 and the number of SIGINT, as a shell has it."""


@contextmanager
def interruptible(line: str) -> Iterator[Callable[[], None]]:
    """End with 130 and ``line`` on standard error, none if empty, when SIGINT comes inside.

    Whatever is raised on the way out, by a service that goes down at the same moment or by an engine
    that was interrupted, is a consequence and not told. For the main thread.
    An engine may swallow what is raised in the middle of its work: what is yielded raises it again.
    """
    told = False

    def interrupt(*_: object) -> NoReturn:
        nonlocal told
        told = True
        raise KeyboardInterrupt

    def check() -> None:
        if told:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield check
        check()
    except BaseException:
        if not told:
            raise
        if line:
            print(line, file=sys.stderr, flush=True)
        sys.exit(EXIT_CODE)
    finally:
        signal.signal(signal.SIGINT, before)
