"""A gate's verdict: `pass`, `hold` or `roll_back`, and what it rests on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from supaqueue.contract import FeatureFlag, RolloutStep
from supaqueue.cutover.gate.conditions import Condition
from supaqueue.telemetry.redaction import redact

SCHEMA = "supaqueue.gate/1"
"""Grows when something is renamed or taken away; what is added leaves it as it is."""
Answer = Literal["pass", "hold", "roll_back"]
Action = Literal["none", "roll_back", "halt"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says of a flag.

    Attributes:
        action: what is to be done of it now: `halt` in place of `roll_back` where the legacy queue does not
            live, so that jobs would go nowhere: the percent stays, latched, and a person is called.
        alarms: what takes a rollout back: those `unmet` fire.
        conditions: what lets it go on.
        step: as it was declared, and decided if it was; None if there is none.
    """

    flag: FeatureFlag
    answer: Answer
    action: Action
    alarms: tuple[Condition, ...]
    conditions: tuple[Condition, ...]
    step: RolloutStep | None
    judged_at: datetime

    @property
    def because(self) -> tuple[str, ...]:
        """Each reason that it is no pass, as a sentence; of a pass none."""
        fired = [one for one in self.alarms if one.state == "unmet"]
        if self.answer == "roll_back":
            return tuple(map(said, fired))
        if self.answer == "pass":
            return ()
        told = [said(one) for one in self.conditions if one.holds_up]
        if self.step is not None and self.step.verdict == "no_pass":
            told.insert(0, "the step was decided, and did not pass: `supaqueue rollout gate --anew --reason`")
        return tuple(told)


def verdict_of(
    flag: FeatureFlag,
    alarms: Sequence[Condition],
    conditions: Sequence[Condition],
    step: RolloutStep | None,
    *,
    legacy_is_alive: bool | None,
    judged_at: datetime,
) -> Verdict:
    """Conclude. Only a step that was decided so passes, and only while the flag stands as it did."""
    fires = is_raised(flag) and any(one.state == "unmet" for one in alarms)
    in_order = all(one.state == "met" for one in conditions if one.name == "flag")
    passes = step is not None and step.verdict == "pass" and in_order
    action: Action = "none"
    if fires:
        action = "roll_back" if legacy_is_alive else "halt"
    answer: Answer = "roll_back" if fires else "pass" if passes else "hold"
    return Verdict(flag, answer, action, tuple(alarms), tuple(conditions), step, judged_at)


def is_raised(flag: FeatureFlag) -> bool:
    """Whether Supabase gets new jobs by this flag, so that there is something to take back."""
    return flag.stage in ("canary", "live") and flag.is_enabled and flag.rollout_percent > 0


def said(condition: Condition) -> str:
    """Return a condition as one line: name, figures, what it is held to, and what is missing."""
    whose = f" of {condition.task_type}" if condition.task_type else ""
    figures = ", ".join(f"{name} {_figure(value)}" for name, value in condition.figures.items())
    line = f"{condition.name}{whose}: {figures or condition.state}; asked for: {condition.bound}"
    return f"{line}; missing: {condition.missing}" if condition.missing else line


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain JSON, people's own words redacted; its schema is in `docs/gates.md`."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(verdict), default=_plain, allow_nan=False))
    flag, step = plain.pop("flag"), plain["step"]
    if step and step["reason"]:
        step["reason"] = redact(step["reason"])
    shown = ("flag_name", "task_type", "version", "stage", "is_enabled", "rollout_percent", "latched_at")
    return {
        "schema": SCHEMA,
        "flag": {name: flag[name] for name in shown},
        "because": list(verdict.because),
        **plain,
    }


def canonical(content: dict[str, Any]) -> str:
    """Return JSON of which the same content gives the same text: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _figure(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
