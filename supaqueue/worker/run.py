"""Runs one task: parse its payload, call its handler, and turn what happened into an outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from supaqueue.contract import FinishedTask, Json, TaskError, checked_json
from supaqueue.errors import InvalidInput, PayloadMismatch
from supaqueue.outcome import Cancel, Done, Fail, Outcome, Retry, Snooze
from supaqueue.worker.leases import Held, Stop
from supaqueue.worker.registry import Handler

MESSAGE_LIMIT = 2000
"""Characters of an error's message that are kept."""

LONGEST_DELAY_SECONDS = 36_500 * 86_400.0
"""The most that a handler may put its task off."""


class TimedOut(Exception):
    """An attempt took longer than its timeout; never raised, but recorded as what it ended with."""


class DeadlineExceeded(Exception):
    """The task's deadline came while it ran; never raised, but recorded as what it ended with."""


@dataclass(frozen=True, slots=True)
class Park:
    """Not to be run by this version: its payload does not fit. No attempt is spent."""

    error: str


@dataclass(frozen=True, slots=True)
class Ended:
    """One run's end: what to report, and the exception behind it, for telemetry."""

    held: Held
    finished: FinishedTask
    exception: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Came:
    """What calling a handler came to: the value that it returned, or what it raised.

    `is_unfit`: it was not called, since its payload does not fit.
    """

    returned: Any = None
    raised: BaseException | None = None
    is_unfit: bool = False


async def run_task(held: Held, handler: Handler, threads: Executor, max_result_bytes: int) -> Ended | None:
    """Runs the handler to its end. Whatever the handler does, its task gets an outcome.

    Returns:
        What to report; None if there is nothing to report, because the lease is another's by now or is left
        to run out.
    """
    begun = time.monotonic()
    arguments = _arguments(held, handler)
    came = arguments if isinstance(arguments, Came) else await _call(held, handler, arguments, threads)
    return _ended(held, came, max_result_bytes, time.monotonic() - begun)


def run_task_here(held: Held, handler: Handler, max_result_bytes: int) -> Ended | None:
    """Runs a sync handler to its end in this thread, with no event loop; else as `run_task`."""
    begun = time.monotonic()
    arguments = _arguments(held, handler)
    came = arguments if isinstance(arguments, Came) else _came(partial(handler.function, *arguments))
    if isinstance(came.raised, KeyboardInterrupt):
        raise came.raised
    return _ended(held, came, max_result_bytes, time.monotonic() - begun)


def _arguments(held: Held, handler: Handler) -> tuple[Any, ...] | Came:
    try:
        return handler.arguments(held.task.payload, held.context)
    except PayloadMismatch as mismatch:
        return Came(raised=mismatch, is_unfit=True)
    except Exception as error:
        return Came(raised=error)


def _ended(held: Held, came: Came, max_result_bytes: int, ran_seconds: float) -> Ended | None:
    outcome, raised = _outcome(held, came, max_result_bytes)
    if held.stop is Stop.LEASE_LOST or held.left_running:
        return None
    return Ended(held, finished_task(held, outcome, raised, ran_seconds), raised)


async def _call(held: Held, handler: Handler, arguments: tuple[Any, ...], threads: Executor) -> Came:
    try:
        if handler.is_async:
            return Came(await handler.function(*arguments))
        return await _in_thread(held, partial(handler.function, *arguments), threads)
    except KeyboardInterrupt:
        raise
    except BaseException as raised:  # SystemExit too: a handler that calls sys.exit must not end the worker
        return Came(raised=raised)


async def _in_thread(held: Held, call: Callable[[], Any], threads: Executor) -> Came:
    # A thread cannot be interrupted: the run waits for it, and only then looks at why it was told to stop.
    future = asyncio.get_running_loop().run_in_executor(threads, copy_context().run, _came, call)
    while True:
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.cancelled() or held.stop is None or held.left_running:
                raise


def _came(call: Callable[[], Any]) -> Came:
    try:
        return Came(call())
    except BaseException as raised:  # a future does not take StopIteration: the run would hang
        return Came(raised=raised)


def _outcome(held: Held, came: Came, max_result_bytes: int) -> tuple[Outcome | Park, BaseException | None]:
    if came.is_unfit:
        return Park(str(came.raised)), came.raised
    if came.raised is not None:
        return _of_error(held, came.raised)
    returned = came.returned
    outcome = returned if isinstance(returned, Done | Retry | Snooze | Cancel | Fail) else Done(returned)
    try:
        outcome = _checked(outcome, max_result_bytes)
    except InvalidInput as unfit:
        # Running it again would return the same, so the attempts are not burnt on it.
        return _failed(unfit)
    if held.context.shadow and isinstance(outcome, Done):
        return Done(held.context.effects.beside(cast(Json, outcome.result))), None
    return outcome, None


def _of_error(held: Held, raised: BaseException) -> tuple[Outcome, BaseException | None]:
    # Libraries may turn a cancellation into an error of their own: that is no failure of the handler either.
    if held.stop is not None:
        return interrupted(held, held.stop)
    if isinstance(raised, asyncio.CancelledError):
        return Retry(reason="the handler was cancelled from within"), raised
    return Retry(reason=_text(raised)), raised


def _failed(error: Exception) -> tuple[Outcome, BaseException | None]:
    return Fail(str(error)), error


def _checked(outcome: Outcome, max_result_bytes: int) -> Outcome:
    match outcome:
        case Done(result):
            return Done(checked_json(result, field="result", max_bytes=max_result_bytes))
        case Retry(None, _):
            return outcome
        case Retry(seconds, _) | Snooze(seconds):
            _check_delay(seconds, f"{type(outcome).__name__}'s delay")
    return outcome


def _check_delay(seconds: object, field: str) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidInput(f"must be seconds, not {type(seconds).__name__}", field=field)
    if not 0 <= seconds <= LONGEST_DELAY_SECONDS:  # NaN is in no range
        raise InvalidInput(f"must be between 0 and {LONGEST_DELAY_SECONDS:,.0f} seconds", field=field)


def interrupted(held: Held, stop: Stop) -> tuple[Outcome, BaseException | None]:
    """The outcome of a run that ended because it was told to stop, and what it is recorded as."""
    match stop:
        case Stop.CANCELLED:
            return Cancel("cancelled while running"), None
        case Stop.TIMED_OUT:
            text = f"took longer than its timeout of {held.task.timeout_seconds:g} s"
            return Retry(reason=text), TimedOut(text)
        case Stop.DEADLINE:
            return _failed(DeadlineExceeded("its deadline came while it ran"))
    # Costs no attempt; it did start, so it is not reported as not_started.
    return Snooze(0), None


def abandoned(held: Held, stop: Stop, ran_seconds: float) -> Ended:
    """The end of a run whose handler goes on although its time is up: reported without waiting for it."""
    outcome, raised = interrupted(held, stop)
    return Ended(held, finished_task(held, outcome, raised, ran_seconds), raised)


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
    held: Held, outcome: Outcome | Park, raised: BaseException | None, ran_seconds: float
) -> FinishedTask:
    """The report of one run, as the contract wants it."""
    report = partial(FinishedTask, ref=held.task.ref, ran_seconds=ran_seconds, progress=held.report.next())
    match outcome:
        case Done(result):
            return report(outcome="done", result=cast(Json, result))  # it was checked
        case Snooze(seconds):
            return report(outcome="snooze", after_seconds=seconds)
        case Retry(after, reason):
            return report(outcome="retry", after_seconds=after, error=error_of(raised, "Retry", reason))
        case Cancel(reason):
            return report(outcome="cancel", error=error_of(None, "Cancel", reason))
        case Fail(reason):
            return report(outcome="fail", error=error_of(raised, "Fail", reason))
        case Park(reason):
            return report(outcome="park", error=error_of(raised, "Park", reason))


def error_of(raised: BaseException | None, kind: str, message: object) -> TaskError:
    """What is recorded of an error: its type, else `kind`, and a text of bounded length."""
    return TaskError(type=type(raised).__qualname__ if raised is not None else kind, message=_text(message))


def _text(message: object) -> str:
    """The text of an error or of a reason, which a handler may have made of anything."""
    try:
        return "" if message is None else str(message)[:MESSAGE_LIMIT]
    except Exception as unreadable:
        return f"a {type(message).__qualname__} whose text cannot be read: {type(unreadable).__qualname__}"
