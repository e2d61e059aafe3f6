"""What a parity check reads: every job of a time once, with all that is known of it here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from supaqueue.contract import OBSERVED_COLUMNS
from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls, Worker, endings, expire, new_job
from tests.sql.flags import begin, record

BEGAN = "2020-01-01T00:00:00Z"
NEVER = "2100-01-01T00:00:00Z"


def observe(calls: Calls, since: str = BEGAN, until: str = NEVER, page_size: int = 5000) -> dict[str, Any]:
    """Read all pages; return facts by job_id."""
    found: dict[str, Any] = {}
    page = None
    while True:
        answer = calls.call("observe_jobs_v1", since=since, until=until, page=page, page_size=page_size)
        assert answer["columns"] == list(OBSERVED_COLUMNS)
        for row in answer["rows"]:
            assert row[0] not in found, "listed twice"
            found[row[0]] = dict(zip(OBSERVED_COLUMNS, row, strict=True))
        if (page := answer["next_page"]) is None:
            return found


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_a_job_that_waits(calls: Calls, queue_name: str) -> None:
    due_at = datetime(2099, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    [job_id] = calls.enqueue_new(queue_name, payload={"n": [1, None]}, run_at=due_at.isoformat())
    seen = observe(calls)[job_id]
    assert seen["run_at"] == microseconds(due_at)
    assert (seen["status"], seen["owner"], seen["epoch"], seen["started"]) == ("pending", "supabase", 0, 0)
    assert (seen["task_type"], seen["payload"]) == ("count", {"n": [1, None]})
    assert seen["finished_at"] is seen["owner_outcome"] is seen["shadow"] is None
    created = calls.value("select created_at from jobs where job_id = %s", [job_id])
    assert seen["created_at"] == microseconds(created)


def test_a_job_that_ended_after_a_retry(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    assert observe(calls)[job_id]["run_at"] is None, "it was due at once"
    worker.finish(endings(worker.claim(), "retry", after_seconds=0, error={"type": "E", "message": "no"}))
    worker.finish(endings(worker.claim_all(), "done", result={"ok": True}))
    seen = observe(calls)[job_id]
    assert (seen["status"], seen["result"], seen["attempts"], seen["started"]) == (
        *("completed", {"ok": True}, 2, 2),
    )
    assert seen["finished_at"] >= seen["created_at"]


def test_attempts_that_began_are_counted_even_if_they_cost_none(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [snoozed, handed_back, running, lost] = calls.enqueue_new(queue_name, 4)
    tasks = {task["job_id"]: task for task in worker.claim()}
    calls.heartbeat(list(tasks.values()), started=[tasks[id] for id in (snoozed, running, lost)])
    worker.finish(endings([tasks[snoozed]], "snooze", after_seconds=60))
    worker.finish(endings([tasks[handed_back]], "not_started"))
    expire(calls.connection, [tasks[lost]])
    seen = observe(calls)
    assert [seen[id]["started"] for id in (snoozed, handed_back, running, lost)] == [1, 0, 1, 1]
    assert seen[snoozed]["attempts"] == 0


def test_a_job_of_legacys_with_its_outcome_and_its_shadow(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    begin(calls.connection, "shadow")
    job = new_job(queue_name, owner="legacy")
    calls.enqueue(job)
    job_id = job["job_id"]
    ended = "2026-01-01T00:00:00.000001+00:00"
    record(calls, job_id, 0, result=7, attempts=2, ended_at=ended)
    worker.finish(endings(worker.claim(), "fail", error={"type": "E", "message": "no"}))
    seen = observe(calls)[job_id]
    assert (seen["status"], seen["owner"], seen["started"]) == ("mirrored", "legacy", 0)
    at = microseconds(datetime.fromisoformat(ended))
    assert seen["owner_outcome"] == {"status": "completed", "result": 7, "attempts": 2, "ended_at": at}
    shadow = seen["shadow"]
    assert (shadow["status"], shadow["error"], shadow["attempts"]) == (
        *("failed", {"type": "E", "message": "no"}, 1),
    )


def test_a_tombstone_is_seen(calls: Calls) -> None:
    job_id = new_job_id()
    calls.abandon(job_id)
    seen = observe(calls)[job_id]
    assert (seen["status"], seen["task_type"], seen["payload"]) == ("cancelled", None, None)


@pytest.mark.parametrize("page_size", [1, 3, 7, 5000])
def test_each_job_is_on_one_page(calls: Calls, queue_name: str, page_size: int) -> None:
    # Stored by one call, they are of one moment: the id decides then.
    ids = calls.enqueue_new(queue_name, 4) + calls.enqueue_new(queue_name, 3)
    seen = observe(calls, page_size=page_size)
    assert [id for id in seen if id in ids] == sorted(ids[:4]) + sorted(ids[4:])


def test_a_page_has_at_most_four_mebibytes_of_payloads(calls: Calls, queue_name: str) -> None:
    ids = calls.enqueue_new(queue_name, 6, payload="x" * 2**20)
    answer = calls.call("observe_jobs_v1", since=BEGAN, until=NEVER, page=None, page_size=5000)
    assert len(answer["rows"]) == 3
    assert set(ids) <= set(observe(calls))


def test_a_page_has_at_most_four_mebibytes_of_results(calls: Calls, worker: Worker, queue_name: str) -> None:
    ids = calls.enqueue_new(queue_name, 6)
    worker.finish(endings(worker.claim(), "done", result="x" * 2**20))
    answer = calls.call("observe_jobs_v1", since=BEGAN, until=NEVER, page=None, page_size=5000)
    assert len(answer["rows"]) == 3
    assert set(ids) <= set(observe(calls))


def test_tombstones_share_a_page(calls: Calls) -> None:
    ids = [new_job_id() for _ in range(7)]
    calls.abandon(*ids)
    answer = calls.call("observe_jobs_v1", since=BEGAN, until=NEVER, page=None, page_size=5000)
    assert {row[0] for row in answer["rows"]} == set(ids)
    assert answer["next_page"] is None


def test_since_is_in_and_until_is_out(calls: Calls, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    at = calls.value("select created_at from jobs where job_id = %s", [job_id])
    later = (at + timedelta(microseconds=1)).isoformat()
    assert list(observe(calls, at.isoformat(), later)) == [job_id]
    assert job_id not in observe(calls, BEGAN, at.isoformat())
    assert job_id not in observe(calls, later)


def test_jobs_are_seen_by_id_too(calls: Calls, queue_name: str) -> None:
    ids = calls.enqueue_new(queue_name, 3)
    answer = calls.call("observe_jobs_by_id_v1", job_ids=[*ids[:2], ids[0], new_job_id()])
    all_seen = observe(calls)
    found = {row[0]: dict(zip(OBSERVED_COLUMNS, row, strict=True)) for row in answer["rows"]}
    assert found == {id: all_seen[id] for id in ids[:2]}
    assert len(answer["rows"]) == 2
    assert answer["observed_at"] >= all_seen[ids[0]]["created_at"]
