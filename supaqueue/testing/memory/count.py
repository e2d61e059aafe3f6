"""Counting tasks, and who serves them."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

from supaqueue.testing.memory.changes import forget_changes
from supaqueue.testing.memory.checks import check_call, check_rows
from supaqueue.testing.memory.moment import written
from supaqueue.testing.memory.pauses import is_paused, pause_row
from supaqueue.testing.memory.tables import Row, Tables, TaskRow, WorkerRow

ALIVE_SECONDS = 120
CLAIM_KEPT = timedelta(hours=2)
_WORKER = {
    "worker_id": "1 to 200 characters",
    "queues": "an array of names",
    "task_types": "an array of names",
    "concurrency": "0 to 2147483647",
    "host": "1 to 200 characters",
    "process_id": "0 to 2147483647",
    "version": "1 to 200 characters",
    "stopped": "a boolean",
    "run_id": "a UUID",
    "claims_sent": "0 to 9007199254740991",
    "claims_failed": "0 to 9007199254740991",
    "finishes_sent": "0 to 9007199254740991",
    "finishes_failed": "0 to 9007199254740991",
}
_SHOWN = ("worker_id", "queues", "task_types", "concurrency", "host", "process_id", "version")
_FIRST_SEEN = ("host", "process_id", "version")
"""What a worker says of itself once, and does not change."""


def count_jobs_v1(tables: Tables, queues: Any, contract_version: Any) -> Row:
    """Count tasks per queue, task type and status; say who is alive, and what waits that nobody serves."""
    check_call(contract_version)
    groups: defaultdict[tuple[str, str, str], list[TaskRow]] = defaultdict(list)
    for task in tables.tasks():
        if queues is None or task.queue in queues:
            groups[task.queue, task.task_type, task.status].append(task)
    since = tables.now - timedelta(seconds=ALIVE_SECONDS)
    alive = [worker for _, worker in sorted(tables.workers.items()) if worker.was_seen_since(since)]
    return {
        "counts": [_count(tables, *key, groups[key]) for key in sorted(groups)],
        "workers": [_worker(worker) for worker in alive],
        "unserved": [
            {"queue": queue, "task_type": task_type, "tasks": len(groups[queue, task_type, status])}
            for queue, task_type, status in sorted(groups)
            if status == "pending" and not any(worker.serves(queue, task_type) for worker in alive)
        ],
        "paused": [
            pause_row(tables, queue)
            for queue in sorted(tables.pauses)
            if (queues is None or queue in queues) and is_paused(tables, queue)
        ],
    }


def register_worker_v1(tables: Tables, worker: Any, contract_version: Any) -> Row:
    """Say what a worker serves, and that it is alive or has stopped; forget claims too old to be repeated."""
    check_call(contract_version)
    check_rows("worker", [worker], _WORKER, ["worker_id", "queues", "task_types", "concurrency"])
    worker_id = worker["worker_id"]
    before = tables.workers.get(worker_id)
    stays = {name: before.row.get(name) for name in _FIRST_SEEN} if before else {}
    tables.workers[worker_id] = WorkerRow(
        row=worker | stays,
        started_at=before.started_at if before else tables.now,
        last_seen_at=tables.now,
        stopped_at=tables.now if worker.get("stopped") else None,
    )
    for request_id in [each for each, at in tables.claims.items() if at < tables.now - CLAIM_KEPT]:
        del tables.claims[request_id]
    forget_changes(tables)
    return {"worker_id": worker_id}


def _count(tables: Tables, queue: str, task_type: str, status: str, tasks: list[TaskRow]) -> Row:
    waiting = [task.run_at for task in tasks if status == "pending" and task.run_at <= tables.now]
    return {
        "queue": queue,
        "task_type": task_type,
        "status": status,
        "tasks": len(tasks),
        "oldest_waiting_seconds": (tables.now - min(waiting)).total_seconds() if waiting else None,
    }


def _worker(worker: WorkerRow) -> Row:
    return {name: worker.row.get(name) for name in _SHOWN} | {
        "started_at": written(worker.started_at),
        "last_seen_at": written(worker.last_seen_at),
    }
