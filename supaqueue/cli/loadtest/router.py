"""The queue of a load test that goes through a cutover's router. Goes with `supaqueue.cutover`."""

from __future__ import annotations

from supaqueue.cutover.async_router import AsyncDualWriteQueue
from supaqueue.cutover.legacy_source import legacy_name, open_legacy
from supaqueue.settings import Settings


def open_router(settings: Settings, legacy: str | None) -> AsyncDualWriteQueue:
    """Return a router as an application has one: between the legacy queue and Supabase, by the environment.

    Args:
        legacy: as `--legacy` of other commands; by default SUPAQUEUE_LEGACY.

    Raises:
        ConfigurationError: no legacy queue is named, or there is none under that name.
        LegacyUnavailable: it gives no answer.
        SpoolError: the spool's folder cannot be written.
    """
    queue = open_legacy(legacy_name(legacy))
    try:
        queue.broker.check_alive()
        return AsyncDualWriteQueue(queue, settings)
    except BaseException:
        queue.close()
        raise
