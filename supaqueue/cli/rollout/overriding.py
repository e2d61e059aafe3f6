"""What a gate says to a raise by hand: where one has declared a step, that must have passed."""

from __future__ import annotations

from supaqueue.contract import FeatureFlag, FlagChange, ListRolloutSteps, RolloutStep
from supaqueue.errors import InvalidInput
from supaqueue.transport import Transport

OPTION = "--override-gate"


def gate_of(
    transport: Transport, flag: FeatureFlag, change: FlagChange, *, is_overridden: bool, reason: str | None
) -> str | None:
    """Return what a change rests on, for the history: a step's evidence, or that it was overridden.

    None where no gate says anything to it: nothing is raised, or nobody has declared the present step.

    Raises:
        InvalidInput: the gate has not passed, or it is overridden without a reason.
        CallError: Supabase gave no usable answer.
    """
    if is_overridden and not (reason or "").strip():
        raise InvalidInput("say why, with --reason", field=OPTION)
    to = change.get("rollout_percent", flag.rollout_percent)
    if to <= flag.rollout_percent or flag.stage == "complete":
        return None
    step = present_step(transport, flag.flag_name)
    if step is None:
        return None
    covers = step.next_percent is not None and to <= step.next_percent
    if step.verdict == "pass" and covers:
        return step.evidence
    if not is_overridden:
        raise InvalidInput(_why(step, covers=covers), field="percent")
    return f"gate overridden: step {step.step_id} {_state(step)}"


def present_step(transport: Transport, flag_name: str) -> RolloutStep | None:
    """Return the step that a flag stands at, as it was declared last; None if nobody declared it."""
    steps = transport.send(ListRolloutSteps())
    version = next((one.flag_version for one in steps.begun if one.flag_name == flag_name), None)
    of_flag = (one for one in steps.steps if one.flag_name == flag_name)
    return next((one for one in of_flag if one.flag_version == version), None)


def _why(step: RolloutStep, *, covers: bool) -> str:
    if step.verdict == "pass" and not covers:
        to = "complete" if step.next_percent is None else f"{step.next_percent.normalize():f} percent"
        return f"the gate passed for {to}, and for no more: `{OPTION} --reason` raises it all the same"
    return (
        f"the gate of the present share {_state(step)}: `supaqueue rollout gate` says what is missing,"
        f" `{OPTION} --reason` raises it all the same"
    )


def _state(step: RolloutStep) -> str:
    return {"pass": "passed", "no_pass": "did not pass", None: "was not decided yet"}[step.verdict]
