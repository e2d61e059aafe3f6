"""One example of every call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from supaqueue.backoff import Backoff
from supaqueue.contract import (
    AbandonJobs,
    ArchiveBatch,
    ArchivedLine,
    Call,
    CancelJobs,
    ClaimJobTasks,
    ContractVersion,
    CountJobs,
    DeadLetterFilter,
    DeclareSchedules,
    DeleteArchivedJobs,
    DropDeadLetters,
    EnqueueJobs,
    FinishedTask,
    FinishJobTasks,
    GetJobs,
    HeartbeatJobTasks,
    JobFilter,
    ListDeadLetters,
    ListJobs,
    ListSchedules,
    NewJob,
    NewSchedule,
    PauseQueues,
    Progress,
    PruneJobs,
    ReadJobsToArchive,
    RegisterWorker,
    RemoveSchedules,
    Replay,
    ReplayJobTasks,
    ResumeQueues,
    RetentionPolicy,
    ScheduleRef,
    SetTaskTypes,
    SwitchSchedules,
    TaskError,
    TaskRef,
    TaskTypeOptions,
    Ticks,
    TickSchedules,
)
from supaqueue.job_id import new_job_id

REF = TaskRef(new_job_id(), 0, 3)
EXAMPLES: tuple[Call[Any], ...] = (
    AbandonJobs((REF.job_id,)),
    CancelJobs((REF.job_id,)),
    ClaimJobTasks("r", "w", ("q",), ("t",), 5, 0, 30.0, {"q": {}}, (REF,)),
    ContractVersion(),
    CountJobs(("q",)),
    DeleteArchivedJobs(ArchiveBatch("b", "f", "s"), (ArchivedLine(REF.job_id, "s"),)),
    DeclareSchedules((NewSchedule("nightly", "0 7 * * *", task_type="a"),), (None,)),
    EnqueueJobs((NewJob("a", {"x": 1}),)),
    FinishJobTasks("w", (FinishedTask(REF, "retry", error=TaskError("E", "text\0"), after_seconds=0.0),)),
    GetJobs((REF.job_id,)),
    HeartbeatJobTasks("w", (REF,), (), 30.0, {REF: Progress(1, percent=5.0, checkpoint={"row": 7})}),
    ListJobs(JobFilter(status="failed", created_after=datetime(2026, 1, 1, tzinfo=UTC))),
    PruneJobs("r", RetentionPolicy(completed=60, queue="q"), None, 10),
    ReadJobsToArchive(RetentionPolicy(failed=timedelta(days=90)), None, 10),
    ListSchedules(),
    RemoveSchedules((ScheduleRef("nightly", 1),)),
    SwitchSchedules((ScheduleRef("nightly", 1),), False),
    TickSchedules(
        (Ticks("nightly", 1, (datetime(2026, 1, 1, tzinfo=UTC),), datetime(2026, 1, 1, tzinfo=UTC)),)
    ),
    RegisterWorker("w", ("q",), ("t",), 4, "host", 7, "0.1"),
    DropDeadLetters((REF,)),
    ListDeadLetters(DeadLetterFilter(parked=False, failed_after=datetime(2026, 1, 1, tzinfo=UTC))),
    PauseQueues(("q",), paused_until=datetime(2030, 1, 1, tzinfo=UTC), reason="deploy", changed_by="ada"),
    ReplayJobTasks((Replay(REF, 1.5),)),
    ResumeQueues(("q",), "ada"),
    SetTaskTypes((TaskTypeOptions("t", 3, Backoff(), 10.0, 60.0),), "ada"),
)
