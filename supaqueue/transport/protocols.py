"""The seam between clients and workers above and whatever carries their calls: one method."""

from __future__ import annotations

from typing import Protocol, TypeVar

from supaqueue.contract import Call

Reply = TypeVar("Reply")


class Transport(Protocol):
    """Carries calls to the database and answers back. Safe to share between threads."""

    def send(self, call: Call[Reply]) -> Reply:
        """Make the call, repeating it as needed, and return its answer.

        Raises:
            CallError: with what is known of the call's effect.
        """

    def close(self) -> None:
        """Give back connections. Further calls are an error."""


class AsyncTransport(Protocol):
    """Carries calls to the database and answers back, for one event loop."""

    async def send(self, call: Call[Reply]) -> Reply:
        """Make the call, repeating it as needed, and return its answer.

        Raises:
            CallError: with what is known of the call's effect.
        """

    async def aclose(self) -> None:
        """Give back connections. Further calls are an error."""
