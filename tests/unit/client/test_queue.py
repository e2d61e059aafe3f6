"""What the client does around its calls: sources, batches, telemetry, waiting, paging."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

import supaqueue
from supaqueue.answer import CancelAnswer, EnqueueAnswer
from supaqueue.client import Queue
from supaqueue.client.batches import BYTES_PER_CALL, enqueue_calls
from supaqueue.client.paging import PAGE_SIZE
from supaqueue.client.paging import jobs as jobs_paging
from supaqueue.client.waiting import Waiting
from supaqueue.contract import (
    AbandonJobs,
    Call,
    CancelJobs,
    CountJobs,
    EnqueueJobs,
    GetJobs,
    JobFilter,
    JobPage,
    ListJobs,
    NewJob,
)
from supaqueue.errors import ConfigurationError, InvalidInput, JobConflict, JobNotFound, QueueUnavailable
from supaqueue.errors import WaitTimeout as TimedOut
from supaqueue.job import Job, JobStatus
from supaqueue.job_id import new_job_id
from supaqueue.settings import Settings
from supaqueue.telemetry import Event, Telemetry, events

Reply = TypeVar("Reply")
SETTINGS = Settings(url="https://ref.supabase.co", service_role_key="key", max_json_bytes=100)


class Answering:
    """A transport that keeps the calls and answers from a function."""

    def __init__(self, answer: Callable[[Call[Any]], Any]) -> None:
        self.calls: list[Call[Any]] = []
        self._answer = answer

    def send(self, call: Call[Reply]) -> Reply:
        self.calls.append(call)
        reply: Reply = self._answer(call)
        return reply

    def close(self) -> None:
        raise AssertionError("it was given, so it is not the client's to close")


def store(call: Call[Any]) -> Any:
    assert isinstance(call, EnqueueJobs)
    return tuple(EnqueueAnswer(job.job_id, "created") for job in call.jobs)


def unavailable(call: Call[Any]) -> Any:
    raise QueueUnavailable("gone", call=call.function, committed="unknown", cause="ReadTimeout")


def job_in(status: JobStatus) -> Job:
    now = datetime.now(UTC)
    return Job(new_job_id(), "q", "a", status, "supabase", (), now, None, False, ())


class SupabaseClient:
    """As the real one: its URL is an object that ends with a slash."""

    class Url:
        def __str__(self) -> str:
            return "https://mine.supabase.co/"

    supabase_url = Url()
    supabase_key = "its-key"


def test_a_supabase_clients_url_and_key_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from supaqueue.client.source import settings_from

    monkeypatch.setenv("SUPABASE_URL", "https://other.supabase.co")
    monkeypatch.setenv("SUPABASE_ANON_KEY", "anon")
    monkeypatch.setenv("SUPAQUEUE_TOKEN", "narrow")
    monkeypatch.setenv("SUPAQUEUE_SCHEMA", "jobs_here")
    settings = settings_from(SupabaseClient(), {})
    assert (settings.url, settings.api_key) == ("https://mine.supabase.co", "its-key")
    assert (settings.token, settings.schema) == (None, "jobs_here")


def test_settings_are_given_once() -> None:
    with pytest.raises(ConfigurationError, match="url"):
        Queue(SETTINGS, url="https://other.supabase.co")


def test_a_given_transport_is_used_and_left_open() -> None:
    transport = Answering(store)
    with Queue(transport=transport) as queue:
        assert queue.enqueue("a").answer == "created"
    assert len(transport.calls) == 1


def test_nothing_is_sent_if_anything_is_refused() -> None:
    transport = Answering(store)
    queue = Queue(SETTINGS, transport=transport)
    jobs: list[Any] = [NewJob("a") for _ in range(3000)]
    refused: list[tuple[Any, str]] = [
        ({"task_type": "a", "order_key": ""}, "jobs[3000].order_key"),
        (NewJob("a", "x" * 100), "jobs[3000].payload"),
    ]
    for bad, field in refused:
        with pytest.raises(InvalidInput) as raised:
            queue.enqueue_many([*jobs, bad])
        assert raised.value.field == field
    for call in (
        lambda: queue.enqueue("a", "x" * 100),
        lambda: queue.get("7"),
        lambda: queue.get_many("7"),
        lambda: queue.cancel("7"),
        lambda: queue.cancel_many([new_job_id(), "7"]),
        lambda: queue.abandon(["7"]),
        lambda: queue.wait(new_job_id(), -1),
        lambda: queue.stats(""),
        lambda: queue.list(queue=""),
        lambda: queue.list(limit=-1),
    ):
        with pytest.raises(InvalidInput):
            call()
    assert transport.calls == []


def test_many_jobs_go_in_order_in_bounded_calls() -> None:
    transport = Answering(store)
    jobs = [NewJob("a", index) for index in range(2500)]
    answers = Queue(transport=transport).enqueue_many(jobs)
    assert [answer.job_id for answer in answers] == [job.job_id for job in jobs]
    assert [len(call.concerns()) for call in transport.calls] == [1000, 1000, 500]


def test_calls_are_bounded_in_bytes() -> None:
    big = NewJob("a", "x" * (BYTES_PER_CALL // 2 - 10))
    small = NewJob("a")
    sizes = [len(call.jobs) for call in enqueue_calls([big, big, big, small, small])]
    assert sizes == [2, 3]
    alone = NewJob("a", "x" * (BYTES_PER_CALL + 1))
    assert [len(call.jobs) for call in enqueue_calls([small, alone, small])] == [1, 1, 1]
    assert list(enqueue_calls([])) == []


def test_a_later_failure_carries_what_was_answered() -> None:
    transport = Answering(lambda call: store(call) if len(transport.calls) < 3 else unavailable(call))
    jobs = [NewJob("a") for _ in range(2500)]
    with pytest.raises(QueueUnavailable) as raised:
        Queue(transport=transport).enqueue_many(jobs)
    assert [answer.job_id for answer in raised.value.answered] == [job.job_id for job in jobs[:2000]]


def test_a_conflict_is_an_error_alone_and_an_answer_among_many() -> None:
    job_id = new_job_id()
    transport = Answering(lambda call: (EnqueueAnswer(job_id, "conflict"),))
    queue = Queue(transport=transport)
    with pytest.raises(JobConflict, match=job_id) as raised:
        queue.enqueue("a", job_id=job_id)
    assert (raised.value.job_id, raised.value.committed) == (job_id, "no")
    assert queue.enqueue_many([{"task_type": "a", "job_id": job_id}])[0].answer == "conflict"


def test_telemetry_hears_of_each_answer_and_of_the_queue_being_unavailable() -> None:
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)

    telemetry = Telemetry([hear])
    transport = Answering(store)
    queue = Queue(transport=transport, telemetry=telemetry)
    answers = [queue.enqueue("a", queue="q"), *queue.enqueue_many([NewJob("b"), NewJob("c")])]
    assert [(event.job_id, event.answer) for event in heard if isinstance(event, events.JobEnqueued)] == [
        (answer.job_id, "created") for answer in answers
    ]
    assert isinstance(heard[0], events.JobEnqueued)
    assert (heard[0].queue, heard[0].task_type) == ("q", "a")

    heard.clear()
    queue = Queue(transport=Answering(unavailable), telemetry=telemetry)
    with pytest.raises(QueueUnavailable):
        queue.enqueue_many([NewJob("b"), NewJob("c")])
    with pytest.raises(QueueUnavailable):
        queue.stats()
    event, other = heard
    assert isinstance(event, events.QueueUnavailable)
    assert isinstance(other, events.QueueUnavailable)
    assert (event.call, event.committed, event.error_type) == ("enqueue_jobs_v1", "unknown", "ReadTimeout")
    assert (event.jobs_not_enqueued, other.jobs_not_enqueued) == (2, 0)


def test_reads_and_cancels_are_split_and_answered_in_order() -> None:
    def answer(call: Call[Any]) -> Any:
        if isinstance(call, CancelJobs):
            return tuple(CancelAnswer(job_id, "unknown") for job_id in call.job_ids)
        assert isinstance(call, GetJobs | AbandonJobs)
        return (None,) * len(call.job_ids)

    transport = Answering(answer)
    queue = Queue(transport=transport)
    ids = [new_job_id() for _ in range(2001)]
    assert [answer.job_id for answer in queue.cancel_many(ids)] == ids
    assert queue.get_many(ids, with_payload=True) == [None] * 2001
    assert len(queue.abandon(ids)) == 2001
    sizes = [len(call.concerns()) for call in transport.calls]
    assert sizes == [1000, 1000, 1, *[200] * 10, 1, 1000, 1000, 1]


def test_stats_of_one_of_several_of_all() -> None:
    transport = Answering(lambda call: None)
    queue = Queue(transport=transport)
    for asked in ("a", ["a", "b"], None):
        queue.stats(asked)
    assert transport.calls == [CountJobs(("a",)), CountJobs(("a", "b")), CountJobs(None)]


def test_pages_are_read_as_the_iterator_gets_there() -> None:
    pages = [JobPage((job_in("failed"),) * PAGE_SIZE, "next"), JobPage((job_in("failed"),) * 5, None)]
    transport = Answering(lambda call: pages[len(transport.calls) - 1])
    jobs = Queue(transport=transport).list(status="failed")
    assert transport.calls == []
    next(jobs)
    assert len(transport.calls) == 1
    assert len(list(jobs)) == PAGE_SIZE + 4
    assert transport.calls[1] == ListJobs(JobFilter(status="failed"), "next", PAGE_SIZE)


def test_a_limit_asks_for_no_more_than_it_needs() -> None:
    paging = jobs_paging(JobFilter(), PAGE_SIZE + 3)
    first = paging.next_call()
    assert isinstance(first, ListJobs)
    assert first.page_size == PAGE_SIZE
    paging.read(JobPage((job_in("failed"),) * PAGE_SIZE, "next"))
    second = paging.next_call()
    assert isinstance(second, ListJobs)
    assert (second.page, second.page_size) == ("next", 3)
    paging.read(JobPage((job_in("failed"),) * 3, "more"))
    assert paging.next_call() is None
    assert jobs_paging(JobFilter(), 0).next_call() is None


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def pauses_of(waiting: Waiting, clock: Clock, seconds: float) -> list[float]:
    pauses: list[float] = []
    end = clock.now + seconds
    while clock.now < end:
        pauses.append(waiting.next_pause())
        clock.now += pauses[-1]
    return pauses


def test_waiting_looks_less_and_less_often_and_last_at_the_deadline() -> None:
    clock = Clock()
    job = job_in("processing")
    waiting = Waiting([job.job_id], timedelta(seconds=30), clock)
    waiting.saw([job.job_id], [job])
    pauses = pauses_of(waiting, clock, 30.0)
    with pytest.raises(TimedOut, match="processing"):
        waiting.next_pause()
    assert pauses[0] == 0.1
    assert pauses[:-1] == sorted(pauses[:-1])
    assert sum(pauses) == pytest.approx(30.0)


def test_waiting_for_sixty_seconds_takes_at_most_twenty_looks() -> None:
    clock = Clock()
    pauses = pauses_of(Waiting([new_job_id()], None, clock), clock, 60.0)
    assert 1 + len(pauses) <= 20  # the first look, and one after each pause
    assert max(pauses) <= 8.0


def test_waiting_looks_only_at_those_that_have_not_ended() -> None:
    ended, running, other = (
        replace(job_in(status), job_id=new_job_id()) for status in ("completed", "processing", "pending")
    )
    ids = [ended.job_id, running.job_id, ended.job_id, other.job_id]
    clock = Clock()
    waiting = Waiting(ids, 5, clock)
    assert waiting.unended == [ended.job_id, running.job_id, other.job_id]
    waiting.saw(waiting.unended, [ended, running, other])
    assert waiting.unended == [running.job_id, other.job_id]
    assert waiting.jobs == [ended, running, ended, other]
    clock.now += 5
    with pytest.raises(TimedOut, match=f"2 of 4 .*: job {running.job_id} is still processing"):
        waiting.next_pause()


def test_waiting_for_ever_and_for_nothing() -> None:
    clock = Clock()
    for_ever = Waiting([new_job_id()], None, clock)
    clock.now += 1e9
    assert for_ever.next_pause() == 8.0
    job = job_in("pending")
    at_once = Waiting([job.job_id], 0, clock)
    at_once.saw([job.job_id], [job])
    with pytest.raises(TimedOut):
        at_once.next_pause()
    job_id = new_job_id()
    with pytest.raises(JobNotFound, match=job_id) as raised:
        Waiting([job_id], 1, clock).saw([job_id], [None])
    assert raised.value.job_id == job_id


def test_import_brings_no_vendor() -> None:
    vendors = {"supabase", "sentry_sdk", "datadog", "dotenv", "psycopg", "typer"}
    program = f"import sys, supaqueue; print(sorted({vendors!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert supaqueue.__version__
