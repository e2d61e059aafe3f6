"""What a router is made of, whichever its colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from supaqueue.answer import EnqueueAnswer
from supaqueue.client.reports import Reports
from supaqueue.client.source import Source, settings_from
from supaqueue.cutover.breaker import Breaker
from supaqueue.cutover.kept_flags import KeptFlags
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.reporting import CutoverReports
from supaqueue.cutover.rollout import KnownFlags, Rollout
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.steps import Steps, work
from supaqueue.cutover.switches import Switches
from supaqueue.errors import CallError
from supaqueue.settings import Overrides, Settings
from supaqueue.transport import Transport


@dataclass(frozen=True, slots=True)
class Parts:
    """See `DualWriteQueue`."""

    legacy: LegacyQueue
    switches: Switches
    rollout: Rollout
    spool: Spool
    reports: Reports
    cutover_reports: CutoverReports
    repin_refused: bool
    supabase: Breaker = field(default_factory=Breaker)
    parking: Breaker = field(default_factory=Breaker)


def known_flags(rollout: Rollout) -> Steps[KnownFlags | None]:
    """Return the flags, without a step where they are at hand."""
    at_hand = rollout.at_hand()
    if at_hand is not None:
        return at_hand
    return (yield from work(rollout.current))


@contextmanager
def carrying(answered: Sequence[EnqueueAnswer]) -> Iterator[None]:
    """Let an error out of the block carry what was answered before it, and what it carries itself."""
    try:
        yield
    except CallError as error:
        error.answered = (*answered, *error.answered)
        raise


def rollout_of(settings: Settings, transport: Transport, spool: Spool) -> Rollout:
    """Return what holds the flags of a queue, kept beside the spool."""
    return Rollout(transport, KeptFlags(spool.folder, f"{settings.url} {settings.schema}"))


def router_settings(source: Source | None, overrides: Overrides, *, is_given: bool) -> Settings | None:
    """Return the settings; None where transport and rollout are given and nothing else is.

    Raises:
        ConfigurationError: a setting is missing or malformed.
    """
    if is_given and source is None and not overrides:
        return None
    return settings_from(source, overrides)
