"""What a run until nothing is left came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from supaqueue.job import Job


class NeverEmpty(AssertionError):
    """The queue did not become empty: a task goes on for ever, or handlers enqueue for ever."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What handlers came to.

    Attributes:
        runs: how often a handler ran.
        completed, failed, cancelled: tasks that ended so.
        retried, snoozed: runs after which their task waits again.
        jobs: the jobs that ran, or failed because their time had passed, in that order, as they are now, with
            payload and history.
        left: the jobs that have not ended: nobody here serves them, or their time has not come.
        raised: what handlers raised, in order, with tracebacks: empty if all went well.
    """

    runs: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    snoozed: int = 0
    jobs: tuple[Job, ...] = field(default=(), repr=False)
    left: tuple[Job, ...] = field(default=(), repr=False)
    raised: tuple[BaseException, ...] = ()
