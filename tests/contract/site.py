"""One queue with its producer and workers, on any ground: each call as a method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from supaqueue.contract import (
    Claimed,
    ClaimedTask,
    ClaimJobTasks,
    EnqueueJobs,
    FinishedTask,
    FinishJobTasks,
    FinishOutcome,
    GetJobs,
    HeartbeatJobTasks,
    NewJob,
    RegisterWorker,
)
from supaqueue.job import Task
from tests.contract.grounds import Ground


@dataclass
class Site:
    """One queue, its producer, and any number of workers."""

    transport: Any
    ground: Ground
    queue: str
    last: Claimed = field(init=False)

    def enqueue(self, count: int = 1, **options: Any) -> list[str]:
        jobs = tuple(NewJob("work", index, queue=self.queue, **options) for index in range(count))
        answers = self.transport.send(EnqueueJobs(jobs))
        assert {answer.answer for answer in answers} == {"created"}
        return [job.job_id for job in jobs]

    def claim(self, want: int = 10, *, worker: str = "w", **options: Any) -> tuple[ClaimedTask, ...]:
        given: dict[str, Any] = {
            "request_id": str(uuid4()),
            "queues": (self.queue,),
            "task_types": ("work",),
            "holding": 0,
            "lease_seconds": 60.0,
            "marks": {},
        }
        self.last = self.transport.send(ClaimJobTasks(worker_id=worker, want=want, **given | options))
        return self.last.tasks

    def finish(
        self, task: ClaimedTask, outcome: FinishOutcome = "done", *, worker: str = "w", **report: Any
    ) -> tuple[str, str | None]:
        call = FinishJobTasks(worker, (FinishedTask(task.ref, outcome, **report),))
        (answer,) = self.transport.send(call)
        return answer.answer, answer.status

    def heartbeat(self, *tasks: ClaimedTask, worker: str = "w", starting: bool = False) -> list[str]:
        refs = tuple(task.ref for task in tasks)
        call = HeartbeatJobTasks(worker, refs, refs if starting else (), 60.0)
        return [answer.answer for answer in self.transport.send(call)]

    def lose(self, task: ClaimedTask) -> None:
        """Let the task's lease run out, and another worker look."""
        self.ground.advance(61)
        self.claim(0)

    def task(self, job_id: str) -> Task:
        (job,) = self.transport.send(GetJobs((job_id,), True, True))
        (task,) = job.tasks
        return task  # type: ignore[no-any-return]

    def status(self, job_id: str) -> str:
        (job,) = self.transport.send(GetJobs((job_id,)))
        return str(job.status)

    def register(self, worker: str, **options: Any) -> None:
        given: dict[str, Any] = {"queues": (self.queue,), "task_types": ("work",), "concurrency": 2}
        call = RegisterWorker(worker_id=worker, host="h", process_id=1, version="1", **given | options)
        self.transport.send(call)


def ids(tasks: tuple[ClaimedTask, ...]) -> list[str]:
    return [task.job_id for task in tasks]
