"""A step's verdict: every condition counts, no data is no pass, and what is decided was not looked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from supaqueue.contract import BegunStep, FeatureFlag, RolloutStep
from supaqueue.cutover.gate.alarms import alarms_of
from supaqueue.cutover.gate.compared_jobs import ComparedJobs, end_of_first
from supaqueue.cutover.gate.conditions import Condition
from supaqueue.cutover.gate.declaring import canary_jobs, declaration
from supaqueue.cutover.gate.error_counts import count_errors
from supaqueue.cutover.gate.evidence import Cohort, Evidence, Latencies, Probes, Side, WorkerCalls
from supaqueue.cutover.gate.gate_rules import GateRules, Objectives
from supaqueue.cutover.gate.growing_backlog import Minute
from supaqueue.cutover.gate.passing import Asked, conditions_of, is_decidable
from supaqueue.cutover.gate.sample_size import is_proven, jobs_to_declare
from supaqueue.cutover.gate.verdict import Verdict, as_json, canonical, verdict_of
from tests.cutover.flags import MOMENT, flag
from tests.cutover.gate.seen import BEGAN, BIN_OF_A_SECOND, cohorts, compared, evidence, of_type, step

NOW = BEGAN + timedelta(hours=2)
AT_10 = flag("canary", 10)


def asked(**given: Any) -> Asked:
    options: dict[str, Any] = {
        "flag": AT_10,
        "step": step(),
        "evidence": evidence(),
        "rules": GateRules(),
        "sample": compared(),
        "whole": compared(),
        "now": NOW,
    }
    return Asked(**options | given)


def broken(conditions: Collection[Condition]) -> dict[str, str]:
    return {one.name: one.state for one in conditions if one.holds_up}


def fired(seen: Evidence, recent: ComparedJobs | None = None, *, rules: GateRules | None = None) -> set[str]:
    alarms = alarms_of(seen, recent or compared(), rules or GateRules(), tests=2)
    return {one.name for one in alarms if one.state == "unmet"}


def test_a_healthy_canary_without_any_error_is_decidable_and_nothing_holds_it_up() -> None:
    found = conditions_of(asked())
    assert broken(found) == {}
    assert is_decidable(found)
    assert {one.name for one in found} == {
        "flag", "holding_time", "legacy_queue", "mismatches", "safety", "share",
        "errors", "latency", "backlog", "dead_letters",
    }  # fmt: skip
    assert all(one.bound and one.source for one in found)


SLOW = Latencies({BIN_OF_A_SECOND + 30: 600})
FEW = Latencies({BIN_OF_A_SECOND: 49})
RISING = tuple(Minute(20, 10, 10.0 * n) for n in range(1, 16))
LATE = replace(step(), holding_seconds=3 * 3600.0)
HALF = tuple(replace(one, canary=replace(one.canary, jobs=5, known=5)) for one in cohorts())
FAILING = cohorts(canary_failed=2, control_failed=1)

UNMET: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "latched": ({"flag": replace(AT_10, latched_at=MOMENT)}, {"flag": "unmet"}),
    "goes back": ({"flag": replace(AT_10, hand_back="not_started")}, {"flag": "unmet"}),
    "disabled": ({"flag": replace(AT_10, is_enabled=False)}, {"flag": "unmet"}),
    "too soon": ({"step": LATE}, {"holding_time": "unknown"}),
    "no legacy": ({"evidence": evidence(legacy_is_alive=False)}, {"legacy_queue": "unmet"}),
    "legacy not asked": ({"evidence": evidence(legacy_is_alive=None)}, {"legacy_queue": "unknown"}),
    "differences": ({"sample": compared(600, 5)}, {"mismatches": "unmet"}),
    "no sample": ({"sample": None}, {"mismatches": "unknown"}),
    "pending jobs": ({"sample": compared(pending=1)}, {"mismatches": "unknown"}),
    "few compared": ({"sample": compared(499)}, {"mismatches": "unknown"}),
    "low coverage": ({"sample": compared(coverage=0.94)}, {"mismatches": "unmet"}),
    "a rule over its cap": ({"sample": compared(over_cap=("prices",))}, {"mismatches": "unmet"}),
    "ran twice": ({"whole": compared(unsafe={"duplicate_execution": 1})}, {"safety": "unmet"}),
    "never ran": ({"whole": compared(unsafe={"never_executed": 1})}, {"safety": "unmet"}),
    "two owners": ({"whole": compared(unsafe={"owner_disagrees": 1})}, {"safety": "unmet"}),
    "missing": ({"whole": compared(unsafe={"missing_in_legacy": 1})}, {"safety": "unmet"}),
    "unstamped": ({"whole": compared(unstamped_runs=1)}, {"safety": "unmet"}),
    "not compared as a whole": ({"whole": None}, {"safety": "unknown"}),
    "wrong share": ({"evidence": evidence(of_type(first=HALF))}, {"share": "unmet"}),
    "errors": (
        {"evidence": evidence(of_type(final=FAILING))},
        {"errors": "unmet"},
    ),
    "few canary jobs": (
        {"step": replace(step(), canary_jobs={"count": 601})},
        {"errors": "unknown", "dead_letters": "unknown"},
    ),
    "slower": ({"evidence": evidence(of_type(canary_latencies=SLOW))}, {"latency": "unmet"}),
    "few latencies": ({"evidence": evidence(of_type(canary_latencies=FEW))}, {"latency": "unknown"}),
    "a control without latencies": (
        {"evidence": evidence(of_type(control_latencies=Latencies()))},
        {"latency": "unknown"},
    ),
    "backlog grows": ({"evidence": evidence(of_type(backlog=RISING))}, {"backlog": "unmet"}),
    "backlog not known": ({"evidence": evidence(of_type(backlog=RISING[:14]))}, {"backlog": "unknown"}),
    "backlog without a measure": (
        {"evidence": evidence(of_type(backlog=RISING, control_oldest_seconds=None))},
        {"backlog": "unknown"},
    ),
    "dead letters": ({"evidence": evidence(of_type(canary_dead_letters=4))}, {"dead_letters": "unmet"}),
}


@pytest.mark.parametrize("name", UNMET)
def test_each_condition_alone_holds_a_step_up(name: str) -> None:
    changes, expected = UNMET[name]
    found = conditions_of(asked(**changes))
    assert broken(found) == expected
    unknown = "unknown" in expected.values() or "flag" in expected or "legacy_queue" in expected
    assert is_decidable(found) is not unknown
    for one in found:
        if one.state == "unknown":
            assert one.missing, one


def test_no_data_is_no_pass_for_as_long_as_it_lasts() -> None:
    nothing = replace(evidence(), types=())
    for hours in (1, 48, 10_000):
        now = BEGAN + timedelta(hours=hours)
        found = conditions_of(asked(evidence=nothing, sample=None, whole=None, now=now))
        assert not is_decidable(found)
        assert {"mismatches", "safety", "share", "canary"} <= set(broken(found))


def test_at_0_percent_nothing_is_asked_of_a_canary() -> None:
    mirror = flag("mirror", 0)
    found = conditions_of(asked(flag=mirror, evidence=replace(evidence(), types=())))
    assert is_decidable(found)
    assert broken(found) == {}


def test_what_is_missing_says_how_much_and_about_how_long() -> None:
    big = replace(step(), declared_jobs=12_000, canary_jobs={"count": 900})
    found = {one.name: one for one in conditions_of(asked(step=big, sample=None, whole=None))}
    assert found["mismatches"].missing == "6,000 more jobs"
    assert found["mismatches"].missing_seconds == pytest.approx(7200)
    assert found["errors"].missing == "300 more ended jobs"
    assert found["errors"].missing_seconds == pytest.approx(3600)


def test_a_canary_with_errors_passes_by_its_ratio_and_one_below_its_objective_whatever_the_control() -> None:
    jobs = cohorts(canary_failed=1, control_failed=9)  # 10 percent on both sides
    assert broken(conditions_of(asked(evidence=evidence(of_type(final=jobs))))) == {}
    few = cohorts(control_failed=0)
    few = (replace(few[0], canary=replace(few[0].canary, failed=1)), *few[1:])
    assert broken(conditions_of(asked(evidence=evidence(of_type(final=few))))) == {}
    strict = GateRules(types={"count": Objectives(0.001)})
    assert broken(conditions_of(asked(evidence=evidence(of_type(final=few)), rules=strict))) == {
        "errors": "unmet"
    }


def test_the_first_jobs_are_counted_by_minute_whatever_became_of_them() -> None:
    types = (of_type(), of_type())
    assert end_of_first(types, 200) == BEGAN + timedelta(minutes=2)
    assert end_of_first(types, 201) == BEGAN + timedelta(minutes=3)
    assert end_of_first(types, 12_001) is None


def test_route_keys_count_where_a_type_routes_by_tenant() -> None:
    bad_tenant = tuple(
        Cohort(one.minute, replace(one.canary, failed=10, failed_keys=0), one.control) for one in cohorts()
    )
    assert "errors" in fired(evidence(of_type(final=bad_tenant)))
    assert fired(evidence(of_type(final=bad_tenant, routes_by_tenant=True))) == set()
    by_tenant = replace(AT_10, routes_by_tenant=True)
    found = conditions_of(asked(flag=by_tenant, evidence=evidence(of_type(routes_by_tenant=True))))
    [share] = [one for one in found if one.name == "share"]
    assert (share.figures["of"], share.state) == (100, "met"), "one minute's keys"


ALARMS: dict[str, Evidence] = {
    "errors": evidence(of_type(final=cohorts(canary_failed=1, control_failed=1))),
    "first_attempts": evidence(of_type(first=cohorts(canary_failed=1, control_failed=1))),
    "backlog": evidence(of_type(backlog=RISING)),
    "probes": evidence(probes=(Probes("q", "supabase", 9, 3),)),
    "worker_calls": evidence(worker_calls=WorkerCalls(100, 30, 60.0)),
}


@pytest.mark.parametrize("name", ALARMS)
def test_each_alarm_alone_takes_a_rollout_back(name: str) -> None:
    assert fired(ALARMS[name]) == {name}


@pytest.mark.parametrize("name", ["duplicate_execution", "never_executed", "owner_disagrees"])
def test_a_safety_class_takes_a_rollout_back(name: str) -> None:
    assert fired(evidence(), compared(unsafe={name: 1})) == {"safety"}


def test_what_is_no_reason_to_go_back() -> None:
    assert fired(evidence()) == set()
    assert fired(evidence(of_type(final=cohorts(canary_failed=1, control_failed=9)))) == set()
    drained = (*RISING[:-1], Minute(10, 100, 0.5))
    assert fired(evidence(of_type(backlog=drained))) == set()
    assert fired(evidence(of_type(backlog=RISING, control_oldest_seconds=60.0))) == set(), "control is late"
    lost = (Probes("q", "legacy", 9, 9), Probes("q", "supabase", 9, 2))
    assert fired(evidence(probes=lost, worker_calls=WorkerCalls(100, 30, 59.0))) == set()
    assert fired(evidence(), compared(unsafe={"unstamped": 5})) == set(), "a rollback would not end it"


def test_a_control_of_which_less_is_known_is_not_compared() -> None:
    standing = cohorts(canary_failed=1, control_failed=1, control_known=80)
    assert fired(evidence(of_type(final=standing))) == set()
    assert count_errors(standing, by_key=False).skipped == 60
    known = cohorts(canary_failed=1, control_failed=1, control_known=81)
    assert fired(evidence(of_type(final=known))) == {"errors"}


def verdict(alarms: Collection[Condition], *, alive: bool | None, of: FeatureFlag = AT_10) -> Verdict:
    return verdict_of(of, tuple(alarms), (), step(), legacy_is_alive=alive, judged_at=NOW)


def test_back_needs_a_living_legacy_queue_else_it_is_halted() -> None:
    alarms = alarms_of(ALARMS["errors"], compared(), GateRules(), tests=2)
    for alive, action in ((True, "roll_back"), (False, "halt"), (None, "halt")):
        found = verdict(alarms, alive=alive)
        assert (found.answer, found.action) == ("roll_back", action)
        assert found.because[0].startswith("errors of count: canary_jobs 600, canary_errors 60")
    lowered = verdict(alarms, alive=True, of=flag("canary", 0))
    assert (lowered.answer, lowered.action) == ("hold", "none"), "there is nothing to take back"


def test_only_what_was_decided_passes_and_only_while_the_flag_is_in_order() -> None:
    passed = replace(step(), verdict="pass")
    in_order, latched = (conditions_of(asked(flag=one)) for one in (AT_10, replace(AT_10, latched_at=MOMENT)))

    def answer(of: RolloutStep | None, conditions: Collection[Condition]) -> str:
        found = verdict_of(AT_10, (), tuple(conditions), of, legacy_is_alive=True, judged_at=NOW)
        return found.answer

    assert answer(passed, in_order) == "pass"
    assert answer(step(), in_order) == answer(None, in_order) == "hold"
    assert answer(replace(step(), verdict="no_pass"), in_order) == "hold"
    assert answer(passed, latched) == "hold"


def test_a_verdict_is_plain_json_and_the_same_one_the_same_text() -> None:
    found = verdict_of(AT_10, (), conditions_of(asked()), step(), legacy_is_alive=True, judged_at=NOW)
    assert canonical(as_json(found)) == canonical(as_json(replace(found)))
    assert as_json(found)["flag"]["rollout_percent"] == 10.0
    anew = replace(step(), reason="sb_secret_AbC-123_x4 was the wrong key")
    assert as_json(replace(found, step=anew))["step"]["reason"] == "[redacted] was the wrong key"


def test_what_is_declared_follows_from_the_bound_and_the_rates_seen() -> None:
    begun = BegunStep("supabase_queue", 3, BEGAN)
    for percent, wanted in (
        (0, (10, 0.01, 299, 0.0)),
        (10, (50, 0.005, 598, 48.0)),
        (50, (100, 0.001, 2995, 48.0)),
    ):
        stage = "canary" if percent else "mirror"
        call = declaration(flag(stage, percent), begun, (), GateRules(), seen_rate=0.0, by="ada")
        assert (call.next_percent, call.mismatch_bound, call.declared_jobs) == wanted[:3]
        assert call.holding_seconds == 3600 * wanted[3]
    last = declaration(flag("live", 100), begun, (), GateRules(), seen_rate=0.0, by="ada")
    assert (last.next_percent, last.mismatch_bound, last.holding_seconds) == (None, 0.001, 72 * 3600)
    more = declaration(flag("canary", 10), begun, (), GateRules(), seen_rate=0.0025, by="ada")
    assert more.declared_jobs == jobs_to_declare(0.005, 0.0025)
    assert more.declared_jobs > 2_000


def test_jobs_of_the_canary_are_declared_so_that_one_like_the_control_passes_nine_times_in_ten() -> None:
    chance = np.random.default_rng(7)
    control = tuple(
        Cohort(BEGAN + timedelta(minutes=n), Side(), Side(900, 900, 900, 18, 18)) for n in range(60)
    )
    seen = of_type(final=control, control_latencies=Latencies({BIN_OF_A_SECOND: 600}))
    jobs = canary_jobs(seen, 0.1, GateRules(default=Objectives(0.001)))
    passed = 0
    for _ in range(200):
        canary, others = chance.binomial(jobs, 0.02), chance.binomial(9 * jobs, 0.02)
        minute = Cohort(
            BEGAN, Side(jobs, jobs, jobs, int(canary), 0), Side(9 * jobs, 0, 9 * jobs, int(others), 0)
        )
        found = conditions_of(
            asked(
                step=replace(step(), canary_jobs={"count": jobs}),
                evidence=evidence(of_type(final=(minute,))),
                rules=GateRules(default=Objectives(0.001)),
            )
        )
        passed += "errors" not in broken(found)
    assert passed >= 170


@pytest.mark.parametrize(("steps", "most"), [(200, 20), pytest.param(2_000, 100, marks=pytest.mark.slow)])
def test_a_system_exactly_at_the_limit_passes_in_at_most_1_of_20_steps(steps: int, most: int) -> None:
    """Through the gate's own conditions, with a look every 100 jobs; the first that can decide does."""
    chance = np.random.default_rng(11)
    hourly = tuple(
        Cohort(BEGAN + timedelta(minutes=n), Side(100, 100, 100), Side(900, 900, 900)) for n in range(1, 7)
    )
    few = Latencies({BIN_OF_A_SECOND: 60})
    seen = of_type(first=hourly, final=hourly, canary_latencies=few, control_latencies=few)
    given = asked(evidence=evidence(seen), step=replace(step(), declared_jobs=1_000))
    assert sum(_passes(given, chance) for _ in range(steps)) <= most


def _passes(given: Asked, chance: np.random.Generator) -> bool:
    differs = chance.random(6_000) < given.step.mismatch_bound
    until = end_of_first(given.evidence.types, given.step.declared_jobs)
    assert until is not None
    wanted = 1_000 * int((until - BEGAN) / timedelta(minutes=1) - 1)
    for jobs in range(100, 6_000, 100):
        sample = None if jobs < wanted else compared(wanted, int(differs[:wanted].sum()))
        if sample is None and jobs != 100:
            continue  # as the look before
        conditions = conditions_of(replace(given, sample=sample))
        if is_decidable(conditions):
            return not broken(conditions)
    raise AssertionError("never decided")


def test_looked_at_again_and_again_it_would_pass_far_more_often() -> None:
    """What the gate does not do: otherwise the test above would prove nothing."""
    chance, passed = np.random.default_rng(11), 0
    for _ in range(100):
        differs = (chance.random(6_000) < 0.01).cumsum()
        passed += any(is_proven(int(differs[jobs - 1]), jobs, 0.01) for jobs in range(300, 6_000, 100))
    assert passed > 12
