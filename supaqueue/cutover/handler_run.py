"""Runs a registry's handler in a legacy worker: the same parsing, context and outcomes as in `Worker`."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from pydantic import SkipValidation

from supaqueue.backoff import Backoff
from supaqueue.contract import ClaimedTask, FinishedTask, Json, checked_json
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.marked_run import MarkedRun, RunStop
from supaqueue.errors import InvalidInput
from supaqueue.settings import MAX_JSON_BYTES
from supaqueue.worker.context import Context
from supaqueue.worker.leases import Held, Stop
from supaqueue.worker.registry import Handler
from supaqueue.worker.run import (
    MESSAGE_LIMIT,
    DeadlineExceeded,
    Ended,
    error_of,
    run_task,
    run_task_here,
    unstarted,
)
from supaqueue.worker.time_limit import TimeLimit

STOPS: dict[RunStop, Stop] = {"cancel": Stop.CANCELLED, "lost": Stop.LEASE_LOST}


@dataclass(frozen=True, slots=True)
class Again:
    """Not ended: run it again in `seconds`.

    `spends_attempt` is False for a snooze, or where the run was another's by its end. `error` is
    `{"type", "message"}`.
    """

    seconds: float
    spends_attempt: bool = True
    error: SkipValidation[Json] = field(default=None, repr=False)


def run_handler(
    handler: Handler,
    task: ClaimedTask,
    run: MarkedRun,
    *,
    worker_id: str,
    backoff: Backoff | None = None,
    max_result_bytes: int = MAX_JSON_BYTES,
) -> Ending | Again:
    """Run a handler to its end within a run that was entered; never raises what the handler does.

    A sync handler runs in this thread, so that what a broker does to its thread (signals, soft time limits)
    reaches it; an async one in an event loop of this call.

    Args:
        task: payload and options as the message has them. Its `attempt` counts from 1; a retry that the last
            one asks for is a failure. `deadline_in_seconds` ends the run as well.
        backoff: how long a retry waits for which the handler says no time; the default one if None.
    """
    held = Held(task, _context(task, worker_id))
    if (left := held.time_left()) is not None and left[0] <= 0:
        return failed(DeadlineExceeded("its deadline came before this attempt"), task.attempt - 1)
    ended = _run(held, handler, run, max_result_bytes)
    if ended is None:
        return Again(run.lease_seconds, spends_attempt=False)
    if run.is_repeated and handler.takes_context and ended.finished.outcome == "done":
        run.repeat(partial(run_without_effects, handler, task, worker_id, max_result_bytes))
    return _came_to(ended.finished, task, backoff or Backoff())


def run_without_effects(
    handler: Handler, task: ClaimedTask, worker_id: str, max_result_bytes: int = MAX_JSON_BYTES
) -> Ending | None:
    """Run a handler as a shadow: its effects are left out, and it holds no marker.

    Returns:
        What it came to; None if that is no end, as where it asks to be run again.
    """
    held = Held(task, _context(task, worker_id, shadow=True))
    ended = _run(held, handler, None, max_result_bytes)
    if ended is None:
        return None
    came = _came_to(ended.finished, task, Backoff())
    if isinstance(came, Again) or came.status != "completed" or not isinstance(came.result, dict):
        return came if isinstance(came, Ending) else None
    return replace(came, result=came.result.get("result"))


def completed(result: object, attempts: int = 1) -> Ending:
    """Return the ending of a plain function that returned.

    A result that Supabase could not hold is left out, and why is told in its place.
    """
    try:
        return Ending("completed", result=checked_json(result, field="result"), attempts=attempts)
    except InvalidInput as refused:
        return Ending("completed", attempts=attempts, left_out=str(refused)[:MESSAGE_LIMIT])


def failed(raised: BaseException, attempts: int = 1) -> Ending:
    """Return the ending of a plain function that raised for the last time."""
    return Ending("failed", error=error_of(raised, "Fail", raised).row(), attempts=attempts)


def retry_seconds(backoff: Backoff, retry: int) -> float:
    """Return how long the n-th retry waits (n from 1), drawn as the database draws it."""
    longest = backoff.longest(retry)
    return longest * random.random() if backoff.jitter else longest  # noqa: S311


def _context(task: ClaimedTask, worker_id: str, *, shadow: bool = False) -> Context:
    return Context(
        job_id=task.job_id,
        task_number=task.task_number,
        task_type=task.task_type,
        queue=task.queue,
        attempt=task.attempt,
        max_attempts=task.max_attempts,
        worker_id=worker_id,
        timeout_seconds=task.timeout_seconds,
        shadow=shadow,
    )


def _run(held: Held, handler: Handler, run: MarkedRun | None, max_result_bytes: int) -> Ended | None:
    if handler.is_async:
        return asyncio.run(_run_async(held, handler, run, max_result_bytes))
    return _run_sync(held, handler, run, max_result_bytes)


async def _run_async(
    held: Held, handler: Handler, run: MarkedRun | None, max_result_bytes: int
) -> Ended | None:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as threads:  # starts no thread for an async handler
        held.run = asyncio.create_task(run_task(held, handler, threads, max_result_bytes))
        if run is not None:
            run.on_stop(lambda stop: _interrupt_soon(loop, held, stop))
        limit = TimeLimit(held, lambda *_: None)
        await asyncio.wait([held.run])
        held.ended = True
        limit.lift()
        # A run that is cancelled before its first step never enters its body.
        return unstarted(held) if held.run.cancelled() else held.run.result()


def _interrupt_soon(loop: asyncio.AbstractEventLoop, held: Held, stop: RunStop) -> None:
    with suppress(RuntimeError):  # the run has ended, and its loop with it
        loop.call_soon_threadsafe(held.interrupt, STOPS[stop])


def _run_sync(held: Held, handler: Handler, run: MarkedRun | None, max_result_bytes: int) -> Ended | None:
    if run is not None:
        run.on_stop(lambda stop: held.interrupt(STOPS[stop]))
    left = held.time_left()
    timer = threading.Timer(left[0], held.interrupt, [left[1]]) if left is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        return run_task_here(held, handler, max_result_bytes)
    finally:
        held.ended = True
        if timer is not None:
            timer.cancel()


def _came_to(finished: FinishedTask, task: ClaimedTask, backoff: Backoff) -> Ending | Again:
    error = finished.error.row() if finished.error is not None else None
    spent = task.attempt
    match finished.outcome:
        case "done":
            return Ending("completed", result=finished.result, attempts=spent)
        case "cancel":
            return Ending("cancelled", error=error, attempts=spent)
        case "snooze" | "not_started":
            return Again(finished.after_seconds or 0.0, spends_attempt=False, error=error)
        case "retry" if task.attempt < task.max_attempts:
            after = finished.after_seconds
            return Again(retry_seconds(backoff, task.attempt) if after is None else after, error=error)
    return Ending("failed", error=error, attempts=spent)
