"""What follows from a verdict, as one change of the flag each: pure."""

from __future__ import annotations

from decimal import Decimal

from supaqueue.contract import FeatureFlag, FlagChange, HandBack
from supaqueue.cutover.flag_steps import change_to_percent
from supaqueue.cutover.gate.verdict import Verdict

LONGEST_REASON = 1000


def change_of(verdict: Verdict, *, promotes: bool) -> FlagChange | None:
    """Return the change that a verdict asks for; None if none.

    Args:
        promotes: whether a pass leads on to the next share.
    """
    flag = verdict.flag
    if verdict.action == "roll_back":
        return roll_back_change(flag)
    if verdict.action == "halt":
        return FlagChange(latched=True) if flag.latched_at is None else None
    if promotes and verdict.answer == "pass" and verdict.step and verdict.step.next_percent is not None:
        return change_to_percent(flag, verdict.step.next_percent)
    return None


def roll_back_change(flag: FeatureFlag) -> FlagChange:
    """Return what takes a flag to 0 percent: disabled and latched, and what has not started goes back.

    Disabled, so that what fails or waits there is not run on; what had started is held until a person says
    where it ends.
    """
    hand_back: HandBack = "all" if flag.hand_back == "all" else "not_started"
    return FlagChange(is_enabled=False, rollout_percent=Decimal(0), latched=True, hand_back=hand_back)


def reason_of(verdict: Verdict) -> str:
    """Return why a change follows from a verdict, for the history."""
    if verdict.answer == "pass":
        assert verdict.step is not None
        return f"step {verdict.step.step_id} passed at {verdict.step.percent.normalize():f} percent"
    told = "; ".join(verdict.because)
    text = (
        f"the legacy queue does not live, so the percent stays: {told}" if verdict.action == "halt" else told
    )
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 3]}..."
