"""The relay as a worker runs it beside its tasks: `supaqueue worker --relay`."""

from __future__ import annotations

from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy_source import legacy_name, open_legacy
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.relay_loop import RelayLoop
from supaqueue.cutover.spool import Spool
from supaqueue.transport import Transport
from supaqueue.worker import Companion


class RelayCompanion:
    """A relay's loop that closes the old queue behind it.

    Args:
        transport: to Supabase; not closed here.
        legacy: the old queue.
        spool: this host's.
    """

    def __init__(self, transport: Transport, legacy: LegacyQueue, spool: Spool) -> None:
        self._legacy = legacy
        self._loop = RelayLoop(Relay(transport, legacy, spool), transport)

    def start(self) -> None:
        """Begin."""
        self._loop.start()

    def stop(self) -> None:
        """End after the turn under way, or without it after a moment."""
        self._loop.stop()
        self._legacy.close()


def relay(transport: Transport) -> Companion:
    """Return the relay of this host: between SUPAQUEUE_LEGACY, SUPAQUEUE_SPOOL and Supabase.

    Raises:
        ConfigurationError: no legacy queue is named, or there is none under that name.
        LegacyUnavailable: it cannot be opened.
        SpoolError: the spool's folder cannot be written.
    """
    return RelayCompanion(transport, open_legacy(legacy_name()), Spool.load())
