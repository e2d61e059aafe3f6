"""Counting tasks, and who serves them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from supaqueue.answer import QueuePause
from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType
from supaqueue.job import TaskStatus


@dataclass(frozen=True, slots=True)
class TaskCount:
    """How many tasks of one type a queue holds in one status.

    `oldest_waiting_seconds` is the age of the oldest that could run now; None unless some are pending.
    """

    queue: str
    task_type: str
    status: TaskStatus
    tasks: int
    oldest_waiting_seconds: float | None


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker that was alive within the last two minutes, and what it serves."""

    worker_id: str
    queues: tuple[str, ...]
    task_types: tuple[str, ...]
    concurrency: int
    host: str | None
    process_id: int | None
    version: str | None
    started_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Unserved:
    """Tasks that wait although no worker that is alive serves their queue and type."""

    queue: str
    task_type: str
    tasks: int


@dataclass(frozen=True, slots=True)
class Stats:
    """What the queues hold right now, by queue, task type and status; and which of them are paused."""

    counts: tuple[TaskCount, ...]
    workers: tuple[WorkerSeen, ...]
    unserved: tuple[Unserved, ...]
    paused: tuple[QueuePause, ...] = ()


_REPLY = ReplyType(Stats)


@dataclass(frozen=True, slots=True)
class CountJobs(Call[Stats]):
    """Count the tasks of `queues`, or of all if None."""

    function: ClassVar[str] = "count_jobs_v1"
    mutates: ClassVar[bool] = False

    queues: tuple[str, ...] | None = None

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        queues: Json = None if self.queues is None else list(self.queues)
        return {"queues": queues, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> Stats:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
