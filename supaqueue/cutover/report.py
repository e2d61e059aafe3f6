"""Where a cutover stands: gauges and warnings, from facts that were read before. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from supaqueue.contract import FeatureFlag, FeatureFlags, OwedMirrors
from supaqueue.contract.feature_flag import HandBack
from supaqueue.cutover.left import LegacyLeft
from supaqueue.cutover.plan import check_switches, effective_percent, effective_stage
from supaqueue.cutover.spool import SpoolCounts
from supaqueue.cutover.stages import Stage
from supaqueue.cutover.switches import Switches
from supaqueue.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class FlagReport:
    """One row of the flag, and what it comes to with this host's environment.

    Attributes:
        task_type: whose it is; None for the overall one.
        effective_stage: the earlier of the flag's and, where that steers, the environment's.
        effective_percent: what environment, overall flag and this row all allow.
        supabase_percent: the share of buckets whose new jobs are Supabase's; pinned tenants aside.
        runs: whether claims hand out tasks of these types.
        problem: the variable that contradicts the stage, so that routers refuse; None if none does.
    """

    task_type: str | None
    stage: Stage
    effective_stage: Stage
    is_enabled: bool
    rollout_percent: Decimal
    effective_percent: Decimal
    supabase_percent: Decimal
    holdback_percent: Decimal
    shadow_percent: Decimal
    runs: bool
    by_environment: bool
    routes_by_tenant: bool
    relays_unrouted: bool
    supabase_tenants: tuple[str, ...]
    legacy_tenants: tuple[str, ...]
    hand_back: HandBack
    drain: bool
    raised_at: datetime | None
    latched_at: datetime | None
    latch_reason: str | None
    version: int
    updated_by: str | None
    updated_at: datetime
    reason: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class LegacyReport:
    """The old queue. `problem`: why it gave no answer; then `left` is None.

    Attributes:
        name: of its kind, such as `folder`.
        left: what it holds.
        oldest_ending_seconds: the age of the oldest end that Supabase was not told; None without any.
        settings: what about it loses or repeats jobs, each with what to set.
    """

    name: str
    problem: str | None
    left: LegacyLeft | None = None
    oldest_ending_seconds: float | None = None
    settings: tuple[str, ...] = ()

    @property
    def is_alive(self) -> bool:
        """Whether it answered."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class LocalReport:
    """What can be seen while Supabase gives no answer. `problem`: why it gave none.

    Attributes:
        switches: this host's environment.
        spool: this host's; None if it has none.
        legacy: None if no legacy queue is named here.
    """

    problem: str
    switches: Switches
    spool: SpoolCounts | None
    legacy: LegacyReport | None


@dataclass(frozen=True, slots=True)
class RolloutReport:
    """All of it, at one moment of the database's clock.

    Attributes:
        flags: the overall row first, then those of types.
        switches: this host's environment; other hosts have their own.
        owed: what legacy was not told of, by kind, with the age of the oldest in seconds.
        legacy_open: jobs of legacy whose end was not told to Supabase.
        held: tasks that were started in Supabase while their type goes back.
        spool: this host's; None if it has none.
        legacy: None if no legacy queue is named here.
        warnings: sentences, each with what to do.
    """

    read_at: datetime
    flags: tuple[FlagReport, ...]
    switches: Switches
    owed: tuple[OwedMirrors, ...]
    legacy_open: int
    held: int
    spool: SpoolCounts | None
    legacy: LegacyReport | None
    warnings: tuple[str, ...]


def flag_report(flags: FeatureFlags, flag: FeatureFlag, switches: Switches) -> FlagReport:
    """Return what one row comes to."""
    overall = flags.overall
    stage = effective_stage(switches, flag)
    percent = effective_percent(switches, overall, flag)
    return FlagReport(
        task_type=flag.task_type,
        stage=Stage(flag.stage),
        effective_stage=stage,
        is_enabled=flag.is_enabled,
        rollout_percent=flag.rollout_percent,
        effective_percent=percent,
        supabase_percent=_share(stage, percent, flag),
        holdback_percent=flag.holdback_percent,
        shadow_percent=flag.shadow_percent,
        runs=overall.is_enabled and flag.is_enabled,
        by_environment=flag.by_environment,
        routes_by_tenant=flag.routes_by_tenant,
        relays_unrouted=flag.relays_unrouted,
        supabase_tenants=flag.supabase_tenants,
        legacy_tenants=flag.legacy_tenants,
        hand_back=flag.hand_back,
        drain=flag.drain,
        raised_at=flag.raised_at,
        latched_at=flag.latched_at,
        latch_reason=flag.latch_reason,
        version=flag.version,
        updated_by=flag.updated_by,
        updated_at=flag.updated_at,
        reason=flag.reason,
        problem=_problem(switches, flag),
    )


def _share(stage: Stage, percent: Decimal, flag: FeatureFlag) -> Decimal:
    if stage is Stage.COMPLETE:
        return Decimal(100)
    if stage not in (Stage.CANARY, Stage.LIVE):
        return Decimal(0)
    return min(percent, 100 - flag.holdback_percent) if flag.stage == "live" else percent


def _problem(switches: Switches, flag: FeatureFlag) -> str | None:
    try:
        check_switches(switches, flag)
    except ConfigurationError as contradiction:
        return str(contradiction)
    return None
