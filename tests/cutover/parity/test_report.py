"""Counting, concluding, and the report: the same input, the same bytes."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime
from typing import Any

import pytest

from supaqueue.contract import Json
from supaqueue.cutover.parity.classes import Look
from supaqueue.cutover.parity.judging import judge
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.report import Compared, evidence, report_of, written
from supaqueue.cutover.parity.rules import Rule
from supaqueue.cutover.parity.tally import LONGEST_SHOWN, SAMPLES, Tally
from supaqueue.cutover.parity.verdict import Verdict, verdict_of
from tests.cutover.parity.test_classify import DONE, LOOK, NOW, told, waiting

TODAY = date(2026, 11, 22)
WHEN = Compared(
    since=datetime(2026, 11, 1, tzinfo=UTC),
    until=datetime(2026, 11, 2, tzinfo=UTC),
    observed_at=NOW,
    in_legacy=100,
    in_supabase=99,
    unstamped=3,
    settle_seconds={"count": 60.0},
)


def counted(*pairs: Pair, rules: tuple[Rule, ...] = (), look: Look = LOOK) -> Tally:
    tally = Tally()
    for pair in pairs:
        tally.add(pair, judge(pair, look, rules, TODAY))
    return tally


def concluded(tally: Tally, bound: float = 0.01, rules: tuple[Rule, ...] = (), rate: float = 0.0) -> Verdict:
    return verdict_of(tally, rules, declared_bound=bound, jobs_per_second=rate)


def test_a_hundred_clean_jobs_bound_the_rate_at_2_95_percent() -> None:
    found = concluded(counted(*[told()] * 100), rate=0.5)
    assert (found.answer, found.compared, found.different) == ("inconclusive", 100, 0)
    assert f"{found.upper_bound:.2%}" == "2.95%"
    assert (found.further_jobs, found.further_seconds) == (199, 398.0)
    assert found.because == ("too few jobs were compared to rule out the declared bound",)
    assert concluded(counted(*[told()] * 100), bound=0.0296).answer == "pass"
    enough = concluded(counted(*[told()] * 299))
    assert (enough.answer, enough.because, enough.further_jobs) == ("pass", (), None)


def test_few_differences_among_many_jobs_keep_to_the_bound() -> None:
    pairs = [told(payload=0)] * 2
    found = concluded(counted(*pairs, *[told()] * 298))
    assert (found.answer, found.different) == ("differences", 2)
    assert found.further_jobs is not None
    enough = concluded(counted(*pairs, *[told()] * (298 + found.further_jobs)))
    assert (enough.answer, enough.different) == ("pass", 2)
    one_less = concluded(counted(*pairs, *[told()] * (297 + found.further_jobs)))
    assert one_less.answer == "differences"


def test_a_job_that_ran_twice_is_never_passed_over() -> None:
    found = concluded(counted(told(starts=1), *[told()] * 100_000), bound=0.5)
    assert (found.answer, found.further_jobs) == ("differences", None)
    assert "duplicate_execution" in found.because[0]


def test_no_jobs_prove_nothing() -> None:
    found = concluded(counted(waiting(due_at=NOW)))
    assert (found.answer, found.compared, found.upper_bound, found.coverage) == ("inconclusive", 0, 1.0, 0.0)


def test_with_little_coverage_nothing_is_concluded() -> None:
    unclear = told(shadow=DONE._replace(status="cancelled"))
    found = concluded(counted(*[told()] * 940, *[unclear] * 60))
    assert (found.answer, found.coverage) == ("inconclusive", 0.94)
    assert concluded(counted(*[told()] * 950, *[unclear] * 50)).answer == "pass"
    pending = concluded(counted(*[told()] * 300, *[waiting(due_at=NOW)] * 300))
    assert (pending.answer, pending.coverage) == ("pass", 1.0)


def test_a_rule_over_its_cap_makes_it_inconclusive() -> None:
    rule = Rule("known", "ann", TODAY, 2, classes=frozenset({"payload_diff"}))
    within = counted(*[told(payload=0)] * 2, *[told()] * 300, rules=(rule,))
    assert concluded(within, rules=(rule,)).answer == "pass"
    above = counted(*[told(payload=0)] * 3, *[told()] * 300, rules=(rule,))
    found = concluded(above, rules=(rule,))
    assert (found.answer, found.different) == ("inconclusive", 0)
    assert "'known' was needed for 3 jobs, its cap is 2" in found.because[0]


def report(*pairs: Pair, rules: tuple[Rule, ...] = ()) -> dict[str, Any]:
    tally = counted(*pairs, rules=rules)
    return report_of(WHEN, tally, rules, concluded(tally, rules=rules), TODAY)


def test_the_report_names_class_job_and_path() -> None:
    pairs = [told()] * 7 + [
        told(outcome=DONE._replace(result={"sum": 7, "rows": [1, 3]})),
        told(outcome=DONE._replace(result={"sum": 7, "rows": [0, 2]})),
    ]
    found = report(*pairs)
    assert found["classes"] == {"result_diff": 2, "match": 7}
    [count] = [one for one in found["types"] if one["task_type"] == "count"]
    [differs] = [one for one in count["classes"] if one["name"] == "result_diff"]
    assert differs["paths"] == [{"path": "result.rows[*]", "kind": "value", "jobs": 2}]
    assert (differs["count"], differs["first_seen"]) == (
        2,
        "1970-01-12T11:00:00+00:00",
    )
    [first, second] = differs["samples"]
    assert first["job_id"] == "id"
    assert first["differences"] == [{"path": "result.rows[1]", "kind": "value", "legacy": 2, "supabase": 3}]
    assert second["differences"][0]["path"] == "result.rows[0]"
    assert (first["legacy"]["state"], first["supabase"]["state"]) == ("completed", "copy")


def test_samples_are_few_short_and_without_secrets() -> None:
    def differing(**result: Any) -> Pair:
        return told(outcome=DONE._replace(result=result))

    found = report(*[differing(sum=7, rows="x" * 1000, password="hunter2", key="sb_secret_" + "a" * 31)] * 30)
    [differs] = found["types"][0]["classes"]
    assert (differs["count"], len(differs["samples"])) == (30, SAMPLES)
    text = json.dumps(found)
    assert "hunter2" not in text
    assert "sb_secret_a" not in text
    shown = {one["path"]: one["supabase"] for one in differs["samples"][0]["differences"]}
    assert len(shown["result.rows"]) == LONGEST_SHOWN + 3


def test_the_same_findings_are_the_same_bytes() -> None:
    pairs = [told(), told(payload=0), told(starts=1), told(task_type="other")] * 5
    one = written(report(*pairs))
    assert written(report(*pairs)) == one
    assert json.loads(one)["schema"] == "supaqueue.parity/1"
    assert evidence(report(*pairs)) == evidence(json.loads(one))
    assert evidence(report(*pairs[1:])) != evidence(report(*pairs))


@pytest.mark.slow
def test_a_hundred_thousand_differences_make_a_small_report() -> None:
    chance = random.Random(0)
    tally = Tally()
    for number in range(100_000):
        result: Json = {f"key {chance.randrange(10**6)}": number, "sum": 7, "rows": [1, 2]}
        pair = told(task_type=f"type {number % 20}", outcome=DONE._replace(result=result))
        pair = pair._replace(legacy=pair.legacy and pair.legacy._replace(task_type=f"type {number % 20}"))
        tally.add(pair, judge(pair, LOOK, (), TODAY))
    text = written(report_of(WHEN, tally, (), concluded(tally), TODAY))
    assert len(text) < 1_000_000
    assert json.loads(text)["types"][0]["different"] == 5_000


@pytest.mark.parametrize("has_expired", [False, True])
def test_rules_are_shown_with_what_they_were_needed_for(has_expired: bool) -> None:
    expires = date(2026, 11, 21) if has_expired else TODAY
    rule = Rule("known", "ann", expires, 2, classes=frozenset({"payload_diff"}))
    found = report(told(payload=0), told(), rules=(rule,))
    assert found["rules"] == [
        {
            "name": "known",
            "owner": "ann",
            "expires": expires.isoformat(),
            "has_expired": has_expired,
            "cap": 2,
            "jobs": 0 if has_expired else 1,
        }
    ]
