"""What the processes of the service use, read from /proc."""

import os
import time
from pathlib import Path
from typing import Final

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


def descendants(pid: int) -> set[int]:
    """The process ids below ``pid``, now."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = [child for child in children.get(waiting.pop(), []) if child not in found]
        found.update(below)
        waiting.extend(below)
    return found


def cpu_seconds(pid: int) -> float | None:
    """Processor time the process has used since its start, all threads; None when it is gone."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def command_name(pid: int) -> str:
    """The short name of the process; empty when it is gone."""
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def proportional_bytes(pid: int) -> int:
    """Memory of the process with shared pages split among those who share them (PSS); 0 when it is gone."""
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def cpu_percent(pids: set[int], seconds: float) -> dict[int, float]:
    """Percent of one processor each process uses over the next ``seconds``; those that end are left out."""
    before = {pid: used for pid in pids if (used := cpu_seconds(pid)) is not None}
    started = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - started
    after = {pid: cpu_seconds(pid) for pid in before}
    return {pid: (used - before[pid]) / passed * 100 for pid, used in after.items() if used is not None}


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on (the name before it may hold anything)."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
