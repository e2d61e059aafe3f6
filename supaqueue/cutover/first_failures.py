"""Tells the mirrors of legacy's jobs that an attempt has failed, while another one is to follow."""

from __future__ import annotations

from collections.abc import Sequence

from supaqueue.contract import RecordFirstFailures
from supaqueue.cutover.legacy.first_failures import tells_first_failures
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.outcomes import send_mirrors
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.stamp import Stamp
from supaqueue.transport import Transport

BATCH = 500


class FirstFailureRelay:
    """Sends what the index keeps as unsent; nothing, if it is one that keeps no such.

    Args:
        transport: to Supabase.
        index: the old queue's.
    """

    def __init__(self, transport: Transport, index: Index) -> None:
        self._transport = transport
        self._index = index

    def send(self) -> Relayed:
        """Send all that is unsent now.

        Raises:
            CallError: Supabase or legacy gave no usable answer.
        """
        done = Relayed()
        while tells_first_failures(self._index) and (stamps := self._index.unsent_first_failures(BATCH)):
            done += self._send(stamps)
        return done

    def _send(self, stamps: Sequence[Stamp]) -> Relayed:
        unknown = self._record(stamps)
        if unknown:
            entries = self._index.get([stamp.job_id for stamp in unknown])
            send_mirrors(self._transport, [entry for entry in entries if entry is not None])
            self._record(unknown)
        # What is not legacy's by now, under this epoch, is compared with nothing.
        self._index.first_failures_sent(stamps)
        return Relayed(first_failures=len(stamps))

    def _record(self, stamps: Sequence[Stamp]) -> list[Stamp]:
        """Return those that have no mirror."""
        failures = tuple((stamp.job_id, stamp.epoch) for stamp in stamps)
        answers = self._transport.send(RecordFirstFailures(failures))
        return [one for one, told in zip(stamps, answers, strict=True) if told.answer == "unknown"]
