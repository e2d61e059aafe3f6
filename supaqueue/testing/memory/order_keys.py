"""Order keys: one task of a key has the turn, those behind it are blocked."""

from __future__ import annotations

import json
import re
from typing import Any

from supaqueue.testing.memory.changes import begin_change, check_changed_by, check_request_id
from supaqueue.testing.memory.checks import check_call, check_range, check_rows
from supaqueue.testing.memory.moment import written
from supaqueue.testing.memory.refused import invalid
from supaqueue.testing.memory.tables import Row, Tables, TaskRow

ORDER = {"order_key": "1 to 200 characters", "order_on_failure": "a string"}
MOST_KEYS = 1000
MOST_COUNTED = 1000
_PAGE = re.compile(r'\["([^"\\]|\\.)*", "([^"\\]|\\.)*"\]')


def order_problem(row: Row) -> str | None:
    """Return what is wrong with how a job is to be ordered, None if nothing."""
    if row.get("order_key") is None:
        is_given = row.get("order_on_failure") is not None
        return "order_on_failure: expected none without order_key" if is_given else None
    if row.get("order_on_failure") not in (None, "block", "continue"):
        return "order_on_failure: expected block or continue"
    if row.get("unique_conflict") in ("replace", "push_back"):
        return "order_key: expected none together with unique_conflict replace or push_back"
    return None


def wait_for_turn(tables: Tables, task: TaskRow, order_key: str, on_failure: str | None) -> None:
    """Let a new task wait for the turn of its key."""
    task.order_key, task.key_position = order_key, tables.next_number()
    task.blocks_key = on_failure != "continue"
    task.status, task.position = "blocked", None


def promote_order_keys(tables: Tables, queues: tuple[str, ...]) -> None:
    """Let the first that waits for a key have its turn, where nobody has it; the longest free key first."""
    taken = {(task.queue, task.order_key) for task in tables.tasks() if task.has_turn}
    waiting = [
        task
        for task in tables.tasks()
        if task.status == "blocked" and task.order_key is not None and task.queue in queues
    ]
    heads: dict[tuple[str, str | None], TaskRow] = {}
    for task in sorted(waiting, key=lambda task: task.key_position or 0):
        if (task.queue, task.order_key) not in taken:
            heads.setdefault((task.queue, task.order_key), task)
    for task in sorted(heads.values(), key=lambda task: _free_since(tables, task)):
        task.status, task.position = "pending", tables.position_at(task.run_at)
        if task.deadline_at is not None:
            task.deadline_at = max(task.deadline_at, tables.now)


def list_blocked_keys_v1(tables: Tables, queue: Any, page: Any, page_size: Any, contract_version: Any) -> Row:
    """List the keys that a failed task blocks, by queue and key, by page."""
    check_call(contract_version)
    if queue is not None and not 1 <= len(queue) <= 200:
        raise invalid("queue: expected 1 to 200 characters, or null")
    check_range("page_size", page_size, 1, 1000)
    if page is not None and not _PAGE.fullmatch(page):
        raise invalid("page: expected next_page of the last answer, or null")
    after = tuple(json.loads(page)) if page else ("", "")
    found = {
        (task.queue, task.order_key or ""): task
        for task in tables.tasks()
        if _blocks(task) and queue in (None, task.queue)
    }
    shown = [found[name] for name in sorted(found) if name > after][:page_size]
    last = shown[-1] if len(shown) == page_size else None
    return {
        "blocked_keys": [_blocked_key(tables, task) for task in shown],
        "next_page": json.dumps([last.queue, last.order_key], ensure_ascii=False) if last else None,
    }


def release_keys_v1(
    tables: Tables, request_id: Any, keys: Any, reason: Any, changed_by: Any, contract_version: Any
) -> list[Row]:
    """Let keys go on past the failed task that blocks each."""
    check_call(contract_version)
    check_rows(
        "keys[%s]",
        keys,
        {"queue": "1 to 200 characters", "order_key": "1 to 200 characters"},
        ["queue", "order_key"],
    )
    request = check_request_id(request_id)
    if not 1 <= len(keys) <= MOST_KEYS:
        raise invalid("keys: expected 1 to 1000")
    if len(reason or "") > 1000:
        raise invalid("reason: expected at most 1000 characters")
    check_changed_by(changed_by)
    if begin_change(tables, request):
        tables.released[request] = _release(tables, keys)
    return tables.released[request]


def _release(tables: Tables, keys: list[Row]) -> list[Row]:
    wanted = {(row["queue"], row["order_key"]) for row in keys}
    blocking = [task for task in tables.tasks() if _blocks(task) and (task.queue, task.order_key) in wanted]
    released = {(task.queue, task.order_key): task.job_id for task in blocking}
    for task in blocking:
        task.blocks_key = False
        tables.end_turn(task)
    return [_released(row, released.get((row["queue"], row["order_key"]))) for row in keys]


def _released(row: Row, job_id: str | None) -> Row:
    answer = "not_blocked" if job_id is None else "released"
    return {"queue": row["queue"], "order_key": row["order_key"], "answer": answer, "job_id": job_id}


def _blocks(task: TaskRow) -> bool:
    return task.status == "failed" and task.has_turn


def _blocked_key(tables: Tables, blocking: TaskRow) -> Row:
    waiting = sum(
        task.status == "blocked" and (task.queue, task.order_key) == (blocking.queue, blocking.order_key)
        for task in tables.tasks()
    )
    return {
        "queue": blocking.queue,
        "order_key": blocking.order_key,
        "job_id": blocking.job_id,
        "task_number": blocking.task_number,
        "lease_token": blocking.lease_token,
        "task_type": blocking.task_type,
        "failed_at": written(blocking.finished_at),
        "error_type": (blocking.error or {}).get("type"),
        "waiting": min(waiting, MOST_COUNTED),
    }


def _free_since(tables: Tables, head: TaskRow) -> int:
    """Return when a key came to need a turn: with what ended the last one, else with what came first."""
    return tables.turns_ended.get((head.queue, head.order_key or ""), head.key_position or 0)
