"""Steps with a budget: what is done, or fails, just as it ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from supaqueue.client.reports import Reports
from supaqueue.contract import Call
from supaqueue.cutover.step_runner import StepRunner
from supaqueue.cutover.steps import Steps, TookTooLong, work


class Silent:
    """A transport that nothing is sent with."""

    def send(self, call: Call[Any]) -> Any:
        raise AssertionError(call)

    def close(self) -> None:
        pass


class LateFuture(Future[str]):
    """Is done the moment after somebody has waited for it in vain."""

    def result(self, timeout: float | None = None) -> str:
        try:
            return super().result(timeout)
        except TimeoutError:
            self.set_result("late")
            raise


class LatePool(ThreadPoolExecutor):
    """Does what is submitted a moment too late."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return LateFuture()


@pytest.fixture
def runner() -> StepRunner:
    return StepRunner(Silent(), Reports(None))


def within(function: Callable[[], str], seconds: float) -> Steps[str]:
    """A router's step that the rest can do without."""
    try:
        return (yield from work(function, seconds))
    except TookTooLong:
        return "without"


def test_what_is_done_a_moment_too_late_took_too_long(
    runner: StepRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_pool", LatePool(1))
    assert runner.run(within(lambda: "done", 0.01)) == "without"


def test_a_timeout_of_the_steps_own_is_its_own(runner: StepRunner) -> None:
    def fails() -> str:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        runner.run(within(fails, 60.0))


def test_what_is_done_in_time_is_returned(runner: StepRunner) -> None:
    assert runner.run(within(lambda: "done", 60.0)) == "done"
