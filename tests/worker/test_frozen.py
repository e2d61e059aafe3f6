"""A worker stopped with SIGSTOP inside a handler until its lease is another's, then continued."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.contract import HeartbeatJobTasks
from tests.faults.proxy import Fault, FaultProxy
from tests.faults.state import State, read_state
from tests.worker.processes import WorkerProcess
from tests.worker.running import OwnQueue
from tests.worker.waiting import until

Start = Callable[..., WorkerProcess]
OPTIONS = ("--lease-seconds", "2", "--concurrency", "2")


def rows_of(database: psycopg.Connection[Any], job_id: str) -> State:
    return read_state(database, [job_id], {})


@pytest.mark.parametrize("task_type", ["pass_gate", "pass_gate_in_thread", "block_loop"])
@pytest.mark.parametrize("heard_from", ["finish", "either"])
def test_frozen_worker_changes_nothing(
    heard_from: str,
    task_type: str,
    queue: OwnQueue,
    start: Start,
    gate: Path,
    proxy: FaultProxy,
    database: psycopg.Connection[Any],
) -> None:
    if heard_from == "finish":
        # Only its finish can tell it: every heartbeat is refused from the start.
        proxy.expect_always(HeartbeatJobTasks.function, Fault.ANSWER_400)
    first = start(*OPTIONS, url=proxy.url)
    job_id = queue.enqueue(task_type, {"folder": str(gate)})
    until(lambda: first.has_entered(gate), "the first worker inside the handler")
    first.freeze()
    second = start(*OPTIONS)
    until(lambda: second.has_entered(gate), "the second worker inside the handler")
    (gate / "open").touch()
    job = queue.ended(job_id)
    assert job.status == "completed"
    second_id = job.tasks[0].history[-1].worker_id
    assert job.result == second_id
    before = rows_of(database, job_id)

    first.thaw()
    lost = until(lambda: first.logged("lease_lost"), "the first worker to hear that its lease is lost")
    assert first.terminate() == 0
    assert rows_of(database, job_id) == before
    assert [(event["job_id"], event["where"] in ("finish", "heartbeat")) for event in lost] == [
        (job_id, True)
    ]
    if heard_from == "finish":
        assert lost[0]["where"] == "finish"
    assert first.logged("job_succeeded") == []
    assert len(first.logged("lease_lost")) == 1
    assert [attempt.outcome for attempt in queue.task(job_id).history] == ["lease_lost", "done"]
    assert str(second_id).split(":")[1] == str(second.pid)
