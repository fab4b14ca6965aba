"""Who is served next: tenants in turn, none of them beyond their share."""

from collections import Counter, OrderedDict, deque
from typing import Generic, TypeVar

Job = TypeVar("Job")

Tenant = tuple[str, ...]
"""A user within a project, or a workspace; the empty one is the service itself."""


class FairQueue(Generic[Job]):
    """Jobs that wait, tenant by tenant; of each at most ``share`` are under way."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._waiting: OrderedDict[Tenant, deque[Job]] = OrderedDict()
        self._running: Counter[Tenant] = Counter()

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    def waiting(self, tenant: Tenant) -> int:
        """How many of a tenant wait."""
        return len(self._waiting.get(tenant, ()))

    def push(self, tenant: Tenant, job: Job, *, first: bool = False) -> None:
        """Let a job wait, or wait before the others of its tenant."""
        jobs = self._waiting.setdefault(tenant, deque())
        if first:
            jobs.appendleft(job)
        else:
            jobs.append(job)

    def pop(self) -> Job | None:
        """The next job, under way from now on; None where nothing may start. Its tenant goes to the end of the line."""
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
        """Let nothing wait any more; the jobs that did."""
        jobs = [job for waiting in self._waiting.values() for job in waiting]
        self._waiting.clear()
        return jobs

    def done(self, tenant: Tenant) -> None:
        """A job of a tenant is no longer under way."""
        self._running[tenant] -= 1
        if not self._running[tenant]:
            del self._running[tenant]

    def drop(self, tenant: Tenant, job: Job) -> bool:
        """Forget a job that waits; False when it does not."""
        jobs = self._waiting.get(tenant)
        if jobs is None or job not in jobs:
            return False
        jobs.remove(job)
        if not jobs:
            del self._waiting[tenant]
        return True
