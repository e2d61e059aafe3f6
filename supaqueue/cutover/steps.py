"""What the router does, step by step: generators that both colours walk through, one of them awaiting."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from supaqueue.contract import Call

Reply = TypeVar("Reply")
Result = TypeVar("Result")


class TookTooLong(Exception):
    """A step with a budget was not done within it; it may still be done later."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a call to Supabase; `within` so many seconds, if the rest can do without its answer."""

    call: Call[Any]
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """Do something that blocks: the legacy queue's, a file's."""

    function: Callable[[], Any]
    within: float | None = None


Step: TypeAlias = Send | Work
Steps: TypeAlias = Generator[Step, Any, Result]


def send(call: Call[Reply], within: float | None = None) -> Steps[Reply]:
    """Send a call.

    Raises:
        CallError: as the transport says.
        TookTooLong: there was no answer within the budget.
    """
    reply: Reply = yield Send(call, within)
    return reply


def work(function: Callable[[], Result], within: float | None = None) -> Steps[Result]:
    """Do what blocks.

    Raises:
        TookTooLong: it was not done within the budget.
    """
    result: Result = yield Work(function, within)
    return result
