"""What a wish comes to as a change of a flag: pure, and no wish is guessed at. SQL decides in the end."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import cast

from supaqueue.contract.change_feature_flag import FlagChange
from supaqueue.contract.feature_flag import FeatureFlag
from supaqueue.cutover.stages import ALLOWED_STEPS, Stage
from supaqueue.errors import InvalidInput

BEGUN = "rollout begin, step"
"""How the evidence of each step of a beginning starts: one that was interrupted goes on from there."""

_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")
_WHOLE = Decimal(100)
_INERT = (Stage.OFF, Stage.MIRROR, Stage.SHADOW)


def read_percent(text: str, field: str = "percent") -> Decimal:
    """Return a percent as people type it, 0 to 100 in steps of 0.01; `field` names it in errors.

    Raises:
        InvalidInput: it is none.
    """
    if not _PERCENT.fullmatch(text) or Decimal(text) > _WHOLE:
        raise InvalidInput("must be from 0 to 100 in steps of 0.01, for example 12.5", field=field)
    return Decimal(text)


def steps_to_begin(flag: FeatureFlag, *, by_environment: bool, holdback: Decimal) -> list[FlagChange]:
    """Return the changes that begin a cutover, each a step of its own; some may have been made before.

    Plain, all jobs are legacy's after it. By environment the flag then opens in steps at which it gives
    Supabase nothing, and the last one leaves the decision to the variables.

    Raises:
        InvalidInput: a cutover has begun already.
    """
    steps = _steps_to_begin(by_environment=by_environment, holdback=holdback)
    if flag.stage == "complete":
        return steps
    if by_environment and flag.by_environment and (flag.evidence or "").startswith(BEGUN):
        done = (Stage.OFF, Stage.MIRROR, Stage.CANARY, Stage.LIVE).index(Stage(flag.stage)) + 1
        return steps[done:]
    raise InvalidInput(
        f"a cutover has begun, and stands at {flag.stage}: go on with `supaqueue rollout set`", field="stage"
    )


def _steps_to_begin(*, by_environment: bool, holdback: Decimal) -> list[FlagChange]:
    first = FlagChange(
        stage="off",
        is_enabled=False,
        rollout_percent=Decimal(0),
        holdback_percent=holdback,
        by_environment=by_environment,
    )
    if not by_environment:
        return [first]
    return [
        first,
        FlagChange(stage="mirror"),
        FlagChange(stage="canary", is_enabled=True),
        FlagChange(stage="live", rollout_percent=_WHOLE),
    ]


def change_to_percent(flag: FeatureFlag, percent: Decimal, stage: Stage | None = None) -> FlagChange:
    """Return what gives Supabase that share of new jobs, at that stage or at the one that the share means.

    Args:
        flag: as it stands; for a type without a row of its own, the overall one.
        percent: 0 to 100.
        stage: must fit the percent; without it mirror and shadow stay at 0, and go to canary above.

    Raises:
        InvalidInput: there is no such step; the message names those that there are.
    """
    now = Stage(flag.stage)
    wanted = stage or _stage_of(now, percent)
    _check_fit(wanted, percent)
    _check_step(now, wanted)
    if now in (Stage.CANARY, Stage.LIVE) and percent > 0 and not flag.is_enabled:
        raise InvalidInput(
            f"the flag is disabled, by {flag.updated_by or 'unknown'} at {flag.updated_at:%F %T %Z}:"
            f" `supaqueue rollout enable --percent {percent}` enables it as well"
        )
    change = FlagChange(stage=wanted.value, rollout_percent=percent)
    if wanted in _INERT and flag.is_enabled:
        change["is_enabled"] = False
    elif now in _INERT and wanted not in _INERT:
        change["is_enabled"] = True
    return change


def what_changes(flag: FeatureFlag, change: FlagChange) -> FlagChange:
    """Return of a change what differs from the flag as it stands.

    To name `is_enabled` in vain would be taken for the emergency update, which stops shadow runs.
    """
    differing = {name: value for name, value in change.items() if getattr(flag, name) != value}
    return cast(FlagChange, differing)


def change_to_enable(flag: FeatureFlag, percent: Decimal | None, before: Decimal | None) -> FlagChange:
    """Return what enables a flag again.

    Args:
        flag: as it stands.
        percent: which share Supabase gets from then on; to be said, but at complete.
        before: the share before it was disabled, for the error's text; None if unknown.

    Raises:
        InvalidInput: no percent is given, or there is nothing to enable at this stage.
    """
    stage = Stage(flag.stage)
    if stage in _INERT:
        raise InvalidInput(
            f"at stage {stage} nothing is enabled: `supaqueue rollout set PERCENT` goes on from here",
            field="stage",
        )
    if stage is Stage.COMPLETE:
        _check_fit(stage, _WHOLE if percent is None else percent)
        return FlagChange(is_enabled=True, rollout_percent=_WHOLE)
    if percent is None:
        known = "" if before is None else f"; before it was disabled it was {before}"
        raise InvalidInput(f"say which share Supabase gets from now on{known}", field="--percent")
    return FlagChange(stage=_stage_of(stage, percent).value, is_enabled=True, rollout_percent=percent)


def _stage_of(now: Stage, percent: Decimal) -> Stage:
    if now is Stage.COMPLETE:
        return now
    if percent == 0 and now in _INERT:
        return now
    if now is Stage.OFF:
        raise InvalidInput(
            "at stage off dual write is off, and nothing is mirrored: first"
            " `supaqueue rollout set 0 --stage mirror`",
            field="percent",
        )
    return Stage.LIVE if percent == _WHOLE else Stage.CANARY


def _check_fit(stage: Stage, percent: Decimal) -> None:
    if stage in _INERT and percent > 0:
        raise InvalidInput(f"must be 0 at stage {stage}, where legacy owns every job", field="percent")
    if stage is Stage.CANARY and percent == _WHOLE:
        raise InvalidInput("must be below 100 at stage canary; 100 is stage live", field="percent")
    if stage is Stage.LIVE and percent < _WHOLE:
        raise InvalidInput("must be 100 at stage live; less is stage canary", field="percent")
    if stage is Stage.COMPLETE and percent < _WHOLE:
        raise InvalidInput(
            "must be 100 at stage complete, where there is no other queue; back leads"
            " `supaqueue rollout set 100 --stage live`, to pause `supaqueue rollout disable`",
            field="percent",
        )


def _check_step(now: Stage, wanted: Stage) -> None:
    if now is Stage.COMPLETE and wanted is Stage.OFF:
        raise InvalidInput("a cutover begins with `supaqueue rollout begin`", field="--stage")
    if now is not wanted and (now, wanted) not in ALLOWED_STEPS:
        allowed = ", ".join(stage for stage in Stage if (now, stage) in ALLOWED_STEPS)
        raise InvalidInput(
            f"there is no step from {now} to {wanted}; from {now} the steps lead to: {allowed}",
            field="--stage",
        )
