"""Claiming: rescue, promotion of what is due, and leases in the order of positions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from supaqueue.testing.memory.checks import (
    check_call,
    check_lease_seconds,
    check_leases,
    check_names,
    check_range,
    read_uuid,
)
from supaqueue.testing.memory.deadlines import expire, is_late
from supaqueue.testing.memory.leases import claimed, end_leases, lease, start
from supaqueue.testing.memory.order_keys import promote_order_keys
from supaqueue.testing.memory.pauses import is_paused
from supaqueue.testing.memory.refused import invalid
from supaqueue.testing.memory.running_limits import Rooms, count_starts, next_window
from supaqueue.testing.memory.tables import LONE_LEASES, Row, Tables, TaskRow
from supaqueue.testing.memory.turns import chosen, next_turns, read_turns

DRAIN_AFTER = timedelta(seconds=30)
BYTES_LIMIT = 4 * 1_048_576


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim's arguments."""

    request_id: str
    worker_id: str
    queues: tuple[str, ...]
    task_types: tuple[str, ...]
    want: int
    holding: int
    lease_seconds: float
    marks: Row
    weights: Row

    def lease(self, tables: Tables, tasks: list[TaskRow]) -> list[TaskRow]:
        """Lease these tasks to the worker that claims, and return them."""
        for task in tasks:
            lease(tables, task, self.lease_seconds, self.request_id, self.worker_id)
        count_starts(tables, tasks)
        return tasks

    def serves(self, task: TaskRow) -> bool:
        """Whether the worker runs tasks of this type."""
        return task.task_type in self.task_types


def claim_job_tasks_v1(
    tables: Tables,
    request_id: Any,
    worker_id: Any,
    queues: Any,
    task_types: Any,
    want: Any,
    holding: Any,
    lease_seconds: Any,
    marks: Any,
    started: Any,
    contract_version: Any,
    weights: Any = None,
) -> Row:
    """Lease up to `want` tasks. A repeat is answered with those of its tasks that are still held."""
    check_call(contract_version)
    claim = _checked(request_id, worker_id, queues, task_types, want, holding, lease_seconds, marks, weights)
    check_leases("started", started)
    if claim.request_id in tables.claims:
        return _repeated(tables, claim, marks)
    tables.claims[claim.request_id] = tables.now
    start(tables, started, claim.worker_id)
    return _claimed(tables, claim)


def _checked(
    request_id: Any,
    worker_id: Any,
    queues: Any,
    task_types: Any,
    want: Any,
    holding: Any,
    lease_seconds: Any,
    marks: Any,
    weights: Any,
) -> Claim:
    read_id = None if request_id is None else read_uuid(request_id)
    check_lease_seconds(lease_seconds)
    if read_id is None:
        raise invalid("request_id: expected a UUID")
    check_range("worker_id", len(worker_id or ""), 1, 200, "1 to 200 characters")
    check_names("queues", queues, 100)
    check_names("task_types", task_types, 1000)
    check_range("want", want, 0, 1000)
    check_range("holding", holding, 0, float("inf"), "how many tasks the worker holds")
    if not all(1 <= len(name) <= 200 for name in (*queues, *task_types)):
        raise invalid("queues, task_types: expected names of 1 to 200 characters")
    if not isinstance(marks, dict):
        raise invalid("marks: expected what the last claim answered, {} at first")
    _check_weights(weights, queues)
    return Claim(
        read_id,
        worker_id,
        tuple(queues),
        tuple(task_types),
        want,
        holding,
        lease_seconds,
        marks,
        weights or {},
    )


def _check_weights(weights: Any, queues: Collection[str]) -> None:
    if weights is None:
        return
    if not isinstance(weights, dict):
        raise invalid("weights: expected an object, of queues and numbers")
    if not set(weights) <= set(queues):
        raise invalid("weights: expected names of the queues alone")
    for weight in weights.values():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0.001 <= weight <= 1000:
            raise invalid("weights: expected numbers from 0.001 to 1000")


def _repeated(tables: Tables, claim: Claim, marks: Row) -> Row:
    held = [
        task
        for task in tables.tasks()
        if task.queue in claim.queues
        and task.claim_request == claim.request_id
        and task.is_held(task.lease_token, claim.worker_id)
    ]
    alone = any(map(_is_lone, held))
    return _answer(tables, sorted(held, key=_by_priority), alone=alone, more=True) | {"marks": marks}


def _claimed(tables: Tables, claim: Claim) -> Row:
    lone, drain = _claim_lone(tables, claim, claim.want)
    want = 0 if lone or drain else claim.want
    failed: list[Row] = []
    promote_order_keys(tables, claim.queues)
    for queue in dict.fromkeys(claim.queues):
        failed += _rescue(tables, queue) + expire(tables, queue)
        _promote(tables, queue)
    taken, more = _claim_ready(tables, claim, want) if want else ([], False)
    if not lone and not taken and not drain:  # what was rescued just now may have lost its second lease
        lone, drain = _claim_lone(tables, claim, want)
    wait_seconds = None if more else _seconds_to_next(tables, claim)
    paused = [queue for queue in claim.queues if is_paused(tables, queue)]
    return _answer(tables, [*lone, *taken], bool(lone), drain, failed, more, wait_seconds, paused) | {
        "marks": next_turns(read_turns(claim.marks), taken)
    }


def _answer(
    tables: Tables,
    tasks: list[TaskRow],
    alone: bool = False,
    drain: bool = False,
    failed: Iterable[Row] = (),
    more: bool = False,
    wait_seconds: float | None = None,
    paused: Iterable[str] = (),
) -> Row:
    return {
        "tasks": [claimed(task, tables.now) for task in tasks],
        "marks": {},
        "alone": alone,
        "drain": drain,
        "failed": list(failed),
        "more": more,
        "wait_seconds": wait_seconds,
        "paused": list(paused),
        "closed": [],
    }


def _claim_lone(tables: Tables, claim: Claim, want: int) -> tuple[list[TaskRow], bool]:
    """Lease a task that lost two leases to a worker that holds nothing; else say whether to make room."""
    queues = [queue for queue in claim.queues if not is_paused(tables, queue)]
    ready = (task for queue in queues for task in _ready(tables, claim, queue))
    lones = sorted(filter(_is_lone, ready), key=_position)
    lone = next(iter(Rooms(tables).fit(lones)), None)
    if lone is None:
        return [], False
    if claim.holding == 0 and want > 0:
        return claim.lease(tables, [lone]), False
    waited_long = lone.run_at < tables.now - DRAIN_AFTER
    return [], claim.holding > 0 and waited_long and _drains(tables, lone) == claim.worker_id


def _drains(tables: Tables, lone: TaskRow) -> str | None:
    """Return the worker that makes room for a task, of those alive that serve it."""
    alive = [
        worker_id
        for worker_id, worker in tables.workers.items()
        if worker.was_seen_since(tables.now - timedelta(minutes=1))
        and worker.serves(lone.queue, lone.task_type)
    ]
    return min(alive, key=lambda worker_id: _draw(worker_id, lone.job_id), default=None)


def _rescue(tables: Tables, queue: str) -> list[Row]:
    """End the leases of a queue that have expired; return the tasks that this was the end of."""
    endings = [
        {
            "job_id": task.job_id,
            "task_number": task.task_number,
            "lease_token": task.lease_token,
            "outcome": "lease_lost",
            "error": _why_lost(task, tables.now),
        }
        for task in tables.tasks()
        if task.queue == queue
        and task.is_leased
        and task.lease_expires_at is not None
        and task.lease_expires_at <= tables.now
    ]
    return end_leases(tables, endings, None)


def _why_lost(task: TaskRow, now: datetime) -> Row:
    if task.started_at and task.timeout and task.started_at + task.timeout < now:
        text = f"worker {task.worker_id} did not end it after its timeout of {_interval(task.timeout)}"
        return {"type": "TimedOut", "message": text}
    if task.started_at and task.deadline_at and task.deadline_at < now:
        return {"type": "TimedOut", "message": f"worker {task.worker_id} did not end it at its deadline"}
    return {"type": "LeaseLost", "message": f"worker {task.worker_id} stopped renewing its lease"}


def _interval(length: timedelta) -> str:
    """Return a length of time as Postgres writes it, of which days are none."""
    minutes, seconds = divmod(length // timedelta(seconds=1), 60)
    fraction = f"{length.microseconds:06}".rstrip("0")
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}" + (f".{fraction}" if fraction else "")


def _promote(tables: Tables, queue: str) -> None:
    """Make due tasks of a queue ready, in the order of their times."""
    due = [task for task in _not_ready(tables, (queue,)) if task.run_at <= tables.now]
    for task in sorted(due, key=lambda task: task.run_at):
        task.position = tables.next_number()


def _claim_ready(tables: Tables, claim: Claim, want: int) -> tuple[list[TaskRow], bool]:
    """Lease ready tasks and return them, and whether there may be more."""
    queues = [queue for queue in dict.fromkeys(claim.queues) if not is_paused(tables, queue)]
    ready = [task for queue in queues for task in _ready(tables, claim, queue) if not _is_lone(task)]
    in_order = chosen(ready, claim.weights, read_turns(claim.marks), claim.request_id)
    in_order = Rooms(tables).fit(in_order)  # what a limit holds back is not more
    taken = claim.lease(tables, _within(BYTES_LIMIT, in_order[:want]))
    return taken, len(taken) == want or len(taken) < len(in_order)


def _within(bytes_left: int, tasks: list[TaskRow]) -> list[TaskRow]:
    """Return as many as one answer may carry: it must arrive within a try."""
    chosen: list[TaskRow] = []
    for task in tasks:
        if bytes_left <= 0:
            break
        chosen.append(task)
        bytes_left -= task.payload_bytes
    return chosen


def _ready(tables: Tables, claim: Claim, queue: str) -> Iterator[TaskRow]:
    return (
        task
        for task in tables.tasks()
        if task.queue == queue and task.is_ready and claim.serves(task) and not is_late(task, tables.now)
    )


def _is_lone(task: TaskRow) -> bool:
    return task.lost_leases >= LONE_LEASES


def _seconds_to_next(tables: Tables, claim: Claim) -> float | None:
    """Return in how many seconds the next task is due, or a window ends that holds tasks back."""
    moments = [task.run_at for task in _not_ready(tables, claim.queues)]
    window = next_window(tables, claim.queues, claim.task_types)
    next_at = min([*moments, *([window] if window else [])], default=None)
    return (next_at - tables.now).total_seconds() if next_at else None


def _not_ready(tables: Tables, queues: Collection[str]) -> list[TaskRow]:
    return [
        task
        for task in tables.tasks()
        if task.queue in queues and task.status == "pending" and task.position is None
    ]


def _by_priority(task: TaskRow) -> tuple[int, int]:
    return -task.priority, _position(task)


def _position(task: TaskRow) -> int:
    assert task.position is not None
    return task.position


def _draw(*parts: str) -> str:
    """Return what makes a choice that differs from one claim or job to the next, and is the same again."""
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()
