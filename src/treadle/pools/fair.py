"""A fair queue: tenants take turns, and none exceeds their share."""

from collections import Counter, OrderedDict, deque
from typing import Generic, TypeVar

Job = TypeVar("Job")

Tenant = tuple[str, ...]
"""A user within a project, or a workspace; empty for the service itself."""


class FairQueue(Generic[Job]):
    """Waiting jobs by tenant; at most ``share`` jobs of each tenant run at once."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._waiting: OrderedDict[Tenant, deque[Job]] = OrderedDict()
        self._running: Counter[Tenant] = Counter()

    def __len__(self) -> int:
        """Count the waiting jobs."""
        return sum(map(len, self._waiting.values()))

    def waiting(self, tenant: Tenant) -> int:
        """Count the waiting jobs of a tenant."""
        return len(self._waiting.get(tenant, ()))

    def push(self, tenant: Tenant, job: Job, *, first: bool = False) -> None:
        """Add a job, with ``first`` before the other jobs of its tenant."""
        jobs = self._waiting.setdefault(tenant, deque())
        if first:
            jobs.appendleft(job)
        else:
            jobs.append(job)

    def pop(self) -> Job | None:
        """Start the next job, None when no job may start. Its tenant moves to the end of the rotation."""
        for tenant, jobs in self._waiting.items():
            if self._running[tenant] < self._share:
                job = jobs.popleft()
                self._running[tenant] += 1
                del self._waiting[tenant]
                if jobs:
                    self._waiting[tenant] = jobs
                return job
        return None

    def clear(self) -> list[Job]:
        """Remove and return all waiting jobs."""
        jobs = [job for waiting in self._waiting.values() for job in waiting]
        self._waiting.clear()
        return jobs

    def done(self, tenant: Tenant) -> None:
        """Count a running job of a tenant as finished."""
        self._running[tenant] -= 1
        if not self._running[tenant]:
            del self._running[tenant]

    def drop(self, tenant: Tenant, job: Job) -> bool:
        """Remove a waiting job; False when it does not wait."""
        jobs = self._waiting.get(tenant)
        if jobs is None or job not in jobs:
            return False
        jobs.remove(job)
        if not jobs:
            del self._waiting[tenant]
        return True
