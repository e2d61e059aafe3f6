"""Runs one task: find its handler, parse, call, and turn what happened into an outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any

from supaqueue.contract import FinishedTask, TaskError
from supaqueue.contract.json_value import check_json
from supaqueue.errors import InvalidInput, PayloadMismatch
from supaqueue.outcome import Cancel, Done, Fail, Outcome, Retry, Snooze
from supaqueue.worker.leases import Held, Stop
from supaqueue.worker.registry import Handler

MESSAGE_LIMIT = 2000
"""Characters of an error's message that are kept."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One run's end: what to report, and the exception behind it, for telemetry."""

    held: Held
    finished: FinishedTask
    exception: BaseException | None = None


async def run_task(held: Held, handler: Handler, threads: Executor) -> Ended | None:
    """Runs the handler to its end.

    Returns:
        What to report; None if there is nothing to report, because the lease is another's by now.
    """
    begun = time.monotonic()
    exception: BaseException | None = None
    try:
        outcome = _checked(_as_outcome(await _call(held, handler, threads)))
    except asyncio.CancelledError as cancelled:
        outcome, exception = interrupted(held.stop), cancelled
    except PayloadMismatch as mismatch:
        outcome, exception = Fail(str(mismatch)), mismatch
    except Exception as raised:
        outcome, exception = Retry(reason=str(raised)), raised
    if held.stop is Stop.LEASE_LOST:
        return None
    ran_seconds = time.monotonic() - begun
    return Ended(held, finished_task(held, outcome, exception, ran_seconds), exception)


async def _call(held: Held, handler: Handler, threads: Executor) -> Any:
    arguments = handler.arguments(held.task.payload, held.context)
    if handler.is_async:
        return await handler.function(*arguments)
    call: Callable[[], Any] = partial(copy_context().run, handler.function, *arguments)
    # A thread cannot be interrupted: the run waits for it, and only then looks at why it was told to stop.
    future = asyncio.get_running_loop().run_in_executor(threads, call)
    while True:
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.cancelled() or held.stop is None:
                raise


def _as_outcome(returned: Any) -> Outcome:
    return returned if isinstance(returned, Done | Retry | Snooze | Cancel | Fail) else Done(returned)


def _checked(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Done):
        return outcome
    try:
        return Done(check_json(outcome.result, field="result"))
    except InvalidInput as unfit:
        # Running it again would return the same, so the attempts are not burnt on it.
        return Fail(f"the handler returned what JSON in Postgres cannot hold: {unfit}")


def interrupted(stop: Stop | None) -> Outcome:
    """The outcome of a run that ended because it was cancelled."""
    match stop:
        case Stop.CANCELLED:
            return Cancel("cancelled while running")
        case Stop.SHUTDOWN:
            # Costs no attempt; it did start, so it is not reported as not_started.
            return Snooze(0)
        case _:
            return Retry(reason="the handler was cancelled from within")


def unstarted(held: Held) -> Ended | None:
    """The end of a task that no handler has seen: handed back, or cancelled with its job."""
    ref = held.task.ref
    match held.stop:
        case Stop.LEASE_LOST:
            return None
        case Stop.CANCELLED:
            error = TaskError(type="Cancel", message="cancelled before it started")
            return Ended(held, FinishedTask(ref=ref, outcome="cancel", error=error))
        case _:
            return Ended(held, FinishedTask(ref=ref, outcome="not_started"))


def finished_task(
    held: Held, outcome: Outcome, exception: BaseException | None, ran_seconds: float
) -> FinishedTask:
    """The report of one run, as the contract wants it."""
    ref = held.task.ref
    match outcome:
        case Done(result):
            return FinishedTask(ref=ref, outcome="done", result=result, ran_seconds=ran_seconds)
        case Snooze(seconds):
            return FinishedTask(ref=ref, outcome="snooze", after_seconds=seconds, ran_seconds=ran_seconds)
        case Retry(after, reason):
            error = _error(exception, "Retry", reason)
            return FinishedTask(
                ref=ref, outcome="retry", after_seconds=after, error=error, ran_seconds=ran_seconds
            )
        case Cancel(reason):
            error = _error(None, "Cancel", reason)
            return FinishedTask(ref=ref, outcome="cancel", error=error, ran_seconds=ran_seconds)
        case Fail(reason):
            error = _error(exception, "Fail", reason)
            return FinishedTask(ref=ref, outcome="fail", error=error, ran_seconds=ran_seconds)


def _error(exception: BaseException | None, kind: str, message: str | None) -> TaskError:
    text = (message or "")[:MESSAGE_LIMIT].replace("\x00", "�")
    text = text.encode("utf-8", "replace").decode("utf-8")
    return TaskError(type=type(exception).__qualname__ if exception is not None else kind, message=text)
