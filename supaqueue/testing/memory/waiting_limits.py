"""How many jobs may wait in a queue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from supaqueue.testing.memory.changes import begin_change, check_changed_by, check_request_id
from supaqueue.testing.memory.checks import check_call, check_range
from supaqueue.testing.memory.moment import read_moment
from supaqueue.testing.memory.refused import Refused, invalid
from supaqueue.testing.memory.tables import WAITING, LimitRow, Row, Tables
from supaqueue.testing.memory.unique import is_key_held

MOST_WAITING = 1_000_000


def limit_waiting_v1(
    tables: Tables,
    request_id: Any,
    queues: Any,
    waiting_limit: Any,
    on_full: Any,
    changed_by: Any,
    contract_version: Any,
) -> list[Row]:
    """Limit how many jobs may wait in queues, or let any number wait."""
    check_call(contract_version)
    request = check_request_id(request_id)
    if not 1 <= len(queues or ()) <= 1000 or not all(1 <= len(queue or "") <= 200 for queue in queues):
        raise invalid("queues: expected 1 to 1000 names of 1 to 200 characters")
    check_changed_by(changed_by)
    if waiting_limit is not None:
        check_range("waiting_limit", waiting_limit, 1, MOST_WAITING, "1 to 1000000, or null")
    if on_full not in ((None,) if waiting_limit is None else ("refuse", "slow")):
        raise invalid("on_full: expected refuse or slow, null without waiting_limit")
    if begin_change(tables, request):
        for queue in queues:
            tables.limits.pop(queue, None)
            if waiting_limit is not None:
                tables.limits[queue] = LimitRow(waiting_limit, on_full, changed_by)
    return [_limit_row(tables, queue) for queue in queues]


def check_waiting(tables: Tables, jobs: Sequence[Row]) -> dict[str, float]:
    """Refuse new jobs for a queue that is full; return for how long producers should wait, by queue."""
    waits = {}
    for queue in sorted({row["queue"] for row in jobs} & tables.limits.keys()):
        limit, on_full = tables.limits[queue].waiting_limit, tables.limits[queue].on_full
        incoming = len({row["job_id"].lower() for row in jobs if _comes_to_wait(tables, row, queue)})
        waiting = min(_waiting(tables, queue), limit if on_full == "refuse" else 2 * limit)
        if incoming == 0 or waiting + incoming <= limit:
            continue
        if on_full == "refuse":
            raise _full(queue, limit, waiting, incoming)
        waits[queue] = round(min(1.0, max(0.05, (waiting + incoming - limit) / limit)), 3)
    return waits


def _comes_to_wait(tables: Tables, row: Row, queue: str) -> bool:
    is_due = row.get("run_at") is None or read_moment(row["run_at"]) <= tables.now
    return (
        row["queue"] == queue
        and is_due
        and not row.get("delay_seconds")
        and row["job_id"].lower() not in tables.jobs
        and not is_key_held(tables, row)
    )


def _waiting(tables: Tables, queue: str) -> int:
    return sum(
        task.queue == queue and task.status in WAITING and task.run_at <= tables.now
        for task in tables.tasks()
    )


def _full(queue: str, limit: int, waiting: int, incoming: int) -> Refused:
    step = (
        "Send fewer jobs in one call."
        if incoming > limit
        else "Call again later, add workers, or raise the limit: supaqueue queues limit-waiting."
    )
    text = (
        f"queue {json.dumps(queue, ensure_ascii=False)} is full: {waiting} of at most {limit} jobs wait,"
        f" and this call brings {incoming}; nothing was stored"
    )
    detail = json.dumps({"queue": queue, "limit": limit, "waiting": waiting, "incoming": incoming})
    return Refused("SQ006", text, detail=detail, hint=step)


def _limit_row(tables: Tables, queue: str) -> Row:
    limit = tables.limits.get(queue)
    return {
        "queue": queue,
        "waiting_limit": limit.waiting_limit if limit else None,
        "on_full": limit.on_full if limit else None,
        "changed_by": limit.changed_by if limit else None,
    }
