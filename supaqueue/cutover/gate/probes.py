"""Whether both systems are alive: probes through each of their queues, and how the workers' own calls go."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from supaqueue.contract import (
    PROBE_TYPE,
    CountWorkerCalls,
    NewJob,
    QueueProbes,
    ReadProbes,
    SendProbes,
    SentProbe,
)
from supaqueue.cutover.errors import LegacyUnavailable, NotExpressible
from supaqueue.cutover.gate.evidence import Evidence, Probes, WorkerCalls
from supaqueue.cutover.legacy.entry import Entry
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.transport import Transport

LOST_AFTER_SECONDS = 60.0
"""In how long a probe has to end."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignsOfLife:
    """What is known of either system being alive; see `Evidence` for all but the last.

    Attributes:
        unprobed: queues whose workers run no probes: an older SDK.
    """

    probes: tuple[Probes, ...]
    worker_calls: WorkerCalls | None
    legacy_is_alive: bool | None
    unprobed: tuple[str, ...] = ()

    def within(self, evidence: Evidence) -> Evidence:
        """Return evidence that has these signs too."""
        return replace(
            evidence,
            probes=self.probes,
            worker_calls=self.worker_calls,
            legacy_is_alive=self.legacy_is_alive,
            unprobed=self.unprobed,
        )


@dataclass(frozen=True, slots=True)
class Probing:
    """Sends probes that are due, and reads what became of the last ones.

    Any number may do it at once: a queue gets one a minute, under the same id in both systems.

    Attributes:
        legacy: the old queue; None if nothing is known of it.
        queues: whose probes; None: those of living workers, and those in which work waits.
        through_legacy: whether legacy's workers run probes, as those do that have a registry's handlers. What
            else may take a message of a type that it does not know is to be spared it.
        lost_after_seconds: 1 to 600.
    """

    transport: Transport
    legacy: LegacyQueue | None = None
    queues: tuple[str, ...] | None = None
    through_legacy: bool = True
    lost_after_seconds: float = LOST_AFTER_SECONDS

    def look(self) -> SignsOfLife:
        """Send and read.

        Raises:
            CallError: Supabase gave no usable answer. What legacy does not answer is told, not raised.
        """
        sent = self.transport.send(SendProbes(self.queues))
        seen = self.transport.send(ReadProbes(self.queues, self.lost_after_seconds))
        is_alive, through_legacy = self._look_at_legacy(seen.queues, sent.probed, seen.read_at)
        supabase = [
            Probes(one.queue, "supabase", one.sent, one.lost_in_a_row, one.workers) for one in seen.queues
        ]
        return SignsOfLife((*supabase, *through_legacy), self._worker_calls(), is_alive, sent.unserved)

    def _look_at_legacy(
        self, queues: Sequence[QueueProbes], probed: Sequence[str], now: datetime
    ) -> tuple[bool | None, list[Probes]]:
        if self.legacy is None:
            return None, []
        try:
            self.legacy.broker.check_alive()
            if not self.through_legacy:
                return True, []
            self._send_through(self.legacy, [one for one in queues if one.queue in probed])
            return True, self._through_legacy(self.legacy, queues, now)
        except NotExpressible as refused:
            _log.warning("the legacy queue is not probed: %s", refused)
            return True, []
        except LegacyUnavailable as silent:
            _log.warning("the legacy queue gives no answer: %s", silent)
            return False, []

    def _send_through(self, legacy: LegacyQueue, queues: Sequence[QueueProbes]) -> None:
        # The latest one each time: whoever sent it to Supabase may have died before it came here.
        legacy.enqueue([NewJob(PROBE_TYPE, queue=one.queue, job_id=one.probes[0].job_id) for one in queues])

    def _through_legacy(
        self, legacy: LegacyQueue, queues: Sequence[QueueProbes], now: datetime
    ) -> list[Probes]:
        found = [self._counted(legacy, one, now) for one in queues]
        # A run under way is a sign of life: a probe may only be waiting its turn.
        if any(one.lost_in_a_row for one in found) and legacy.index.count().marked:
            found = [replace(one, lost_in_a_row=0) for one in found]
        return [one for one in found if one.sent]

    def _counted(self, legacy: LegacyQueue, queue: QueueProbes, now: datetime) -> Probes:
        """Count one queue's probes in legacy's index; those that never came there were not sent."""
        entries = legacy.index.get([probe.job_id for probe in queue.probes])
        pairs = zip(queue.probes, entries, strict=True)
        sent = [(probe, entry) for probe, entry in pairs if entry is not None]
        patience = timedelta(seconds=self.lost_after_seconds)
        return Probes(queue.queue, "legacy", len(sent), _lost_in_a_row(sent, now, patience))

    def _worker_calls(self) -> WorkerCalls | None:
        counts = self.transport.send(CountWorkerCalls())
        sent = counts.claims_sent + counts.finishes_sent
        if not sent:
            return None
        return WorkerCalls(sent, counts.claims_failed + counts.finishes_failed, counts.seconds)


def _lost_in_a_row(sent: Sequence[tuple[SentProbe, Entry]], now: datetime, patience: timedelta) -> int:
    """Count those that have not ended in time, from the latest back to the last one that has ended."""
    lost = 0
    for probe, entry in sent:
        if entry.ending is not None:
            break
        lost += now - probe.sent_at > patience
    return lost
