"""What the tasks of a job that is made of several are held to."""

from __future__ import annotations

from typing import Any

from supaqueue.contract.new_task import MOST_TASKS
from supaqueue.contract.task_order import check_order
from supaqueue.errors import InvalidInput
from supaqueue.testing.memory.checks import check_rows, refuse_first
from supaqueue.testing.memory.refused import invalid
from supaqueue.testing.memory.tables import Row
from supaqueue.testing.memory.task_types import POLICY, policy_problem

_FIELDS = {
    "name": "1 to 200 characters",
    "task_type": "1 to 200 characters",
    "payload": "JSON",
    "after": "an array of names",
    **{name: kind for name, kind in POLICY.items() if name != "deadline_seconds"},
}
_OF_EACH_TASK = ("payload", "order_key", *(name for name in _FIELDS if name in POLICY))


def check_graphs(jobs: list[Row]) -> None:
    """Refuse jobs of several tasks that cannot be run as they are asked for."""
    for number, job in enumerate(jobs):
        if job.get("tasks") is None and job.get("on_failure") is None:
            continue
        if problem := _problem(job):
            raise invalid(f"jobs[{number}].{problem}")
        _check_tasks(f"jobs[{number}].tasks", job["tasks"])


def _problem(job: Row) -> str | None:
    if job.get("tasks") is None:
        return "on_failure: expected none without tasks"
    if job.get("on_failure") is None:
        return "on_failure: expected fail, skip or continue, together with tasks"
    if job["on_failure"] not in ("fail", "skip", "continue"):
        return "on_failure: expected fail, skip or continue"
    if job.get("unique_conflict") not in (None, "reject"):
        return "unique_conflict: expected reject for a job of several tasks"
    given = (name for name in _OF_EACH_TASK if job.get(name) is not None)
    return next((f"{name}: expected none together with tasks" for name in given), None)


def _check_tasks(place: str, tasks: list[Any]) -> None:
    check_rows(f"{place}[%s]", tasks, _FIELDS, ["name", "task_type"])
    if not 1 <= len(tasks) <= MOST_TASKS:
        raise invalid(f"{place}: expected 1 to {MOST_TASKS} tasks")
    refuse_first(place, map(policy_problem, tasks))
    try:
        check_order([task["name"] for task in tasks], [task.get("after") or [] for task in tasks])
    except InvalidInput as refused:
        raise invalid(f"{place.removesuffix('tasks')}{refused.field}: {refused.message}") from None
