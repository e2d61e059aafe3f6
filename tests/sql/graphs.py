"""Jobs of several tasks, as rows of calls, and workers that run them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.sql.calls import Calls, Row, Worker, answers, endings, new_job

DIAMOND: Mapping[str, Sequence[str]] = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


def graph(queue: str, after: Mapping[str, Sequence[str]], on_failure: str = "fail", **options: Any) -> Row:
    """Return a job of these tasks, each with the names of those before it."""
    tasks = [new_task(name, before) for name, before in after.items()]
    job = new_job(queue, "whole", tasks=tasks, on_failure=on_failure) | options
    return {name: value for name, value in job.items() if name != "payload"}


def new_task(name: str, after: Sequence[str] = (), **options: Any) -> Row:
    """Return a task as `enqueue_jobs_v1` takes it; its payload is its name."""
    return {"name": name, "task_type": "count", "payload": name, "after": list(after)} | options


def fan(width: int) -> dict[str, list[str]]:
    """Return a first task, `width` behind it, and a last one behind those."""
    middle = [f"m{number}" for number in range(width)]
    return {"first": []} | {name: ["first"] for name in middle} | {"last": middle}


def enqueue_graph(
    calls: Calls, queue: str, after: Mapping[str, Sequence[str]], on_failure: str = "fail", **options: Any
) -> str:
    """Enqueue a job of these tasks and return its id."""
    job = graph(queue, after, on_failure, **options)
    assert answers(calls.enqueue(job)) == ["created"]
    return str(job["job_id"])


def statuses(calls: Calls, job_id: str) -> dict[str, str]:
    """Return what each task of a job is, by name; one that was skipped is `skipped`."""
    rows = calls.connection.execute(
        "select task_name, case when skipped then 'skipped' else status end from job_tasks where job_id = %s"
        " order by task_number",
        [job_id],
    )
    return dict(rows.fetchall())


def by_name(tasks: Iterable[Row]) -> dict[str, Row]:
    return {task["task_name"]: task for task in tasks}


def end(worker: Worker, task: Row, outcome: str = "done", **options: Any) -> None:
    """Finish one task; what is done has its name as the result."""
    if outcome == "done":
        options = {"result": task["task_name"]} | options
    worker.finish(endings([task], outcome, **options))


def run_all(worker: Worker, outcomes: Mapping[str, str] | None = None) -> list[str]:
    """Run tasks until nothing is ready, and return their names in the order in which they ran."""
    ran = []
    while tasks := worker.claim_all(idle_claims=3):
        for task in tasks:
            end(worker, task, (outcomes or {}).get(task["task_name"], "done"))
            ran.append(task["task_name"])
    return ran


def read_results(worker: Worker, task: Row, after: int = -1) -> Row:
    """Read a page of what came before a task."""
    return dict(
        worker.call(
            "read_results_v1",
            worker_id=worker.worker_id,
            job_id=task["job_id"],
            task_number=task["task_number"],
            lease_token=task["lease_token"],
            after_number=after,
        )
    )
