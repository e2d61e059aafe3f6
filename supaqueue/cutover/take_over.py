"""Taking over what waits in the legacy queue, before it is switched off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from supaqueue.contract import NewJob, TakeOverJobs
from supaqueue.cutover.legacy.entry import Entry
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.unstamped import Unstamped
from supaqueue.cutover.sizes import within_size
from supaqueue.transport import Transport

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Announced:
    """Jobs of legacy by what Supabase answered; `due` ones are the relay's to bring over.

    `closed_type` counts what was not announced, since its type was not asked for or is not to come.

    Attributes:
        adopted: messages without a stamp that became jobs of legacy's, and were announced as such.
        unstamped: those that stay, by task type, as far as it can be read, and why: a `WhyLeft`, or
            `closed_type`, or `begun`: legacy runs it or ran it.
        unlisted: why the broker cannot tell which messages wait; None if it can.
    """

    answers: Counter[str] = field(default_factory=Counter)
    adopted: int = 0
    unstamped: Counter[tuple[str, str]] = field(default_factory=Counter)
    unlisted: str | None = None

    @property
    def due(self) -> int:
        """How many are to come."""
        return self.answers["due"]

    @property
    def left(self) -> int:
        """How many stay."""
        return self.answers.total() - self.due


class TakeOver:
    """Announces to Supabase what waits in legacy; the relay does the rest. May be repeated, and interrupted.

    Args:
        transport: to Supabase.
        legacy: the old queue.
        takes: which task types are to come; by default all.
    """

    def __init__(
        self, transport: Transport, legacy: LegacyQueue, takes: Callable[[str], bool] = lambda _: True
    ) -> None:
        self._transport = transport
        self._legacy = legacy
        self._takes = takes

    def announce(self) -> Announced:
        """Make jobs of the messages without a stamp, and announce every job that waits there.

        Raises:
            CallError: Supabase or legacy gave no usable answer; what was announced stays so.
        """
        announced = Announced(unlisted=self._legacy.broker.cannot.get("list_waiting"))
        if announced.unlisted is None:
            for messages in within_size(self._unstamped(announced), _bytes_of):
                self._adopt(messages, announced)
        for batch in within_size(self._waiting(announced), lambda one: one[0].payload_bytes):
            for part in (batch[start : start + 500] for start in range(0, len(batch), 500)):
                answers = self._transport.send(TakeOverJobs(tuple(part)))
                announced.answers.update(one.answer for one in answers)
        return announced

    def _unstamped(self, announced: Announced) -> Iterator[Unstamped]:
        for message in self._legacy.broker.unstamped():
            if message.job is not None and self._takes(message.task_type):
                yield message
            else:
                announced.unstamped[message.task_type, message.why_left or "closed_type"] += 1

    def _adopt(self, messages: Sequence[Unstamped], announced: Announced) -> None:
        for message, answer in zip(messages, self._legacy.adopt(messages), strict=True):
            announced.adopted += answer == "adopted"
            if answer == "begun":
                announced.unstamped[message.task_type, answer] += 1

    def _waiting(self, announced: Announced) -> Iterator[tuple[NewJob, int]]:
        for entry in self._legacy.list_by_time(BEGINNING):
            if entry.job is None or not _waits(entry):
                continue
            if self._takes(entry.job.task_type):
                yield entry.job, entry.epoch
            else:
                announced.answers["closed_type"] += 1


def _bytes_of(message: Unstamped) -> int:
    return message.job.payload_bytes if message.job is not None else 0


def _waits(entry: Entry) -> bool:
    is_open = entry.ending is None and entry.starts == 0 and entry.closed_as is None
    return is_open and entry.owner == "legacy" and not entry.is_probe
