"""Legacy runs what it owns under exactly this epoch, and says how it ended."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls, Worker, new_job
from tests.sql.flags import (
    begin,
    handed_over,
    job_row,
    listed,
    owner_of,
    record,
    settle,
    start_legacy,
    take_over,
)
from tests.sql.sessions import blocked, together

Connect = Callable[[], psycopg.Connection[Any]]
ROUNDS = 20


def test_what_was_handed_over_starts_under_its_epoch_alone(calls: Calls, queue_name: str) -> None:
    [job_id] = handed_over(calls, queue_name)
    assert start_legacy(calls, (job_id, 0), (job_id, 2), (new_job_id(), 1)) == ["stale", "stale", "unknown"]
    assert job_row(calls, job_id)["legacy_started_at"] is None
    assert start_legacy(calls, (job_id, 1), (job_id, 1)) == ["started", "started"]
    started_at = job_row(calls, job_id)["legacy_started_at"]
    assert start_legacy(calls, (job_id, 1), (job_id, 0)) == ["started", "stale"]
    assert job_row(calls, job_id)["legacy_started_at"] == started_at


def test_a_start_says_that_it_was_published(calls: Calls, queue_name: str) -> None:
    """The relay may have died between the two."""
    [job_id] = handed_over(calls, queue_name)
    assert start_legacy(calls, (job_id, 1)) == ["started"]
    assert owner_of(calls, job_id) == ("legacy", 1, "mirrored", "released")
    assert listed(calls, "release_due") == {}
    assert settle(calls, "release_due", (job_id, 1)) == ["settled"]


def test_supabases_own_never_starts_there(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    [job_id] = calls.enqueue_new(queue_name)
    assert start_legacy(calls, (job_id, 0), (job_id, 1)) == ["stale", "stale"]


def test_what_was_cancelled_here_starts_there_no_more(calls: Calls, queue_name: str) -> None:
    cancelled, abandoned, started = handed_over(calls, queue_name, 3)
    start_legacy(calls, (started, 1))
    assert calls.cancel(cancelled, started) == ["cancelled", "not_owner"]
    assert calls.abandon(abandoned, started, cancelled) == ["cancelled", "started", "cancelled"]
    assert calls.cancel(cancelled) == ["cancelled"]
    assert start_legacy(calls, (cancelled, 1), (abandoned, 1)) == ["stale", "stale"]
    assert start_legacy(calls, (cancelled, 2), (abandoned, 2)) == ["stale", "stale"]
    endings = {id: row["ending"]["status"] for id, row in listed(calls, "end_due").items()}
    assert endings == {cancelled: "cancelled", abandoned: "cancelled"}
    assert record(calls, cancelled, 1) == "not_owner"
    # The relay had listed them for release before.
    assert settle(calls, "release_due", (cancelled, 1)) == ["changed"]
    assert settle(calls, "end_due", (cancelled, 2), (abandoned, 2)) == ["settled"] * 2
    assert calls.abandon(abandoned, cancelled) == ["cancelled"] * 2


def test_what_ended_there_unstarted_starts_no_more(calls: Calls, queue_name: str) -> None:
    """It was cancelled there; its message may still come."""
    ended, started = handed_over(calls, queue_name, 2)
    start_legacy(calls, (started, 1))
    assert record(calls, ended, 1, "cancelled") == "recorded"
    assert record(calls, started, 1) == "recorded"
    assert start_legacy(calls, (ended, 1), (started, 1)) == ["stale", "started"]


def test_the_first_outcome_stays(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "mirror")
    [job_id] = calls.enqueue_new(queue_name, owner="legacy")
    error = {"type": "E", "message": "no"}
    assert record(calls, job_id, 0, "failed", error=error, attempts=2) == "recorded"
    row = job_row(calls, job_id)
    assert row["owner_outcome"] == {"status": "failed", "error": error, "attempts": 2}
    assert record(calls, job_id, 0, "completed") == "recorded"
    assert job_row(calls, job_id) == row
    assert owner_of(calls, job_id) == ("legacy", 0, "mirrored", "none")
    assert record(calls, job_id, 1) == "not_owner"
    assert record(calls, new_job_id(), 0) == "unknown"
    assert calls.cancel(job_id) == ["finished"]


def test_an_outcome_that_comes_before_the_release_is_settled_ends_it(calls: Calls, queue_name: str) -> None:
    [job_id] = handed_over(calls, queue_name)
    assert record(calls, job_id, 1) == "recorded"
    assert owner_of(calls, job_id) == ("legacy", 1, "mirrored", "released")
    assert record(calls, job_id, 1) == "recorded"


def test_supabases_own_has_no_outcome_of_legacy(calls: Calls, worker: Worker, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    [job_id] = calls.enqueue_new(queue_name)
    assert record(calls, job_id, 0) == "not_owner"
    assert job_row(calls, job_id)["owner_outcome"] is None


@pytest.mark.parametrize("function", ["cancel", "abandon"])
def test_a_start_and_the_end_of_a_job_at_once(
    calls: Calls, connect: Connect, queue_name: str, function: str
) -> None:
    """Either it started, or it has ended: never both."""
    ids = handed_over(calls, queue_name, ROUNDS)
    other = Calls(connect())
    for job_id in ids:
        start, end = together(
            partial(start_legacy, calls, (job_id, 1)), partial(getattr(other, function), job_id)
        )
        assert (start, end) in (
            (["started"], ["not_owner" if function == "cancel" else "started"]),
            (["stale"], ["cancelled"]),
        )


def test_a_start_and_a_take_over_at_once(calls: Calls, connect: Connect, queue_name: str) -> None:
    ids = handed_over(calls, queue_name, ROUNDS)
    settle(calls, "release_due", *((job_id, 1) for job_id in ids))
    other = Calls(connect())
    for job_id in ids:
        job = new_job(queue_name, job_id=job_id, epoch=1)
        start, taken = together(partial(start_legacy, calls, (job_id, 1)), partial(take_over, other, job))
        assert (start, taken) in ((["started"], ["started"]), (["stale"], ["due"]))


@pytest.mark.parametrize("first", ["settle", "abandon"])
def test_a_release_that_is_settled_while_it_is_abandoned(
    calls: Calls, connect: Connect, queue_name: str, first: str
) -> None:
    [job_id] = handed_over(calls, queue_name)
    other = Calls(connect())
    other.connection.execute("begin")
    settling = partial(settle, other if first == "settle" else calls, "release_due", (job_id, 1))
    abandoning = partial((other if first == "abandon" else calls).abandon, job_id)
    earlier, later = (settling, abandoning) if first == "settle" else (abandoning, settling)
    told = [earlier()]
    with blocked(later, calls.connection, connect()) as answer:
        other.connection.execute("commit")
    told.append(answer.result())
    assert told == ([["settled"], ["cancelled"]] if first == "settle" else [["cancelled"], ["changed"]])
    assert owner_of(calls, job_id) == ("legacy", 2, "mirrored", "end_due")
    assert start_legacy(calls, (job_id, 1)) == ["stale"]
