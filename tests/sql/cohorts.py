"""Random jobs of both owners in every state, and what cohorts of them must come to, counted one by one."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from supaqueue.job_id import bucket_of, new_job_id

Row = dict[str, Any]
Connection = psycopg.Connection[Any]

TYPES = ("mail", "bill", "a report")
SETTLE = {"bill": 60.0, "a report": 86_400.0}
FIRST_SECONDS = 120.0
SETTLE_SECONDS = 900.0
COUNTED = ("done", "retry", "fail", "cancel", "park")


@dataclass
class Side:
    """One side of one cohort, as a call answers it."""

    jobs: list[str] = field(default_factory=list)
    known: int = 0
    failed: list[str] = field(default_factory=list)

    def row(self) -> list[int]:
        return [
            len(self.jobs), len(set(self.jobs)), self.known, len(self.failed), len(set(self.failed))
        ]  # fmt: skip


@dataclass
class Expected:
    """What was counted of one minute and type, by owner."""

    first: dict[str, Side] = field(default_factory=lambda: defaultdict(Side))
    final: dict[str, Side] = field(default_factory=lambda: defaultdict(Side))
    bins: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))


def store_random_jobs(connection: Connection, chance: random.Random, count: int, since: datetime) -> None:
    """Store jobs of the 10 minutes from a time on."""
    for _ in range(count):
        at = since + timedelta(seconds=chance.uniform(0, 600))
        if chance.random() < 0.05:
            _insert(connection, "jobs", _tombstone(at))
        elif chance.random() < 0.3:
            _store_supabase(connection, chance, at)
        else:
            _store_legacy(connection, chance, at)


def store_job(connection: Connection, at: datetime, **columns: Any) -> str:
    """Store one job of Supabase's that completed after a second, unless columns of its row say otherwise."""
    job = _job(at) | {"status": "completed", "finished_at": at + timedelta(seconds=1), "unfinished_tasks": 0}
    _insert(connection, "jobs", job | columns)
    task = {"status": "completed", "lease_token": 1, "attempts": 1, "finished_at": job["finished_at"]}
    _insert(connection, "job_tasks", _task(job | columns, at) | task)
    return str(job["job_id"])


def expected(
    connection: Connection, since: datetime, at_once: datetime
) -> dict[tuple[datetime, str], Expected]:
    """Count what is stored, job by job."""
    with connection.cursor(row_factory=dict_row) as cursor:
        jobs = cursor.execute("select * from jobs").fetchall()
        tasks = {
            row["job_id"]: row for row in cursor.execute("select * from job_tasks where task_number = 0")
        }
        attempts = defaultdict(list)
        for row in cursor.execute("select * from job_task_attempts order by lease_token"):
            attempts[row["job_id"]].append(row)
    found: dict[tuple[datetime, str], Expected] = defaultdict(Expected)
    for job in jobs:
        task = tasks.get(job["job_id"])
        if job["epoch"] == 0 and task and task["purpose"] == "run" and job["created_at"] >= since:
            _count(found, job, task, attempts[job["job_id"]], at_once)
    return found


def _count(
    found: dict[tuple[datetime, str], Expected],
    job: Row,
    task: Row,
    attempts: Iterable[Row],
    at_once: datetime,
) -> None:
    minute = job["created_at"].astimezone(UTC).replace(second=0, microsecond=0)
    ended = minute + timedelta(minutes=1)
    if ended + timedelta(seconds=FIRST_SECONDS) > at_once:
        return
    cohort = found[minute, job["task_type"]]
    key = job["tenant"] or str(job["job_id"])
    first = _first_of(job, attempts)
    _add(cohort.first[job["owner"]], key, first, ended + timedelta(seconds=FIRST_SECONDS))
    settled_at = ended + timedelta(seconds=SETTLE.get(job["task_type"], SETTLE_SECONDS))
    if settled_at <= at_once:
        final = _end_of(job)
        _add(cohort.final[job["owner"]], key, final, settled_at)
        if final and final[0] <= settled_at and (took := _took(job, task)) is not None:
            cohort.bins[job["owner"]][math.floor(math.log(max(1.0, 1000 * took)) / math.log(1.02))] += 1


def _add(side: Side, key: str, seen: tuple[datetime, bool] | None, until: datetime) -> None:
    side.jobs.append(key)
    if seen and seen[0] <= until:
        side.known += 1
        side.failed += [key] * seen[1]


def _first_of(job: Row, attempts: Iterable[Row]) -> tuple[datetime, bool] | None:
    """When it was known how the first attempt ended, and whether it failed."""
    if job["owner"] == "supabase":
        for row in attempts:
            if row["outcome"] in COUNTED:
                return row["ended_at"], row["outcome"] in ("retry", "fail", "park")
        return _end_of(job)
    end, told = _end_of(job), job["legacy_first_failed_at"]
    times = [one for one in (told, end and end[0]) if one]
    if not times:
        return None
    has_failed = told is not None or (end is not None and end[1])
    return min(times), has_failed or (job["owner_outcome"] or {}).get("attempts", 0) > 1


def _end_of(job: Row) -> tuple[datetime, bool] | None:
    if job["owner"] == "supabase":
        return (job["finished_at"], job["status"] == "failed") if job["finished_at"] else None
    if job["owner_ended_at"] is None:
        return None
    return job["owner_ended_at"], job["owner_outcome"]["status"] == "failed"


def _took(job: Row, task: Row) -> float | None:
    told = job["owner_outcome"] or {}
    starts = task["lease_token"] if job["owner"] == "supabase" else told.get("starts", told.get("attempts"))
    status = job["status"] if job["owner"] == "supabase" else told["status"]
    if starts != 1 or status == "cancelled":
        return None
    ended = job["finished_at"]
    if job["owner"] == "legacy":
        ended = datetime.fromisoformat(told["ended_at"]) if "ended_at" in told else job["owner_ended_at"]
    return float((ended - max(job["created_at"], task["run_at"])).total_seconds())


def _store_supabase(connection: Connection, chance: random.Random, at: datetime) -> None:
    job = _job(at, chance)
    now, outcomes = at, []
    for number in range(chance.randint(0, 4)):
        now += timedelta(seconds=chance.expovariate(1 / chance.choice((1, 60, 600))))
        outcome = chance.choice(("done", "done", "retry", "lease_lost", "snooze", "fail", "cancel", "park"))
        outcomes.append((number + 1, outcome, now))
        if outcome in ("done", "fail", "cancel", "park"):
            break
    last = outcomes[-1][1] if outcomes else chance.choice(("cancel", "none"))
    status = {"done": "completed", "fail": "failed", "park": "failed", "cancel": "cancelled"}.get(
        last, "pending"
    )
    if last in ("retry", "lease_lost") and chance.random() < 0.3:
        status = "failed"
    ended = None if status == "pending" else now
    counts = {"unfinished_tasks": int(ended is None), "failed_tasks": int(status == "failed")}
    job |= {"status": status, "finished_at": ended, **counts, "cancelled_tasks": int(status == "cancelled")}
    _insert(connection, "jobs", job)
    due = at + timedelta(seconds=chance.choice((0, 0, 5)))
    task = _task(job, due) | {"status": status, "lease_token": len(outcomes), "finished_at": ended}
    purpose = chance.choice(("run",) * 20 + ("probe",))
    _insert(connection, "job_tasks", task | {"purpose": purpose, "attempts": len(outcomes)})
    for token, outcome, then in outcomes:
        names = {"job_id": job["job_id"], "task_number": 0, "lease_token": token, "worker_id": "w"}
        _insert(
            connection,
            "job_task_attempts",
            names | {"ended_at": then, "outcome": outcome, "status_after": "-"},
        )


def _store_legacy(connection: Connection, chance: random.Random, at: datetime) -> None:
    told: Row = {"owner": "legacy", "status": "mirrored"}
    if chance.random() < 0.2:
        told["legacy_first_failed_at"] = at + timedelta(seconds=chance.expovariate(1 / 90))
    if chance.random() < 0.9:
        ended = at + timedelta(seconds=chance.expovariate(1 / chance.choice((0.5, 60, 900))))
        outcome: Row = {"status": chance.choice(("completed", "completed", "failed", "cancelled"))}
        outcome["attempts"] = chance.choice((0, 1, 1, 1, 2))
        if chance.random() < 0.8:
            outcome |= {
                "starts": outcome["attempts"] + chance.choice((0, 0, 1)),
                "ended_at": ended.isoformat(),
            }
        told |= {"owner_outcome": Jsonb(outcome), "owner_ended_at": ended + timedelta(seconds=1)}
    job = _job(at, chance) | told
    _insert(connection, "jobs", job)
    _insert(connection, "job_tasks", _task(job, at) | {"status": "mirrored"})
    if chance.random() < 0.2:
        shadow = {"task_number": 1, "purpose": "shadow", "status": "failed", "lease_token": 1}
        _insert(connection, "job_tasks", _task(job, at) | shadow)


def _job(at: datetime, chance: random.Random | None = None) -> Row:
    job_id = new_job_id()
    job: Row = {"job_id": job_id, "queue": "q", "task_type": "mail", "created_at": at, "content_hash": b"x"}
    if chance is not None:
        tenant = chance.choice((None, "t1", "t2", "t3"))
        job |= {"task_type": chance.choice(TYPES), "tenant": tenant, "epoch": int(chance.random() < 0.05)}
    return job | {"bucket": bucket_of(job_id)}


def _tombstone(at: datetime) -> Row:
    job_id = new_job_id()
    counts = {"task_count": 0, "unfinished_tasks": 0, "status": "cancelled"}
    times = {"created_at": at, "abandoned_at": at, "finished_at": at}
    return {"job_id": job_id, "bucket": bucket_of(job_id)} | counts | times


def _task(job: Row, due: datetime) -> Row:
    names = {name: job[name] for name in ("job_id", "queue", "task_type")}
    return names | {"task_number": 0, "payload": Jsonb({}), "run_at": due}


def _insert(connection: Connection, table: str, row: Row) -> None:
    columns = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    connection.execute(f"insert into {table} ({columns}) values ({values})".encode(), row)
