"""What a session may say to DuckDB: an allow list over the parsed statements, judged before anything runs.

The engine itself is locked as well, but its lock leaves open the catalog's metadata, the network
behind ``postgres_scan`` and the catalog's data folder; those doors are closed here.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.bounds import Bounds
from treadle.engines.duckdb.lexer import CONTINUED
from treadle.engines.duckdb.paths import Folders
from treadle.engines.duckdb.vocabulary import JUDGED, LOOKING, Vocabulary
from treadle.engines.duckdb.walk import (
    DATABASE_ENDINGS,
    FILE_ENDINGS,
    INTERNAL_PREFIX,
    Rules,
    Segment,
    Walk,
)
from treadle.wire import METADATA_PREFIX, Upkeep

__all__ = ["Guard", "Vocabulary"]

# Words that need a look at the tokens although they are no names of functions.
_WORDS: Final = frozenset(("pragma", "import", "databases", "returning", "\\"))
_SHORT_ENDING: Final = re.compile(r"db\b")


class PreparedStatement(msgspec.Struct, frozen=True):
    """What an EXECUTE of it does, and the command tag it has."""

    writes: bool
    returns_rows: bool
    tag: str = "EXECUTE"


class Guard:
    """The guard of one session, which checks its statements.

    ``metadata_name`` is the name the catalog's metadata is attached under. Relative paths start in ``files_dir``; files
    are read and written only below ``allowed_dirs``, and not below ``denied_dirs``. ``threads`` is the maximum that the
    session may set, ``most_names`` the maximum number of names in strings in one request; ``stopped`` returns whether
    the current request is to be stopped.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        catalog: str,
        metadata_name: str,
        files_dir: Path,
        allowed_dirs: Sequence[Path],
        denied_dirs: Sequence[Path] = (),
        threads: int = 1,
        most_names: int = 10_000,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.vocabulary = vocabulary
        self.catalog = catalog
        self.threads = threads
        self.folders = Folders(files_dir, allowed_dirs, denied_dirs)
        self.upkeep: Upkeep | None = None
        self._prepared: dict[str, PreparedStatement] = {}
        self._rules = Rules(vocabulary, self.folders, catalog, (METADATA_PREFIX, metadata_name.lower()))
        self._most_names = most_names
        self._stopped = stopped
        self._needles = _needles(
            vocabulary.refused
            | vocabulary.uncallable
            | vocabulary.unreadable
            | JUDGED
            | LOOKING
            | _WORDS
            | {*FILE_ENDINGS, *DATABASE_ENDINGS[1:], INTERNAL_PREFIX, *self._rules.secrets}
        )

    def suspicious(self, text: str) -> bool:
        """Whether anything in the text asks for a look at its tokens."""
        lowered = text.lower()
        return (
            any(needle in lowered for needle in self._needles)
            or _SHORT_ENDING.search(lowered) is not None
            or CONTINUED.search(text) is not None
        )

    def remember(self, name: str, prepared: "PreparedStatement") -> None:
        """Keep what a PREPARE says. A name once given to a write counts as one for ever: the PREPARE
        that gives it to something else may fail.
        """
        writes = prepared.writes or self.recall(name).writes
        self._prepared[name.lower()] = msgspec.structs.replace(prepared, writes=writes)

    def recall(self, name: str) -> "PreparedStatement":
        """What is known of a prepared statement; the engine refuses a name nobody gave."""
        return self._prepared.get(name.lower(), PreparedStatement(writes=False, returns_rows=True))

    @property
    def prepared(self) -> tuple[str, ...]:
        """Every name that was ever given to a prepared statement, in lower case: the engine knows no other case."""
        return tuple(self._prepared)

    def bounds(self) -> Bounds:
        """Create the limits of one request."""
        return Bounds(self._most_names, self._stopped)

    def judge(self, text: str, bounds: Bounds) -> list[Segment]:
        """Check every name and file in the statements of a text; raises `EngineError` (42501, 54000, 54001)."""
        return Walk(self._rules, text, bounds).run()


def _needles(names: frozenset[str]) -> tuple[str, ...]:
    """The names without those that contain another one: what is found in a text is found by the shorter."""
    shortest: list[str] = []
    for name in sorted(names, key=len):
        if not any(known in name for known in shortest):
            shortest.append(name)
    return tuple(shortest)


def refused(what: str) -> EngineError:
    """The refusal of a statement or a thing it names."""
    return EngineError("42501", f"permission denied for {what}")
