"""A registry's handler in a legacy worker: the same outcomes as in our own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from supaqueue.backoff import Backoff
from supaqueue.contract import ClaimedTask, NewJob
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.handler_run import Again, completed, failed, run_handler
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.legacy.sqlite_index import SqliteIndex
from supaqueue.cutover.stamp import Stamp
from supaqueue.outcome import Cancel, Done, Fail, Retry, Snooze
from supaqueue.worker import Context, Registry
from tests.worker.waiting import until


class Order(BaseModel):
    number: int


class Site:
    """A job in an index, and handlers to run it with."""

    def __init__(self, folder: Path) -> None:
        self.index = SqliteIndex(folder / "index.sqlite")
        job = NewJob("t")
        self.index.accept([job])
        self.stamp = Stamp(job.job_id)

    def run(self, function: Callable[..., Any], **given: Any) -> Ending | Again:
        backoff = given.pop("backoff", None)
        lease_seconds = given.pop("lease_seconds", 30.0)
        registry = Registry()
        registry.task("t")(function)
        fields = {"payload": {"number": 7}, "attempt": 1, "max_attempts": 3, **given}
        task = ClaimedTask(self.stamp.job_id, 1, "default", "t", lease_token=0, waited_seconds=0.0, **fields)
        admission = Guard(self.index, lease_seconds=lease_seconds).admit(self.stamp, "t")
        assert admission.run is not None
        with admission.run as run:
            return run_handler(registry.handlers["t"], task, run, worker_id="w", backoff=backoff)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


OUTCOMES: list[tuple[Any, Any]] = [
    (5, Ending("completed", result=5, attempts=1)),
    (Done({"a": 1}), Ending("completed", result={"a": 1}, attempts=1)),
    (Snooze(9), Again(9, spends_attempt=False)),
    (
        Cancel("why"),
        Ending("cancelled", error={"type": "Cancel", "message": "why"}, attempts=1),
    ),
    (Fail("bad"), Ending("failed", error={"type": "Fail", "message": "bad"}, attempts=1)),
    (Retry(4, "later"), Again(4, error={"type": "Retry", "message": "later"})),
]


@pytest.mark.parametrize(("outcome", "expected"), OUTCOMES)
def test_outcomes_of_both_kinds_of_handlers(site: Site, outcome: Any, expected: Any) -> None:
    async def asynchronous(payload: Order) -> Any:
        await asyncio.sleep(0)
        return outcome

    assert site.run(lambda payload: outcome) == expected
    assert site.run(asynchronous) == expected


def test_a_handler_gets_its_payload_parsed_and_a_context(site: Site) -> None:
    def handler(order: Order, context: Context) -> list[Any]:
        return [order.number, context.job_id, context.attempt, context.max_attempts, context.cancelled]

    came = site.run(handler, attempt=2)
    assert came == Ending("completed", result=[7, site.stamp.job_id, 2, 3, False], attempts=2)


def test_a_sync_handler_runs_in_the_thread_of_the_call(site: Site) -> None:
    assert site.run(lambda payload: threading.get_ident()) == Ending(
        "completed", result=threading.get_ident(), attempts=1
    )


def test_an_error_is_retried_with_the_backoff_until_attempts_are_spent(site: Site) -> None:
    def handler(payload: Any) -> None:
        raise ValueError("broken")

    error = {"type": "ValueError", "message": "broken"}
    fixed = Backoff(delay=3, factor=2, jitter=False)
    assert site.run(handler, backoff=fixed) == Again(3, error={**error})
    assert site.run(handler, attempt=2, backoff=fixed) == Again(6, error={**error})
    assert site.run(handler, attempt=3, backoff=fixed) == Ending("failed", error={**error}, attempts=3)


@pytest.mark.parametrize("raised", [SystemExit(1), StopIteration(), asyncio.CancelledError()])
def test_what_would_end_a_thread_is_an_attempt_that_failed(site: Site, raised: BaseException) -> None:
    def handler(payload: Any) -> None:
        raise raised

    assert isinstance(site.run(handler), Again)


def test_a_payload_that_does_not_fit_fails_without_being_quoted(site: Site) -> None:
    def handler(order: Order) -> None:
        raise AssertionError

    came = site.run(handler, payload={"number": "secret"})
    assert isinstance(came, Ending)
    assert came.status == "failed"
    assert "payload.number" in str(came.error)
    assert "secret" not in str(came.error)


def test_a_result_that_is_no_json_fails_at_once(site: Site) -> None:
    came = site.run(lambda payload: object())
    assert isinstance(came, Ending)
    assert came.status == "failed"


def test_a_cancelled_job_ends_both_kinds_of_handlers(site: Site) -> None:
    async def asynchronous(payload: Any) -> None:
        site.index.request_cancel([site.stamp.job_id])
        await asyncio.Event().wait()

    def synchronous(payload: Any, context: Context) -> None:
        until(lambda: context.cancelled, "the cancellation")
        context.raise_if_cancelled()

    for handler in (asynchronous, synchronous):
        came = site.run(handler, lease_seconds=0.15)
        assert isinstance(came, Ending)
        assert came.status == "cancelled"


def test_a_run_that_is_anothers_by_its_end_has_none(site: Site) -> None:
    async def handler(payload: Any) -> None:
        entry = site.index.get([site.stamp.job_id])[0]
        assert entry is not None
        site.index.free(site.stamp, str(entry.runner))
        assert site.index.start(site.stamp, "other", 60) == "started"
        await asyncio.Event().wait()

    assert site.run(handler, lease_seconds=0.15) == Again(0.15, spends_attempt=False)


def test_a_timeout_ends_both_kinds_of_handlers(site: Site) -> None:
    async def asynchronous(payload: Any) -> None:
        await asyncio.Event().wait()

    def synchronous(payload: Any, context: Context) -> None:
        until(lambda: context.cancelled, "the timeout")
        context.raise_if_cancelled()

    for handler in (asynchronous, synchronous):
        came = site.run(handler, timeout_seconds=0.05)
        assert isinstance(came, Again)
        assert "TimedOut" in str(came.error)


def test_no_attempt_begins_after_the_deadline(site: Site) -> None:
    def handler(payload: Any) -> None:
        raise AssertionError

    came = site.run(handler, deadline_in_seconds=-1.0)
    assert isinstance(came, Ending)
    assert (came.status, came.attempts) == ("failed", 0)
    assert "DeadlineExceeded" in str(came.error)


def test_endings_of_plain_functions() -> None:
    assert completed({"a": 1}) == Ending("completed", result={"a": 1}, attempts=1)
    left_out = "result: is a object, which JSON has not"
    assert completed(object(), 2) == Ending("completed", attempts=2, left_out=left_out)
    assert failed(ValueError("no"), 3) == Ending(
        "failed", error={"type": "ValueError", "message": "no"}, attempts=3
    )
