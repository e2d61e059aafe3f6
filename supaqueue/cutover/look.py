"""Reads what a report is made of."""

from __future__ import annotations

from datetime import UTC, datetime

from supaqueue.contract import CountMirrors, ReadFeatureFlags
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.left import left_in_legacy
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.report import LegacyReport, RolloutReport, flag_report
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.switches import Switches
from supaqueue.cutover.warnings import warnings_of
from supaqueue.transport import Transport


def look_at_rollout(
    transport: Transport, legacy: LegacyReport | None, spool: Spool | None, switches: Switches
) -> RolloutReport:
    """Return where the cutover stands.

    Raises:
        CallError: Supabase gave no usable answer.
        SpoolError: the spool cannot be read.
    """
    flags = transport.send(ReadFeatureFlags())
    mirrors = transport.send(CountMirrors())
    spooled = None if spool is None else spool.count()
    rows = tuple(flag_report(flags, flag, switches) for flag in (flags.overall, *flags.types))
    return RolloutReport(
        read_at=flags.read_at,
        flags=rows,
        switches=switches,
        owed=mirrors.owed,
        legacy_open=mirrors.legacy_open,
        held=mirrors.held,
        spool=spooled,
        legacy=legacy,
        warnings=warnings_of(rows, mirrors.owed, mirrors.held, spooled, legacy),
    )


def look_at_legacy(legacy: LegacyQueue) -> LegacyReport:
    """Return how the old queue is; that it gives no answer is one."""
    name = legacy.broker.name
    try:
        legacy.broker.check_alive()
        left = left_in_legacy(legacy)
        oldest = _oldest_ending(legacy)
        return LegacyReport(name, None, left, oldest, tuple(legacy.broker.problems()))
    except LegacyUnavailable as down:
        return LegacyReport(name, str(down))


def _oldest_ending(legacy: LegacyQueue) -> float | None:
    for entry in legacy.index.unsent_endings(1):
        if entry.ending is not None and entry.ending.ended_at is not None:
            return max(0.0, (datetime.now(UTC) - entry.ending.ended_at).total_seconds())
    return None
