"""The proof that one of the two systems has nothing left to do, before it is switched off."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from supaqueue.contract import FeatureFlag, FeatureFlags, ReadFeatureFlags
from supaqueue.cutover.left import LegacyLeft, SupabaseLeft, left_in_legacy, left_in_supabase
from supaqueue.cutover.legacy.entry import Owner
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.plan import check_switches, effective_percent, effective_stage
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.stages import Stage
from supaqueue.cutover.switches import Switches
from supaqueue.errors import ConfigurationError
from supaqueue.transport import Transport

Verdict = Literal["drained", "not_drained", "unknown"]

SETTLED_AFTER = timedelta(seconds=10)
"""How long after a change of the flag no process goes by the flag before it."""
_BROKER = ("pending", "scheduled", "retrying", "leased", "unstamped")


@dataclass(frozen=True, slots=True)
class DrainProof:
    """What is left on both sides, and what that means for one of them.

    Attributes:
        side: the one that is to be switched off.
        spooled: records of this host's spool; None if it has none.
        left: what it still has to do, in words.
        uncounted: what its broker cannot count, and why; not waived.
    """

    side: Owner
    legacy: LegacyLeft
    supabase: SupabaseLeft
    spooled: int | None
    left: tuple[str, ...]
    uncounted: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """`drained` only if all is counted and nothing is left."""
        if self.left:
            return "not_drained"
        return "unknown" if self.uncounted else "drained"


def prove_drained(
    transport: Transport,
    legacy: LegacyQueue,
    spool: Spool | None,
    switches: Switches,
    *,
    side: Owner = "legacy",
    waived: Collection[str] = (),
) -> DrainProof:
    """Count both sides, twice, and judge one.

    Args:
        transport: to Supabase.
        legacy: the old queue.
        spool: this host's; other hosts have their own.
        switches: this host's; other hosts' should be the same.
        side: which system is to be switched off.
        waived: what need not be counted: names of `LegacyLeft` that the broker cannot count.

    Raises:
        CallError: Supabase or legacy gave no usable answer.
        SpoolError: the spool cannot be read.
    """
    flags = transport.send(ReadFeatureFlags())
    there = left_in_legacy(legacy).or_more(left_in_legacy(legacy))
    here = left_in_supabase(transport)
    spooled = None if spool is None else spool.count().records
    found = (
        _reasons_in_legacy(switches, flags, there, here)
        if side == "legacy"
        else _reasons_in_supabase(flags, here)
    )
    left = [*found, *_left(((spooled or 0, "records in the spool of this host"),))]
    uncounted = _uncounted(legacy, there, waived) if side == "legacy" else ()
    return DrainProof(side, there, here, spooled, tuple(left), tuple(uncounted))


def _reasons_in_legacy(
    switches: Switches, flags: FeatureFlags, there: LegacyLeft, here: SupabaseLeft
) -> Iterator[str]:
    yield from _still_gets_jobs(switches, flags)
    yield from _left(
        (
            (there.pending, "messages wait in legacy"),
            (there.scheduled, "messages are scheduled in legacy"),
            (there.leased, "messages are with legacy's workers"),
            (there.unstamped, "messages in legacy carry no stamp: something enqueues around the router"),
            (there.unpublished, "jobs were accepted by legacy and may not be in its broker: a repeat tells"),
            (there.published, "jobs of legacy have not ended"),
            (there.running, "run markers are held in legacy"),
            (there.unsent_endings, "ends of legacy's jobs were not told to Supabase: run the relay"),
            (here.legacy_open, "jobs of legacy are open in Supabase's books"),
            (here.release_due, "jobs are on their way to legacy"),
            (here.takeover_due, "jobs are to be taken over, and were not yet"),
        )
    )
    if there.last_unstamped_at and there.last_unstamped_at > _changed_at(flags):
        ran_at = f"{there.last_unstamped_at:%F %T %Z}"
        yield f"a message without a stamp ran since the flag's last change, at {ran_at}"


def _reasons_in_supabase(flags: FeatureFlags, here: SupabaseLeft) -> Iterator[str]:
    for flag in (flags.overall, *flags.types):
        if flag.stage in ("canary", "live", "complete") and flag.is_enabled and flag.rollout_percent > 0:
            yield f"new jobs{_of_type(flag)} are Supabase's: its flag stands at {flag.stage}"
    yield from _left(
        (
            (here.pending, "tasks wait in Supabase"),
            (here.blocked, "tasks are blocked in Supabase"),
            (here.claimed + here.processing, "tasks are with Supabase's workers"),
            (here.release_due, "jobs are on their way to legacy"),
            (here.takeover_due, "jobs are to be taken over from legacy: end that, or relay"),
        )
    )


def _still_gets_jobs(switches: Switches, flags: FeatureFlags) -> Iterator[str]:
    for flag in (flags.overall, *flags.types):
        if flag.stage != "complete" and not _is_all_of_supabase(switches, flags.overall, flag):
            percent, holdback = flag.rollout_percent.normalize(), flag.holdback_percent.normalize()
            yield (
                f"new jobs{_of_type(flag)} may still be legacy's: its flag stands at {flag.stage},"
                f" {percent:f} percent, holdback {holdback:f}"
            )
        if flags.read_at - flag.updated_at < SETTLED_AFTER:
            yield f"the flag{_of_type(flag)} changed a moment ago: some process may act on the older one"
        if flag.hand_back != "none":
            yield f"jobs{_of_type(flag)} go back to legacy: its flag says hand_back"


def _is_all_of_supabase(switches: Switches, overall: FeatureFlag, flag: FeatureFlag) -> bool:
    try:
        check_switches(switches, flag)
    except ConfigurationError:
        return False
    return (
        effective_stage(switches, flag) is Stage.LIVE
        and effective_percent(switches, overall, flag) == 100
        and flag.holdback_percent == 0
        and not flag.legacy_tenants
    )


def _uncounted(legacy: LegacyQueue, there: LegacyLeft, waived: Collection[str]) -> Iterator[str]:
    for name in _BROKER:
        if getattr(there, name) is None and name not in waived:
            why = legacy.broker.cannot.get(f"count_{name}", "it does not say")
            yield f"{name}: {legacy.broker.name} cannot count that: {why}"


def _left(counts: Collection[tuple[int | None, str]]) -> Iterator[str]:
    yield from (f"{number:,} {what}" for number, what in counts if number)


def _changed_at(flags: FeatureFlags) -> datetime:
    return max(flag.updated_at for flag in (flags.overall, *flags.types))


def _of_type(flag: FeatureFlag) -> str:
    return f" of type {flag.task_type}" if flag.task_type else ""
