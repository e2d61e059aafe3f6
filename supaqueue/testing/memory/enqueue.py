"""Enqueuing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from supaqueue.testing.memory.checks import (
    LONGEST_DELAY_SECONDS,
    ROWS_LIMIT,
    check_call,
    check_rows,
    has_bucket,
    out_of_range,
    refuse_first,
)
from supaqueue.testing.memory.graph_checks import check_graphs
from supaqueue.testing.memory.graph_rows import backoff_of, graph_tasks
from supaqueue.testing.memory.moment import is_moment, read_moment
from supaqueue.testing.memory.order_keys import ORDER, order_problem, wait_for_turn
from supaqueue.testing.memory.refused import invalid
from supaqueue.testing.memory.tables import JobRow, Row, Tables, TaskRow
from supaqueue.testing.memory.task_types import POLICY, policy_of, policy_problem
from supaqueue.testing.memory.unique import UNIQUE, Meeting, replace_job, take_key, unique_problem
from supaqueue.testing.memory.waiting_limits import check_waiting

MOST_TAGS = 100
_FIELDS = {
    "job_id": "a UUID",
    "queue": "1 to 200 characters",
    "task_type": "1 to 200 characters",
    "payload": "JSON",
    "run_at": "a string",
    "delay_seconds": "a number",
    "deadline_at": "a string",
    "tags": "an array of names",
    "tenant": "1 to 200 characters",
    "priority": "-5 to 5",
    "owner": "a string",
    "tasks": "an array",
    "on_failure": "a string",
    **UNIQUE,
    **ORDER,
    **POLICY,
}


def enqueue_jobs_v1(tables: Tables, jobs: Any, contract_version: Any) -> list[Row]:
    """Store jobs, each with one task: `created`, `exists`, `conflict`, or what became of what met a key."""
    check_call(contract_version)
    _check(jobs)
    waits = check_waiting(tables, jobs)
    order = tables.next_number()
    return [_answer(tables, row, _enqueue(tables, row, order), waits.get(row["queue"])) for row in jobs]


def _answer(tables: Tables, row: Row, answer: str, wait_seconds: float | None) -> Row:
    job_id = row["job_id"].lower()
    into = None if answer == "conflict" else tables.jobs[job_id].deduped_into
    told: Row = {} if into is None else {"deduped_into": into}
    if wait_seconds is not None:
        told["wait_seconds"] = wait_seconds
    return {"job_id": job_id, "answer": answer, "owner": "supabase"} | told


def _check(jobs: Any) -> None:
    check_rows("jobs[%s]", jobs, _FIELDS, ["job_id", "queue", "task_type"])
    if len(jobs) > ROWS_LIMIT:
        raise invalid("jobs: expected at most 10000 in one call")
    refuse_first("jobs", map(_problem, jobs))
    check_graphs(jobs)


def _problem(row: Row) -> str | None:
    if not has_bucket(row["job_id"]):
        return "job_id: expected a UUID whose last 14 bits are a bucket, 0 to 9999"
    if not is_moment(row.get("run_at")):
        return "run_at: expected a moment, like 2030-01-31T12:00:00Z"
    if row.get("run_at") is not None and row.get("delay_seconds") is not None:
        return "delay_seconds: expected none together with run_at"
    if out_of_range(row, "delay_seconds", LONGEST_DELAY_SECONDS):
        return "delay_seconds: expected 0 to 3153600000"
    if problem := _deadline_problem(row):
        return problem
    if len(row.get("tags") or ()) > MOST_TAGS:
        return "tags: expected at most 100"
    owner_problem = _owner_problem(row.get("owner"))
    return owner_problem or policy_problem(row) or unique_problem(row) or order_problem(row)


def _owner_problem(owner: Any) -> str | None:
    if owner == "legacy":
        return "owner: the queue in memory is the only system, it has no mirrors"
    return None if owner in (None, "supabase") else "owner: expected supabase or legacy"


def _deadline_problem(row: Row) -> str | None:
    deadline_at, run_at = row.get("deadline_at"), row.get("run_at")
    if not is_moment(deadline_at):
        return "deadline_at: expected a moment, like 2030-01-31T12:00:00Z"
    if deadline_at is not None and row.get("deadline_seconds") is not None:
        return "deadline_seconds: expected none together with deadline_at"
    if deadline_at is not None and run_at is not None and read_moment(deadline_at) <= read_moment(run_at):
        return "deadline_at: expected a moment after run_at"
    return None


def _enqueue(tables: Tables, row: Row, order: int) -> str:
    content = json.dumps({key: row[key] for key in row if key not in ("job_id", "owner")}, sort_keys=True)
    there = tables.jobs.get(row["job_id"].lower())
    if there is None:
        return _store(tables, _new_job(tables, row, content, order), row)
    if there.abandoned_at is not None or there.content != content:
        return "conflict"
    return there.deduped_as or "exists"


def _store(tables: Tables, job: JobRow, row: Row) -> str:
    met = take_key(tables, row)
    tables.jobs[job.job_id] = job
    task = _new_task(tables, job, row)
    if row.get("order_key") is not None:
        wait_for_turn(tables, task, row["order_key"], row.get("order_on_failure"))
    if met is None:
        job.tasks += graph_tasks(tables, task, row) if row.get("tasks") else [task]
        job.on_failure = row.get("on_failure")
        job.unique_key = row.get("unique_key")
        job.unique_until = None if job.unique_key is None else row.get("unique_until") or "window"
        return "created"
    return _dedupe(tables, job, task, row, met)


def _dedupe(tables: Tables, job: JobRow, task: TaskRow, row: Row, met: Meeting) -> str:
    job.deduped_into, job.deduped_as, job.finished_at = met.holder, met.met_as, tables.now
    if met.met_as != "deduplicated":
        replace_job(tables, tables.jobs[met.holder], task, row, met.met_as)
    return met.met_as


def _new_job(tables: Tables, row: Row, content: str, order: int) -> JobRow:
    return JobRow(
        job_id=row["job_id"].lower(),
        number=order,
        created_at=tables.now,
        queue=row["queue"],
        task_type=row["task_type"],
        content=content,
        tags=row.get("tags") or [],
    )


def _new_task(tables: Tables, job: JobRow, row: Row) -> TaskRow:
    run_at = _run_at(tables.now, row)
    policy = policy_of(tables, row)
    timeout = policy.get("timeout_seconds")
    return TaskRow(
        job_id=job.job_id,
        task_number=0,
        queue=job.queue,
        task_type=job.task_type,
        tenant=row.get("tenant"),
        priority=int(row.get("priority") or 0),
        payload=row.get("payload"),
        payload_bytes=len(json.dumps(row.get("payload"), ensure_ascii=False).encode()),
        run_at=run_at,
        position=tables.position_at(run_at),
        max_attempts=int(policy["max_attempts"]),
        backoff=backoff_of(policy),
        timeout=None if timeout is None else timedelta(seconds=timeout),
        deadline_at=_deadline_at(tables.now, run_at, row, policy),
    )


def _run_at(now: datetime, row: Row) -> datetime:
    if row.get("run_at") is not None:
        return read_moment(row["run_at"])
    return now + timedelta(seconds=row.get("delay_seconds") or 0)


def _deadline_at(now: datetime, run_at: datetime, row: Row, policy: Row) -> datetime | None:
    """Return when no attempt may begin any more; one that has passed passes now."""
    if row.get("deadline_at") is not None:
        return max(now, read_moment(row["deadline_at"]))
    if policy.get("deadline_seconds") is not None:
        return max(now, run_at + timedelta(seconds=policy["deadline_seconds"]))
    return None
