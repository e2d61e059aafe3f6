"""For each mutating call: a state in which it has much to do, and the call."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, cast
from uuid import UUID, uuid4

from supaqueue.backoff import Backoff
from supaqueue.contract import (
    AbandonJobs,
    ArchiveBatch,
    ArchivedLine,
    Call,
    CallTotals,
    CancelJobs,
    ChangeFeatureFlag,
    Claimed,
    ClaimedTask,
    ClaimJobTasks,
    CloseCohorts,
    DecideRolloutStep,
    DeclareRolloutStep,
    DeclareSchedules,
    DeleteArchivedJobs,
    DropDeadLetters,
    EnqueueJobs,
    FinishedTask,
    FinishJobTasks,
    FlagChange,
    GetJobs,
    HandBackJobs,
    HeartbeatJobTasks,
    HoldLease,
    KeepRolloutEvidence,
    LegacyOutcome,
    LimitRunning,
    LimitWaiting,
    ListRolloutNotices,
    ListRolloutSteps,
    ListSchedules,
    Mirror,
    MirrorState,
    NewJob,
    NewSchedule,
    NewTask,
    OnFailure,
    OpenTakenOverJobs,
    PauseQueues,
    Progress,
    PruneJobs,
    ReadJobsToArchive,
    RecordFirstFailures,
    RecordOutcomes,
    RegisterWorker,
    ReleaseKeys,
    RemoveSchedules,
    RepairCopies,
    RepairMirrors,
    Replay,
    ReplayJobTasks,
    ResumeQueues,
    RetentionPolicy,
    ScheduleAnswer,
    ScheduleRef,
    SendProbes,
    SetTaskTypes,
    SettleMirrors,
    SettleRolloutNotices,
    StartLegacy,
    SwitchSchedules,
    TakeOverJobs,
    TaskError,
    TaskRef,
    TaskTypeOptions,
    Ticks,
    TickSchedules,
    ToldNotice,
)
from supaqueue.job_id import new_job_id
from supaqueue.running_limit import RunningLimit
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
            f"supabase_queue:{self.queue}": "flag",
            self.queue: "queue",
            self.other_queue: "other queue",
            self.worker: "worker",
            sha256(self.evidence.encode()).hexdigest(): "evidence",
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

    @property
    def evidence(self) -> str:
        """What a decision rests on."""
        return json.dumps({"of": self.queue})

    def step(self) -> DeclareRolloutStep:
        """What the present step of its flag must prove, not declared yet."""
        self.transport.send(self.flag(stage="live", holdback_percent=Decimal(0)))
        name = f"supabase_queue:{self.queue}"
        begun = self.transport.send(ListRolloutSteps()).begun
        [version] = [one.flag_version for one in begun if one.flag_name == name]
        return DeclareRolloutStep(name, version, None, 0.001, 0.0, 2995, {}, 0.0, self.worker)

    def new_id(self) -> str:
        """A job id that belongs to this story."""
        self.job_ids.append(new_job_id())
        return self.job_ids[-1]

    def job(self, **options: Any) -> NewJob:
        """A job that is not enqueued yet."""
        return NewJob("work", {"n": 1}, queue=self.queue, job_id=self.new_id(), **options)

    def graph(self, on_failure: OnFailure, **after: str) -> NewJob:
        """A job of several tasks that is not enqueued yet; each name says after which ones it runs."""
        tasks = [NewTask("work", name=name, after=before.split()) for name, before in after.items()]
        return NewJob("whole", queue=self.queue, job_id=self.new_id(), tasks=tasks, on_failure=on_failure)

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

    def flag(self, **changes: Any) -> ChangeFeatureFlag:
        """A change, not sent yet, of the flag of the story's own type, which is called like its queue."""
        self.transport.send(SetTaskTypes((TaskTypeOptions(self.queue),)))
        return ChangeFeatureFlag(cast(FlagChange, changes), self.worker, self.queue, reason="test")

    def routed(self, **options: Any) -> NewJob:
        """A job of that type that is not enqueued yet."""
        return NewJob(self.queue, {"n": 1}, queue=self.queue, job_id=self.new_id(), **options)

    def due(self, count: int) -> list[NewJob]:
        """New jobs that wait here, of which legacy is to have copies."""
        self.transport.send(self.flag(stage="live", holdback_percent=Decimal(0)))
        jobs = [self.routed() for _ in range(count)]
        self.transport.send(EnqueueJobs(tuple(jobs)))
        return jobs

    def released(self, count: int) -> list[str]:
        """The ids of new jobs that legacy is to run, under epoch 1."""
        self.transport.send(self.flag(stage="live", relays_unrouted=True))
        self.transport.send(self.flag(is_enabled=False, rollout_percent=Decimal(0)))
        jobs = [self.routed() for _ in range(count)]
        self.transport.send(EnqueueJobs(tuple(jobs)))
        return [job.job_id for job in jobs]

    def mirrored(self, count: int) -> list[NewJob]:
        """New jobs that were legacy's from the beginning."""
        jobs = [self.routed() for _ in range(count)]
        for job in jobs:
            job.place("legacy")
        self.transport.send(EnqueueJobs(tuple(jobs)))
        return jobs


def enqueue(story: Story) -> Call[Any]:
    """Jobs that wait, one that is due later, and one that is there already."""
    there = story.job(tags=["there"])
    story.transport.send(EnqueueJobs((there,)))
    limited = story.job(backoff=Backoff(1, 3, 10), timeout=5, deadline=600)
    tagged = story.job(tags=["a", "b"], max_attempts=2)
    graph = story.graph("skip", a="", b="a", c="a")
    return EnqueueJobs((story.job(), there, story.job(delay=60), tagged, limited, graph))


def cancel(story: Story) -> Call[Any]:
    """A job that runs, one that is done, one that waits, one of several tasks, one that nobody knows."""
    running, done, waiting = story.enqueued(3)
    tasks = story.claimed(2)
    story.transport.send(story.finish(FinishedTask(tasks[1].ref, "done", result=1)))
    graph = story.graph("fail", a="", b="a", c="")
    story.transport.send(EnqueueJobs((graph,)))
    return CancelJobs((running, done, waiting, graph.job_id, story.new_id()))


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
    """Every outcome there is, a lease that another worker has by now, and tasks that others wait for."""
    story.enqueued(7)
    story.enqueued(1, max_attempts=1)
    story.enqueued(1, deadline=600)
    story.enqueued(1)
    goes_on = story.graph("fail", a="", b="a", c="a")
    skips = story.graph("skip", a="", b="", c="b", d="c")
    story.transport.send(EnqueueJobs((goes_on, skips)))
    tasks = story.claimed(13)
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
        FinishedTask(refs[10], "done", result="a"),
        FinishedTask(refs[11], "done", result="a"),
        FinishedTask(refs[12], "fail", error=error),
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
    calls = CallTotals(story.new_id(), claims_sent=7, claims_failed=2, finishes_sent=3)
    story.transport.send(replace(story.registration(stopped=False), calls=calls))
    return replace(story.registration(stopped=True), calls=replace(calls, claims_sent=9))


def send_probes(story: Story) -> Call[Any]:
    """A queue that had none yet."""
    return SendProbes((story.queue,))


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
    """Dead letters now and later, one replayed before, one of another lease, and one of several."""
    now, later, before, running = story.dead(4, max_attempts=2)
    story.transport.send(ReplayJobTasks((Replay(before), Replay(running))))
    story.claimed(2)
    story.transport.send(story.finish(FinishedTask(TaskRef(before.job_id, 0, 2), "fail")))
    wrong = TaskRef(running.job_id, 0, 2)
    unknown = TaskRef(story.new_id(), 0, 1)
    story.transport.send(EnqueueJobs((story.graph("fail", a="", b="a", c="b", d=""),)))
    first, _ = story.claimed(2)
    story.transport.send(story.finish(FinishedTask(first.ref, "fail")))
    skips = story.graph("skip", a="", b="a")
    story.transport.send(EnqueueJobs((skips,)))
    [skipped] = story.claimed(1)
    story.transport.send(story.finish(FinishedTask(skipped.ref, "fail")))
    replays = (Replay(now), Replay(later, 60.0), Replay(before), Replay(wrong), Replay(unknown), Replay(now))
    return ReplayJobTasks((*replays, Replay(first.ref), Replay(skipped.ref)))


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


def limit_waiting(story: Story) -> Call[Any]:
    """A queue that had another limit, and one that had none."""
    story.enqueued(2)
    story.transport.send(LimitWaiting((story.other_queue,), 5, "refuse"))
    return LimitWaiting((story.queue, story.other_queue), 3, "slow", changed_by=story.worker)


def limit_running(story: Story) -> Call[Any]:
    """A queue of which a task is leased, and one that had another limit."""
    story.enqueued(2)
    story.claimed(1)
    story.transport.send(LimitRunning((RunningLimit(story.other_queue, running_limit=5),)))
    return LimitRunning(
        (
            RunningLimit(story.queue, running_limit=3),
            RunningLimit(story.other_queue, starts_limit=9, starts_seconds=60.0),
        ),
        changed_by=story.worker,
    )


def release_keys(story: Story) -> Call[Any]:
    """A key that a failed job blocks, with one behind it, and one that nothing blocks."""
    story.dead(1, order_key="b")
    story.enqueued(1, order_key="b")
    story.enqueued(1, order_key="a")
    keys = ((story.queue, "b"), (story.queue, "a"), (story.queue, "b"))
    return ReleaseKeys(keys, reason="mended", changed_by=story.worker)


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


def change_flag(story: Story) -> Call[Any]:
    """A type's own flag that is there already."""
    story.transport.send(story.flag(stage="live"))
    return story.flag(rollout_percent=Decimal("0.07"), legacy_tenants=("acme",), latched=True)


def hand_back(story: Story) -> Call[Any]:
    """Jobs that wait, one that was started, and one that is held."""
    story.due(4)
    first = replace(story.claim(2), task_types=(story.queue,))
    started, _ = (task.ref for task in story.transport.send(first).tasks)
    story.transport.send(story.finish(FinishedTask(started, "retry", after_seconds=0.0)))
    off = story.flag(is_enabled=False, rollout_percent=Decimal(0), hand_back="not_started")
    story.transport.send(off)
    waits_for_its_time = story.transport.send(HandBackJobs())
    return HandBackJobs(waits_for_its_time.next)


def settle(story: Story) -> Call[Any]:
    """A mirror that was written, one under another epoch, and one that nobody knows."""
    due, other = story.due(2)
    return SettleMirrors(
        (as_mirror(due, 0, "due"), as_mirror(other, 1, "due"), as_mirror(story.routed(), 0, "due"))
    )


def as_mirror(job: NewJob, epoch: int, state: MirrorState) -> Mirror:
    """A job as a relay had it listed."""
    return Mirror(job.job_id, "supabase", epoch, state, job, None)


def start_legacy(story: Story) -> Call[Any]:
    """A job that went over, one under another epoch, one that was taken back, one that nobody knows."""
    over, other, cancelled = story.released(3)
    story.transport.send(CancelJobs((cancelled,)))
    return StartLegacy(((over, 1), (other, 0), (cancelled, 1), (story.new_id(), 1)))


def record_outcomes(story: Story) -> Call[Any]:
    """A job that legacy ended, one whose end is known, one that is not legacy's, one that nobody knows."""
    ended, before = story.mirrored(2)
    story.transport.send(RecordOutcomes((LegacyOutcome(before.job_id, 0, "cancelled"),)))
    [foreign] = story.enqueued(1)
    job_ids = (ended.job_id, before.job_id, foreign, story.new_id())
    return RecordOutcomes(tuple(LegacyOutcome(id, 0, "completed", {"n": 2}, attempts=1) for id in job_ids))


def take_over(story: Story) -> Call[Any]:
    """A mirror, a job that nobody knows, one that ended, and one under another epoch."""
    mirror, ended, other = story.mirrored(3)
    story.transport.send(RecordOutcomes((LegacyOutcome(ended.job_id, 0, "completed"),)))
    return TakeOverJobs(((mirror, 0), (story.routed(), 0), (ended, 0), (other, 3)))


def open_taken_over(story: Story) -> Call[Any]:
    """A job that legacy can start no more, one that it had started, one that is not to be taken over."""
    won, started, other = story.mirrored(3)
    story.transport.send(TakeOverJobs(((won, 0), (started, 0))))
    rows = ((won.job_id, 0, True), (started.job_id, 0, False), (other.job_id, 0, True))
    return OpenTakenOverJobs((*rows, (story.new_id(), 0, True)))


def hold_lease(story: Story) -> Call[Any]:
    """A right that another process has given back."""
    story.transport.send(HoldLease(story.queue, story.other_worker, 60))
    story.transport.send(HoldLease(story.queue, story.other_worker, 0))
    return HoldLease(story.queue, story.worker, 60)


def repair_mirrors(story: Story) -> Call[Any]:
    """A mirror that is missing and whose job ended, one that waits, and one that is not missing."""
    ended, waiting = story.routed(), story.routed()
    [here] = story.mirrored(1)
    outcomes = tuple(LegacyOutcome(job.job_id, 0, "completed", {"n": 2}) for job in (ended, here))
    moments = (datetime(2026, 1, 1, tzinfo=UTC),) * 3
    return RepairMirrors((ended, waiting, here), moments, outcomes, story.worker)


def repair_copies(story: Story) -> Call[Any]:
    """A copy that was written, one that never was, one of legacy's own job, one that nobody knows."""
    written, owed = story.due(2)
    story.transport.send(SettleMirrors((as_mirror(written, 0, "due"),)))
    [legacys] = story.mirrored(1)
    job_ids = (written.job_id, owed.job_id, legacys.job_id, story.new_id())
    return RepairCopies(job_ids, datetime(2026, 1, 1, tzinfo=UTC), repaired_by=story.worker)


def declare_step(story: Story) -> Call[Any]:
    """A step that was not declared."""
    return story.step()


def decide_step(story: Story) -> Call[Any]:
    """A step that was declared, with evidence."""
    step = story.transport.send(story.step()).step
    assert step is not None
    evidence = story.transport.send(KeepRolloutEvidence(story.evidence))
    return DecideRolloutStep(step.step_id, "pass", evidence, story.worker, 0.0)


def keep_evidence(story: Story) -> Call[Any]:
    """Evidence that was not kept."""
    return KeepRolloutEvidence(story.evidence)


def settle_notices(story: Story) -> Call[Any]:
    """A change that owners were told of, one that they could not be told of, and one that nobody knows."""
    story.transport.send(story.flag(stage="live"))
    story.transport.send(story.flag(holdback_percent=Decimal(0)))
    name = f"supabase_queue:{story.queue}"
    notices = story.transport.send(ListRolloutNotices(page_size=1000))
    told, due = (one.notice_id for one in notices if one.change.flag_name == name)
    unknown = ToldNotice(story.new_id(), 0, True)
    return SettleRolloutNotices((ToldNotice(told, 0, True), ToldNotice(due, 0, False, "HTTP 500"), unknown))


def close_cohorts(story: Story) -> Call[Any]:
    """Cohorts of this year, of which nothing was counted by this story."""
    story.enqueued(1)
    return CloseCohorts(datetime(2026, 1, 1, tzinfo=UTC))


def record_first_failures(story: Story) -> Call[Any]:
    """A job whose attempt failed, one of which that is known, one that is not legacy's, an unknown one."""
    failed, before = story.mirrored(2)
    story.transport.send(RecordFirstFailures(((before.job_id, 0),)))
    [foreign] = story.enqueued(1)
    job_ids = (failed.job_id, before.job_id, foreign, story.new_id())
    return RecordFirstFailures(tuple((job_id, 0) for job_id in job_ids))


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
    LimitRunning: limit_running,
    LimitWaiting: limit_waiting,
    ReleaseKeys: release_keys,
    RegisterWorker: register,
    RemoveSchedules: remove,
    SwitchSchedules: switch,
    TickSchedules: tick,
    ReplayJobTasks: replay,
    ResumeQueues: resume,
    SetTaskTypes: set_task_types,
    ChangeFeatureFlag: change_flag,
    HandBackJobs: hand_back,
    SettleMirrors: settle,
    StartLegacy: start_legacy,
    RecordOutcomes: record_outcomes,
    TakeOverJobs: take_over,
    OpenTakenOverJobs: open_taken_over,
    HoldLease: hold_lease,
    RepairMirrors: repair_mirrors,
    RepairCopies: repair_copies,
    SendProbes: send_probes,
    DeclareRolloutStep: declare_step,
    DecideRolloutStep: decide_step,
    KeepRolloutEvidence: keep_evidence,
    SettleRolloutNotices: settle_notices,
    CloseCohorts: close_cohorts,
    RecordFirstFailures: record_first_failures,
}

OF_NO_STORY = frozenset({CloseCohorts})
"""Calls that count what is over for minutes: of a story that has just begun nothing."""
