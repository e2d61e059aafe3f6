"""Who owns a new job, what the other system gets, and where reads go: one pure table.

stage     bucket                                            owner     copy        reads first  Supabase runs
off       any                                               legacy    none        legacy       nothing new
mirror    any                                               legacy    inert row   legacy       nothing new
shadow    any                                               legacy    inert row   legacy       samples only
canary    below percent * 100                               supabase  parked      supabase     if enabled
canary    the others                                        legacy    inert row   legacy       if enabled
live      below percent * 100 and 10,000 - holdback * 100   supabase  parked      supabase     if enabled
live      the others                                        legacy    inert row   legacy       if enabled
complete  any                                               supabase  none        supabase     if enabled

Percent is the effective one: 0 unless the environment and the flag are both on, else the smaller of theirs.
A variable that is not set takes no part. The overall flag off wins over every type; else a type's own row
stands in place of the overall one, in everything. While the percent is above 0, at canary and live, a tenant
on a list is owned by that list's side, legacy if on both; reads go by the bucket all the same, since an id
tells nothing of a tenant. At complete nothing is ever legacy's: disabled, the queue only pauses.

Claims do not see the environment: what Supabase runs follows from the flag alone.

By environment. A flag of that kind stands at live, and the three variables say which stage it is. The flag
can still lower that: the earlier of the two stages holds, and the smaller percent.

dual write   enabled   percent      stage
false        false     any          off
false        true      0            off
false        true      100          refused: `complete` is reached by the flag, after its proofs
true         false     any          mirror
true         true      0            mirror
true         true      between      canary
true         true      100          live
A variable that is not set is refused, except the percent while enabled is false.

Refused settings, otherwise. Each is named; an unset variable is never refused.

stage            variable                  why
off              dual write true           nothing is copied
mirror to live   dual write false          each side gets copies
complete         dual write true           nothing is copied
complete         enabled false             legacy gets no jobs any more: pause by the flag
complete         percent below 100         legacy gets no jobs any more
any              dual write false and      two owners without copies: refused by `Switches`
                 0 < percent < 100
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from supaqueue.contract.feature_flag import FeatureFlag
from supaqueue.cutover.legacy.entry import Owner
from supaqueue.cutover.stages import Stage
from supaqueue.cutover.switches import DUAL_WRITE, ENABLED, PERCENT, Switches
from supaqueue.errors import ConfigurationError
from supaqueue.job_id import BUCKETS

Copy = Literal["none", "inert_row", "parked", "release"]
"""What the other system gets. `release`: the job is in Supabase, and a relay publishes it in legacy."""
Runs = Literal["all", "held", "nothing", "unknown"]
"""What claims of purpose `run` hand out; `held`: only what has started in Supabase before."""

_ORDER = tuple(Stage)
_TWO_OWNERS = (Stage.CANARY, Stage.LIVE)
_ONE_WRITE = (Stage.OFF, Stage.COMPLETE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one new job."""

    owner: Owner
    copy: Copy
    reads_first: Owner
    supabase_runs: Runs


def plan(
    switches: Switches,
    overall: FeatureFlag,
    own: FeatureFlag | None,
    bucket: int,
    tenant: str | None = None,
) -> Plan:
    """Return what becomes of a new job.

    Args:
        switches: the environment's.
        overall: the flag's row for all types.
        own: the row of the job's type, if it has one.
        bucket: the job's, 0 to 9,999.
        tenant: whose job it is, where that is known.

    Raises:
        ConfigurationError: a variable contradicts the stage.
    """
    check_switches(switches, own or overall)
    return _plan(switches, overall, own or overall, bucket, tenant)


def plan_unrouted(
    overall: FeatureFlag, own: FeatureFlag | None, bucket: int, tenant: str | None = None
) -> Plan | None:
    """Return what becomes of a job that came to Supabase past the router; None: it is refused there."""
    flag = own or overall
    planned = _plan(Switches(), overall, flag, bucket, tenant)
    if planned.owner == "supabase":
        return planned
    if not flag.relays_unrouted:
        return None
    return Plan("legacy", "release", planned.reads_first, planned.supabase_runs)


def plan_without_flag(switches: Switches, bucket: int) -> Plan | None:
    """Return what becomes of a new job while the flag cannot be read and no copy of it is kept.

    Only what the environment alone denies to Supabase is certain; None: anything else is to be refused.
    """
    if bucket < _buckets(switches.highest_percent):
        return None
    copy: Copy = "none" if switches.dual_write is False else "inert_row"
    return Plan("legacy", copy, "legacy", "unknown")


def reads_first(switches: Switches, overall: FeatureFlag | None, bucket: int) -> Owner:
    """Return the side that is asked first for a job of which only the id is known. Refuses no setting."""
    if overall is None:
        return "legacy"
    return _plan(switches, overall, overall, bucket, None).reads_first


def effective_percent(switches: Switches, overall: FeatureFlag, own: FeatureFlag | None) -> Decimal:
    """Return the share that environment and flag both allow."""
    flag = own or overall
    if not (overall.is_enabled and flag.is_enabled):
        return Decimal(0)
    return min(flag.rollout_percent, switches.highest_percent)


def effective_stage(switches: Switches, flag: FeatureFlag) -> Stage:
    """Return the stage that holds for the types which this flag speaks for."""
    stage = Stage(flag.stage)
    if not _is_steered_by_environment(flag):
        return stage
    return min(stage, _stage_of(switches), key=_ORDER.index)


def check_switches(switches: Switches, flag: FeatureFlag) -> None:
    """Refuse an environment that contradicts the stage of a flag.

    Raises:
        ConfigurationError: it does; the message names the variable.
    """
    problem = (
        _problem_by_environment(switches)
        if _is_steered_by_environment(flag)
        else _problem_at(Stage(flag.stage), switches)
    )
    if problem:
        whose = f" of task type {flag.task_type!r}" if flag.task_type else ""
        raise ConfigurationError(f"{problem}; the flag{whose} stands at stage {flag.stage}")


def _plan(
    switches: Switches, overall: FeatureFlag, flag: FeatureFlag, bucket: int, tenant: str | None
) -> Plan:
    stage = effective_stage(switches, flag)
    percent = effective_percent(switches, overall, flag)
    by_bucket = _owner_by_bucket(stage, percent, flag, bucket)
    is_pinned_to = _pin(flag, tenant) if stage in _TWO_OWNERS and percent > 0 else None
    owner = is_pinned_to or by_bucket
    return Plan(owner, _copy(stage, owner), by_bucket, _runs(overall, flag))


def _owner_by_bucket(stage: Stage, percent: Decimal, flag: FeatureFlag, bucket: int) -> Owner:
    if stage is Stage.COMPLETE:
        return "supabase"
    if stage not in _TWO_OWNERS:
        return "legacy"
    below = _buckets(percent)
    # By the flag's stage, not the effective one: SQL, which sees no environment, holds these back too.
    if Stage(flag.stage) is Stage.LIVE:
        below = min(below, BUCKETS - _buckets(flag.holdback_percent))
    return "supabase" if bucket < below else "legacy"


def _pin(flag: FeatureFlag, tenant: str | None) -> Owner | None:
    if tenant in flag.legacy_tenants:
        return "legacy"
    return "supabase" if tenant in flag.supabase_tenants else None


def _copy(stage: Stage, owner: Owner) -> Copy:
    if stage in _ONE_WRITE:
        return "none"
    return "parked" if owner == "supabase" else "inert_row"


def _runs(overall: FeatureFlag, flag: FeatureFlag) -> Runs:
    if flag.drain:
        return "held"
    return "all" if overall.is_enabled and flag.is_enabled else "nothing"


def _buckets(percent: Decimal) -> int:
    return int(percent * (BUCKETS // 100))


def _is_steered_by_environment(flag: FeatureFlag) -> bool:
    return flag.by_environment and flag.stage not in _ONE_WRITE


def _stage_of(switches: Switches) -> Stage:
    if switches.dual_write is False:
        return Stage.OFF
    if switches.highest_percent == 0:
        return Stage.MIRROR
    return Stage.CANARY if switches.highest_percent < 100 else Stage.LIVE


def _problem_by_environment(switches: Switches) -> str | None:
    missing = [
        variable
        for variable, value in ((DUAL_WRITE, switches.dual_write), (ENABLED, switches.enabled))
        if value is None
    ]
    if switches.enabled and switches.percent is None:
        missing.append(PERCENT)
    if missing:
        return f"{' and '.join(missing)} must be set, since this cutover is steered by the environment"
    if switches.dual_write is False and switches.highest_percent > 0:
        return (
            f"{DUAL_WRITE} is false while {ENABLED} is true: legacy may still have work; keep"
            f" {DUAL_WRITE}=true until `supaqueue rollout` has brought the flag to complete"
        )
    return None


def _problem_at(stage: Stage, switches: Switches) -> str | None:
    if stage not in _ONE_WRITE and switches.dual_write is False:
        return f"{DUAL_WRITE} is false, but both queues are written: unset it"
    if stage in _ONE_WRITE and switches.dual_write:
        return f"{DUAL_WRITE} is true, but only one queue is written: unset it"
    if stage is Stage.COMPLETE and switches.enabled is False:
        return f"{ENABLED} is false, but there is no other queue: unset it; to pause, disable the flag"
    if stage is Stage.COMPLETE and switches.highest_percent < 100:
        return f"{PERCENT} is below 100, but there is no other queue for the rest: unset it"
    return None
