"""The SQL of the store: one statement a file in ``queries/``, read once, called by its file name."""

from functools import cache
from importlib.resources import files
from typing import Final

_FOLDER: Final = files("treadle.store") / "queries"


@cache
def sql(name: str) -> str:
    """The text of ``queries/<name>.sql``; raises `FileNotFoundError` when there is none."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
