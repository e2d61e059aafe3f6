"""Which ready tasks a claim takes: priorities, tenants in turn, queues by weight."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from supaqueue.testing.memory.tables import Row, TaskRow

Line = tuple[str, int]
"""A queue and a priority."""


def chosen(
    ready: Iterable[TaskRow], weights: Mapping[str, float], turns: Mapping[Line, str], request_id: str
) -> list[TaskRow]:
    """Return ready tasks in the order in which a claim takes them.

    Within a queue the higher priority goes first, within a line tenants go in turn, after the one that was
    served last. The r-th task of a queue has the key (r - 1 + draw) / weight, and the least keys win.
    """
    keyed = []
    for queue, tasks in groupby(sorted(ready, key=lambda task: (task.queue, -task.priority)), _queue):
        draw, weight = _exponential(request_id, queue), weights.get(queue, 1)
        in_order = [
            task for line, of_line in groupby(tasks, line_of) for task in _in_turn(of_line, turns.get(line))
        ]
        keyed += [((rank + draw) / weight, queue, rank, task) for rank, task in enumerate(in_order)]
    return [task for *_, task in sorted(keyed, key=lambda entry: entry[:3])]


def line_of(task: TaskRow) -> Line:
    """Return the line in which a task is."""
    return task.queue, task.priority


def read_turns(marks: Row) -> dict[Line, str]:
    """Return whose turn was last in each line, as the last claim answered it."""
    return {
        (queue, int(priority)): tenant
        for queue, of_queue in marks.items()
        for priority, tenant in of_queue.items()
    }


def next_turns(turns: Mapping[Line, str], taken: Iterable[TaskRow]) -> Row:
    """Return the marks that tell the next claim whose turn it is."""
    last = dict(turns) | {line_of(task): task.tenant or "" for task in taken}
    marks: dict[str, Any] = {}
    for (queue, priority), tenant in last.items():
        if tenant:
            marks.setdefault(queue, {})[str(priority)] = tenant
    return marks


def _in_turn(tasks: Iterable[TaskRow], last: str | None) -> list[TaskRow]:
    """Return the tasks of one line: the first of each tenant, the second of each, and so on."""
    ranks: dict[str, int] = {}
    ordered = []
    for task in sorted(tasks, key=lambda task: task.position or 0):
        tenant = task.tenant or ""
        ranks[tenant] = ranks.get(tenant, 0) + 1
        ordered.append((ranks[tenant], tenant <= (last or ""), tenant, task))
    return [task for *_, task in sorted(ordered, key=lambda entry: entry[:3])]


def _queue(task: TaskRow) -> str:
    return task.queue


def _exponential(*parts: str) -> float:
    digest = hashlib.md5("".join(parts).encode(), usedforsecurity=False).digest()
    return -math.log((int.from_bytes(digest[:6], "big") + 1) / (1 << 48))
