"""Progress that handlers tell, and the checkpoint that outlives an attempt."""

from __future__ import annotations

import asyncio
import threading

import pytest

from supaqueue.contract import HeartbeatJobTasks
from supaqueue.settings import Settings
from supaqueue.worker import Context, Registry
from supaqueue.worker.progress_report import ProgressReport
from tests.faults.proxy import Fault, FaultProxy
from tests.worker.running import OwnQueue
from tests.worker.waiting import until


def test_readers_see_it_while_the_handler_runs(queue: OwnQueue, registry: Registry) -> None:
    release = threading.Event()

    @registry.task("report")
    async def report(context: Context) -> None:
        context.progress(10, "begun")
        context.progress(40)
        while not release.is_set():
            await asyncio.sleep(0.01)
        context.progress(100, "almost there")

    job_id = queue.enqueue("report")
    with queue.worker(registry):
        until(lambda: queue.task(job_id).progress_percent == 40, "the progress")
        assert queue.task(job_id).progress_message == "begun"
        release.set()
        task = queue.ended(job_id).tasks[0]
    assert (task.progress_percent, task.progress_message) == (100, "almost there")


def test_checkpoint_reaches_the_next_attempt_also_from_a_thread(queue: OwnQueue, registry: Registry) -> None:
    seen: list[object] = []

    @registry.task("walk")
    def walk(context: Context) -> str:
        seen.append(context.checkpoint)
        context.progress(checkpoint={"page": context.attempt})
        assert context.checkpoint == {"page": context.attempt}
        if context.attempt < 3:
            raise OSError("again")
        return "done"

    job_id = queue.enqueue("walk", backoff=0)
    with queue.worker(registry):
        assert queue.ended(job_id).status == "completed"
    assert seen == [None, {"page": 1}, {"page": 2}]
    stored = queue.client.get(job_id, with_payload=True)
    assert stored is not None
    assert stored.tasks[0].checkpoint == {"page": 3}


def test_checkpoint_of_a_report_without_answer_goes_with_the_end(
    queue: OwnQueue, registry: Registry, proxy: FaultProxy, settings_through_proxy: Settings
) -> None:
    proxy.expect_always(HeartbeatJobTasks.function, Fault.ANSWER_503)
    seen: list[object] = []

    @registry.task("walk")
    async def walk(context: Context) -> None:
        seen.append(context.checkpoint)
        if context.attempt == 1:
            context.progress(50, checkpoint="half")
            failing = len(proxy.faults_done)
            while len(proxy.faults_done) == failing:
                await asyncio.sleep(0.01)
            raise OSError("again")

    job_id = queue.enqueue("walk", backoff=0)
    with queue.worker(registry, settings=settings_through_proxy):
        assert queue.ended(job_id).tasks[0].progress_percent == 50
    assert seen == [None, "half"]


def test_thousands_of_reports_become_a_few_calls(
    queue: OwnQueue, registry: Registry, proxy: FaultProxy, settings_through_proxy: Settings
) -> None:
    @registry.task("count")
    async def count(context: Context) -> None:
        for number in range(5000):
            context.progress(number / 50)
            if number % 50 == 0:
                await asyncio.sleep(0)

    job_id = queue.enqueue("count")
    with queue.worker(registry, settings=settings_through_proxy):
        task = queue.ended(job_id).tasks[0]
    assert task.progress_percent == pytest.approx(99.98)
    assert proxy.seen[HeartbeatJobTasks.function] < 50


def test_unfit_progress_fails_the_attempt_and_names_the_argument(queue: OwnQueue, registry: Registry) -> None:
    @registry.task("wrong")
    def wrong(context: Context) -> None:
        context.progress(101)

    job_id = queue.enqueue("wrong", max_attempts=1)
    with queue.worker(registry):
        job = queue.ended(job_id)
    assert job.error == {"type": "InvalidInput", "message": "percent: must be between 0 and 100"}


def test_what_is_reported_while_a_call_is_in_flight_is_not_lost() -> None:
    report = ProgressReport()
    report.add(percent=10, checkpoint="a")
    first = report.next()
    report.add(percent=20)
    assert first is not None
    assert first.row() == {"number": 1, "percent": 10, "checkpoint": "a"}
    assert report.waiting
    # No answer came: the next call has what the first one had, and what is newer.
    again = report.next()
    assert again is not None
    assert again.row() == {"number": 2, "percent": 20, "checkpoint": "a"}
    report.confirm()
    assert (report.waiting, report.next(), report.checkpoint) == (False, None, "a")
