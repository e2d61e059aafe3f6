"""The relay as a worker runs it beside its tasks: `supaqueue worker --relay`."""

from __future__ import annotations

from supaqueue.client import Records
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy_source import legacy_name, open_legacy
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.relay_loop import RelayLoop
from supaqueue.cutover.settling import settle_loop
from supaqueue.cutover.spool import Spool
from supaqueue.maintain.settling import open_records, settle_name
from supaqueue.transport import Transport
from supaqueue.worker import Companion


class RelayCompanion:
    """A relay's loop that closes the old queue behind it.

    Args:
        transport: to Supabase; not closed here.
        legacy: the old queue.
        spool: this host's.
        records: an application's, to be settled; None where there are none.
    """

    def __init__(
        self, transport: Transport, legacy: LegacyQueue, spool: Spool, records: Records | None = None
    ) -> None:
        self._legacy = legacy
        self._loops: list[Companion] = [RelayLoop(Relay(transport, legacy, spool), transport)]
        if records is not None:
            self._loops.append(settle_loop(transport, legacy, spool, records))

    def start(self) -> None:
        """Begin."""
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """End after the turn under way, or without it after a moment."""
        for loop in self._loops:
            loop.stop()
        self._legacy.close()


def relay(transport: Transport) -> Companion:
    """Return the relay of this host: between SUPAQUEUE_LEGACY, SUPAQUEUE_SPOOL and Supabase.

    It settles the records that SUPAQUEUE_SETTLE names, if that is set.

    Raises:
        ConfigurationError: no legacy queue is named, or there is none under that name; or no such records.
        LegacyUnavailable: it cannot be opened.
        SpoolError: the spool's folder cannot be written.
    """
    name = settle_name()
    records = open_records(name) if name else None
    return RelayCompanion(transport, open_legacy(legacy_name()), Spool.load(), records)
