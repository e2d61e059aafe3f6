"""Pruning: what a policy lets go, in which portions, and that a repeat takes no more than the first."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.sql.calls import Calls, Row, Worker
from tests.sql.flags import set_flag
from tests.sql.plans import explained, scans
from tests.sql.retention import DAY, ended, grow_older, left, prune
from tests.sql.test_finish import add_task

OpenWorker = Callable[..., Worker]

EVERYTHING = {f"{status}_seconds": 0 for status in ("completed", "failed", "cancelled", "probe")}


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_each_status_has_its_own_age(calls: Calls, worker: Worker, status: str) -> None:
    old = {name: ended(worker, name)[0] for name in ("completed", "failed", "cancelled")}
    young = {name: ended(worker, name)[0] for name in old}
    grow_older(calls, 8, old.values())
    grow_older(calls, 6, young.values())
    [waiting] = calls.enqueue_new(worker.queues[0])
    grow_older(calls, 100, [waiting])
    reply = prune(calls, {f"{status}_seconds": 7 * DAY})
    assert reply["removed"] == {status: 1}
    assert left(calls) == {*old.values(), *young.values(), waiting} - {old[status]}


def test_tasks_and_attempts_go_with_their_job(calls: Calls, worker: Worker) -> None:
    ended(worker, count=3)
    assert prune(calls, EVERYTHING)["removed"] == {"completed": 3}
    for table in ("jobs", "job_tasks", "job_task_attempts"):
        assert calls.value(f"select count(*) from {table}".encode()) == 0


def test_age_counts_from_the_end_and_not_from_the_beginning(calls: Calls, worker: Worker) -> None:
    [job_id] = ended(worker)
    calls.connection.execute("update jobs set created_at = created_at - interval '30 days'")
    assert prune(calls, {"completed_seconds": DAY, "failed_seconds": 0})["removed"] == {}
    assert left(calls) == {job_id}


def test_a_policy_may_name_a_queue_and_a_type(calls: Calls, open_worker: OpenWorker) -> None:
    kept = ended(open_worker(queues=["other"])) + ended(
        open_worker(queues=["mine"], task_types=["rest"]), task_type="rest"
    )
    [gone] = ended(open_worker(queues=["mine"]))
    policy = EVERYTHING | {"queue": "mine", "task_type": "count"}
    assert prune(calls, policy)["removed"] == {"completed": 1}
    assert left(calls) == set(kept)
    assert gone not in left(calls)


def test_what_is_not_ours_or_not_ended_stays(calls: Calls, worker: Worker) -> None:
    [mirrored] = calls.enqueue_new(worker.queues[0], owner="legacy")
    [foreign] = ended(worker)
    calls.connection.execute("update jobs set owner = 'legacy' where job_id = %s", [foreign])
    [running, waiting] = calls.enqueue_new(worker.queues[0], 2)
    assert len(worker.claim(1)) == 1
    grow_older(calls, 100, [mirrored, foreign, running, waiting])
    assert prune(calls, EVERYTHING)["removed"] == {}
    assert left(calls) == {mirrored, foreign, running, waiting}
    assert removable(calls, mirrored, foreign, running, waiting) is None
    calls.connection.execute("delete from jobs where job_id = %s", [foreign])  # there is no such job


def test_tombstones_have_their_own_age(calls: Calls, worker: Worker) -> None:
    unknown, young = (str(uuid4())[:-4] + "8001" for _ in range(2))
    assert calls.abandon(unknown, young) == ["abandoned"] * 2
    grow_older(calls, 8, [unknown])
    assert prune(calls, EVERYTHING)["removed"] == {}
    assert prune(calls, {"tombstone_seconds": 7 * DAY})["removed"] == {"tombstone": 1}
    assert left(calls) == {young}


def test_what_was_abandoned_is_kept_as_long_as_a_tombstone(calls: Calls, worker: Worker) -> None:
    """Its late enqueue has to conflict, although it has content."""
    [job_id] = calls.enqueue_new(worker.queues[0])
    assert calls.abandon(job_id) == ["cancelled"]
    grow_older(calls, 6.9, [job_id])
    assert prune(calls, EVERYTHING)["removed"] == {}
    grow_older(calls, 0.2, [job_id])
    assert prune(calls, EVERYTHING)["removed"] == {"cancelled": 1}


def removable(calls: Calls, *job_ids: str) -> list[str] | None:
    """What is decided once more when the jobs are locked, since it may have changed."""
    query = """select array_agg(f.job_id::text)
               from supaqueue_removable_jobs(%s::uuid[], supaqueue_read_retention(%s)) as f"""
    found: list[str] | None = calls.value(query, [list(job_ids), Jsonb(EVERYTHING)])
    return found


def as_observation(calls: Calls, job_id: str, purpose: str, task_number: int = 0) -> None:
    """Turn a task of an ended job into one that does not count."""
    calls.connection.execute(
        "update job_tasks set purpose = %s where job_id = %s and task_number = %s",
        [purpose, job_id, task_number],
    )


@pytest.mark.parametrize("purpose", ["probe", "shadow"])
def test_a_job_without_a_task_that_counts_has_the_age_of_probes(
    calls: Calls, worker: Worker, purpose: str
) -> None:
    [probe], [kept] = ended(worker), ended(worker)
    as_observation(calls, probe, purpose)
    calls.connection.execute("update jobs set task_count = 0 where job_id = %s", [probe])
    grow_older(calls, 2, [probe, kept])
    assert prune(calls, {"probe_seconds": 3 * DAY, "completed_seconds": 3 * DAY})["removed"] == {}
    assert prune(calls, {"probe_seconds": DAY})["removed"] == {"probe": 1}
    assert left(calls) == {kept}


def test_a_shadow_that_runs_still_keeps_its_job(calls: Calls, worker: Worker) -> None:
    [job_id] = calls.enqueue_new(worker.queues[0])
    add_task(calls, job_id)
    as_observation(calls, job_id, "shadow", 1)
    calls.connection.execute("update jobs set task_count = 1, unfinished_tasks = 1")
    set_flag(calls.connection, shadow_percent=100)
    tasks = sorted(worker.claim(2), key=lambda task: int(task["task_number"]))
    worker.finish([task | {"outcome": "done"} for task in _leases(tasks[:1])])
    assert calls.status(job_id) == "completed"
    assert prune(calls, EVERYTHING)["removed"] == {}
    worker.finish([task | {"outcome": "done"} for task in _leases(tasks[1:])])
    assert prune(calls, EVERYTHING)["removed"] == {"completed": 1}


def _leases(tasks: list[Row]) -> list[Row]:
    return [{name: task[name] for name in ("job_id", "task_number", "lease_token")} for task in tasks]


def test_pages_lead_through_everything_once(calls: Calls, worker: Worker) -> None:
    """Also through jobs of one moment, and past those that stay."""
    gone = [job for _ in range(3) for job in ended(worker, count=70)]
    kept = ended(worker, "failed", count=50)
    gone += ended(worker, count=40)
    page, pages, removed = None, 0, 0
    while pages == 0 or page is not None:
        reply = prune(calls, {"completed_seconds": 0}, page=page, max_jobs=30)
        assert reply["removed"].get("completed", 0) <= 30
        page, pages, removed = reply["next_page"], pages + 1, removed + reply["removed"].get("completed", 0)
    assert removed == len(gone)
    assert left(calls) == set(kept)


def test_a_call_is_bounded_in_rows_with_children(calls: Calls, worker: Worker) -> None:
    """One job goes whole, however many attempts it has; the next one waits for the next call."""
    ids = ended(worker, count=4)
    calls.connection.execute(
        "update jobs set created_at = created_at + array_position(%s::uuid[], job_id)"
        " * interval '1 microsecond'",
        [ids],
    )
    calls.connection.execute(
        """insert into job_task_attempts (job_id, task_number, lease_token, ended_at, outcome, status_after)
           select job_id, 0, 1 + n, now(), 'snooze', 'pending'
           from unnest(%s::uuid[]) as job_id, generate_series(1, 12000) as n""",
        [ids],
    )
    first = prune(calls, EVERYTHING)
    assert first["removed"] == {"completed": 2}
    assert left(calls) == set(ids[2:])
    assert prune(calls, EVERYTHING, page=first["next_page"])["removed"] == {"completed": 2}


def test_a_call_is_bounded_in_jobs_read(calls: Calls, worker: Worker) -> None:
    calls.connection.execute(
        """insert into jobs (job_id, queue, task_type, bucket, content_hash, status, unfinished_tasks,
               failed_tasks, created_at, finished_at)
           select format('%s-0000-7000-8000-000000000001', lpad(to_hex(n), 8, '0'))::uuid, 'q', 't', 1, '',
               'failed', 0, 1, now() - interval '2 days', now() - interval '1 day'
           from generate_series(1, 25000) as n"""
    )
    [job_id] = ended(worker)
    first = prune(calls, {"completed_seconds": 0})
    assert first["looked_at"] <= 20_000
    assert first["removed"] == {}
    page = first["next_page"]
    while page is not None:
        reply = prune(calls, {"completed_seconds": 0}, page=page)
        page = reply["next_page"]
    assert job_id not in left(calls)
    calls.connection.execute("truncate jobs cascade")  # those had no tasks, which no check lets pass


def test_a_dry_run_says_what_would_go_and_changes_nothing(calls: Calls, worker: Worker) -> None:
    ids = ended(worker, count=5) + ended(worker, "failed", count=2)
    assert prune(calls, EVERYTHING, dry_run=True)["removed"] == {"completed": 5, "failed": 2}
    assert left(calls) == set(ids)
    assert calls.value("select count(*) from job_prunings") == 0


def test_a_repeat_is_answered_alike_and_removes_no_more(calls: Calls, worker: Worker) -> None:
    ended(worker, count=5)
    request_id = str(uuid4())
    first = prune(calls, EVERYTHING, request_id=request_id, max_jobs=2)
    assert first["removed"] == {"completed": 2}
    assert prune(calls, EVERYTHING, request_id=request_id, max_jobs=2) == first
    assert len(left(calls)) == 3


def test_requests_are_forgotten_after_two_hours(calls: Calls, worker: Worker) -> None:
    for _ in range(3):
        prune(calls, EVERYTHING)
    calls.connection.execute("update job_prunings set pruned_at = pruned_at - interval '2 hours'")
    prune(calls, EVERYTHING)
    assert calls.value("select count(*) from job_prunings") == 1


def test_a_pruned_job_is_unknown_and_may_be_enqueued_anew(calls: Calls, worker: Worker) -> None:
    job = {"job_id": str(uuid4())[:-4] + "8001", "queue": worker.queues[0], "task_type": "count"}
    calls.enqueue(job)
    tasks = worker.claim(1)
    worker.finish([lease | {"outcome": "done"} for lease in _leases(tasks)])
    prune(calls, EVERYTHING)
    assert calls.get(job["job_id"]) == [None]
    assert calls.cancel(job["job_id"]) == ["unknown"]
    late = [lease | {"outcome": "done"} for lease in _leases(tasks)]
    assert [row["answer"] for row in calls.finish(late, worker_id=worker.worker_id)] == ["unknown"]
    assert [row["answer"] for row in worker.heartbeat(tasks, worker_id=worker.worker_id)] == ["lost"]
    assert [row["answer"] for row in calls.enqueue(job)] == ["created"]


def test_a_finish_stays_a_heap_only_update(calls: Calls) -> None:
    """That is why there is no index on finished_at: the one that the walk uses was there before."""
    query = "select indexdef from pg_indexes where tablename = 'jobs'"
    definitions = [definition for (definition,) in calls.connection.execute(query)]
    assert not [text for text in definitions if "finished_at" in text or "status" in text]


def test_everything_is_read_by_an_index(calls: Calls, superuser_calls: Calls, worker: Worker) -> None:
    """From the sixth call on a session keeps one plan for all arguments, made while tables were empty."""
    for _ in range(7):
        prune(superuser_calls, EVERYTHING)
    ended(worker, count=100)
    with explained(superuser_calls.connection) as plans:
        reply = prune(superuser_calls, EVERYTHING)
    assert reply["removed"] == {"completed": 100}
    found = [scan for scan in scans(plans) if not (scan.table == "jobs" and scan.index == "jobs_created")]
    assert found
    assert [scan for scan in found if scan.reads_all] == []
