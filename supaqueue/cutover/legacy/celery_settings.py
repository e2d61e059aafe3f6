"""Settings of a Celery app with which jobs are lost or run twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from celery import Celery

from supaqueue.cutover.legacy.celery_worker import GuardedTask

DEFAULT_VISIBILITY_SECONDS = 3600.0


def settings_that_lose_jobs(app: Celery, longest_run_seconds: float) -> list[str]:
    """Return a sentence for each, with what to set; nothing is asked of the broker or of workers."""
    tasks = sorted((task for task in app.tasks.values() if not _is_builtin(task)), key=lambda task: task.name)
    found = [*_of_app(app.conf)]
    if app.connection_for_write().transport.driver_type in ("redis", "sentinel"):
        found += _of_redis(app.conf.broker_transport_options or {}, longest_run_seconds)
    for concerns, sentence in _OF_TASKS:
        names = [str(task.name) for task in tasks if concerns(task)]
        if names:
            found.append(f"{_listed(names)}: {sentence}")
    return found


def _of_app(conf: Any) -> Iterator[str]:
    if conf.task_protocol != 2:
        yield "messages of protocol 1 have no headers, and so no stamp: set task_protocol = 2"
    if conf.task_always_eager:
        yield "tasks run where they are sent, and no worker sees them: set task_always_eager = False"
    if conf.worker_prefetch_multiplier != 1:
        yield (
            "a worker fetches tasks ahead, which wait behind what it runs and come back late if it dies:"
            " set worker_prefetch_multiplier = 1"
        )
    if not conf.task_acks_on_failure_or_timeout:
        yield ("a task that failed for good comes back for ever: set task_acks_on_failure_or_timeout = True")
    if conf.worker_deduplicate_successful_tasks:
        yield (
            "a worker ignores a task that succeeded before, also if its end could not be recorded: set"
            " worker_deduplicate_successful_tasks = False, the guard does this"
        )


def _of_redis(options: dict[str, Any], longest_run_seconds: float) -> Iterator[str]:
    visible = float(options.get("visibility_timeout", DEFAULT_VISIBILITY_SECONDS))
    if visible <= longest_run_seconds:
        yield (
            f"a task is delivered again after {visible:g} s, while it may run for {longest_run_seconds:g}:"
            " set broker_transport_options['visibility_timeout'] above the longest run, and above the most"
            " that a task is delayed"
        )
    if options.get("ack_emulation") is False:
        yield "what a dead worker held is gone: remove broker_transport_options['ack_emulation']"
    if options.get("socket_timeout") is None or options.get("socket_connect_timeout") is None:
        yield (
            "a broker that stops answering hangs whoever enqueues: set socket_timeout and"
            " socket_connect_timeout in broker_transport_options, to 5 for example"
        )


def _has_only_a_hard_limit(task: Any) -> bool:
    hard = task.time_limit or task.app.conf.task_time_limit
    soft = task.soft_time_limit or task.app.conf.task_soft_time_limit
    return bool(hard) and (not soft or soft >= hard)


_OF_TASKS: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (
        lambda task: not isinstance(task, GuardedTask),
        "asks no guard, so that a job may run twice and nobody learns of its end: set"
        " base=guarded_task(guard)",
    ),
    (
        lambda task: not task.acks_late,
        "acknowledged before it runs, so that a worker that dies loses it: set task_acks_late = True",
    ),
    (
        lambda task: not task.reject_on_worker_lost,
        "acknowledged as failed if its process is killed: set task_reject_on_worker_lost = True",
    ),
    (
        lambda task: task.expires is not None,
        "dropped without a word once it expires: remove `expires`",
    ),
    (
        _has_only_a_hard_limit,
        "killed at its time limit before its end can be recorded: set a soft_time_limit well below it",
    ),
)


def _is_builtin(task: Any) -> bool:
    return str(task.name).startswith("celery.")


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
