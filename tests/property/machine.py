"""Any sequence of calls, any of them repeated at any time, against the model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from supaqueue.contract import (
    AbandonJobs,
    CancelJobs,
    ClaimedTask,
    ClaimJobTasks,
    DeadLetterFilter,
    DropDeadLetters,
    EnqueueJobs,
    FinishedTask,
    FinishJobTasks,
    GetJobs,
    HeartbeatJobTasks,
    LimitRunning,
    ListBlockedKeys,
    ListDeadLetters,
    NewJob,
    PauseQueues,
    Progress,
    ReleaseKeys,
    Replay,
    ReplayJobTasks,
    ResumeQueues,
    TaskError,
    TaskRef,
)
from supaqueue.running_limit import RunningLimit
from supaqueue.unique import Unique
from tests.property.keys import Keys
from tests.property.model import JobModel
from tests.property.order_keys import OrderKeys
from tests.property.worlds import World

# Sums of the steps lie at least 200 s from each limit below and from each sum of limits: how long the calls
# themselves take decides nothing.
STEPS = (3_100.0, 7_100.0, 15_300.0)
LEASE, DELAY, TIMEOUT, DEADLINE, PAUSE = 6_000.0, 10_000.0, 4_000.0, 21_000.0, 9_000.0
WINDOW = 11_300.0

WORKERS = ("worker-0", "worker-1")
LEASES_BEFORE = st.sampled_from([0, 0, 0, 1])
"""Most calls name the lease that a worker got; some one before it, which was another's or its own."""

FIXED: dict[str, Any] = {"max_attempts": 3, "backoff": DELAY}

OUTCOMES = ("done", "retry", "snooze", "cancel", "fail", "park", "not_started")


@dataclass(frozen=True)
class Held:
    """A task that a worker got once; it may have lost it since."""

    task: ClaimedTask
    worker_id: str

    def ref(self, older: int) -> TaskRef:
        """What names the task under that lease, or under one before it."""
        return replace(self.task.ref, lease_token=self.task.lease_token - older)


class QueueMachine(RuleBasedStateMachine):
    """Rules are calls of a producer, two workers and an operator; `advance` lets time pass."""

    world: ClassVar[World]

    jobs = Bundle("jobs")
    tasks = Bundle("tasks")
    finishes = Bundle("finishes")
    letters = Bundle("letters")
    changes = Bundle("changes")

    def __init__(self) -> None:
        super().__init__()
        self.world.begin()
        self.queue = f"q-{uuid4().hex[:8]}"
        self.now = 0.0
        self.paused_until = -math.inf
        self.limits: dict[str | None, int] = {}
        self.models: dict[str, JobModel] = {}
        self.keys = Keys(self.models)
        self.order = OrderKeys(self.models)
        self.met_as: dict[str, tuple[str, str]] = {}
        self.sent: dict[str, NewJob] = {}
        self.claims: list[tuple[ClaimJobTasks, tuple[ClaimedTask, ...]]] = []

    def send(self, call: Any) -> Any:
        return self.world.transport.send(call)

    def teardown(self) -> None:
        assert self.world.broken() == []

    @initialize(target=jobs)
    def begin(self) -> Any:
        return self.enqueue(3, 0.0, None, None)

    @rule(
        target=jobs,
        count=st.integers(1, 3),
        delay=st.sampled_from([0.0, 0.0, DELAY]),
        timeout=st.sampled_from([None, TIMEOUT]),
        deadline=st.sampled_from([None, None, DEADLINE]),
    )
    def enqueue(self, count: int, delay: float, timeout: float | None, deadline: float | None) -> Any:
        options = {"timeout": timeout, "deadline": deadline, **FIXED}
        new = [NewJob("t", n, queue=self.queue, delay=delay, **options) for n in range(count)]  # type: ignore[arg-type]
        assert [one.answer for one in self.send(EnqueueJobs(tuple(new)))] == ["created"] * count
        for job in new:
            run_at = self.now + delay
            ends_at = None if deadline is None else run_at + deadline
            self.models[job.job_id] = JobModel(
                run_at, delay == 0, timeout=timeout, deadline=ends_at, payload=job.payload
            )
            self.sent[job.job_id] = job
        return multiple(*(job.job_id for job in new))

    @rule(
        target=jobs,
        uniques=st.lists(
            st.builds(
                Unique,
                st.sampled_from("ab"),
                st.sampled_from(["started", "finished", WINDOW]),
                st.sampled_from(["reject", "replace", "push_back"]),
            ),
            min_size=1,
            max_size=3,
        ),
        delay=st.sampled_from([0.0, 0.0, DELAY]),
        deadline=st.sampled_from([None, None, DEADLINE]),
    )
    def enqueue_unique(self, uniques: list[Unique], delay: float, deadline: float | None) -> Any:
        """Several in one call come to what one after the other would."""
        new = [
            NewJob(
                "t", ["unique", n], queue=self.queue, delay=delay, deadline=deadline, unique=unique, **FIXED
            )  # type: ignore[arg-type]
            for n, unique in enumerate(uniques)
        ]
        expected = [self.meet(job) for job in new]
        assert [(one.answer, one.deduped_into) for one in self.send(EnqueueJobs(tuple(new)))] == expected
        self.sent |= {job.job_id: job for job in new}
        return multiple(*(job.job_id for job in new if job.job_id in self.models))

    def meet(self, job: NewJob) -> tuple[str, str | None]:
        assert job.unique is not None
        delay, lasts = job.delay_seconds or 0.0, job.deadline_seconds
        run_at = self.now + delay
        model = JobModel(
            run_at, delay == 0, deadline=None if lasts is None else run_at + lasts, payload=job.payload
        )
        answer, holder = self.keys.meet(job.unique, self.now)
        if holder is None:
            model.key, model.until = job.unique.key, job.unique.until
            self.models[job.job_id] = model
            self.keys.take(job.job_id, job.unique, self.now)
            return answer, None
        if answer != "deduplicated":
            self.models[holder].replace(model, with_time=answer == "pushed_back")
        self.met_as[job.job_id] = answer, holder
        return answer, holder

    @rule(
        target=jobs,
        keys=st.lists(st.sampled_from("kl"), min_size=1, max_size=4),
        on_failure=st.sampled_from(["block", "continue"]),
        delay=st.sampled_from([0.0, 0.0, DELAY]),
        deadline=st.sampled_from([None, None, DEADLINE]),
    )
    def enqueue_ordered(self, keys: list[str], on_failure: Any, delay: float, deadline: float | None) -> Any:
        options = {"delay": delay, "deadline": deadline, "order_on_failure": on_failure, **FIXED}
        new = [NewJob("t", ["ordered", key], queue=self.queue, order_key=key, **options) for key in keys]
        assert [one.answer for one in self.send(EnqueueJobs(tuple(new)))] == ["created"] * len(new)
        for job in new:
            run_at = self.now + delay
            model = JobModel(run_at, False, deadline=None if deadline is None else run_at + deadline)
            model.payload, model.status = job.payload, "blocked"
            model.order_key, model.blocks_key = job.order_key, on_failure == "block"
            self.models[job.job_id], self.sent[job.job_id] = model, job
        return multiple(*(job.job_id for job in new))

    @rule(keys=st.lists(st.sampled_from("klm"), min_size=1, max_size=3, unique=True))
    def release_keys(self, keys: list[str]) -> None:
        listed = self.send(ListBlockedKeys(self.queue)).blocked_keys
        assert {(one.order_key, one.job_id, one.waiting) for one in listed} == self.order.blocked()
        call = ReleaseKeys(tuple((self.queue, key) for key in keys))
        expected = [self.order.release(key) for key in keys]
        for answers in (self.send(call), self.send(call)):
            assert [one.job_id for one in answers] == expected

    @precondition(lambda self: self.met_as)
    @rule(data=st.data(), abandons=st.booleans())
    def touch_what_met_a_key(self, data: st.DataObject, abandons: bool) -> None:
        job_id = data.draw(st.sampled_from(list(self.met_as)))
        answer, holder = self.met_as[job_id]
        [again] = self.send(EnqueueJobs((self.sent[job_id],)))
        assert (again.answer, again.deduped_into) == (answer, holder)
        assert [one.answer for one in self.send(CancelJobs((job_id,)))] == ["deduplicated"]
        [read] = self.send(GetJobs((job_id,)))
        assert (None if read is None else read.job_id) == (None if self.models[holder].dropped else holder)
        if abandons:
            expected = "abandoned" if answer == "deduplicated" else "started"
            assert [one.answer for one in self.send(AbandonJobs((job_id,)))] == [expected]
            if expected == "abandoned":
                del self.met_as[job_id]
                assert [one.answer for one in self.send(EnqueueJobs((self.sent[job_id],)))] == ["conflict"]

    @rule(job_id=jobs, altered=st.booleans())
    def enqueue_again(self, job_id: str, altered: bool) -> None:
        model = self.models[job_id]
        job = replace_payload(self.sent[job_id]) if altered else self.sent[job_id]
        expected = "conflict" if altered or model.abandoned or model.dropped else "exists"
        assert [one.answer for one in self.send(EnqueueJobs((job,)))] == [expected]

    @rule(
        target=tasks,
        worker=st.sampled_from(WORKERS),
        want=st.sampled_from([4, 4, 1, 0]),
        holding=st.sampled_from([0, 0, 1]),
    )
    def claim(self, worker: str, want: int, holding: int) -> Any:
        call = ClaimJobTasks(str(uuid4()), worker, (self.queue,), ("t",), want, holding, LEASE, {})
        lone_before = self.ready(lone=True) if self.room() else set()
        self.order.promote(self.now)
        some_late = any(model.late(self.now) for model in self.models.values() if model.status == "pending")
        claimed = self.send(call)
        self.check_failed(claimed.failed)
        for model in self.models.values():
            model.promote(self.now)
        lone, others = self.ready(lone=True), self.ready(lone=False)
        got = {task.job_id for task in claimed.tasks}
        may_be_alone = want > 0 and holding == 0
        if may_be_alone and lone_before and not some_late:
            assert claimed.alone
        if claimed.alone:
            assert may_be_alone
            assert len(got) == 1
            assert got <= lone
            assert lone_before or not others
        else:
            assert got <= others
            assert len(got) == min(want, len(others), self.room())
            assert not (may_be_alone and lone and self.room() and not got)
        for task in claimed.tasks:
            self.take(task, worker)
        self.claims.append((call, claimed.tasks))
        return multiple(*(Held(task, worker) for task in claimed.tasks))

    def ready(self, *, lone: bool) -> set[str]:
        if self.paused_until > self.now:
            return set()
        return {id for id, m in self.models.items() if m.ready(self.now) and (m.lost >= 2) is lone}

    def room(self) -> int:
        """For how many more tasks the limits have room."""
        leased = sum(model.leased for model in self.models.values())
        return max(0, min(self.limits.values(), default=10**6) - leased)

    def check_failed(self, failed: Any) -> None:
        """Every claim rescues and expires first; it tells what that was the end of."""
        ended = {id for id, model in self.models.items() if model.rescue(self.now) or model.expire(self.now)}
        assert {(one.job_id, one.error_type) for one in failed} == {
            (job_id, self.models[job_id].error_type) for job_id in ended
        }

    def take(self, task: ClaimedTask, worker: str) -> None:
        model = self.models[task.job_id]
        assert (task.attempt, task.max_attempts) == (model.attempts + 1, model.max_attempts)
        assert (task.checkpoint, task.payload) == (model.checkpoint, model.payload)
        model.claim(worker, self.now, LEASE)
        assert task.lease_token == model.token

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def claim_again(self, data: st.DataObject) -> None:
        call, claimed = data.draw(st.sampled_from(self.claims))
        held = [t.ref for t in claimed if self.models[t.job_id].held(t.lease_token, call.worker_id)]
        again = self.send(replace(call, want=4))
        assert sorted(t.ref.job_id for t in again.tasks) == sorted(ref.job_id for ref in held)

    @rule(held=tasks, starts=st.booleans(), worker=st.sampled_from(WORKERS), older=LEASES_BEFORE)
    def heartbeat(self, held: Held, starts: bool, worker: str, older: int) -> None:
        model, ref = self.models[held.task.job_id], held.ref(older)
        if starts:
            model.start(ref.lease_token, worker, self.now)
        expected = model.heartbeat(ref.lease_token, worker, self.now, LEASE)
        answers = self.send(HeartbeatJobTasks(worker, (ref,), (ref,) if starts else (), LEASE))
        assert [answer.answer for answer in answers] == [expected]

    @rule(held=tasks, number=st.integers(1, 5), checkpoint=st.integers(), older=LEASES_BEFORE)
    def progress(self, held: Held, number: int, checkpoint: int, older: int) -> None:
        model, ref = self.models[held.task.job_id], held.ref(older)
        model.report(ref.lease_token, held.worker_id, number, checkpoint)
        expected = model.heartbeat(ref.lease_token, held.worker_id, self.now, LEASE)
        call = HeartbeatJobTasks(
            held.worker_id, (ref,), (), LEASE, {ref: Progress(number, checkpoint=checkpoint)}
        )
        assert [answer.answer for answer in self.send(call)] == [expected]

    @rule(
        target=finishes,
        held=tasks,
        outcome=st.sampled_from(OUTCOMES),
        after=st.sampled_from([None, 0.0, DELAY]),
        worker=st.sampled_from([None, None, None, *WORKERS]),
        older=LEASES_BEFORE,
    )
    def finish(self, held: Held, outcome: Any, after: float | None, worker: str | None, older: int) -> Any:
        error = None if outcome == "done" else TaskError("Told", "by the handler")
        finished = FinishedTask(
            held.ref(older), outcome, after_seconds=after, error=error, result={"by": outcome}
        )
        call = FinishJobTasks(worker or held.worker_id, (finished,))
        self.check_finish(call)
        return call

    @rule(call=finishes)
    def finish_again(self, call: FinishJobTasks) -> None:
        self.check_finish(call)

    def check_finish(self, call: FinishJobTasks) -> None:
        [task] = call.tasks
        model = self.models[task.ref.job_id]
        expected = model.finish(
            task.ref.lease_token, call.worker_id, task.outcome, self.now, task.after_seconds
        )
        [answer] = self.send(call)
        assert (answer.answer, answer.status) == expected

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        expected = self.models[job_id].cancel()
        assert [one.answer for one in self.send(CancelJobs((job_id,)))] == [expected]

    @rule(job_id=jobs)
    def abandon(self, job_id: str) -> None:
        expected = self.models[job_id].abandon()
        assert [one.answer for one in self.send(AbandonJobs((job_id,)))] == [expected]

    @rule(target=letters)
    def list_dead_letters(self) -> Any:
        page = self.send(ListDeadLetters(DeadLetterFilter(queue=self.queue)))
        failed = {id: model for id, model in self.models.items() if model.status == "failed"}
        assert {(one.job_id, one.lease_token, one.parked) for one in page.dead_letters} == {
            (job_id, model.token, model.parked) for job_id, model in failed.items()
        }
        return multiple(*(TaskRef(one.job_id, 0, one.lease_token) for one in page.dead_letters))

    @rule(letter=letters, delay=st.sampled_from([0.0, DELAY]))
    def replay(self, letter: TaskRef, delay: float) -> None:
        model = self.models[letter.job_id]
        if (model.status, model.token) == ("failed", letter.lease_token) and not self.keys.may_replay(
            letter.job_id, self.now
        ):
            expected = "key_held"
        else:
            expected = model.replay(letter.lease_token, delay, self.now)
        assert [one.answer for one in self.send(ReplayJobTasks((Replay(letter, delay),)))] == [expected]

    @rule(letter=letters)
    def drop(self, letter: TaskRef) -> None:
        expected = self.models[letter.job_id].drop(letter.lease_token)
        assert [one.answer for one in self.send(DropDeadLetters((letter,)))] == [expected]

    @rule(target=changes, seconds=st.sampled_from([None, PAUSE]))
    def pause(self, seconds: float | None) -> PauseQueues:
        call = PauseQueues((self.queue,), pause_seconds=seconds)
        self.paused_until = math.inf if seconds is None else self.now + seconds
        self.check_change(call)
        return call

    @rule(target=changes, task_type=st.sampled_from([None, "t"]), most=st.sampled_from([None, 1, 2, 3]))
    def limit_running(self, task_type: str | None, most: int | None) -> LimitRunning:
        call = LimitRunning((RunningLimit(self.queue, task_type, running_limit=most),))
        self.limits.pop(task_type, None)
        if most is not None:
            self.limits[task_type] = most
        self.check_change(call)
        return call

    @rule(target=changes)
    def resume(self) -> ResumeQueues:
        self.paused_until = -math.inf
        call = ResumeQueues((self.queue,))
        self.check_change(call)
        return call

    @rule(call=changes)
    def change_again(self, call: PauseQueues | ResumeQueues | LimitRunning) -> None:
        self.check_change(call)

    def check_change(self, call: PauseQueues | ResumeQueues | LimitRunning) -> None:
        [answer] = self.send(call)
        if isinstance(answer, RunningLimit):
            assert answer.running_limit == self.limits.get(answer.task_type)
            return
        assert answer.paused is (self.paused_until > self.now)

    @rule(seconds=st.sampled_from(STEPS))
    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.world.advance(seconds)

    @invariant()
    def the_model_is_right(self) -> None:
        ids = tuple(self.models)
        for job_id, job in zip(ids, self.send(GetJobs(ids)), strict=True):
            model = self.models[job_id]
            if model.dropped:
                assert job is None
                continue
            [task] = job.tasks
            error_type = None if task.error is None else task.error["type"]
            assert (job.status, task.status, task.attempts, task.max_attempts) == (
                model.job_status,
                model.status,
                model.attempts,
                model.max_attempts,
            )
            assert (task.lost_leases, task.parked, job.cancel_requested, error_type) == (
                model.lost,
                model.parked,
                model.cancel_requested,
                model.error_type,
            )


def replace_payload(job: NewJob) -> NewJob:
    """The same job with another payload."""
    return NewJob("t", "other", queue=job.queue, job_id=job.job_id)
