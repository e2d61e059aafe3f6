"""Workers on jobs of several tasks: results reach every kind of handler, and a killed worker loses none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from supaqueue import Context, NewTask, Registry, sequence
from tests.worker.processes import WorkerProcess
from tests.worker.running import OwnQueue
from tests.worker.waiting import until


def test_results_reach_async_and_sync_handlers(queue: OwnQueue, registry: Registry) -> None:
    @registry.task("give")
    async def give(number: int) -> dict[str, Any]:
        return {"number": number}

    @registry.task("in_thread")
    def in_thread(context: Context) -> list[Any]:
        return sorted(result["number"] for result in context.results.values())

    @registry.task("in_loop")
    async def in_loop(context: Context) -> Any:
        return context.results["in_thread"]

    given = [NewTask("give", n, name=f"give {n}") for n in range(5)]
    with queue.worker(registry):
        tasks = sequence(given, NewTask("in_thread"), NewTask("in_loop"))
        job_id = queue.enqueue("whole", tasks=tasks, on_failure="fail")
        job = queue.ended(job_id)
    assert (job.status, job.result) == ("completed", [0, 1, 2, 3, 4])


def test_a_worker_killed_in_the_middle_leaves_the_rest_to_another(
    start: Callable[..., WorkerProcess], queue: OwnQueue, gate: Path
) -> None:
    passing = {"folder": str(gate)}
    tasks = sequence(
        NewTask("pass_gate", passing, name="first"),
        [NewTask("pass_gate", passing, name=f"middle {n}") for n in range(3)],
        NewTask("pass_gate", passing, name="last"),
    )
    job_id = queue.enqueue("whole", tasks=tasks, on_failure="fail")
    killed = start("--lease-seconds", "1")
    until(lambda: killed.has_entered(gate), "the first task runs")
    killed.kill()
    (gate / "open").touch()
    start("--lease-seconds", "5")
    job = queue.ended(job_id)
    assert job.status == "completed"
    tasks_now = list(queue.client.list_tasks(job_id))
    assert [(task.name, task.lost_leases) for task in tasks_now if task.lost_leases] == [("first", 1)]
    assert [task.status for task in tasks_now] == ["completed"] * 5
