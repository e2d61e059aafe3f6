"""What about a cutover needs a person, in sentences: each says what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from supaqueue.contract import OwedMirrors
from supaqueue.cutover.report import FlagReport, LegacyReport
from supaqueue.cutover.spool import SpoolCounts
from supaqueue.cutover.stages import Stage

LATE_SECONDS = 60.0
"""How old what a relay owes may get before it is worth a warning."""


def warnings_of(
    rows: Sequence[FlagReport],
    owed: Sequence[OwedMirrors],
    held: int,
    spool: SpoolCounts | None,
    legacy: LegacyReport | None,
) -> tuple[str, ...]:
    """Return the warnings that follow from what a report holds."""
    return (
        *warnings_of_flags(rows),
        *_of_owed(owed, held, rows),
        *_of_spool(spool),
        *_of_legacy(legacy, rows),
    )


def warnings_of_flags(rows: Sequence[FlagReport]) -> Iterator[str]:
    """Return the warnings that follow from rows of the flag, the overall one first."""
    overall = rows[0]
    for row in rows:
        whose = f"type {row.task_type}: " if row.task_type else ""
        if row.problem:
            yield f"{whose}{row.problem}; routers with this environment refuse jobs"
        if row.latched_at:
            yield (
                f"{whose}latched since {row.latched_at:%F %T %Z} ({row.latch_reason or 'no reason given'}):"
                " it is raised only after `supaqueue rollout enable --clear-latch`"
            )
        if row.stage is Stage.COMPLETE and not row.runs:
            yield f"{whose}paused at complete: jobs wait, and there is no other queue for them"
        elif row.is_enabled and not overall.is_enabled:
            yield f"{whose}enabled, but the overall flag is disabled, and wins"
        if row.stage is Stage.SHADOW and row.shadow_percent == 0:
            yield f"{whose}the shadow percent is 0, nothing runs: `supaqueue rollout set 0 --shadow 5`"
        if row.hand_back != "none":
            yield f"{whose}jobs go back to legacy ({row.hand_back}) until `supaqueue rollout hand-back --end`"


def _of_owed(owed: Sequence[OwedMirrors], held: int, rows: Sequence[FlagReport]) -> Iterator[str]:
    late = [one for one in owed if one.oldest_seconds > LATE_SECONDS]
    if late:
        oldest = max(one.oldest_seconds for one in late)
        jobs = sum(one.jobs for one in late)
        yield (
            f"legacy was not told of {jobs:,} jobs, the oldest {oldest:.0f} s old: does a relay run?"
            " (`supaqueue rollout relay`, or `supaqueue worker --relay`)"
        )
    if held and not any(row.drain for row in rows):
        yield (
            f"{held:,} tasks are held, since they were started before their type went back: let workers end"
            " them (`hand-back --drain`), or send them too (`hand-back --include-started`)"
        )


def _of_spool(spool: SpoolCounts | None) -> Iterator[str]:
    if spool is None:
        return
    if spool.records and (spool.oldest_age_seconds or 0) > LATE_SECONDS:
        yield (
            f"the spool of this host holds {spool.records:,} mirrors, the oldest"
            f" {spool.oldest_age_seconds:.0f} s old: does a relay run on this host?"
        )
    if spool.damaged:
        yield f"{spool.damaged} files of the spool have damaged lines, and were moved aside, into damaged/"


def _of_legacy(legacy: LegacyReport | None, rows: Sequence[FlagReport]) -> Iterator[str]:
    if legacy is None:
        if any(row.stage is not Stage.COMPLETE for row in rows):
            yield "no legacy queue is named here (SUPAQUEUE_LEGACY or --legacy): nothing is known of it"
        return
    if legacy.problem is not None:
        yield f"the legacy queue gives no answer: {legacy.problem}"
    yield from legacy.settings
    if (legacy.oldest_ending_seconds or 0) > LATE_SECONDS:
        yield (
            "Supabase was not told how jobs of legacy ended, the oldest"
            f" {legacy.oldest_ending_seconds:.0f} s ago: does a relay run?"
        )
    left = legacy.left
    if left is not None and left.unstamped_runs:
        yield (
            f"{left.unstamped_runs:,} messages without a stamp ran in legacy, the last at"
            f" {left.last_unstamped_at:%F %T %Z}: something enqueues around the router"
        )
