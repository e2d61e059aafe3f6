"""The guard in RQ workers: a decorator for existing functions, and a registry's handlers as one RQ function.

A message without a stamp runs as ever, and is counted. What is held is scheduled again as RQ does it with a
job that returns `rq.Retry`; neither its retries nor its count of retries change.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from math import ceil
from typing import Any, TypeVar

from rq import Retry, get_current_job
from rq.job import Job

from supaqueue.backoff import Backoff
from supaqueue.contract import ClaimedTask, Json, TaskTypeOptions
from supaqueue.cutover.guard import UPGRADE_SECONDS, Guard
from supaqueue.cutover.handler_run import Again, completed, failed, retry_seconds, run_handler
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.legacy.rq_messages import ATTEMPTS, DEFAULT_ATTEMPTS, STAMP, Attempts, stamp_of
from supaqueue.cutover.legacy.rq_unstamped import job_id_of
from supaqueue.cutover.marked_run import MarkedRun
from supaqueue.worker import Registry
from supaqueue.worker.probe import served_handler
from supaqueue.worker.registry import Handler

_log = logging.getLogger(__name__)

NO_LIMIT = 2**31
_inside: ContextVar[bool] = ContextVar("inside a guarded RQ job", default=False)
F = TypeVar("F", bound=Callable[..., Any])


class HandlerFailed(Exception):
    """What a registry's handler ended with, as RQ records it: the error's type and message."""


def rq_guarded(guard: Guard, task_type: str | None = None) -> Callable[[F], F]:
    """Return a decorator for functions that RQ runs already; they keep their signature, async or not.

    One that raises is tried again as its job says (`max_attempts`, `backoff`; without them 5 times), one that
    returns `rq.Retry` as that says; then it has failed. Called outside a worker it asks nobody.

    Args:
        task_type: as the guard knows it; by default the function's dotted path.

    >>> @rq_guarded(guard)                                                          # doctest: +SKIP
    ... def resize(path, width): ...
    """

    def decorate(function: F) -> F:
        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            job = get_current_job()
            if job is None or _inside.get():
                return function(*args, **kwargs)
            name = task_type or str(job.func_name)
            return _admitted(guard, job, name, lambda run: _attempt(run, job, function, args, kwargs))

        return guarded  # type: ignore[return-value]

    return decorate


def rq_handler(registry: Registry, guard: Guard) -> Callable[[str, Json], Any]:
    """Return the function that runs every handler of a registry; `RqBroker(handlers=...)` takes its path.

    It has to be a name of a module that workers can import. Attempts, backoff and timeout are the job's, else
    those that the registry declares for the type.

    >>> run = rq_handler(registry, guard)                                           # doctest: +SKIP
    """
    declared = {options.task_type: options for options in registry.options}

    def run(task_type: str, payload: Json) -> Any:
        """Run the handler of a task type, if the guard lets it."""
        job = get_current_job()
        if job is None:
            raise TypeError("this runs in RQ workers only: call the function that was registered")
        handler = served_handler(registry, task_type)
        if handler is None:
            _log.warning("RQ job %s: no handler of %r here, it is held", job.id, task_type)
            return _hold(job, UPGRADE_SECONDS)
        options = declared.get(task_type) or TaskTypeOptions(task_type)
        return _admitted(guard, job, task_type, lambda run: _run_handler(run, job, handler, options, payload))

    return run


def _admitted(guard: Guard, job: Job, task_type: str, go: Callable[[MarkedRun], Any]) -> Any:
    admission = guard.admit(job.meta.get(STAMP), task_type, job_id_of(job))
    if admission.run is None:
        _log.info("RQ job %s: %s, %s", job.id, admission.verdict, admission.reason)
    if admission.verdict == "drop":
        return _earlier_result(guard, job)
    if admission.run is None:
        return _hold(job, admission.seconds)
    token = _inside.set(True)
    try:
        with admission.run as run:
            return go(run)
    finally:
        _inside.reset(token)


def _earlier_result(guard: Guard, job: Job) -> Any:
    """Return what the job came to before: RQ would write None over it, or never had it from a killed run."""
    stamp = stamp_of(job.meta)
    result = job.return_value(refresh=True)
    if result is not None:
        return result
    (entry,) = guard.index.get([stamp.job_id if stamp else job_id_of(job)])
    return entry.ending.result if entry is not None and entry.ending is not None else None


def _attempt(
    run: MarkedRun, job: Job, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    attempts = Attempts.from_meta(job.meta)
    attempts.spent += 1
    try:
        result = _called(function, args, kwargs)
    except Exception as raised:
        if run.stamp is None or _tries_again(job, attempts):
            run.free(has_failed=True)
            raise
        if run.finish(failed(raised, attempts.spent)) != "recorded":
            return _hold(job, run.lease_seconds)
        job.retries_left = 0
        raise
    if isinstance(result, Retry):
        return _retry_returned(run, job, result, attempts.spent)
    return _ended(run, job, completed(result, attempts.spent), result)


def _called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = function(*args, **kwargs)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def _tries_again(job: Job, attempts: Attempts) -> bool:
    """Prepare a retry through RQ's own retries, if there are any left."""
    if not job.should_retry or attempts.spent >= (attempts.max_attempts or DEFAULT_ATTEMPTS):
        return False
    job.meta[ATTEMPTS] = attempts.as_meta()  # RQ saves it with the retry
    job.retry_intervals = [ceil(retry_seconds(attempts.backoff or Backoff(), attempts.spent))]
    return True


def _retry_returned(run: MarkedRun, job: Job, retry: Retry, attempt: int) -> Any:
    if not job.number_of_retries or job.number_of_retries < retry.max:
        run.free(has_failed=True)
        return retry
    error: Json = {"type": "Retry", "message": f"asked for more than {retry.max} retries"}
    return _ended(run, job, Ending("failed", error=error, attempts=attempt), retry)


def _run_handler(run: MarkedRun, job: Job, handler: Handler, options: TaskTypeOptions, payload: Json) -> Any:
    attempts = Attempts.from_meta(job.meta)
    came = run_handler(
        handler,
        _claimed(job, options, attempts, payload),
        run,
        worker_id=str(job.worker_name),
        backoff=attempts.backoff or options.backoff,
    )
    if isinstance(came, Again):
        run.free(has_failed=came.spends_attempt)
        attempts.spent += came.spends_attempt
        job.meta[ATTEMPTS] = attempts.as_meta()
        return _hold(job, came.seconds)
    if came.status != "failed":
        return _ended(run, job, came, came.result)
    if run.finish(came) != "recorded":
        return _hold(job, run.lease_seconds)
    job.retries_left = 0
    raise HandlerFailed(_text(came.error))


def _claimed(job: Job, options: TaskTypeOptions, attempts: Attempts, payload: Json) -> ClaimedTask:
    stamp = stamp_of(job.meta)
    return ClaimedTask(
        job_id=stamp.job_id if stamp else job_id_of(job),
        task_number=1,
        queue=str(job.origin),
        task_type=options.task_type,
        payload=payload,
        lease_token=1,
        attempt=attempts.spent + 1,
        max_attempts=attempts.max_attempts or options.max_attempts or DEFAULT_ATTEMPTS,
        waited_seconds=0.0,
        timeout_seconds=attempts.timeout_seconds or options.timeout_seconds,
    )


def _ended(run: MarkedRun, job: Job, ending: Ending, result: Any) -> Any:
    return result if run.finish(ending) == "recorded" else _hold(job, run.lease_seconds)


def _hold(job: Job, seconds: float) -> Retry:
    # RQ adds one to the count for what is returned here; it is the team's to spend.
    job.number_of_retries = (job.number_of_retries or 0) - 1
    return Retry(max=NO_LIMIT, interval=ceil(seconds))


def _text(error: Json) -> str:
    return f"{error.get('type')}: {error.get('message')}" if isinstance(error, dict) else "failed"
