"""Limits on what runs: setting, removing and listing them; for both colours of the client."""

from __future__ import annotations

import builtins
from collections.abc import Awaitable, Iterable
from typing import Protocol, TypeVar

from supaqueue.contract import Call, LimitRunning, ListRunningLimits
from supaqueue.contract.json_value import check_text
from supaqueue.errors import InvalidInput
from supaqueue.running_limit import RunningLimit, RunningLimitUse

LIMITS_PER_CALL = 1000

Reply = TypeVar("Reply")


class _Send(Protocol):
    def __call__(self, call: Call[Reply], /) -> Reply: ...


class _SendAsync(Protocol):
    def __call__(self, call: Call[Reply], /) -> Awaitable[Reply]: ...


class RunningLimits:
    """The limits on what runs, as `Queue.limits`. `AsyncRunningLimits` is its twin."""

    def __init__(self, send: _Send) -> None:
        self._send = send

    def set(
        self, limits: RunningLimit | Iterable[RunningLimit], *, by: str | None = None
    ) -> builtins.list[RunningLimit]:
        """Set limits, at most 1,000; each replaces the one of the same queue, type and `each_tenant`.

        Once it has returned no worker is given more than they allow; what runs above a limit runs on.

        Args:
            limits: one, or several.
            by: who sets them, up to 200 characters.

        Raises:
            InvalidInput: a limit has no number, or a text is none that the database takes.
        """
        return builtins.list(self._send(_setting(limits, by)))

    def remove(
        self,
        queue: str | None = None,
        task_type: str | None = None,
        *,
        each_tenant: bool = False,
        by: str | None = None,
    ) -> None:
        """Remove the limit of exactly this queue, type and `each_tenant`, if there is one."""
        self._send(_removing(RunningLimit(queue, task_type, each_tenant), by))

    def list(self) -> builtins.list[RunningLimitUse]:
        """List the limits, each with what runs under it now."""
        return builtins.list(self._send(ListRunningLimits()))


class AsyncRunningLimits:
    """The limits on what runs, as `AsyncQueue.limits`. `RunningLimits` is its twin."""

    def __init__(self, send: _SendAsync) -> None:
        self._send = send

    async def set(
        self, limits: RunningLimit | Iterable[RunningLimit], *, by: str | None = None
    ) -> builtins.list[RunningLimit]:
        """Set limits, at most 1,000; each replaces the one of the same queue, type and `each_tenant`.

        Once it has returned no worker is given more than they allow; what runs above a limit runs on.

        Args:
            limits: one, or several.
            by: who sets them, up to 200 characters.

        Raises:
            InvalidInput: a limit has no number, or a text is none that the database takes.
        """
        return builtins.list(await self._send(_setting(limits, by)))

    async def remove(
        self,
        queue: str | None = None,
        task_type: str | None = None,
        *,
        each_tenant: bool = False,
        by: str | None = None,
    ) -> None:
        """Remove the limit of exactly this queue, type and `each_tenant`, if there is one."""
        await self._send(_removing(RunningLimit(queue, task_type, each_tenant), by))

    async def list(self) -> builtins.list[RunningLimitUse]:
        """List the limits, each with what runs under it now."""
        return builtins.list(await self._send(ListRunningLimits()))


def _setting(limits: RunningLimit | Iterable[RunningLimit], by: str | None) -> LimitRunning:
    given = (limits,) if isinstance(limits, RunningLimit) else tuple(limits)
    if len(given) > LIMITS_PER_CALL:
        raise InvalidInput(f"must be at most {LIMITS_PER_CALL:,} in one call", field="limits")
    for number, limit in enumerate(given):
        if limit.limits_nothing:
            raise InvalidInput(
                "must be given, or starts_limit; remove() ends a limit",
                field=f"limits[{number}].running_limit",
            )
    return LimitRunning(given, _by(by))


def _removing(limit: RunningLimit, by: str | None) -> LimitRunning:
    return LimitRunning((limit,), _by(by))


def _by(by: str | None) -> str | None:
    return None if by is None else check_text(by, field="by")
