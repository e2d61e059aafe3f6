"""What a client holds a new job to before it sends anything."""

from __future__ import annotations

from dataclasses import dataclass

from supaqueue.contract import NewJob
from supaqueue.contract.json_value import check_size
from supaqueue.settings import MAX_JSON_BYTES
from supaqueue.worker import Registry


@dataclass(frozen=True, slots=True)
class Checks:
    """The most that a payload may take, and the handlers whose payload models are known here."""

    max_json_bytes: int = MAX_JSON_BYTES
    registry: Registry | None = None

    def check(self, job: NewJob, *, field: str = "payload") -> None:
        """Refuse a payload that is too large, or that its handler would not take.

        Raises:
            InvalidInput: it is too large.
            PayloadMismatch: it does not fit the handler's annotation.
        """
        for number, task in enumerate(job.tasks):
            place = field.removesuffix("payload") + f"tasks[{number}].payload"
            check_size(task.payload_bytes, field=place, max_bytes=self.max_json_bytes)
            if self.registry is not None:
                self.registry.check(task.task_type, task.payload, field=place)
        if job.tasks:
            return
        check_size(job.payload_bytes, field=field, max_bytes=self.max_json_bytes)
        if self.registry is not None:
            self.registry.check(job.task_type, job.payload, field=field)
