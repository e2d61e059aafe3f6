"""Archiving, the database's part: the lines of a file, and that a job goes only if its line is still true."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from tests.sql.calls import Calls, Worker, endings
from tests.sql.retention import dead_letters, ended, grow_older, left, read, replay
from tests.sql.retention import delete as delete_archived

OpenWorker = Callable[..., Worker]

EVERYTHING = {f"{status}_seconds": 0 for status in ("completed", "failed", "cancelled")}


def test_a_line_holds_every_row_of_a_job_as_it_stands(calls: Calls, worker: Worker) -> None:
    payload = {"text": "a\nb\u2028é", "number": 0.1, "large": 12345678901234567890123}
    [job_id] = calls.enqueue_new(worker.queues[0], payload=payload, tags=["t"])
    worker.finish(endings(worker.claim(), "retry", after_seconds=0, error={"type": "E", "message": "no"}))
    worker.finish(endings(worker.claim(), "done", result=[1]))
    [job] = read(calls, EVERYTHING)["jobs"]
    assert (job["job_id"], job["kind"]) == (job_id, "completed")
    assert job["day"] == f"{datetime.now(UTC):%Y-%m-%d}"
    assert "\n" not in job["line"]
    line = json.loads(job["line"])
    assert line["schema"] == 1
    for part, table in (("tasks", "job_tasks"), ("attempts", "job_task_attempts")):
        query = f"select jsonb_agg(to_jsonb(t) order by to_jsonb(t)) from {table} t".encode()
        calls.connection.execute("set timezone = 'UTC'")
        assert sorted(line[part], key=str) == sorted(calls.value(query), key=str)
    assert line["tasks"][0]["payload"] == payload
    assert [attempt["outcome"] for attempt in line["attempts"]] == ["retry", "done"]
    assert line["job"] == calls.value("select to_jsonb(j) from jobs j")


def test_the_day_is_that_of_the_end_in_utc(calls: Calls, worker: Worker) -> None:
    ended(worker)
    calls.connection.execute("set timezone = 'Pacific/Auckland'")
    calls.connection.execute(
        "update jobs set created_at = '2026-01-01Z', finished_at = '2026-03-01 23:59:59Z'"
    )
    assert [job["day"] for job in read(calls, EVERYTHING)["jobs"]] == ["2026-03-01"]


def test_an_answer_is_bounded_in_bytes_and_pages_lead_through(calls: Calls, worker: Worker) -> None:
    sizes = [100, 3_000_000, 3_000_000, 100, 100]
    ids = [ended(worker, payload={"text": "x" * size})[0] for size in sizes]
    pages, page = [], None
    while not pages or page is not None:
        reply = read(calls, EVERYTHING, page=page)
        pages.append([job["job_id"] for job in reply["jobs"]])
        page = reply["next_page"]
    assert pages == [ids[:3], ids[3:]]


def test_an_answer_is_bounded_in_jobs(calls: Calls, worker: Worker) -> None:
    ids = ended(worker, count=5)
    first = read(calls, EVERYTHING, max_jobs=3)
    rest = read(calls, EVERYTHING, max_jobs=3, page=first["next_page"])
    assert len(first["jobs"]) == 3
    assert {job["job_id"] for job in first["jobs"] + rest["jobs"]} == set(ids)


def test_what_stands_in_a_file_is_deleted(calls: Calls, worker: Worker) -> None:
    ended(worker, count=3)
    [kept] = ended(worker, "failed")
    found = read(calls, {"completed_seconds": 0})["jobs"]
    assert delete_archived(calls, found) == {"removed": 3, "kept": []}
    assert left(calls) == {kept}


def test_sessions_write_a_line_alike_whatever_their_settings(
    calls: Calls, worker: Worker, open_worker: OpenWorker
) -> None:
    ended(worker)
    calls.connection.execute("update job_tasks set retry_factor = 1.2345678")
    found = read(calls, EVERYTHING)["jobs"]
    other = open_worker()
    for setting in (
        "timezone = 'Asia/Tokyo'",
        "intervalstyle = 'iso_8601'",
        "bytea_output = 'escape'",
        "extra_float_digits = -5",
    ):
        other.connection.execute(f"set {setting}".encode())
    assert delete_archived(other, found)["removed"] == 1


def test_what_changed_since_it_was_read_is_kept(calls: Calls, worker: Worker) -> None:
    same, replayed, again, abandoned, edited, gone = ended(worker, "failed", count=6)
    found = read(calls, EVERYTHING)["jobs"]
    replay(calls, dead_letters(calls, [replayed, again]))
    tasks = {task["job_id"]: task for task in worker.claim_all()}
    worker.finish(endings([tasks[again]], "fail"))
    worker.finish(endings([tasks[replayed]], "not_started"))
    calls.connection.execute("update jobs set abandoned_at = now() where job_id = %s", [abandoned])
    calls.connection.execute("update job_tasks set result = '1' where job_id = %s", [edited])
    calls.connection.execute("delete from jobs where job_id = %s", [gone])
    reply = delete_archived(calls, found)
    assert reply["removed"] == 1
    assert set(reply["kept"]) == {replayed, again, abandoned, edited, gone}
    assert left(calls) == {replayed, again, abandoned, edited}
    assert same not in left(calls)


def test_a_repeat_is_answered_from_the_record(calls: Calls, worker: Worker) -> None:
    second = ended(worker, count=2)[1]
    found = read(calls, EVERYTHING)["jobs"]
    calls.connection.execute("update job_tasks set result = '1' where job_id = %s", [second])
    batch_id = str(uuid4())
    answer = delete_archived(calls, found, batch_id)
    assert answer == {"removed": 1, "kept": [second]}
    calls.connection.execute("update job_tasks set result = null where job_id = %s", [second])
    assert delete_archived(calls, found, batch_id) == answer
    assert left(calls) == {second}
    [recorded] = calls.connection.execute("select jobs, removed, kept from job_archives").fetchall()
    assert (recorded[0], recorded[1], [str(job_id) for job_id in recorded[2]]) == (2, 1, [second])


def test_a_job_that_waits_has_no_line(calls: Calls, worker: Worker) -> None:
    """Whoever sends its id and the hash of nothing deletes nothing."""
    [job_id] = calls.enqueue_new(worker.queues[0])
    grow_older(calls, 10, [job_id])
    assert calls.call_plain("supaqueue_archive_line", given_id=job_id) is None
    assert delete_archived(calls, [{"job_id": job_id, "line": ""}])["kept"] == [job_id]
