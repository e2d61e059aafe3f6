"""What a worker asks for, how often, and what it does when the answer is lost."""

from __future__ import annotations

import asyncio
import threading
import time

from supaqueue.contract import ClaimJobTasks, FinishJobTasks, HeartbeatJobTasks
from supaqueue.settings import Settings
from supaqueue.telemetry.events import JobStarted, QueueUnavailable
from supaqueue.worker import Registry
from tests.faults.proxy import Fault, FaultProxy
from tests.worker.running import OwnQueue
from tests.worker.waiting import until


def test_unknown_task_types_are_left_alone(queue: OwnQueue, registry: Registry) -> None:
    @registry.task("known")
    async def known() -> None:
        return None

    unknown = queue.enqueue("unknown")
    with queue.worker(registry) as running:
        assert queue.ended(queue.enqueue("known")).status == "completed"
    task = queue.task(unknown)
    assert (task.status, task.attempts, task.history) == ("pending", 0, ())
    assert len(running.events.of(JobStarted)) == 1


def test_other_queues_are_left_alone(queue: OwnQueue, registry: Registry) -> None:
    @registry.task("work")
    async def work() -> None:
        return None

    here = queue.enqueue("work")
    there = queue.client.enqueue("work", queue=f"{queue.name}-other").job_id
    second = queue.client.enqueue("work", queue=f"{queue.name}-second").job_id
    with queue.worker(registry, queues=[queue.name, f"{queue.name}-second"]):
        assert queue.ended(here).status == "completed"
        assert queue.ended(second).status == "completed"
    assert queue.task(there).status == "pending"


def test_no_more_handlers_than_allowed_and_no_fewer(queue: OwnQueue, registry: Registry) -> None:
    inside, most = 0, 0
    full = asyncio.Event()

    @registry.task("work")
    async def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == 3:
            full.set()
        await full.wait()
        await asyncio.sleep(0)
        inside -= 1

    # So many that the worker claims ahead: it holds more tasks than it has slots.
    queue.client.enqueue_many([{"task_type": "work", "queue": queue.name}] * 400)
    with queue.worker(registry, concurrency=3):
        until(
            lambda: (
                {(c.status, c.tasks) for c in queue.client.stats(queue.name).counts} == {("completed", 400)}
            ),
            "all jobs to be completed",
        )
    assert most == 3


def test_long_handlers_get_no_task_ahead_of_time(queue: OwnQueue, registry: Registry) -> None:
    release = threading.Event()

    @registry.task("wait")
    def wait() -> None:
        release.wait(30)

    job_ids = [queue.enqueue("wait") for _ in range(5)]
    with queue.worker(registry, concurrency=2) as running:
        until(lambda: len(running.events.of(JobStarted)) == 2, "two handlers")
        held = [job_id for job_id in job_ids if queue.task(job_id).status != "pending"]
        release.set()
        assert {queue.ended(job_id).status for job_id in job_ids} == {"completed"}
    assert held == job_ids[:2]


def test_what_was_claimed_ahead_and_waits_goes_back(queue: OwnQueue, registry: Registry) -> None:
    """Short tasks make a worker claim ahead; behind a long one that must not keep them from another."""
    release = threading.Event()
    registry.task("short")(lambda: None)
    registry.task("long")(lambda: release.wait(60))
    queue.client.enqueue_many([{"task_type": "short", "queue": queue.name}] * 200)
    with queue.worker(registry, concurrency=1, lease_seconds=60.0):
        until(
            lambda: {c.status for c in queue.client.stats(queue.name).counts} == {"completed"}, "short tasks"
        )
        answers = queue.client.enqueue_many([{"task_type": "long", "queue": queue.name}] * 5)
        waiting = [answer.job_id for answer in answers[1:]]
        until(lambda: any(queue.outcomes(job_id) for job_id in waiting), "a task to go back", seconds=15)
        until(lambda: {queue.task(job_id).status for job_id in waiting} == {"pending"}, "all to go back")
        assert {outcome for job_id in waiting for outcome in queue.outcomes(job_id)} == {"not_started"}
        assert {queue.task(job_id).attempts for job_id in waiting} == {0}
        release.set()
        assert {queue.ended(answer.job_id).status for answer in answers} == {"completed"}


def test_idle_worker_asks_at_most_five_times_a_second(
    queue: OwnQueue, registry: Registry, proxy: FaultProxy, settings_through_proxy: Settings
) -> None:
    registry.task("work")(lambda: None)
    with queue.worker(registry, settings=settings_through_proxy, lease_seconds=30.0):
        # Busy at first: tasks may keep coming for a while after the last.
        job_id = queue.enqueue("work")
        queue.ended(job_id)
        idle_from = time.monotonic() + 2.5
        until(lambda: time.monotonic() > idle_from, "the end of the busy time")
        before, began = proxy.seen.total(), time.monotonic()
        until(lambda: proxy.seen.total() >= before + 15, "15 requests of an idle worker")
        requests, seconds = proxy.seen.total() - before, time.monotonic() - began
    assert requests <= 5 * seconds + 1


def test_claim_whose_answer_is_lost_is_asked_for_again(
    queue: OwnQueue, registry: Registry, proxy: FaultProxy, settings_through_proxy: Settings
) -> None:
    """The tasks it leased run at once, and not only when their lease of an hour has run out."""
    registry.task("work")(lambda: "done")
    job_ids = [queue.enqueue("work") for _ in range(3)]
    proxy.expect(ClaimJobTasks.function, Fault.DROP_ANSWER, Fault.ANSWER_400, Fault.ANSWER_400)
    with queue.worker(registry, settings=settings_through_proxy, lease_seconds=3600.0) as running:
        jobs = [queue.ended(job_id) for job_id in job_ids]
    assert len(proxy.faults_done) == 3
    assert [queue.outcomes(job.job_id) for job in jobs] == [["done"]] * 3
    assert running.events.of(QueueUnavailable) == []


def test_every_call_fails_for_a_while(
    queue: OwnQueue, registry: Registry, proxy: FaultProxy, settings_through_proxy: Settings
) -> None:
    registry.task("work")(lambda: "done")
    job_ids = [queue.enqueue("work") for _ in range(20)]
    several = [Fault.DROP_ANSWER, Fault.ANSWER_503, Fault.DROP_REQUEST, Fault.ANSWER_429, Fault.CUT_ANSWER]
    for function in (ClaimJobTasks.function, FinishJobTasks.function, HeartbeatJobTasks.function):
        proxy.expect(function, *several)
    with queue.worker(registry, settings=settings_through_proxy, concurrency=2, lease_seconds=60.0):
        jobs = [queue.ended(job_id) for job_id in job_ids]
    assert {fault for _, fault in proxy.faults_done} == set(several)
    assert [queue.outcomes(job.job_id) for job in jobs] == [["done"]] * 20


def test_large_results_go_in_several_reports(
    queue: OwnQueue, registry: Registry, proxy: FaultProxy, settings_through_proxy: Settings
) -> None:
    together = asyncio.Event()
    inside = 0

    @registry.task("large")
    async def large() -> str:
        nonlocal inside
        inside += 1
        if inside == 10:
            together.set()
        await together.wait()
        return "x" * 1_000_000

    job_ids = [queue.enqueue("large") for _ in range(10)]
    with queue.worker(registry, settings=settings_through_proxy, concurrency=10):
        assert {queue.ended(job_id).status for job_id in job_ids} == {"completed"}
    assert proxy.largest_body < 5_000_000
    assert proxy.seen[FinishJobTasks.function] >= 3


def test_row_that_the_database_refuses_fails_alone(
    queue: OwnQueue, registry: Registry, proxy: FaultProxy, settings_through_proxy: Settings
) -> None:
    together = asyncio.Event()
    inside = 0

    @registry.task("work")
    async def work(number: int) -> int:
        nonlocal inside
        inside += 1
        if inside == 3:
            together.set()
        await together.wait()
        return number

    job_ids = [queue.enqueue("work", number) for number in range(3)]
    # The report of all three is refused, then, one by one, that of the first, and that once more.
    proxy.expect(FinishJobTasks.function, *[Fault.ANSWER_400] * 3)
    with queue.worker(registry, settings=settings_through_proxy, concurrency=3):
        jobs = [queue.ended(job_id) for job_id in job_ids]
    assert sorted(job.status for job in jobs) == ["completed", "completed", "failed"]
    [failed] = [job for job in jobs if job.status == "failed"]
    assert failed.error == {
        "type": "CallRefused",
        "message": "the database refused what the handler returned",
    }


def test_report_refused_once_is_sent_again(
    queue: OwnQueue, registry: Registry, proxy: FaultProxy, settings_through_proxy: Settings
) -> None:
    registry.task("work")(lambda: "done")
    proxy.expect(FinishJobTasks.function, Fault.ANSWER_400)
    with queue.worker(registry, settings=settings_through_proxy):
        job = queue.ended(queue.enqueue("work"))
    assert (job.status, job.result) == ("completed", "done")


def test_report_that_is_always_refused_does_not_keep_the_slot(
    queue: OwnQueue, registry: Registry, proxy: FaultProxy, settings_through_proxy: Settings
) -> None:
    registry.task("work")(lambda: "done")
    # Refused twice as done, and twice as failed.
    proxy.expect(FinishJobTasks.function, *[Fault.ANSWER_400] * 4)
    first, second = queue.enqueue("work"), queue.enqueue("work")
    with queue.worker(registry, settings=settings_through_proxy, concurrency=1, lease_seconds=60.0):
        assert queue.ended(second).status == "completed"
    assert queue.task(first).status in ("claimed", "processing")
