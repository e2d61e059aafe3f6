"""What an application's own records come to when an enqueue, or what belongs to it, fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from supaqueue import (
    AsyncQueue,
    NewJob,
    Queue,
    async_enqueue_or_undo,
    async_settle_unknown,
    enqueue_or_undo,
    new_job_id,
    settle_unknown,
)
from supaqueue.contract import AbandonJobs, EnqueueJobs
from supaqueue.errors import AccessDenied, InvalidInput, JobConflict, QueueUnavailable
from supaqueue.settings import Settings
from supaqueue.testing import AsyncMemoryTransport, MemoryDatabase
from tests.faults.proxy import Fault, FaultProxy
from tests.sql.calls import Worker

ENQUEUE, ABANDON = EnqueueJobs.function, AbandonJobs.function
BUDGET_SECONDS = 1.5
Then = Callable[[], None]


def nothing() -> None:
    """What an application does where a test has nothing in mind."""


def fails() -> None:
    raise ZeroDivisionError


@dataclass
class Records:
    """An application's table: what it says of each job, and which ids its callbacks were told."""

    status: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, list[str]]] = field(default_factory=list)

    def add(self, *jobs: NewJob) -> None:
        self.status.update((job.job_id, "enqueue_unknown") for job in jobs)

    def remove(self, job_ids: Sequence[str]) -> None:
        self.told.append(("remove", list(job_ids)))
        for job_id in job_ids:
            self.status.pop(job_id, None)

    def confirm(self, job_ids: Sequence[str]) -> None:
        self.told.append(("confirm", list(job_ids)))
        self.status.update(dict.fromkeys(job_ids, "queued"))

    async def async_remove(self, job_ids: Sequence[str]) -> None:
        self.remove(job_ids)

    async def async_confirm(self, job_ids: Sequence[str]) -> None:
        self.confirm(job_ids)


class Sync:
    """The application, in threads."""

    def __init__(self, settings: Settings, records: Records) -> None:
        self.queue = Queue(settings, budget_seconds=BUDGET_SECONDS)
        self.records = records

    def post(self, *jobs: NewJob, then: Then = nothing, again: Then | None = None) -> None:
        """Enqueue, after a failure once more if `again` is given; then do something that belongs to it."""
        with enqueue_or_undo(self.queue, undo=self.records.remove) as guarded:
            try:
                guarded.enqueue_many(jobs)
            except QueueUnavailable:
                if again is None:
                    raise
                again()
                guarded.enqueue_many(jobs)
            then()

    def settle(self, *jobs: NewJob) -> list[str]:
        ids = [job.job_id for job in jobs]
        answers = settle_unknown(self.queue, ids, undo=self.records.remove, keep=self.records.confirm)
        return [answer.answer for answer in answers]

    def close(self) -> None:
        self.queue.close()


class Async:
    """The application, in an event loop."""

    def __init__(self, settings: Settings, records: Records) -> None:
        self.runner = asyncio.Runner()
        self.queue = AsyncQueue(settings, budget_seconds=BUDGET_SECONDS)
        self.records = records

    def post(self, *jobs: NewJob, then: Then = nothing, again: Then | None = None) -> None:
        """As in threads."""
        self.runner.run(self._post(jobs, then, again))

    async def _post(self, jobs: Sequence[NewJob], then: Then, again: Then | None) -> None:
        async with async_enqueue_or_undo(self.queue, undo=self.records.async_remove) as guarded:
            try:
                await guarded.enqueue_many(jobs)
            except QueueUnavailable:
                if again is None:
                    raise
                again()
                await guarded.enqueue_many(jobs)
            then()

    def settle(self, *jobs: NewJob) -> list[str]:
        ids = [job.job_id for job in jobs]
        settling = async_settle_unknown(
            self.queue, ids, undo=self.records.async_remove, keep=self.records.async_confirm
        )
        return [answer.answer for answer in self.runner.run(_awaited(settling))]

    def close(self) -> None:
        self.runner.run(self.queue.aclose())
        self.runner.close()


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def app(request: pytest.FixtureRequest, settings_through_proxy: Settings) -> Iterator[Sync | Async]:
    """The application, in both colours, behind a proxy."""
    app = request.param(settings_through_proxy, Records())
    yield app
    app.close()


@pytest.fixture
def job(queue_name: str, app: Sync | Async) -> NewJob:
    """A job with its record, as they are before the enqueue."""
    job = NewJob("work", queue=queue_name)
    app.records.add(job)
    return job


@pytest.fixture
def worker(database: psycopg.Connection[Any], queue_name: str) -> Worker:
    return Worker(database, queues=[queue_name], task_types=["work"])


def test_what_succeeds_stays(app: Sync | Async, job: NewJob, worker: Worker) -> None:
    app.post(job, then=lambda: app.records.confirm([job.job_id]))
    assert app.records.status == {job.job_id: "queued"}
    assert [task["job_id"] for task in worker.claim(9)] == [job.job_id]


def test_a_failure_after_it_takes_the_enqueue_back(app: Sync | Async, job: NewJob, worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError):
        app.post(job, then=fails)
    assert app.records.status == {}
    assert worker.claim(9) == []


@pytest.mark.parametrize("fault", [Fault.DROP_REQUEST, Fault.DROP_ANSWER, Fault.CUT_ANSWER])
def test_a_lost_enqueue_is_taken_back(
    fault: Fault, app: Sync | Async, job: NewJob, worker: Worker, proxy: FaultProxy
) -> None:
    proxy.expect_always(ENQUEUE, fault)
    with pytest.raises(QueueUnavailable) as failed:
        app.post(job)
    assert failed.value.committed == "unknown"
    assert app.records.status == {}
    assert worker.claim(9) == []


def test_an_enqueue_that_comes_after_its_record_went_is_refused(
    app: Sync | Async, job: NewJob, worker: Worker, proxy: FaultProxy
) -> None:
    proxy.expect_always(ENQUEUE, Fault.HOLD_REQUEST)
    with pytest.raises(QueueUnavailable):
        app.post(job)
    assert app.records.status == {}
    late = proxy.deliver_held()
    assert late
    assert {answer.json()[0]["answer"] for answer in late} == {"conflict"}
    assert worker.claim(9) == []


def test_what_was_refused_for_sure_needs_no_tombstone(
    app: Sync | Async, job: NewJob, proxy: FaultProxy
) -> None:
    proxy.expect_always(ENQUEUE, Fault.ANSWER_429)
    with pytest.raises(QueueUnavailable) as failed:
        app.post(job)
    assert failed.value.committed == "no"
    assert app.records.told == [("remove", [job.job_id])]
    assert proxy.seen[ABANDON] == 0


def test_refused_for_sure_says_nothing_of_an_earlier_try(
    app: Sync | Async, job: NewJob, worker: Worker, proxy: FaultProxy
) -> None:
    proxy.expect_always(ENQUEUE, Fault.DROP_ANSWER)
    with pytest.raises(AccessDenied) as failed:
        app.post(job, again=lambda: proxy.expect_always(ENQUEUE, Fault.ANSWER_401))
    assert failed.value.committed == "no"
    assert app.records.status == {}
    assert worker.claim(9) == []


def test_of_several_all_are_taken_back(
    app: Sync | Async, queue_name: str, worker: Worker, proxy: FaultProxy
) -> None:
    jobs = [NewJob("work", number, queue=queue_name) for number in range(3)]
    app.records.add(*jobs)
    proxy.expect_always(ENQUEUE, Fault.DROP_ANSWER)
    with pytest.raises(AccessDenied):
        app.post(*jobs, again=lambda: proxy.expect_always(ENQUEUE, Fault.ANSWER_401))
    assert app.records.told == [("remove", [job.job_id for job in jobs])]
    assert worker.claim(9) == []


def test_what_has_started_keeps_its_record(
    app: Sync | Async, job: NewJob, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    def starts_and_fails() -> None:
        assert len(worker.claim(9)) == 1
        fails()

    with pytest.raises(ZeroDivisionError):
        app.post(job, then=starts_and_fails)
    assert app.records.status == {job.job_id: "enqueue_unknown"}
    assert app.records.told == []
    assert job.job_id in caplog.text
    assert app.settle(job) == ["started"]
    assert app.records.status == {job.job_id: "queued"}


def test_what_is_unknown_keeps_its_record_until_it_is_settled(
    app: Sync | Async, job: NewJob, worker: Worker, proxy: FaultProxy
) -> None:
    proxy.expect_always(ENQUEUE, Fault.DROP_ANSWER)
    proxy.expect_always(ABANDON, Fault.DROP_REQUEST)
    with pytest.raises(QueueUnavailable):
        app.post(job)
    assert app.records.status == {job.job_id: "enqueue_unknown"}
    with pytest.raises(QueueUnavailable):
        app.settle(job)
    assert app.records.told == []
    proxy.expect(ABANDON)
    assert app.settle(job) == ["cancelled"]
    assert app.records.status == {}
    assert app.settle(job) == ["cancelled"]
    assert app.records.told == [("remove", [job.job_id])] * 2
    assert worker.claim(9) == []


def test_a_record_whose_enqueue_never_came_is_settled(app: Sync | Async, job: NewJob) -> None:
    other = NewJob("work", queue=job.queue)
    app.records.add(other)
    assert app.settle(job, other) == ["abandoned", "abandoned"]
    assert app.records.status == {}


def test_an_enqueue_that_was_settled_meanwhile_fails(app: Sync | Async, job: NewJob, worker: Worker) -> None:
    app.settle(job)
    with pytest.raises(JobConflict):
        app.post(job)
    assert app.records.status == {}
    assert worker.claim(9) == []


@pytest.mark.parametrize("options", [{"job_id": new_job_id()}, {"idempotency_key": "order-7"}])
def test_another_requests_job_cannot_be_taken_back(
    options: dict[str, Any], app: Sync | Async, queue_name: str, proxy: FaultProxy
) -> None:
    with pytest.raises(InvalidInput, match=r"jobs\[0\]\.job_id"):
        app.post(NewJob("work", queue=queue_name, **options))
    assert (proxy.seen[ENQUEUE], proxy.seen[ABANDON], app.records.told) == (0, 0, [])


def test_a_removal_that_fails_is_the_callers_to_see(
    app: Sync | Async, job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Records, job_ids: Sequence[str]) -> None:
        raise OSError("the application's database is down")

    monkeypatch.setattr(Records, "remove", broken)
    with pytest.raises(OSError, match="database is down") as failed:
        app.post(job, then=fails)
    assert isinstance(failed.value.__context__, ZeroDivisionError)
    assert app.records.status == {job.job_id: "enqueue_unknown"}


def test_what_ends_the_process_is_not_held_up(app: Sync | Async, job: NewJob, proxy: FaultProxy) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        app.post(job, then=interrupted)
    assert (proxy.seen[ABANDON], app.records.told) == (0, [])
    assert app.settle(job) == ["cancelled"]


def test_a_cancelled_block_is_left_to_be_settled() -> None:
    """A cancelled task may not be allowed to await anything more: its record tells all the same."""
    records, database = Records(), MemoryDatabase()
    job = NewJob("work")
    records.add(job)

    async def post(queue: AsyncQueue, reached: asyncio.Event) -> None:
        async with async_enqueue_or_undo(queue, undo=records.async_remove) as guarded:
            await guarded.enqueue(job)
            reached.set()
            await asyncio.Event().wait()

    async def run() -> None:
        async with AsyncQueue(transport=AsyncMemoryTransport(database)) as queue:
            reached = asyncio.Event()
            task = asyncio.create_task(post(queue, reached))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert records.told == []
            await async_settle_unknown(
                queue, [job.job_id], undo=records.async_remove, keep=records.async_confirm
            )

    asyncio.run(run())
    assert records.status == {}
