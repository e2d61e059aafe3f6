"""What claims under limits read beside much that waits and has ended, whatever the planner believes."""

from __future__ import annotations

from uuid import uuid4

from supaqueue.devstack import Stack
from tests.sql.calls import Calls, Worker, endings, new_job
from tests.sql.large import fill
from tests.sql.plans import explained, scans

ROWS = 20


def test_claims_under_limits_look_up_by_indexes(superuser_calls: Calls, stack: Stack) -> None:
    """The limits, of which there are few, are read whole; of jobs, tasks and windows nothing else is."""
    connection, queue = superuser_calls.connection, f"q-{uuid4().hex[:8]}"
    worker = Worker(connection, queues=[queue], task_types=["count", "pay"])
    for _ in range(7):  # from the sixth call on a session may keep one plan for all arguments
        worker.claim(ROWS)
    fill(connection, queue, finished=20_000, waiting=20_000)
    calls = Worker(connection)
    calls.enqueue(*(new_job(queue, "pay", tenant=f"t{n}") for n in range(10 * ROWS)))
    calls.limit_running(
        {"queue": queue, "running_limit": 60, "starts_limit": 1000, "starts_seconds": 3600},
        {"task_type": "count", "running_limit": 10},
        {"task_type": "pay", "each_tenant": True, "starts_limit": 1, "starts_seconds": 3600},
    )
    for _ in range(30):  # what waited when the limit was set is set apart meanwhile
        worker.finish(endings(worker.claim(ROWS), "done"))
    calls.enqueue(*(new_job(queue, "pay", tenant=f"late{n}") for n in range(ROWS)))
    with explained(connection) as plans:
        assert worker.claim(ROWS)
    found = scans(plans)
    assert {scan.index for scan in found} >= {"job_tasks_tenants", "job_tasks_limited"}, sorted(
        {str(scan.index) for scan in found}
    )
    assert [scan for scan in found if scan.reads_all and scan.index != "job_tasks_limited"] == []
    assert [scan for scan in found if scan.rows > 40 * ROWS] == []
