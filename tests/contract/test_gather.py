"""Enqueues gathered while one is under way: each caller has its own answer, and none suffers for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from supaqueue.client import AsyncQueue, Queue
from supaqueue.contract import Call, CountJobs, EnqueueJobs, GetJobs, NewJob
from supaqueue.devstack import Stack
from supaqueue.errors import CallRefused, QueueUnavailable
from supaqueue.settings import Settings
from supaqueue.testing import AsyncMemoryTransport, MemoryDatabase, MemoryTransport
from supaqueue.transport.async_gather import AsyncGatheringTransport
from supaqueue.transport.batch import MOST_BYTES, MOST_JOBS, fitting
from supaqueue.transport.gather import GatheringTransport
from tests.faults.proxy import FaultProxy
from tests.worker.waiting import until

Reply = TypeVar("Reply")


class Gated:
    """A transport in memory whose calls wait until the gate is open; notes the number of jobs of each."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.sent: list[int] = []
        self.failures: list[Exception] = []
        self.gate = threading.Event()

    def send(self, call: Call[Reply]) -> Reply:
        self.note(call)
        self.gate.wait(30)
        return self.answer(call, MemoryTransport(self.database).send)

    def note(self, call: Call[Any]) -> None:
        if isinstance(call, EnqueueJobs):
            self.sent.append(len(call.jobs))

    def answer(self, call: Call[Reply], send: Callable[[Call[Reply]], Reply]) -> Reply:
        if self.failures:
            raise self.failures.pop(0)
        return send(call)

    def close(self) -> None:
        """Nothing is held."""


class AsyncGated(Gated):
    """The same for an event loop."""

    async def send(self, call: Call[Reply]) -> Reply:  # type: ignore[override]
        self.note(call)
        await asyncio.to_thread(self.gate.wait, 30)
        if self.failures:
            raise self.failures.pop(0)
        return await AsyncMemoryTransport(self.database).send(call)

    async def aclose(self) -> None:
        """Nothing is held."""


def one(number: int = 0, **options: Any) -> EnqueueJobs:
    return EnqueueJobs((NewJob("bill", {"n": number}, **options),))


class Bad(NewJob):
    """A job that the database refuses, as a client of another version may send it."""

    def row(self) -> Any:
        return super().row() | {"max_attempts": 0}


class InThreads:
    """Calls from threads of their own, over one gathering transport."""

    def __init__(self) -> None:
        self.inner = Gated()
        self.transport = GatheringTransport(self.inner)
        self.pool = ThreadPoolExecutor(64)

    def send(self, call: Call[Any]) -> Future[Any]:
        return self.pool.submit(self.transport.send, call)

    def waiting(self) -> int:
        return len(self.transport._waiting)


@pytest.fixture
def threads() -> InThreads:
    return InThreads()


def gathered(threads: InThreads, calls: list[EnqueueJobs]) -> list[Future[Any]]:
    """Send one, and the others while it is under way; then open the gate."""
    futures = [threads.send(calls[0])]
    until(lambda: threads.inner.sent == [1], "the first to be sent")
    for number, call in enumerate(calls[1:], start=2):
        futures.append(threads.send(call))
        until(lambda number=number: threads.waiting() == number, "it to wait")  # type: ignore[misc]
    threads.inner.gate.set()
    return futures


def test_a_lone_call_goes_out_as_it_is(threads: InThreads) -> None:
    threads.inner.gate.set()
    call = one()
    assert threads.transport.send(call)[0].job_id == call.jobs[0].job_id
    assert threads.transport.send(CountJobs()) is not None
    assert threads.inner.sent == [1]


def test_what_comes_meanwhile_goes_out_together(threads: InThreads) -> None:
    calls = [one(n) for n in range(21)]
    futures = gathered(threads, calls)
    assert [future.result(30)[0].job_id for future in futures] == [call.jobs[0].job_id for call in calls]
    assert threads.inner.sent == [1, 20]
    assert threads.waiting() == 0
    assert threads.transport._is_sending is False


def test_one_that_is_refused_is_so_alone(threads: InThreads) -> None:
    calls = [one(0), one(1), EnqueueJobs((Bad("bill"),)), one(3)]
    futures = gathered(threads, calls)
    for number in (0, 1, 3):
        assert futures[number].result(30)[0].answer == "created"
    with pytest.raises(CallRefused, match="max_attempts") as raised:
        futures[2].result(30)
    assert raised.value.job_id == calls[2].jobs[0].job_id
    assert threads.inner.sent == [1, 3, 1, 1, 1]


def test_a_failure_is_told_to_each_about_its_own_job(threads: InThreads) -> None:
    threads.inner.failures = [
        QueueUnavailable("x", call="enqueue_jobs_v1", committed="no"),
        QueueUnavailable("gone", call="enqueue_jobs_v1", committed="unknown", retryable=True),
    ]
    calls = [one(n) for n in range(4)]
    futures = gathered(threads, calls)
    errors = [future.exception(30) for future in futures]
    assert [error.job_id for error in errors[1:]] == [call.jobs[0].job_id for call in calls[1:]]  # type: ignore[union-attr]
    assert {(type(error), str(error), error.committed, error.retryable) for error in errors[1:]} == {  # type: ignore[union-attr]
        (QueueUnavailable, "gone", "unknown", True)
    }
    assert len({id(error) for error in errors}) == 4
    assert threads.transport.send(one())[0].answer == "created"


def test_who_is_interrupted_hands_the_lead_on(threads: InThreads) -> None:
    class Interrupted(BaseException):
        pass

    threads.inner.failures = [Interrupted()]  # type: ignore[list-item]
    futures = gathered(threads, [one(0), one(1), one(2)])
    assert isinstance(futures[0].exception(30), Interrupted)
    assert [futures[n].result(30)[0].answer for n in (1, 2)] == ["created", "created"]


def test_the_same_job_twice_in_one_call(threads: InThreads) -> None:
    twice = one(7)
    futures = gathered(threads, [one(0), twice, twice])
    assert sorted(future.result(30)[0].answer for future in futures[1:]) == ["created", "exists"]


def test_how_much_goes_out_at_once() -> None:
    assert fitting([one()] * (MOST_JOBS + 5)) == MOST_JOBS
    large = EnqueueJobs((NewJob("bill", "x" * (MOST_BYTES // 2)),))
    assert fitting([large, large, large]) == 1
    assert fitting([one(), large, large]) == 2
    assert fitting([]) == 0


def test_many_threads_over_http_share_calls(stack18: Stack, queue_name: str) -> None:
    with FaultProxy(stack18.url) as proxy:
        settings = Settings(url=proxy.url, service_role_key=stack18.service_role_key)
        with Queue(settings) as queue, ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda n: queue.enqueue("bill", {"n": n}, queue=queue_name), range(400)))
            jobs = queue.get_many([answer.job_id for answer in answers], with_payload=True)
        calls = proxy.seen["enqueue_jobs_v1"]
    assert [job.tasks[0].payload for job in jobs if job] == [{"n": n} for n in range(400)]
    assert calls < 200


def run(story: Callable[[AsyncGated, AsyncGatheringTransport], Any]) -> None:
    async def main() -> None:
        inner = AsyncGated()
        await asyncio.wait_for(story(inner, AsyncGatheringTransport(inner)), 60)

    asyncio.run(main())


async def ready(inner: AsyncGated, sent: int) -> None:
    while len(inner.sent) < sent:
        await asyncio.sleep(0.005)


def test_in_an_event_loop() -> None:
    async def story(inner: AsyncGated, transport: AsyncGatheringTransport) -> None:
        calls = [one(n) for n in range(30)]
        sending = [asyncio.create_task(transport.send(call)) for call in calls[:1]]
        await ready(inner, 1)
        sending += [asyncio.create_task(transport.send(call)) for call in calls[1:]]
        await asyncio.sleep(0)
        inner.gate.set()
        answers = await asyncio.gather(*sending)
        assert [answer[0].job_id for answer in answers] == [call.jobs[0].job_id for call in calls]
        assert inner.sent == [1, 29]

    run(story)


def test_a_caller_that_is_cancelled_harms_nobody() -> None:
    async def story(inner: AsyncGated, transport: AsyncGatheringTransport) -> None:
        calls = [one(n) for n in range(4)]
        sending = [asyncio.create_task(transport.send(calls[0]))]
        await ready(inner, 1)
        sending += [asyncio.create_task(transport.send(call)) for call in calls[1:]]
        await asyncio.sleep(0)
        sending[0].cancel()  # under way
        sending[2].cancel()  # waiting
        inner.gate.set()
        got = await asyncio.gather(*sending, return_exceptions=True)
        assert isinstance(got[0], asyncio.CancelledError)
        assert isinstance(got[2], asyncio.CancelledError)
        assert [got[n][0].job_id for n in (1, 3)] == [calls[n].jobs[0].job_id for n in (1, 3)]
        assert inner.sent == [1, 2]
        stored = await transport.send(GetJobs(tuple(call.jobs[0].job_id for call in calls)))
        assert [job is not None for job in stored] == [True, True, False, True]

    run(story)


def test_one_that_is_refused_is_so_alone_in_an_event_loop() -> None:
    async def story(inner: AsyncGated, transport: AsyncGatheringTransport) -> None:
        sending = [asyncio.create_task(transport.send(one()))]
        await ready(inner, 1)
        calls = [one(1), EnqueueJobs((Bad("bill"),)), one(3)]
        sending += [asyncio.create_task(transport.send(call)) for call in calls]
        await asyncio.sleep(0)
        inner.gate.set()
        got = await asyncio.gather(*sending, return_exceptions=True)
        assert [type(one) for one in got] == [tuple, tuple, CallRefused, tuple]

    run(story)


def test_closing_waits_for_what_is_under_way() -> None:
    async def story(inner: AsyncGated, transport: AsyncGatheringTransport) -> None:
        sending = asyncio.create_task(transport.send(one()))
        await ready(inner, 1)
        closing = asyncio.create_task(transport.aclose())
        inner.gate.set()
        await closing
        assert (await sending)[0].answer == "created"

    run(story)


def test_a_client_in_an_event_loop_shares_calls(stack18: Stack, queue_name: str) -> None:
    with FaultProxy(stack18.url) as proxy:
        settings = Settings(url=proxy.url, service_role_key=stack18.service_role_key)

        async def enqueue() -> list[Any]:
            async with AsyncQueue(settings) as queue:
                return await asyncio.gather(
                    *(queue.enqueue("bill", {"n": n}, queue=queue_name) for n in range(300))
                )

        answers = asyncio.run(enqueue())
        calls = proxy.seen["enqueue_jobs_v1"]
    assert len({answer.job_id for answer in answers}) == 300
    assert calls < 20
