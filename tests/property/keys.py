"""What is known of unique keys: who holds one now follows from what became of whoever took it last."""

from __future__ import annotations

from dataclasses import dataclass, field

from supaqueue import Unique
from tests.property.model import JobModel


@dataclass
class Keys:
    """The jobs that took each key last, and until when, if time alone ends it."""

    jobs: dict[str, JobModel]
    taken: dict[str, tuple[str, float | None]] = field(default_factory=dict)

    def holder(self, key: str, now: float) -> str | None:
        job_id, expires = self.taken.get(key, (None, None))
        if job_id is None:
            return None
        if expires is not None:
            return job_id if expires > now else None
        return job_id if self.jobs[job_id].holds_key else None

    def meet(self, unique: Unique, now: float) -> tuple[str, str | None]:
        """What a new job is answered, and with whose id; it is not stored here."""
        holder = self.holder(unique.key, now)
        job = None if holder is None else self.jobs[holder]
        if job is None or (unique.on_conflict != "reject" and job.until == "started" and job.leased):
            return "created", None
        if unique.on_conflict == "reject" or job.status != "pending":
            return "deduplicated", holder
        return ("replaced" if unique.on_conflict == "replace" else "pushed_back"), holder

    def take(self, job_id: str, unique: Unique, now: float) -> None:
        until = unique.until
        self.taken[unique.key] = job_id, None if isinstance(until, str) else now + float(until)  # type: ignore[arg-type]

    def may_replay(self, job_id: str, now: float) -> bool:
        """Let it take its key again, if it is held until the end."""
        job = self.jobs[job_id]
        if job.key is None or job.until != "finished":
            return True
        if self.holder(job.key, now) not in (None, job_id):
            return False
        self.taken[job.key] = job_id, None
        return True
