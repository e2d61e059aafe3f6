"""The old queue itself: what must be known of each to publish, to withdraw and to count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol

from pydantic import SkipValidation

from supaqueue.contract import Json
from supaqueue.cutover.legacy.entry import Message
from supaqueue.cutover.legacy.unstamped import Unstamped
from supaqueue.cutover.stamp import Stamp


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits in the broker; `stamp` is None if something enqueued around the router."""

    native_id: str
    stamp: Stamp | None
    task_type: str
    queue: str
    payload: SkipValidation[Json] = field(default=None, repr=False)
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BrokerCounts:
    """Messages in the broker. `unstamped` is among the others; None where the broker cannot say."""

    pending: int
    scheduled: int | None
    retrying: int | None
    leased: int | None
    unstamped: int | None


class Broker(Protocol):
    """What each old queue does. Safe for several threads and several processes.

    Attributes:
        name: for people, for example `celery`.
        expresses: the options of `NewJob` that reach the handler as meant, beside task_type and payload.
        cannot: what this queue cannot do, with the reason, by the name of what is asked: `cancel_running`,
            `count_leased`, `list_waiting`, ... It is declared, never faked.
    """

    name: ClassVar[str]
    expresses: ClassVar[frozenset[str]]
    cannot: ClassVar[Mapping[str, str]]

    def publish(self, messages: Sequence[Message]) -> list[str]:
        """Put messages where a consumer takes them; returns their native ids.

        May be asked again for a message that is there: then it may be there twice; the guard sees to that.

        Raises:
            LegacyUnavailable: nothing, or perhaps something, was published.
        """

    def park(self, messages: Sequence[Message]) -> None:
        """Keep copies where people can see them and no consumer takes them; may do nothing."""

    def unpark(self, job_ids: Sequence[str]) -> None:
        """Remove such copies; unknown ids are ignored."""

    def withdraw(self, native_ids: Sequence[str]) -> list[bool]:
        """Remove messages that wait; False where there was none, or it has begun."""

    def waiting(self) -> Iterator[Waiting]:
        """Return what waits, is scheduled or is to be retried; it may change meanwhile."""

    def unstamped(self) -> Iterator[Unstamped]:
        """Return messages without a stamp that wait; it may change meanwhile.

        Nothing is guessed: a message stands for a job if publishing that would make the same message again.

        Raises:
            ConfigurationError: `list_waiting` is among what it cannot.
        """

    def count(self) -> BrokerCounts:
        """Count messages."""

    def problems(self) -> list[str]:
        """Return the settings with which this queue loses or repeats jobs, each with what to set."""

    def check_alive(self) -> None:
        """Ask the broker for a sign of life.

        Raises:
            LegacyUnavailable: there was none.
        """

    def close(self) -> None:
        """Give back connections."""
