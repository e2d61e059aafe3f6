"""One example of every call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from supaqueue.contract import (
    AbandonJobs,
    Call,
    CancelJobs,
    ClaimJobTasks,
    ContractVersion,
    CountJobs,
    EnqueueJobs,
    FinishedTask,
    FinishJobTasks,
    GetJobs,
    HeartbeatJobTasks,
    JobFilter,
    ListJobs,
    NewJob,
    RegisterWorker,
    TaskError,
    TaskRef,
)
from supaqueue.job_id import new_job_id

REF = TaskRef(new_job_id(), 0, 3)
EXAMPLES: tuple[Call[Any], ...] = (
    AbandonJobs((REF.job_id,)),
    CancelJobs((REF.job_id,)),
    ClaimJobTasks("r", "w", ("q",), ("t",), 5, 0, 30.0, {"q": {}}, (REF,)),
    ContractVersion(),
    CountJobs(("q",)),
    EnqueueJobs((NewJob("a", {"x": 1}),)),
    FinishJobTasks("w", (FinishedTask(REF, "retry", error=TaskError("E", "text\0"), after_seconds=0.0),)),
    GetJobs((REF.job_id,)),
    HeartbeatJobTasks("w", (REF,), (), 30.0),
    ListJobs(JobFilter(status="failed", created_after=datetime(2026, 1, 1, tzinfo=UTC))),
    RegisterWorker("w", ("q",), ("t",), 4, "host", 7, "0.1"),
)
