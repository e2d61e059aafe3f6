"""For each mutating call: a state in which it has much to do, and the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from supaqueue.backoff import Backoff
from supaqueue.contract import (
    AbandonJobs,
    ArchiveBatch,
    ArchivedLine,
    Call,
    CancelJobs,
    Claimed,
    ClaimedTask,
    ClaimJobTasks,
    DeclareSchedules,
    DeleteArchivedJobs,
    DropDeadLetters,
    EnqueueJobs,
    FinishedTask,
    FinishJobTasks,
    GetJobs,
    HeartbeatJobTasks,
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
    ScheduleAnswer,
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
from supaqueue.transport import Transport

OTHER_VERSION = 2**52
"""One that no schedule has."""


@dataclass
class Story:
    """The jobs and workers of one run of one scenario; all its names are its own."""

    transport: Transport
    queue: str = field(default_factory=lambda: f"q-{uuid4().hex}")
    worker: str = field(default_factory=lambda: f"w-{uuid4().hex}")
    job_ids: list[str] = field(default_factory=list)
    schedules: list[str] = field(default_factory=list)

    @property
    def names(self) -> dict[str, str]:
        """What to call ids and names, so that two runs compare."""
        jobs = {job_id: f"job {number}" for number, job_id in enumerate(self.job_ids)}
        schedules = {name: name.rpartition(" ")[2] for name in self.schedules}
        return schedules | {
            self.queue: "queue",
            self.other_queue: "other queue",
            self.worker: "worker",
            self.other_worker: "other worker",
            **jobs,
        }

    @property
    def other_worker(self) -> str:
        """Another worker's id."""
        return f"{self.worker}-other"

    @property
    def other_queue(self) -> str:
        """Another queue's name."""
        return f"{self.queue}-other"

    def new_id(self) -> str:
        """A job id that belongs to this story."""
        self.job_ids.append(new_job_id())
        return self.job_ids[-1]

    def job(self, **options: Any) -> NewJob:
        """A job that is not enqueued yet."""
        return NewJob("work", {"n": 1}, queue=self.queue, job_id=self.new_id(), **options)

    def enqueued(self, count: int, **options: Any) -> list[str]:
        """The ids of new jobs that wait."""
        jobs = tuple(self.job(**options) for _ in range(count))
        self.transport.send(EnqueueJobs(jobs))
        return [job.job_id for job in jobs]

    def claim(
        self, want: int, *, worker: str | None = None, started: tuple[TaskRef, ...] = ()
    ) -> ClaimJobTasks:
        """A claim that was not sent yet."""
        return ClaimJobTasks(
            request_id=str(uuid4()),
            worker_id=worker or self.worker,
            queues=(self.queue,),
            task_types=("work",),
            want=want,
            holding=0,
            lease_seconds=60,
            marks={},
            started=started,
        )

    def claimed(self, want: int, *, worker: str | None = None) -> tuple[ClaimedTask, ...]:
        """Tasks that a worker holds, all it asked for."""
        claimed: Claimed = self.transport.send(self.claim(want, worker=worker))
        assert len(claimed.tasks) == want
        return claimed.tasks

    def finish(self, *tasks: FinishedTask, worker: str | None = None) -> FinishJobTasks:
        """A finish that was not sent yet."""
        return FinishJobTasks(worker_id=worker or self.worker, tasks=tasks)

    def heartbeat(self, tasks: tuple[TaskRef, ...], started: tuple[TaskRef, ...] = ()) -> HeartbeatJobTasks:
        """A heartbeat that was not sent yet."""
        return HeartbeatJobTasks(worker_id=self.worker, tasks=tasks, started=started, lease_seconds=60)

    def schedule(self, name: str, **options: Any) -> NewSchedule:
        """A schedule that is not declared yet."""
        self.schedules.append(f"{self.queue} {name}")
        return NewSchedule(self.schedules[-1], "0 7 * * *", task_type="work", queue=self.queue, **options)

    def declared(self, *schedules: NewSchedule) -> tuple[ScheduleAnswer, ...]:
        """Schedules that are there, at their versions."""
        return self.transport.send(DeclareSchedules(schedules, (None,) * len(schedules)))

    def dead(self, count: int, **options: Any) -> tuple[TaskRef, ...]:
        """New tasks that failed."""
        self.enqueued(count, **options)
        refs = tuple(task.ref for task in self.claimed(count))
        error = TaskError("ValueError", "no")
        self.transport.send(self.finish(*(FinishedTask(ref, "fail", error=error) for ref in refs)))
        return refs

    def registration(self, *, stopped: bool) -> RegisterWorker:
        """A registration that was not sent yet."""
        return RegisterWorker(
            worker_id=self.worker,
            queues=(self.queue,),
            task_types=("work",),
            concurrency=4,
            host="host",
            process_id=1,
            version="1",
            stopped=stopped,
        )


def enqueue(story: Story) -> Call[Any]:
    """Jobs that wait, one that is due later, and one that is there already."""
    there = story.job(tags=["there"])
    story.transport.send(EnqueueJobs((there,)))
    limited = story.job(backoff=Backoff(1, 3, 10), timeout=5, deadline=600)
    tagged = story.job(tags=["a", "b"], max_attempts=2)
    return EnqueueJobs((story.job(), there, story.job(delay=60), tagged, limited))


def cancel(story: Story) -> Call[Any]:
    """A job that runs, one that is done, one that waits, and one that nobody knows."""
    running, done, waiting = story.enqueued(3)
    tasks = story.claimed(2)
    story.transport.send(story.finish(FinishedTask(tasks[1].ref, "done", result=1)))
    return CancelJobs((running, done, waiting, story.new_id()))


def abandon(story: Story) -> Call[Any]:
    """A job that runs, one that waits, and one that never came."""
    running, waiting = story.enqueued(2)
    story.claimed(1)
    return AbandonJobs((running, waiting, story.new_id()))


def claim(story: Story) -> Call[Any]:
    """More jobs than are asked for, with the start of a task claimed before."""
    story.enqueued(6)
    started = story.claimed(1)
    return story.claim(3, started=tuple(task.ref for task in started))


def finish(story: Story) -> Call[Any]:
    """Every outcome there is, and a lease that another worker has by now."""
    story.enqueued(7)
    story.enqueued(1, max_attempts=1)
    story.enqueued(1, deadline=600)
    story.enqueued(1)
    tasks = story.claimed(10)
    refs = [task.ref for task in tasks]
    story.transport.send(story.finish(FinishedTask(refs[0], "not_started")))
    story.claimed(1, worker=story.other_worker)
    error = TaskError("ValueError", "no")
    return story.finish(
        FinishedTask(refs[0], "done", result="late"),
        FinishedTask(refs[1], "done", result={"a": [1, None]}, ran_seconds=1.5),
        FinishedTask(refs[2], "retry", error=error, after_seconds=60.0),
        FinishedTask(refs[3], "snooze", after_seconds=60.0),
        FinishedTask(refs[4], "cancel", error=error),
        FinishedTask(refs[5], "fail", error=error),
        FinishedTask(refs[6], "not_started", progress=Progress(7, percent=50.0, checkpoint={"row": 3})),
        FinishedTask(refs[7], "retry", error=error),
        FinishedTask(refs[8], "retry", error=error, after_seconds=900.0),
        FinishedTask(refs[9], "park", error=error),
    )


def heartbeat(story: Story) -> Call[Any]:
    """A task that is held, one whose job is to be cancelled, one that another worker has."""
    story.enqueued(3)
    refs = tuple(task.ref for task in story.claimed(3))
    story.transport.send(CancelJobs((refs[1].job_id,)))
    story.transport.send(story.finish(FinishedTask(refs[2], "not_started")))
    story.claimed(1, worker=story.other_worker)
    call = story.heartbeat(refs, started=refs)
    progress = Progress(3, percent=30.0, message="a third", checkpoint=[1])
    return replace(call, progress=dict.fromkeys(refs, progress))


def prune(story: Story) -> Call[Any]:
    """Jobs that ended each in its way, and one that waits."""
    policy, page = ended(story)
    return PruneJobs(str(uuid4()), policy, page)


def delete_archived(story: Story) -> Call[Any]:
    """Jobs of a file: one that is as it was, one that is not, and one that is gone."""
    policy, page = ended(story)
    found = story.transport.send(ReadJobsToArchive(policy, page))
    hashes = {job.job_id: sha256(job.line.encode()).hexdigest() for job in found.jobs}
    same, changed = sorted(hashes, key=story.job_ids.index)
    lines = (
        ArchivedLine(changed, hashes[same]),
        ArchivedLine(same, hashes[same]),
        ArchivedLine(story.new_id(), hashes[same]),
    )
    return DeleteArchivedJobs(ArchiveBatch(str(uuid4()), story.worker, "sha256"), lines)


def ended(story: Story) -> tuple[RetentionPolicy, str]:
    """A policy that lets two jobs of the story go, and the page that stands before them."""
    before, *_ = story.enqueued(4)
    _, done, failed = (task.ref for task in story.claimed(3))
    story.transport.send(
        story.finish(
            FinishedTask(done, "done", result=1), FinishedTask(failed, "fail", error=TaskError("E", "no"))
        )
    )
    [job] = story.transport.send(GetJobs((before,)))
    assert job is not None
    page = f"{job.created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {UUID(int=0)}"
    return RetentionPolicy(completed=0, failed=0, queue=story.queue), page


def register(story: Story) -> Call[Any]:
    """The end of a worker that was registered before."""
    story.transport.send(story.registration(stopped=False))
    return story.registration(stopped=True)


def declare(story: Story) -> Call[Any]:
    """A new schedule, one to be changed, one that stands as given, and one that others have changed."""
    before = [story.schedule(name) for name in ("changed", "same", "others")]
    changed, _, others = story.declared(*before)
    theirs = story.schedule("others", missed="skip")
    story.transport.send(DeclareSchedules((theirs,), (others.version,)))
    schedules = [story.schedule(name, missed="all") for name in ("new", "changed", "others")]
    return DeclareSchedules((*schedules, before[1]), (None, changed.version, others.version, None))


def remove(story: Story) -> Call[Any]:
    """A schedule, one at another version, and one that nobody knows."""
    known, other = story.declared(story.schedule("known"), story.schedule("other"))
    return RemoveSchedules(
        (
            ScheduleRef(known.schedule_name, known.version),
            ScheduleRef(other.schedule_name, OTHER_VERSION),
            ScheduleRef(story.schedule("unknown").schedule_name, OTHER_VERSION),
        )
    )


def switch(story: Story) -> Call[Any]:
    """A schedule that is enabled, one that is disabled already, and one that nobody knows."""
    on, off = story.declared(story.schedule("on"), story.schedule("off"))
    refs = [ScheduleRef(answer.schedule_name, answer.version) for answer in (on, off)]
    story.transport.send(SwitchSchedules((refs[1],), is_enabled=False))
    unknown = ScheduleRef(story.schedule("unknown").schedule_name)
    return SwitchSchedules((*refs, unknown), is_enabled=False)


def tick(story: Story) -> Call[Any]:
    """A schedule with a tick to run and one passed over, and one that has changed."""
    ticking, changed = story.declared(story.schedule("ticking"), story.schedule("changed"))
    before = story.transport.send(ListSchedules()).now
    now = story.transport.send(ListSchedules()).now
    older = Ticks(changed.schedule_name, OTHER_VERSION, (before, now), now)
    row = Ticks(ticking.schedule_name, ticking.version or 0, (now,), now)
    # At another version it decides nothing, and answers what the jobs will be called.
    named = story.transport.send(TickSchedules((replace(row, version=OTHER_VERSION), older)))
    story.job_ids += [tick.job_id for answer in named for tick in answer.ticks]
    return TickSchedules((row, older))


def replay(story: Story) -> Call[Any]:
    """Dead letters to run at once and later, one replayed before, one that did not fail under that lease."""
    now, later, before, running = story.dead(4, max_attempts=2)
    story.transport.send(ReplayJobTasks((Replay(before), Replay(running))))
    story.claimed(2)
    story.transport.send(story.finish(FinishedTask(TaskRef(before.job_id, 0, 2), "fail")))
    wrong = TaskRef(running.job_id, 0, 2)
    unknown = TaskRef(story.new_id(), 0, 1)
    return ReplayJobTasks(
        (Replay(now), Replay(later, 60.0), Replay(before), Replay(wrong), Replay(unknown), Replay(now))
    )


def drop(story: Story) -> Call[Any]:
    """Dead letters, one dropped before, one that runs again, one that nobody knows."""
    first, second, before, replayed = story.dead(4)
    story.transport.send(DropDeadLetters((before,)))
    story.transport.send(ReplayJobTasks((Replay(replayed),)))
    return DropDeadLetters((first, second, before, replayed, TaskRef(story.new_id(), 0, 1)))


def pause(story: Story) -> Call[Any]:
    """A queue with work in it, and one that was paused before."""
    story.enqueued(2)
    story.transport.send(PauseQueues((story.other_queue,), 600.0, reason="before"))
    return PauseQueues((story.queue, story.other_queue), reason="now", changed_by=story.worker)


def resume(story: Story) -> Call[Any]:
    """A queue that is paused, and one that never was."""
    story.transport.send(PauseQueues((story.queue,)))
    return ResumeQueues((story.queue, story.other_queue), changed_by=story.worker)


def set_task_types(story: Story) -> Call[Any]:
    """A type that was declared before, otherwise, and a new one."""
    before = TaskTypeOptions(story.queue, max_attempts=3, timeout_seconds=5.0)
    story.transport.send(SetTaskTypes((before,)))
    new = TaskTypeOptions(story.other_queue, backoff=Backoff(), deadline_seconds=60.0)
    return SetTaskTypes((TaskTypeOptions(story.queue, max_attempts=4), new), changed_by=story.worker)


SCENARIOS: dict[type[Call[Any]], Callable[[Story], Call[Any]]] = {
    AbandonJobs: abandon,
    CancelJobs: cancel,
    ClaimJobTasks: claim,
    DeleteArchivedJobs: delete_archived,
    DeclareSchedules: declare,
    EnqueueJobs: enqueue,
    FinishJobTasks: finish,
    HeartbeatJobTasks: heartbeat,
    PruneJobs: prune,
    DropDeadLetters: drop,
    PauseQueues: pause,
    RegisterWorker: register,
    RemoveSchedules: remove,
    SwitchSchedules: switch,
    TickSchedules: tick,
    ReplayJobTasks: replay,
    ResumeQueues: resume,
    SetTaskTypes: set_task_types,
}
