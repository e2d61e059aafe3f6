"""Handlers that return, raise or take what they should not: their task ends, and the worker goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel

from supaqueue.outcome import Cancel, Done, Fail, Retry, Snooze
from supaqueue.worker import Registry
from tests.worker.running import OwnQueue

SECRET = "s3cret-value"


def refuse(value: str) -> str:
    raise ValueError(f"{value} is not wanted")


class Strict(BaseModel, extra="forbid"):
    number: int
    word: Annotated[str, AfterValidator(refuse)]
    kind: Literal["a", "b"]


class Unreadable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def raise_it(error: BaseException) -> Any:
    raise error


def runs_once(
    queue: OwnQueue, registry: Registry, function: Callable[..., Any], payload: object = None
) -> Any:
    """The task of a job that this function runs, after a job that shows that the worker goes on."""
    registry.task("unfit")(function)

    @registry.task("next")
    async def afterwards() -> str:
        return "still working"

    unfit = queue.enqueue("unfit", payload, backoff=3600)
    with queue.worker(registry, concurrency=1) as running:
        assert queue.ended(queue.enqueue("next")).result == "still working"
    assert running.handlers_ended is True
    return queue.task(unfit)


UNFIT_RESULTS = {
    "set": {1, 2},
    "bytes": b"x",
    "nan": float("nan"),
    "nul": "a\0b",
    "surrogate": "\ud800",
    "numbered keys": {1: "one"},
    "coroutine function": asyncio.sleep,
    "done with a set": Done({1}),
    "snooze for ever": Snooze(float("inf")),
    "snooze for no number": Snooze("an hour"),  # type: ignore[arg-type]
    "snooze for nothing": Snooze(None),  # type: ignore[arg-type]
    "retry in the past": Retry(after=-1),
    "retry at nan": Retry(after=float("nan")),
    "retry beyond all time": Retry(after=10**400),
}


@pytest.mark.parametrize("colour", ["async", "sync"])
@pytest.mark.parametrize("returned", UNFIT_RESULTS.values(), ids=UNFIT_RESULTS)
def test_result_that_cannot_be_stored_fails_without_retries(
    returned: Any, colour: str, queue: OwnQueue, registry: Registry
) -> None:
    async def unfit_async() -> Any:
        return returned

    task = runs_once(queue, registry, unfit_async if colour == "async" else lambda: returned)
    assert (task.status, task.attempts) == ("failed", 1)
    assert task.error["type"] == "InvalidInput"
    assert task.error["message"].startswith(("result", "Snooze's delay", "Retry's delay"))


def test_result_over_the_limit_fails_without_retries(queue: OwnQueue, registry: Registry) -> None:
    task = runs_once(queue, registry, lambda: "x" * queue.settings.max_json_bytes)
    assert (task.status, task.attempts) == ("failed", 1)
    assert "SUPAQUEUE_MAX_JSON_BYTES" in task.error["message"]


def test_payload_that_does_not_fit_is_parked_without_an_attempt_and_not_quoted(
    queue: OwnQueue, registry: Registry
) -> None:
    entered = []

    async def strict(payload: Strict) -> None:
        entered.append(payload)

    payload = {"number": SECRET, "word": SECRET, "kind": SECRET}
    task = runs_once(queue, registry, strict, payload)
    assert (task.status, task.attempts, task.parked, entered) == ("failed", 0, True, [])
    assert task.error["type"] == "PayloadMismatch"
    for part in ("payload.number: int_parsing", "payload.word: value_error", "payload.kind: literal_error"):
        assert part in task.error["message"]
    assert SECRET not in str(task.error)


RAISED = {
    "StopIteration": StopIteration,
    "SystemExit": lambda: SystemExit(3),
    "CancelledError": asyncio.CancelledError,
    "GeneratorLike": lambda: BaseException("bare"),
    "Unreadable": Unreadable,
    "surrogates": lambda: ValueError("a\0b\ud800"),
}


@pytest.mark.parametrize("colour", ["async", "sync"])
@pytest.mark.parametrize("make_error", RAISED.values(), ids=RAISED)
def test_whatever_is_raised_costs_an_attempt_and_stops_nobody(
    make_error: Callable[[], BaseException], colour: str, queue: OwnQueue, registry: Registry
) -> None:
    def raising() -> Any:
        raise make_error()

    async def raising_async() -> Any:
        raise make_error()

    task = runs_once(queue, registry, raising_async if colour == "async" else raising)
    assert (task.status, task.attempts) == ("pending", 1)
    assert task.error["type"] in {type(make_error()).__name__, "RuntimeError"}


@pytest.mark.parametrize(
    "outcome",
    [Fail(ValueError("an error")), Cancel(42), Retry(reason={"not": "text"})],  # type: ignore[arg-type]
    ids=["fail", "cancel", "retry"],
)
def test_reason_that_is_no_text_becomes_one(outcome: Any, queue: OwnQueue, registry: Registry) -> None:
    task = runs_once(queue, registry, lambda: outcome)
    assert (
        task.status == {"Fail": "failed", "Cancel": "cancelled", "Retry": "pending"}[type(outcome).__name__]
    )
    assert task.error["message"] in {"an error", "42", "{'not': 'text'}"}


def test_long_error_is_cut(queue: OwnQueue, registry: Registry) -> None:
    task = runs_once(queue, registry, lambda: raise_it(ValueError("x" * 5000)))
    assert task.error["message"] == "x" * 2000
