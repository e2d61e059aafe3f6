"""One look at a flag: its step is declared if it has just begun, judged, and decided when it is time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from supaqueue.contract import (
    BegunStep,
    DecideRolloutStep,
    FeatureFlag,
    FeatureFlags,
    KeepRolloutEvidence,
    ListRolloutSteps,
    ReadFeatureFlags,
    RolloutStep,
    RolloutSteps,
)
from supaqueue.cutover.gate.alarms import alarms_of
from supaqueue.cutover.gate.compared_jobs import Compare, ComparedJobs, end_of_first
from supaqueue.cutover.gate.conditions import Condition
from supaqueue.cutover.gate.declaring import declaration
from supaqueue.cutover.gate.evidence import Evidence, TypeEvidence
from supaqueue.cutover.gate.gate_rules import GateRules
from supaqueue.cutover.gate.passing import Asked, conditions_of, is_decidable
from supaqueue.cutover.gate.verdict import Verdict, as_json, canonical, is_raised, verdict_of
from supaqueue.errors import InvalidInput, SupaqueueError
from supaqueue.transport import Transport

_log = logging.getLogger(__name__)

ReadEvidence = Callable[[datetime], Evidence]
"""Reads what was seen since a time of the database's."""
RECENT = timedelta(hours=1)
"""Of how long the jobs are compared at each look, for what is to take a rollout back at once."""
BEFORE = timedelta(days=1)
"""How long before a step is looked at for the rates that it is declared by."""
TESTS_OF_A_TYPE = 2
"""Of final outcomes, and of first attempts."""
EXTENSIONS = 5


@dataclass(frozen=True, slots=True)
class Gate:
    """Judges flags. Any number may do so at once: what they declare and decide first stays.

    Args:
        transport: to Supabase.
        read_evidence: of all types.
        compare: compares both systems' jobs.
        rules: what is asked for.
        by: who judges, for the history.
    """

    transport: Transport
    read_evidence: ReadEvidence
    compare: Compare
    rules: GateRules
    by: str

    def look(self, task_type: str | None = None, *, anew: str | None = None) -> Verdict:
        """Look at the overall flag, or at a type's own.

        Args:
            anew: why a step that did not pass is to be begun anew.

        Raises:
            InvalidInput: the type has no flag of its own, or there is nothing to begin anew.
            CallError: Supabase gave no usable answer.
            LegacyUnavailable: the legacy queue's index gave none.
        """
        flags = self.transport.send(ReadFeatureFlags())
        flag = flags.overall if task_type is None else flags.of(task_type)
        if flag is None:
            raise InvalidInput("has no flag of its own: its step is the overall one's", field="--type")
        steps = self.transport.send(ListRolloutSteps())
        begun = next((one for one in steps.begun if one.flag_name == flag.flag_name), None)
        if begun is None or flag.stage in ("off", "complete"):
            if anew:
                raise InvalidInput("there is no step at this stage", field="--anew")
            return self._without_step(flag, steps.read_at)
        step = self._step(flags, flag, begun, steps, anew)
        if step is None:
            return self._without_step(flag, steps.read_at)
        return self._judged(flags, flag, step, steps.read_at)

    def _without_step(self, flag: FeatureFlag, now: datetime) -> Verdict:
        told = "two systems to compare: `supaqueue rollout begin`, then `set 0 --stage mirror`"
        step = Condition("step", "unknown", "a share that was set", "the flag's history", missing=told)
        return verdict_of(flag, (), (step,), None, legacy_is_alive=None, judged_at=now)

    def _step(
        self,
        flags: FeatureFlags,
        flag: FeatureFlag,
        begun: BegunStep,
        steps: RolloutSteps,
        anew: str | None,
    ) -> RolloutStep | None:
        """Return the present step, declared now if nobody has; None if it is over by now."""
        own = [one for one in steps.steps if one.flag_name == flag.flag_name]
        present = next((one for one in own if one.flag_version == begun.flag_version), None)
        if anew and (present is None or present.verdict != "no_pass"):
            raise InvalidInput("a step begins anew after a decision that is no pass", field="--anew")
        if present is not None and not anew:
            return present
        since = own[0].began_at if own else begun.began_at - BEFORE
        seen = types_of(flags, flag, self.read_evidence(since)).types
        known = next((one.mismatch_rate for one in own if one.mismatch_rate is not None), 0.0)
        call = declaration(
            flag, begun, seen, self.rules, seen_rate=known or 0.0, by=self.by, before=present, reason=anew
        )
        return self.transport.send(call).step

    def _judged(self, flags: FeatureFlags, flag: FeatureFlag, step: RolloutStep, now: datetime) -> Verdict:
        seen = self.read_evidence(step.began_at)
        evidence, names = types_of(flags, flag, seen), names_of(flags, flag, seen)
        recent = self._recent(flag, max(step.began_at, now - RECENT), now, names)
        tests = TESTS_OF_A_TYPE * max(1, len(seen.types))
        alarms = alarms_of(evidence, recent, self.rules, tests=tests)
        asked = Asked(flag, step, evidence, self.rules, None, None, now)
        fires = any(one.state == "unmet" for one in alarms)
        if step.verdict is None and _is_held(step, now) and evidence.legacy_is_alive and not fires:
            asked = self._with_samples(asked, names)
        conditions = conditions_of(asked)

        def concluded(step: RolloutStep) -> Verdict:
            alive = evidence.legacy_is_alive
            return verdict_of(flag, alarms, conditions, step, legacy_is_alive=alive, judged_at=now)

        verdict = concluded(step)
        if step.verdict is None and verdict.answer != "roll_back" and is_decidable(conditions):
            return concluded(self._decided(verdict, conditions, asked) or step)
        return verdict

    def _recent(
        self, flag: FeatureFlag, since: datetime, until: datetime, names: Collection[str] | None
    ) -> ComparedJobs | None:
        """Compare the last jobs; None if they cannot be, since there is more that takes a rollout back."""
        if not is_raised(flag):
            return None
        try:
            return self.compare(since, until, names)
        except (SupaqueueError, OSError) as error:
            _log.warning("the two systems were not compared (%s: %s)", type(error).__name__, error)
            return None

    def _with_samples(self, asked: Asked, names: Collection[str] | None) -> Asked:
        """Compare the jobs that the step is decided on, if there are enough: those first, then all."""
        step, wanted = asked.step, asked.step.declared_jobs
        sample: ComparedJobs | None = None
        for _ in range(EXTENSIONS):
            until = end_of_first(asked.evidence.types, wanted)
            if until is None:
                return replace(asked, sample=None)
            sample = self.compare(step.began_at, until, names)
            if sample.pending or sample.compared >= step.declared_jobs:
                break
            wanted += step.declared_jobs - sample.compared
        assert sample is not None
        if sample.pending or sample.compared < step.declared_jobs:
            return replace(asked, sample=sample)
        return replace(asked, sample=sample, whole=self.compare(step.began_at, asked.now, names))

    def _decided(
        self, verdict: Verdict, conditions: tuple[Condition, ...], asked: Asked
    ) -> RolloutStep | None:
        """Decide the step on this verdict; returns it as it stands then, None if it is over by now."""
        assert asked.sample is not None
        evidence = self.transport.send(KeepRolloutEvidence(canonical(as_json(verdict))))
        passes = not any(one.holds_up for one in conditions)
        rate = asked.sample.different / asked.sample.compared
        call = DecideRolloutStep(asked.step.step_id, "pass" if passes else "no_pass", evidence, self.by, rate)
        return self.transport.send(call).step


def names_of(flags: FeatureFlags, flag: FeatureFlag, evidence: Evidence) -> Collection[str] | None:
    """Return the types that a flag speaks for; None: all."""
    if flag.task_type is not None:
        return frozenset({flag.task_type})
    if not flags.types:
        return None
    own = {one.task_type for one in flags.types}
    return frozenset(one.task_type for one in evidence.types if one.task_type not in own)


def types_of(flags: FeatureFlags, flag: FeatureFlag, evidence: Evidence) -> Evidence:
    """Return what was seen of the types that a flag speaks for."""
    names = names_of(flags, flag, evidence)
    types: tuple[TypeEvidence, ...] = evidence.types
    if names is not None:
        types = tuple(one for one in types if one.task_type in names)
    return replace(evidence, types=types)


def _is_held(step: RolloutStep, now: datetime) -> bool:
    return (now - step.began_at).total_seconds() >= step.holding_seconds
