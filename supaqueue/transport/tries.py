"""The tries of one call, whatever carries it: what is repeated, and what is known at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from supaqueue.contract import Call
from supaqueue.errors import CallError, QueueUnavailable
from supaqueue.transport.failures import Failure
from supaqueue.transport.retry import RetrySchedule
from supaqueue.transport.verdict import Answered

TRY_SECONDS = 15.0
_LEAST_TIMEOUT_SECONDS = 0.05

Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Wait `seconds`, then try again."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on.

    One try may take `try_seconds`; by default half of the budget, 15 s at most, so that one which gets no
    answer leaves time for a repeat.
    """

    budget_seconds: float = 10.0
    try_seconds: float | None = None

    @property
    def longest_try(self) -> float:
        """Seconds that one try may wait for its answer."""
        if self.try_seconds is not None:
            return self.try_seconds
        return min(TRY_SECONDS, self.budget_seconds / 2)


class Tries(Generic[Reply]):
    """The tries of one call, in order."""

    def __init__(
        self, call: Call[Reply], patience: Patience, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.call = call
        self._patience = patience
        self._schedule = RetrySchedule(patience.budget_seconds)
        self._clock = clock
        self._begun = clock()
        self._tries = 0
        self._may_have_taken_effect = False

    def begin(self) -> float:
        """Count one more try, and return how many seconds it may take."""
        self._tries += 1
        left = max(self._patience.budget_seconds - self._elapsed(), _LEAST_TIMEOUT_SECONDS)
        return min(self._patience.longest_try, left)

    def settle(self, verdict: Answered[Reply] | Failure) -> Answered[Reply] | TryAgain:
        """Say what is next after a try.

        Raises:
            CallError: it was the last one.
        """
        if isinstance(verdict, Answered):
            return verdict
        if verdict.committed == "unknown":
            self._may_have_taken_effect = True
        pause = None
        if verdict.again:
            pause = self._schedule.next_pause(
                self._elapsed(), at_least=verdict.at_least, within=verdict.within
            )
        if pause is None:
            raise self._error(verdict)
        return TryAgain(pause)

    def _elapsed(self) -> float:
        return self._clock() - self._begun

    def _error(self, failure: Failure) -> CallError:
        """Once one try is unknown, the whole call is: a later refusal says nothing about that try."""
        unknown = self._may_have_taken_effect
        doubt = _UNKNOWN if unknown and self.call.mutates else ""
        concerned = self.call.concerns()
        return failure.error(
            f"{self.call.function}: {failure.message}{self._tried()}{doubt}",
            call=self.call.function,
            committed="unknown" if unknown else "no",
            retryable=failure.again and failure.error is QueueUnavailable,
            sqlstate=failure.sqlstate,
            http_status=failure.http_status,
            job_id=concerned[0] if len(concerned) == 1 else None,
            cause=failure.cause,
        )

    def _tried(self) -> str:
        return f" (given up after {self._tries} tries in {self._elapsed():.1f} s)" if self._tries > 1 else ""


_UNKNOWN = ". It may have taken effect all the same: repeat the same call to know"
