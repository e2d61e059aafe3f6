"""What is known of order keys: who has the turn follows from the jobs alone."""

from __future__ import annotations

from dataclasses import dataclass

from tests.property.model import JobModel


@dataclass
class OrderKeys:
    """The jobs, of which each with a key has its place by when it was enqueued."""

    jobs: dict[str, JobModel]

    def of_key(self, key: str) -> list[tuple[str, JobModel]]:
        """The jobs of a key, in order."""
        return [(job_id, job) for job_id, job in self.jobs.items() if job.order_key == key]

    def promote(self, now: float) -> None:
        """Let the first that waits have its turn, where nobody has it: what every claim does first."""
        for key in {job.order_key for job in self.jobs.values() if job.order_key is not None}:
            jobs = [job for _, job in self.of_key(key)]
            waiting = [job for job in jobs if job.status == "blocked"]
            if waiting and not any(job.has_turn for job in jobs):
                waiting[0].begin_turn(now)

    def blocked(self) -> set[tuple[str, str, int]]:
        """The keys that a failed job blocks, with that job, and how many wait behind it."""
        return {
            (job.order_key, job_id, sum(one.status == "blocked" for _, one in self.of_key(job.order_key)))
            for job_id, job in self.jobs.items()
            if job.order_key is not None and job.status == "failed" and job.has_turn
        }

    def release(self, key: str) -> str | None:
        """Let a key go on past what blocks it, and return that."""
        for job_id, job in self.of_key(key):
            if job.status == "failed" and job.has_turn:
                job.blocks_key = False
                return job_id
        return None
