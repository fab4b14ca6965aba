"""What a kind of statement is to those who cancel it."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A statement worth cancelling.

    Unless it is ``finite`` it runs far longer than any trial. A ``deaf`` one does not look at
    interrupts for seconds, an ``idle`` one uses no processor. ``needs`` names the data it reads
    (`Stock`), ``setup`` is run once in each session, ``before`` before each trial, ``reset`` after one
    that was not stopped. A stopped trial must not change the answer to ``unchanged``; ``private`` says
    that this answer is the session's own. ``effects`` are what the record of a stopped one may say.
    """

    name: str
    family: str
    sql: str
    deaf: bool = False
    finite: bool = False
    idle: bool = False
    needs: tuple[str, ...] = ()
    setup: str = ""
    before: str = ""
    reset: str = ""
    unchanged: str = ""
    private: bool = False
    effects: tuple[str, ...] = ("none",)
