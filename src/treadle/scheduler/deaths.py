"""The log line of a worker that died by itself, at any time of its life."""

import structlog

from treadle.scheduler.ports import Worker

log = structlog.get_logger("treadle.workers")


def log_death(worker: Worker, **of: str) -> None:
    """Log an unexpected death with its signal; ``of`` are the ids of what the worker was for."""
    log.warning("worker_died", pid=worker.pid, signal=worker.death, **of)
