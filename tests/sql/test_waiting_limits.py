"""Backpressure: queues whose length is limited."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, answers, endings, new_job
from tests.sql.test_uniqueness import unique


def limit(calls: Calls, queue: str, most: int | None, on_full: str | None, **options: Any) -> Row:
    arguments = {"request_id": str(uuid4()), "changed_by": "ada"} | options
    [answer] = calls.call(
        "limit_waiting_v1", queues=[queue], waiting_limit=most, on_full=on_full, **arguments
    )
    return dict(answer)


def refusal(calls: Calls, *jobs: Row) -> str:
    with pytest.raises(psycopg.Error) as caught:
        calls.enqueue(*jobs)
    assert caught.value.sqlstate == "SQ006"
    return str(caught.value.diag.message_primary)


def test_a_full_queue_refuses_the_call_and_stores_nothing_of_it(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    limit(calls, queue_name, 3, "refuse")
    calls.enqueue_new(queue_name, 3)
    said = refusal(calls, new_job(queue_name), new_job(f"{queue_name}-other"))
    assert said.startswith(f'queue "{queue_name}" is full: 3 of at most 3 jobs wait, and this call brings 1')
    assert calls.value("select count(*) from jobs") == 3
    calls.enqueue_new(f"{queue_name}-other")
    worker.finish(endings(worker.claim(2), "done"))
    calls.enqueue_new(queue_name, 2)
    assert "this call brings 2" in refusal(calls, *(new_job(queue_name) for _ in range(2)))


def test_a_repeat_is_answered_although_the_queue_is_full(calls: Calls, queue_name: str) -> None:
    jobs = [new_job(queue_name) for _ in range(3)]
    calls.enqueue(*jobs)
    limit(calls, queue_name, 1, "refuse")
    assert answers(calls.enqueue(*jobs)) == ["exists"] * 3


def test_what_does_not_come_to_wait_now_is_not_refused(calls: Calls, worker: Worker, queue_name: str) -> None:
    """What is for later, what meets a key; and what runs takes no room."""
    calls.enqueue(unique(queue_name), new_job(queue_name))
    limit(calls, queue_name, 2, "refuse")
    assert answers(calls.enqueue(new_job(queue_name, delay_seconds=60), unique(queue_name))) == [
        "created",
        "deduplicated",
    ]
    refusal(calls, new_job(queue_name))
    worker.claim(1)
    calls.enqueue_new(queue_name)


def test_what_is_due_counts_although_no_claim_promoted_it(calls: Calls, queue_name: str) -> None:
    calls.enqueue_new(queue_name, 2, delay_seconds=60)
    limit(calls, queue_name, 2, "refuse")
    calls.enqueue_new(queue_name)
    calls.connection.execute("update job_tasks set run_at = now() - interval '1 s' where position is null")
    refusal(calls, new_job(queue_name))


def test_a_slow_queue_accepts_and_says_how_long_to_wait(calls: Calls, queue_name: str) -> None:
    limit(calls, queue_name, 10, "slow")
    assert "wait_seconds" not in calls.enqueue(*(new_job(queue_name) for _ in range(10)))[0]
    asked = [calls.enqueue(new_job(queue_name))[0]["wait_seconds"] for _ in range(12)]
    assert asked == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1]
    elsewhere, here = calls.enqueue(new_job(f"{queue_name}-other"), new_job(queue_name))
    assert ("wait_seconds" in elsewhere, here["wait_seconds"]) == (False, 1)


def test_a_limit_can_be_lifted_and_a_repeat_of_the_request_changes_nothing(
    calls: Calls, queue_name: str
) -> None:
    request = str(uuid4())
    set_now = {"queue": queue_name, "waiting_limit": 1, "on_full": "refuse", "changed_by": "ada"}
    lifted = {"queue": queue_name, "waiting_limit": None, "on_full": None, "changed_by": None}
    assert limit(calls, queue_name, 1, "refuse", request_id=request) == set_now
    assert limit(calls, queue_name, None, None) == lifted
    assert limit(calls, queue_name, 1, "refuse", request_id=request) == lifted
    calls.enqueue_new(queue_name, 2)


def test_a_count_that_took_long_is_trusted_for_a_while(calls: Calls, queue_name: str) -> None:
    """Kept as of a count that took long; then counted anew, and that one is not worth keeping."""
    limit(calls, queue_name, 5, "refuse")
    calls.connection.execute(
        "update job_waiting_limits set waiting = 5, trusted_until = clock_timestamp() + interval '1 h'"
    )
    assert "5 of at most 5 jobs wait" in refusal(calls, new_job(queue_name))
    calls.connection.execute("update job_waiting_limits set trusted_until = clock_timestamp()")
    calls.enqueue_new(queue_name)


@pytest.mark.parametrize(
    ("most", "on_full", "field"),
    [
        (0, "refuse", "waiting_limit"),
        (1_000_001, "slow", "waiting_limit"),
        (1, None, "on_full"),
        (None, "slow", "on_full"),
        (1, "drop", "on_full"),
    ],
)
def test_a_limit_that_says_not_enough_is_refused_by_name(
    calls: Calls, queue_name: str, most: int | None, on_full: str | None, field: str
) -> None:
    with pytest.raises(psycopg.Error, match=f"^{field}: expected "):
        limit(calls, queue_name, most, on_full)
