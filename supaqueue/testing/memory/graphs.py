"""Jobs of several tasks: what the end of one means for the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from supaqueue.testing.memory.settle import settle
from supaqueue.testing.memory.tables import LONE_LEASES, WAITING, JobRow, Tables, TaskRow


def go_on(tables: Tables, ended: Sequence[TaskRow]) -> None:
    """Let what waits for these tasks go on, or skip it; they have just ended."""
    in_graphs = [task for task in ended if task.name is not None]
    for task in in_graphs:
        if task.status != "completed":
            _skip(tables, tables.jobs[task.job_id], task)
    for task in sorted(in_graphs, key=lambda task: task.job_id):
        _let_go(tables, tables.jobs[task.job_id], task)
    for job_id in {task.job_id for task in in_graphs}:
        settle(tables.jobs[job_id], tables.now)


def is_stopping(job: JobRow) -> bool:
    """Whether its failure stopped it, and some task of it has not ended yet."""
    return job.stopped and any(task.is_leased for task in job.tasks)


def open_skipped_tasks(tables: Tables, job_ids: Iterable[str]) -> None:
    """Open what was skipped because of replayed tasks, unless another one still holds it."""
    for job_id in dict.fromkeys(job_ids):
        job = tables.jobs[job_id]
        job.stopped = False
        dead = [task for task in job.tasks if _is_dead(task)]
        if job.on_failure == "continue" or (job.on_failure == "fail" and dead):
            continue
        held = _behind(job, dead)
        for task in job.tasks:
            if task.skipped and task.task_number not in held:
                _open(tables, task)
        settle(job, tables.now)


def _skip(tables: Tables, job: JobRow, failed: TaskRow) -> None:
    if job.on_failure == "fail" and not job.stopped:
        job.stopped = True
        job.cancel_requested_at = job.cancel_requested_at or tables.now
        _cancel(tables, (task for task in job.tasks if task.status in WAITING))
    elif job.on_failure == "skip":
        behind = _behind(job, [failed])
        _cancel(tables, (job.tasks[number] for number in behind if job.tasks[number].status == "blocked"))


def _cancel(tables: Tables, tasks: Iterable[TaskRow]) -> None:
    for task in tasks:
        task.status, task.skipped, task.position, task.finished_at = "cancelled", True, None, tables.now


def _behind(job: JobRow, tasks: Iterable[TaskRow]) -> set[int]:
    """Return the numbers of all tasks that come after these, directly or by way of others."""
    found: set[int] = set()
    to_see = [number for task in tasks for number in task.runs_before]
    while to_see:
        number = to_see.pop()
        if number not in found:
            found.add(number)
            to_see += job.tasks[number].runs_before
    return found


def _let_go(tables: Tables, job: JobRow, task: TaskRow) -> None:
    # What let them go on although it failed, and was replayed, has no say any more.
    lets_go = (
        task.replayed_lease_token is None if job.on_failure == "continue" else task.status == "completed"
    )
    for number in task.runs_before if lets_go else ():
        behind = job.tasks[number]
        if behind.status != "blocked" and not behind.skipped:
            continue
        behind.waits_for -= 1
        if behind.status == "blocked" and behind.waits_for == 0:
            behind.status, behind.run_at = "pending", tables.now
            behind.position = tables.next_number()
            behind.deadline_at = behind.deadline_at and max(behind.deadline_at, tables.now)


def _is_dead(task: TaskRow) -> bool:
    return task.status == "failed" or (task.status == "cancelled" and not task.skipped)


def _open(tables: Tables, task: TaskRow) -> None:
    """As a replay does, where it had begun before it was stopped."""
    task.skipped = task.parked = False
    task.status = "blocked" if task.waits_for else "pending"
    task.run_at = tables.now
    task.position = None if task.waits_for else tables.next_number()
    task.deadline_at = task.started_at = task.finished_at = None
    task.max_attempts += task.attempts - task.attempts_before_replay
    task.attempts_before_replay = task.attempts
    task.replayed_lease_token = task.lease_token or task.replayed_lease_token
    task.lost_leases = min(task.lost_leases, LONE_LEASES)
