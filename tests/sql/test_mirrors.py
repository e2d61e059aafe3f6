"""What legacy is still to be told of: listed by page, settled once, kept until then."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from supaqueue.contract import GetJobs, Json
from supaqueue.job import Job, OwnerOutcome
from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls, Worker, endings, leases
from tests.sql.flags import begin, emergency, handed_over, job_row, listed, mirrors, owner_of, record, settle
from tests.sql.retention import DAY, delete, left, prune, read

EVERYTHING = {"completed_seconds": 0, "failed_seconds": 0, "cancelled_seconds": 0, "probe_seconds": 0}


def live(calls: Calls) -> None:
    begin(calls.connection, "live", holdback_percent=0)


def test_a_copy_is_due_and_then_its_end(calls: Calls, worker: Worker, queue_name: str) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name, payload={"n": 1})
    mirror = listed(calls, "due")[job_id]
    assert (mirror["owner"], mirror["epoch"], mirror["ending"]) == ("supabase", 0, None)
    assert settle(calls, "due", (job_id, 0), (job_id, 0)) == ["settled", "settled"]
    assert listed(calls, "due") == {}
    worker.finish(endings(worker.claim(), "done", result={"ok": True}))
    ending = listed(calls, "end_due")[job_id]["ending"]
    assert (ending["status"], ending["result"], ending["attempts"]) == ("completed", {"ok": True}, 1)
    assert settle(calls, "due", (job_id, 0)) == ["changed"]
    assert settle(calls, "end_due", (job_id, 0)) == ["settled"]
    assert owner_of(calls, job_id)[3] == "settled"


def test_what_ended_before_its_copy_was_written_is_told_once(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name)
    worker.finish(endings(worker.claim(), "fail", error={"type": "E", "message": "no"}))
    assert settle(calls, "due", (job_id, 0)) == ["changed"]
    assert listed(calls, "end_due")[job_id]["ending"]["error"] == {"type": "E", "message": "no"}


def test_a_replay_opens_again_what_legacy_was_told_had_ended(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name)
    [lease] = worker.fail()
    settle(calls, "end_due", (job_id, 0))
    calls.replay(lease)
    assert list(listed(calls, "due")) == [job_id]
    worker.finish(endings(worker.claim_all(), "done"))
    assert list(listed(calls, "end_due")) == [job_id]


@pytest.mark.parametrize("function", ["cancel", "abandon"])
def test_what_is_cancelled_here_ends_there(calls: Calls, queue_name: str, function: str) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name)
    assert getattr(calls, function)(job_id) == ["cancelled"]
    assert listed(calls, "end_due")[job_id]["ending"]["status"] == "cancelled"


def test_another_state_or_epoch_is_not_settled(calls: Calls, queue_name: str) -> None:
    [job_id] = handed_over(calls, queue_name)
    assert settle(calls, "release_due", (job_id, 0)) == ["changed"]
    assert settle(calls, "due", (job_id, 1)) == ["changed"]
    assert settle(calls, "release_due", (new_job_id(), 1)) == ["unknown"]
    assert owner_of(calls, job_id)[3] == "release_due"
    assert settle(calls, "release_due", (job_id, 1)) == ["settled"]


def pages(calls: Calls, state: str, page_size: int) -> list[list[str]]:
    found, page = [], None
    while not found or page is not None:
        reply = mirrors(calls, state, page, page_size)
        found.append([row["job_id"] for row in reply["mirrors"]])
        page = reply["next_page"]
    return found


def test_pages_lead_through_everything_once(calls: Calls, queue_name: str) -> None:
    live(calls)
    ids = calls.enqueue_new(queue_name, 7) + calls.enqueue_new(queue_name, 4)
    emergency(calls.connection)
    calls.enqueue_new(queue_name, 2, owner="legacy")
    found = pages(calls, "due", 3)
    assert max(map(len, found)) == 3
    assert sorted(id for page in found for id in page) == sorted(ids)
    assert pages(calls, "end_due", 3) == [[]]


def test_a_page_is_bounded_in_bytes(calls: Calls, queue_name: str) -> None:
    live(calls)
    ids = calls.enqueue_new(queue_name, 5, payload="x" * 1_800_000)
    huge = calls.enqueue_new(queue_name, payload="x" * 5_000_000)
    found = pages(calls, "due", 100)
    assert [len(page) for page in found[:4]] == [2, 2, 1, 1]
    assert sorted(id for page in found for id in page) == sorted(ids + huge)


# Retention


def grow_older(calls: Calls, days: float, *job_ids: str) -> None:
    calls.connection.execute(
        f"update jobs set created_at = created_at - interval '{days} days', owner_ended_at = owner_ended_at"
        f" - interval '{days} days', finished_at = finished_at - interval '{days} days'"
        " where job_id = any(%s)".encode(),
        [list(job_ids)],
    )


def ended_there(calls: Calls, queue: str, **options: Any) -> str:
    [job_id] = calls.enqueue_new(queue, owner="legacy")
    assert record(calls, job_id, 0, **options) == "recorded"
    return job_id


def test_a_mirror_goes_by_how_and_when_its_owner_ended_it(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "mirror")
    completed, failed = ended_there(calls, queue_name), ended_there(calls, queue_name, status="failed")
    [running] = calls.enqueue_new(queue_name, owner="legacy")
    grow_older(calls, 2, completed, failed, running)
    assert prune(calls, {"completed_seconds": 3 * DAY})["removed"] == {}
    assert prune(calls, {"completed_seconds": DAY})["removed"] == {"completed": 1}
    assert left(calls) == {failed, running}
    assert prune(calls, EVERYTHING)["removed"] == {"failed": 1}
    assert left(calls) == {running}


def test_a_mirror_that_ended_just_now_is_young(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "mirror")
    job_id = ended_there(calls, queue_name)
    calls.connection.execute("update jobs set created_at = created_at - interval '30 days'")
    assert prune(calls, {"completed_seconds": DAY})["removed"] == {}
    assert left(calls) == {job_id}


def test_nothing_goes_that_legacy_is_still_to_be_told_of(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name)
    worker.finish(endings(worker.claim(), "done"))
    assert prune(calls, EVERYTHING)["removed"] == {}
    assert read(calls, EVERYTHING)["jobs"] == []
    settle(calls, "end_due", (job_id, 0))
    assert prune(calls, EVERYTHING)["removed"] == {"completed": 1}


def test_a_shadow_keeps_its_mirror_only_while_it_runs(calls: Calls, worker: Worker, queue_name: str) -> None:
    """One that waits for a shadow percent that is 0 by now would keep it for ever."""
    begin(calls.connection, "shadow")
    running, waiting = ended_there(calls, queue_name), ended_there(calls, queue_name)
    tasks = worker.claim()
    worker.finish([end for end in endings(tasks, "not_started") if end["job_id"] == waiting])
    emergency(calls.connection)
    assert prune(calls, EVERYTHING)["removed"] == {"completed": 1}
    assert left(calls) == {running}
    worker.finish([end for end in endings(tasks, "done") if end["job_id"] == running])
    assert prune(calls, EVERYTHING)["removed"] == {"completed": 1}
    assert leases(tasks)


def test_a_mirror_is_archived_too(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "mirror")
    job_id = ended_there(calls, queue_name, status="cancelled")
    [row] = read(calls, EVERYTHING)["jobs"]
    assert (row["job_id"], row["kind"], '"owner_outcome"' in row["line"]) == (job_id, "cancelled", True)
    assert delete(calls, [row])["removed"] == 1
    assert left(calls) == set()


def test_counts(calls: Calls, worker: Worker, queue_name: str) -> None:
    begin(calls.connection, "canary", rollout_percent=99.99, relays_unrouted=True)
    calls.enqueue_new(queue_name, 3, owner="legacy")
    emergency(calls.connection)
    [job_id] = calls.enqueue_new(queue_name)
    counts = calls.call("count_mirrors_v1")
    assert counts["legacy_open"] == 4
    assert [(row["mirror_state"], row["jobs"]) for row in counts["owed"]] == [("release_due", 1)]
    assert job_row(calls, job_id)["owner"] == "legacy"


def read_jobs(calls: Calls, *job_ids: str) -> list[Job]:
    """Jobs as the contract's class reads them."""
    jobs = GetJobs(job_ids).parse(calls.get(*job_ids))
    return [job for job in jobs if job is not None]


def test_readers_see_whose_a_mirror_is_and_how_its_owner_ended_it(calls: Calls, queue_name: str) -> None:
    [ended, open_job] = handed_over(calls, queue_name, 2)
    error: Json = {"type": "E", "message": "m"}
    ended_at = "2030-01-31T12:00:00+00:00"
    assert record(calls, ended, 1, "failed", error=error, attempts=3, ended_at=ended_at) == "recorded"
    first, second = read_jobs(calls, ended, open_job)
    assert (first.status, first.owner, first.epoch) == ("mirrored", "legacy", 1)
    assert first.owner_outcome == OwnerOutcome("failed", datetime.fromisoformat(ended_at), None, error, 3)
    assert (second.owner, second.epoch, second.owner_outcome) == ("legacy", 1, None)


def test_an_end_without_a_time_is_of_when_it_was_told(calls: Calls, queue_name: str) -> None:
    [job_id] = handed_over(calls, queue_name)
    assert calls.cancel(job_id) == ["cancelled"]
    [job] = read_jobs(calls, job_id)
    told_at = datetime.fromisoformat(job_row(calls, job_id)["owner_ended_at"])
    assert (job.epoch, job.owner_outcome) == (2, OwnerOutcome("cancelled", told_at))


def test_without_a_cutover_readers_see_nothing_of_it(calls: Calls, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    [row] = calls.get(job_id)
    assert row.keys().isdisjoint({"epoch", "owner_outcome"})
    [job] = read_jobs(calls, job_id)
    assert (job.owner, job.epoch, job.owner_outcome) == ("supabase", 0, None)
