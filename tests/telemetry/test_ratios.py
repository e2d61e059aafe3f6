from __future__ import annotations

import threading
from collections import deque
from itertools import repeat
from typing import Any

import pytest

from supaqueue.telemetry import events
from supaqueue.telemetry.ratios import EventCounts, Ratios, ratios


def test_nothing_counted_is_no_ratio() -> None:
    assert ratios({}) == Ratios(
        unavailable_per_enqueue=None,
        failed_per_started=None,
        retried_per_started=None,
        end_to_end_success=None,
    )


def test_the_four_ratios() -> None:
    counts = {
        "job_enqueued": 90,
        "enqueue_unavailable": 10,
        "queue_unavailable": 77,
        "job_started": 200,
        "job_retried": 50,
        "job_succeeded": 95,
        "job_failed": 5,
    }
    assert ratios(counts) == Ratios(
        unavailable_per_enqueue=0.1,
        failed_per_started=0.025,
        retried_per_started=0.25,
        end_to_end_success=0.95,
    )


@pytest.mark.parametrize(("name", "ratio"), [("enqueue_unavailable", "unavailable_per_enqueue")])
def test_a_total_outage_is_one_and_not_unknown(name: str, ratio: str) -> None:
    assert getattr(ratios({name: 3}), ratio) == 1.0


def test_counts_weigh_a_bulk_enqueue_by_its_jobs_and_other_calls_not_at_all() -> None:
    counts = EventCounts()
    for call, jobs in (("enqueue_jobs_v1", 1000), ("claim_job_tasks_v1", 1), ("enqueue_jobs_v1", 1)):
        counts(
            events.QueueUnavailable(
                call=call, committed="no", error_type="ConnectError", http_status=None, jobs=jobs
            )
        )
    assert counts.snapshot() == {"queue_unavailable": 3, "enqueue_unavailable": 1001}


def test_counts_of_every_event(one_of_each: tuple[events.Event, ...]) -> None:
    counts = EventCounts()
    for event in one_of_each:
        counts(event)
    assert counts.snapshot() == {event.name: 1 for event in one_of_each} | {"enqueue_unavailable": 40}
    assert ratios(counts.snapshot()).unavailable_per_enqueue == 40 / 41


def test_counts_from_many_threads_lose_nothing(ids: dict[str, Any]) -> None:
    counts = EventCounts()
    started = events.JobStarted(**ids, attempt=1, waited_seconds=None)
    threads = [threading.Thread(target=lambda: deque(map(counts, repeat(started, 5_000)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts.snapshot() == {"job_started": 40_000}
