"""Limits on what runs, with both clients over every transport."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from supaqueue import RunningLimit
from supaqueue.contract import ClaimJobTasks, FinishedTask
from supaqueue.errors import InvalidInput
from supaqueue.transport import Transport
from tests.contract.test_queues import finish


def claim(worker: Transport, queue: str, *task_types: str, want: int = 10) -> Any:
    return worker.send(ClaimJobTasks(str(uuid4()), "w", (queue,), task_types, want, 0, 60.0, {}))


def test_limits_hold_until_they_are_removed(
    queue: Any, make_limits: Callable[[Any], Any], worker: Transport, queue_name: str
) -> None:
    limits = make_limits(queue)
    queue.enqueue_many([{"task_type": kind, "queue": queue_name} for kind in ("bill", "mail") * 4])
    of_queue = RunningLimit(queue_name, running_limit=3)
    of_type = RunningLimit(queue_name, "bill", running_limit=1)
    told = limits.set([of_queue, of_type], by="me")
    assert [(one.queue, one.task_type, one.running_limit, one.changed_by) for one in told] == [
        (queue_name, None, 3, "me"),
        (queue_name, "bill", 1, "me"),
    ]
    claimed = claim(worker, queue_name, "bill", "mail")
    assert Counter(task.task_type for task in claimed.tasks) == {"bill": 1, "mail": 2}
    assert (claimed.more, claimed.wait_seconds) == (False, None)
    assert claim(worker, queue_name, "bill", "mail").tasks == ()
    uses = [use for use in limits.list() if use.limit.queue == queue_name]
    assert sorted((use.limit.task_type or "", use.running) for use in uses) == [("", 3), ("bill", 1)]
    finish(worker, *(FinishedTask(task.ref, "done") for task in claimed.tasks))
    limits.remove(queue_name)
    assert len(claim(worker, queue_name, "bill", "mail").tasks) == 2 + 1
    limits.remove(queue_name, "bill", by="me")
    assert len(claim(worker, queue_name, "bill", "mail").tasks) == 2
    assert [use for use in limits.list() if use.limit.queue == queue_name] == []


def test_each_tenant_may_begin_so_many_in_a_window(
    queue: Any, make_limits: Callable[[Any], Any], worker: Transport, queue_name: str
) -> None:
    limits = make_limits(queue)
    for tenant in ("a", "b", None):
        queue.enqueue_many([{"task_type": "bill", "queue": queue_name, "tenant": tenant}] * 3)
    limit = RunningLimit(queue_name, each_tenant=True, starts_limit=2, starts_seconds=timedelta(hours=1))
    [told] = limits.set(limit)
    assert (told.each_tenant, told.starts_limit, told.starts_seconds) == (True, 2, 3600)
    claimed = claim(worker, queue_name, "bill")
    assert len(claimed.tasks) == 2 + 2 + 3
    held_back = claim(worker, queue_name, "bill")
    assert (held_back.tasks, held_back.more) == ((), False)
    assert 3000 < held_back.wait_seconds <= 3600
    [use] = [use for use in limits.list() if use.limit.queue == queue_name]
    assert (use.running, use.starts) == (2, 2)


def test_what_is_no_limit_is_refused_by_name(queue: Any, make_limits: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidInput, match=r"limits\[0\].running_limit: must be given"):
        make_limits(queue).set(RunningLimit("q"))
    with pytest.raises(InvalidInput, match="starts_seconds: must be given with starts_limit"):
        RunningLimit("q", starts_limit=3)
    with pytest.raises(InvalidInput, match="queue: must be given"):
        RunningLimit(running_limit=3)
