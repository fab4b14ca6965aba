"""What DuckDB measures of a statement, as our profile of it.

The engine's profiler is on for the whole session, with the few metrics that cost next to nothing, or at the
user's wish with all that are used here: turning it on costs a statement of its own. What it says of a statement
is gone when the next one runs, also one of ours, and is nothing at all for one that failed or was interrupted.

Its peak of spill is that of the session so far, not of the statement: so the spill folder is asked whether
anything happened in it. Its peak of memory is of no use for the same reason; the kernel has the statement's own.
"""

import contextlib
import os
import resource
import time
from typing import Final

import duckdb
import msgspec

from treadle.model.profile import WORTH_SECONDS, Measured, Operator
from treadle.wire import METADATA_PREFIX

METRICS: Final = ("OPERATOR_CARDINALITY", "OPERATOR_ROWS_SCANNED", "LATENCY", "SYSTEM_PEAK_TEMP_DIR_SIZE")
MORE: Final = ("OPERATOR_TIMING", "EXTRA_INFO")
"""What costs a statement some percent of its time."""

ON: Final = f"CALL enable_profiling(format => 'no_output', metrics => {list(METRICS)})"
DETAILED: Final = f"CALL enable_profiling(format => 'no_output', metrics => {[*METRICS, *MORE]})"
OFF: Final = "CALL disable_profiling()"

MOST_OPERATORS: Final = 400
MOST_DEPTH: Final = 60
MOST_DETAIL: Final = 200
"""How much of a plan is kept: operators in all, one below the other, and characters of what each does."""

_ESTIMATED: Final = "Estimated Cardinality"
_TOLD: Final = (
    "Table",
    "Function",
    "Join Type",
    "Conditions",
    "Filters",
    "Expression",
    "Groups",
    "Aggregates",
    "Order By",
    "Top",
    "Projections",
)
"""What is told of an operator: its words of the statement. Names of files are not among them."""

_RESET_PEAK: Final = b"5"


class _Node(msgspec.Struct):
    """A node of DuckDB's tree; the root is the statement itself, and has no name."""

    operator_name: str = ""
    operator_cardinality: int = 0
    operator_rows_scanned: int = 0
    operator_timing: float | None = None
    extra_info: dict[str, str | list[str]] = {}
    latency: float = 0.0
    system_peak_temp_dir_size: int = 0
    children: list["_Node"] = []


_decoder: Final = msgspec.json.Decoder(_Node)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine says: the plan, and the peak of spill of the session so far in bytes."""

    plan: Operator
    cut: bool = False
    spilled: int = 0


def understood(text: str) -> Said | None:
    """What DuckDB's JSON says; None when it says nothing about a statement that came to its end."""
    try:
        root = _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not root.children or not root.latency:
        return None
    growing = _Growing()
    plan = growing.operator(root.children[0], 1)
    return Said(plan=plan, cut=growing.cut, spilled=root.system_peak_temp_dir_size)


class _Growing:
    """A plan that is copied, as far as it may become large."""

    def __init__(self) -> None:
        self._left = MOST_OPERATORS
        self.cut = False

    def operator(self, node: _Node, depth: int) -> Operator:
        """The operator of a node, with as many of those below it as there is room for."""
        self._left -= 1
        children = []
        for child in node.children:
            if self._left <= 0 or depth >= MOST_DEPTH:
                self.cut = True
                break
            children.append(self.operator(child, depth + 1))
        return Operator(
            name=node.operator_name.strip(),
            rows=node.operator_cardinality,
            scanned=node.operator_rows_scanned,
            estimated=_estimate(node.extra_info.get(_ESTIMATED)),
            millis=None if node.operator_timing is None else round(node.operator_timing * 1000, 3),
            detail=_detail(node.extra_info),
            children=tuple(children),
        )


def _estimate(text: str | list[str] | None) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() else None


def _detail(info: dict[str, str | list[str]]) -> str:
    told = ((name, info[name]) for name in _TOLD if name in info)
    words = (f"{name}: {', '.join(said) if isinstance(said, list) else said}" for name, said in told)
    # No session may know under which name the metadata is attached.
    text = "; ".join(" ".join(word.split()) for word in words if METADATA_PREFIX not in word)
    return text if len(text) <= MOST_DETAIL else text[: MOST_DETAIL - 1] + "…"


class Profiler:
    """Measures one statement after the other on one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._con = connection
        self._peak = -1
        self._rest = 0
        self._threads = 1
        self._spill_dir = ""
        self._spilled = 0
        self._touched = 0
        self._since = 0.0
        self._said: Said | None = None
        self._untouched = False

    def attach(self, threads: int, spill_dir: str) -> None:
        """From now on, in this process; ``threads`` may work for a statement, and spill into the folder."""
        self._threads = threads
        self._spill_dir = spill_dir
        # Opened now, while files can be opened; where there is no such file the peak is the session's.
        with contextlib.suppress(OSError):
            self._peak = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)

    def rest(self, resident: int) -> None:
        """What the process holds without any statement, in bytes."""
        self._rest = resident

    def begin(self) -> None:
        """A statement begins."""
        self._said = None
        self._untouched = False
        self._touched = self._last_touched()
        if self._peak >= 0:
            with contextlib.suppress(OSError):
                os.write(self._peak, _RESET_PEAK)
        self._since = time.perf_counter()

    def end(self) -> None:
        """Its work is done and nothing has run since, so that the engine still knows of it."""
        if time.perf_counter() - self._since < WORTH_SECONDS:
            return
        with contextlib.suppress(duckdb.Error):
            self._said = understood(self._con.get_profiling_information(format="json"))
        if self._said is not None:
            # A higher peak than ever is this statement's own.
            self._untouched = self._said.spilled <= self._spilled and self._touched == self._last_touched()
            self._spilled = self._said.spilled

    def measured(self) -> Measured:
        """What is known of the statement that began last."""
        held = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - self._rest, 0)
        said = self._said
        if said is None:
            return Measured(memory=held, threads=self._threads)
        return Measured(
            memory=held,
            spilled=0 if self._untouched else said.spilled,
            threads=self._threads,
            plan=said.plan,
            cut=said.cut,
        )

    def _last_touched(self) -> int:
        """When a file of the spill folder was made or removed."""
        try:
            return os.stat(self._spill_dir).st_mtime_ns
        except OSError:
            return 0
