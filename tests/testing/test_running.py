"""Running handlers until nothing is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from supaqueue import AsyncQueue, Cancel, Context, Fail, NewJob, Queue, Registry, Retry, Snooze
from supaqueue.contract import PauseQueues, ResumeQueues
from supaqueue.errors import ConfigurationError
from supaqueue.job_id import new_job_id
from supaqueue.settings import Settings
from supaqueue.testing import (
    AsyncMemoryTransport,
    MemoryDatabase,
    MemoryTransport,
    NeverEmpty,
    RunSummary,
    async_run_until_empty,
    declare_task_types,
    run_until_empty,
)

Run = Callable[..., RunSummary]


class Order(BaseModel):
    number: int


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def database(supaqueue_database: MemoryDatabase) -> MemoryDatabase:
    return supaqueue_database


@pytest.fixture
def queue(supaqueue_queue: Queue) -> Queue:
    return supaqueue_queue


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    """Both colours, called alike."""
    if request.param == "sync":
        return run_until_empty
    return lambda *given, **options: asyncio.run(async_run_until_empty(*given, **options))


def test_typed_payloads_contexts_and_results(run: Run, registry: Registry, queue: Queue) -> None:
    @registry.task("bill")
    async def bill(order: Order, context: Context) -> Order:
        await asyncio.sleep(0)
        assert context.queue == "q"
        return Order(number=order.number + context.attempt)

    @registry.task("count")
    def count(numbers: list[int]) -> int:
        return sum(numbers)

    billed = queue.enqueue("bill", Order(number=6), queue="q").job_id
    counted = queue.enqueue("count", [1, 2]).job_id
    summary = run(registry, queue)
    assert (summary.runs, summary.completed, summary.raised) == (2, 2, ())
    assert {job.job_id: job.result for job in summary.jobs} == {billed: {"number": 7}, counted: 3}


def test_every_outcome_is_counted(run: Run, registry: Registry, queue: Queue) -> None:
    said: dict[int, list[Any]] = {
        0: [Retry(), None],
        1: [Snooze(3600), Snooze(3600), "woke"],
        2: [Cancel("no")],
        3: [Fail("never")],
        4: [ValueError("odd"), None],
    }

    @registry.task("say")
    def say(number: int) -> Any:
        value = said[number].pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    queue.enqueue_many(NewJob("say", number) for number in said)
    summary = run(registry, queue)
    assert (summary.runs, summary.completed, summary.failed, summary.cancelled) == (9, 3, 1, 1)
    assert (summary.retried, summary.snoozed, summary.left) == (2, 2, ())
    assert [str(error) for error in summary.raised] == ["odd"]
    assert [job.payload for job in summary.jobs] == [0, 1, 2, 3, 4]
    assert len(summary.jobs[1].tasks[0].history) == 3


def test_time_moves_to_what_is_due_and_no_further(
    run: Run, registry: Registry, queue: Queue, database: MemoryDatabase
) -> None:
    ran: list[timedelta] = []
    begun = database.clock.now()

    @registry.task("late")
    def late() -> None:
        ran.append(database.clock.now() - begun)
        if len(ran) == 1:
            raise ConnectionError

    queue.enqueue("late", run_at=begun + timedelta(days=1), backoff=60)
    queue.enqueue("nobody serves this", delay=1)
    summary = run(registry, queue, advance=False)
    assert (summary.runs, len(summary.left), database.clock.now()) == (0, 2, begun)
    summary = run(registry, queue)
    assert (ran, summary.completed) == ([timedelta(days=1), timedelta(days=1, minutes=1)], 1)
    assert [job.task_type for job in summary.left] == ["nobody serves this"]


def test_what_handlers_enqueue_runs_too(run: Run, registry: Registry, queue: Queue) -> None:
    @registry.task("split")
    def split(parts: int) -> None:
        queue.enqueue_many(NewJob("part", part, queue="parts") for part in range(parts))

    @registry.task("part")
    async def part(number: int) -> int:
        return number

    queue.enqueue("split", 3)
    assert run(registry, queue, queues=["default"]).completed == 1
    summary = run(registry, queue)
    assert [job.result for job in summary.jobs] == [0, 1, 2]


def test_a_task_that_never_ends_is_named(run: Run, registry: Registry, queue: Queue) -> None:
    registry.task("sleepy")(lambda: Snooze(1))
    job_id = queue.enqueue("sleepy").job_id
    with pytest.raises(NeverEmpty, match=f"sleepy of job {job_id} has run 7 times"):
        run(registry, queue, limit=7)


def test_jobs_without_end_are_named(
    run: Run, registry: Registry, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supaqueue.testing.drain.TOTAL_LIMIT", 20)
    registry.task("next")(lambda: queue.enqueue("next") and None)
    queue.enqueue("next")
    with pytest.raises(NeverEmpty, match="20 runs, and next is next"):
        run(registry, queue)


def test_a_payload_that_does_not_fit_is_told(run: Run, registry: Registry, queue: Queue) -> None:
    @registry.task("bill")
    def bill(order: Order) -> None: ...

    queue.enqueue("bill", {"number": "x"})
    (error,) = run(registry, queue).raised
    assert "payload.number" in str(error)


def test_a_handler_that_runs_is_processing_and_may_be_cancelled(
    run: Run, registry: Registry, queue: Queue
) -> None:
    seen: list[str] = []

    @registry.task("look")
    def look(context: Context) -> Retry:
        job = queue.get(context.job_id)
        assert job is not None
        seen.append(job.status + " " + job.tasks[0].status)
        seen.append(queue.cancel(context.job_id).answer)
        return Retry()

    queue.enqueue("look")
    assert (run(registry, queue).cancelled, seen) == (1, ["processing processing", "requested"])


def test_sync_handlers_run_in_this_thread_without_a_loop(registry: Registry, queue: Queue) -> None:
    here = threading.current_thread()

    @registry.task("here")
    def handler() -> bool:
        asyncio.run(asyncio.sleep(0))  # refused wherever a loop runs
        return threading.current_thread() is here

    queue.enqueue("here")
    (job,) = run_until_empty(registry, queue).jobs
    assert job.result is True


def test_async_handlers_run_in_the_loop_of_the_test(registry: Registry) -> None:
    async def test() -> RunSummary:
        queue = AsyncQueue(transport=AsyncMemoryTransport())
        here = asyncio.get_running_loop()

        @registry.task("here")
        async def handler() -> bool:
            return asyncio.get_running_loop() is here

        await queue.enqueue("here")
        with pytest.raises(ConfigurationError, match="async_run_until_empty"):
            run_until_empty(registry, queue)
        return await async_run_until_empty(registry, queue)

    (job,) = asyncio.run(test()).jobs
    assert job.result is True


def test_giving_up_on_a_handler_cancels_it(registry: Registry, queue: Queue) -> None:
    begun = asyncio.Event()
    ended: list[str] = []

    @registry.task("long")
    async def long() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")

    async def test() -> None:
        run = asyncio.create_task(async_run_until_empty(registry, queue))
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    job_id = queue.enqueue("long").job_id
    asyncio.run(test())
    job = queue.get(job_id)
    assert job is not None
    assert (ended, job.status) == (["cancelled"], "pending")


@pytest.mark.parametrize("is_async", [True, False])
def test_what_pytest_raises_in_a_handler_ends_the_test(
    run: Run, registry: Registry, queue: Queue, is_async: bool
) -> None:
    async def fails() -> None:
        pytest.fail("from a handler")

    registry.task("fails")(fails if is_async else lambda: pytest.fail("from a handler"))
    queue.enqueue("fails")
    with pytest.raises(pytest.fail.Exception, match="from a handler"):
        run(registry, queue)


def test_leaving_a_process_is_a_handlers_failure(run: Run, registry: Registry, queue: Queue) -> None:
    @registry.task("leave")
    def leave() -> None:
        raise SystemExit(3)

    queue.enqueue("leave", max_attempts=2)
    summary = run(registry, queue)
    assert (summary.failed, [type(error) for error in summary.raised]) == (1, [SystemExit, SystemExit])


def test_the_source_has_to_be_in_memory(registry: Registry, database: MemoryDatabase) -> None:
    for source in (database, MemoryTransport(database), AsyncMemoryTransport(database)):
        assert run_until_empty(registry, source).runs == 0
    elsewhere = Queue(Settings(url="https://ref.supabase.co", service_role_key="key"))
    with pytest.raises(ConfigurationError, match="MemoryTransport"):
        run_until_empty(registry, elsewhere)


def test_the_clock(database: MemoryDatabase, queue: Queue) -> None:
    now = database.clock.now()
    assert database.clock.now() is now
    assert database.clock.advance(1.5) - now == timedelta(seconds=1.5)
    assert database.clock.advance(timedelta(days=1)) == database.clock.now()
    with pytest.raises(ValueError, match="negative"):
        database.clock.advance(-1)
    with pytest.raises(ValueError, match="time zone"):
        MemoryDatabase(now.replace(tzinfo=None))
    job = queue.get(queue.enqueue("a").job_id)
    assert job is not None
    assert job.created_at == database.clock.now()
    assert queue.get(new_job_id()) is None


def test_options_that_handlers_declare_hold_for_what_is_enqueued_after(
    run: Run, registry: Registry, queue: Queue
) -> None:
    @registry.task("once", max_attempts=1)
    def once() -> None:
        raise ValueError("odd")

    queue.enqueue("once")
    assert run(registry, queue).runs == 5
    queue.enqueue("once")
    assert run(registry, queue).runs == 1
    database = MemoryDatabase()
    declare_task_types(registry, database)
    Queue(transport=MemoryTransport(database)).enqueue("once")
    assert run(registry, database).runs == 1


def test_progress_is_seen_at_once_and_a_checkpoint_by_the_next_attempt(
    run: Run, registry: Registry, queue: Queue
) -> None:
    seen: list[Any] = []

    @registry.task("copy")
    def copy(context: Context) -> None:
        seen.append(context.checkpoint)
        context.progress(context.attempt * 10, "copying", checkpoint={"line": context.attempt})
        job = queue.get(context.job_id)
        assert job is not None
        seen.append((job.tasks[0].progress_percent, job.tasks[0].progress_message))
        if context.attempt == 1:
            raise ConnectionError

    queue.enqueue("copy")
    (job,) = run(registry, queue).jobs
    assert seen == [None, (10.0, "copying"), {"line": 1}, (20.0, "copying")]
    assert job.tasks[0].checkpoint == {"line": 2}


def test_a_handler_hears_of_a_cancel_with_its_progress(registry: Registry, queue: Queue) -> None:
    @registry.task("long")
    def long(context: Context) -> str:
        queue.cancel(context.job_id)
        context.progress(1)
        context.raise_if_cancelled()
        return "never"

    queue.enqueue("long")
    assert run_until_empty(registry, queue).cancelled == 1


def test_time_limits(run: Run, registry: Registry, queue: Queue) -> None:
    @registry.task("slow")
    async def slow() -> None:
        await asyncio.sleep(60)

    registry.task("late")(lambda: Retry(3600))
    queue.enqueue("slow", timeout=0.01, max_attempts=1)
    queue.enqueue("late", deadline=60)
    queue.enqueue("late", delay=120, deadline=timedelta(minutes=1))
    summary = run(registry, queue)
    assert [job.error["type"] for job in summary.jobs] == ["TimedOut", "DeadlineExceeded", "DeadlineExceeded"]
    assert (summary.failed, summary.left) == (3, ())


def test_a_pause_is_waited_for_if_it_ends(
    run: Run, registry: Registry, queue: Queue, database: MemoryDatabase
) -> None:
    registry.task("a")(lambda: None)
    transport, begun = MemoryTransport(database), database.clock.now()
    queue.enqueue("a", queue="minute")
    queue.enqueue("a", queue="ever")
    transport.send(PauseQueues(("minute",), 60.0))
    transport.send(PauseQueues(("ever",)))
    summary = run(registry, queue)
    assert (summary.completed, [job.queue for job in summary.left]) == (1, ["ever"])
    assert database.clock.now() - begun == timedelta(minutes=1)
    transport.send(ResumeQueues(("ever",)))
    assert run(registry, queue).completed == 1


def test_what_a_deadline_ended_while_it_waited_is_told(
    run: Run, registry: Registry, queue: Queue, database: MemoryDatabase
) -> None:
    registry.task("a")(lambda: None)
    queue.enqueue("a", deadline=1)
    database.clock.advance(2)
    summary = run(registry, queue)
    assert (summary.runs, summary.failed, summary.jobs[0].error["type"]) == (0, 1, "DeadlineExceeded")
