"""Taking over what waits in the legacy queue, before it is switched off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from supaqueue.contract import NewJob, TakeOverAnswer, TakeOverJobs
from supaqueue.cutover.legacy.entry import Entry
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.sizes import within_size
from supaqueue.transport import Transport

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Announced:
    """Jobs of legacy by what Supabase answered; `due` ones are the relay's to bring over."""

    due: int = 0
    left: int = 0


class TakeOver:
    """Announces to Supabase what waits in legacy; the relay does the rest. May be repeated, and interrupted.

    Args:
        transport: to Supabase.
        legacy: the old queue.
    """

    def __init__(self, transport: Transport, legacy: LegacyQueue) -> None:
        self._transport = transport
        self._legacy = legacy

    def announce(self) -> Announced:
        """Announce every job that waits there under a stamp.

        Raises:
            CallError: Supabase or legacy gave no usable answer; what was announced stays so.
        """
        announced = Announced()
        for batch in within_size(self._waiting(), lambda one: one[0].payload_bytes):
            for part in (batch[start : start + 500] for start in range(0, len(batch), 500)):
                self._add(announced, self._transport.send(TakeOverJobs(tuple(part))))
        return announced

    def _waiting(self) -> Iterator[tuple[NewJob, int]]:
        for entry in self._legacy.list_by_time(BEGINNING):
            if entry.job is not None and _waits(entry):
                yield entry.job, entry.epoch

    def _add(self, announced: Announced, answers: Sequence[TakeOverAnswer]) -> None:
        due = sum(answer.answer == "due" for answer in answers)
        announced.due += due
        announced.left += len(answers) - due


def _waits(entry: Entry) -> bool:
    return entry.owner == "legacy" and entry.ending is None and entry.starts == 0 and entry.closed_as is None
