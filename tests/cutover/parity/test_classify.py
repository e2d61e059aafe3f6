"""Each class by the smallest defect that makes it; from a pair that is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from supaqueue.cutover.parity.classes import CLASSES, CLEAN, SECOND, Class, Finding, Look
from supaqueue.cutover.parity.classify import classify
from supaqueue.cutover.parity.field_rules import FieldRules, PathPattern
from supaqueue.cutover.parity.observation import Observation, Outcome
from supaqueue.cutover.parity.pairs import Pair

NOW = 1_000_000 * SECOND
LONG_AGO = NOW - 10_000 * SECOND
LOOK = Look(NOW, {"quick": 10.0}, 60.0)

DONE = Outcome("completed", {"sum": 7, "rows": [1, 2]}, None, 1, LONG_AGO + SECOND)
FAILED = Outcome("failed", None, {"type": "E", "message": "no"}, 5, LONG_AGO + SECOND)

COPY = Observation("id", "count", "legacy", 0, "copy", LONG_AGO, None, 0, {"n": 1}, DONE, None)
OWNED = COPY._replace(state="completed", starts=1)


def legacys(**changes: Any) -> Pair:
    """A job of legacy's that has ended; `changes` are of what legacy says."""
    return Pair(OWNED._replace(**changes), COPY)


def told(**changes: Any) -> Pair:
    """The same; `changes` are of what Supabase says."""
    return Pair(OWNED, COPY._replace(**changes))


def supabases(**changes: Any) -> Pair:
    """A job of Supabase's that has ended; `changes` are of what Supabase says."""
    legacy = COPY._replace(owner="supabase")
    return Pair(legacy, OWNED._replace(**{"owner": "supabase"} | changes))


def waiting(**changes: Any) -> Pair:
    """A job of legacy's that waits since long ago; `changes` are of both."""
    open_ = {"outcome": None} | changes
    return Pair(OWNED._replace(state="waiting", starts=0, **open_), COPY._replace(**open_))


def names(pair: Pair, look: Look = LOOK) -> list[Class]:
    found = classify(pair, look)
    return [found.name, *found.also]


def paths(pair: Pair, look: Look = LOOK) -> list[tuple[str, str]]:
    return [(one.path, one.kind) for one in classify(pair, look).differences]


@pytest.mark.parametrize(
    "pair",
    [
        legacys(),
        supabases(),
        Pair(OWNED._replace(state="failed", outcome=FAILED, starts=5), COPY._replace(outcome=FAILED)),
        told(shadow=DONE),
        told(shadow=DONE._replace(attempts=1, ended_at=LONG_AGO + 50 * SECOND)),
        Pair(None, OWNED._replace(owner="supabase", has_copy=False)),
        Pair(COPY._replace(state="gone", task_type=None), None),
        Pair(
            COPY._replace(state="gone", task_type=None, payload=None, outcome=Outcome("cancelled")),
            COPY._replace(state="gone", task_type=None, payload=None, outcome=None),
        ),
    ],
)
def test_what_is_right_is_a_match(pair: Pair) -> None:
    assert classify(pair, LOOK) == Finding()


@pytest.mark.parametrize(
    ("pair", "name", "path"),
    [
        (told(starts=1), "duplicate_execution", "starts"),
        (Pair(OWNED, OWNED._replace(owner="supabase", starts=0)), "duplicate_execution", "status"),
        (legacys(starts=2), "legacy_redelivered", None),
        (told(shadow=Outcome("cancelled")), "uncomparable", None),
        (told(shadow=FAILED._replace(error={"type": "LeaseLost", "message": "x"})), "uncomparable", None),
        (legacys(starts=0), "never_executed", "starts"),
        (supabases(state="copy", outcome=None), "never_executed", None),
        (Pair(OWNED, None), "missing_in_supabase", None),
        (Pair(None, OWNED._replace(owner="supabase")), "missing_in_legacy", None),
        (Pair(None, COPY._replace(epoch=1)), "missing_in_legacy", None),
        (Pair(None, COPY._replace(outcome=None)), "orphan_intent", None),
        (Pair(OWNED._replace(state="intent", starts=0, outcome=None), COPY), "orphan_intent", None),
        (told(state="gone", task_type=None, payload=None, outcome=None), "resurrected", "status"),
        (
            Pair(OWNED._replace(state="cancelled", starts=0), OWNED._replace(owner="supabase")),
            "resurrected",
            "status",
        ),
        (legacys(owner="supabase", state="copy", starts=0, epoch=1), "never_executed", None),
        (told(epoch=1), "owner_disagrees", "epoch"),
        (Pair(OWNED, COPY._replace(owner="supabase")), "owner_disagrees", "owner"),
        (told(payload={"n": 2}), "payload_diff", "payload.n"),
        (told(payload={"n": True}), "payload_diff", "payload.n"),
        (told(task_type="other"), "payload_diff", "task_type"),
        (told(outcome=None), "status_diff", "status"),
        (told(outcome=FAILED), "status_diff", "status"),
        (told(shadow=FAILED), "status_diff", "shadow.status"),
        (told(outcome=DONE._replace(result={"sum": 8, "rows": [1, 2]})), "result_diff", "result.sum"),
        (told(shadow=DONE._replace(result={"sum": 7, "rows": [2, 1]})), "result_diff", "shadow.result.rows"),
        (told(outcome=DONE._replace(attempts=2)), "attempt_diff", "attempts"),
        (told(outcome=DONE._replace(ended_at=LONG_AGO + 3 * SECOND)), "timing_diff", "ended_at"),
        (waiting(), "stuck", None),
    ],
)
def test_each_class_and_its_path(pair: Pair, name: Class, path: str | None) -> None:
    found = classify(pair, LOOK)
    assert found.name == name
    assert [one.path for one in found.differences] == ([path] if path else [])
    assert found.is_clean == (name in CLEAN and not found.also)


def test_every_class_but_those_of_rules_and_counters_is_made_here() -> None:
    cases = test_each_class_and_its_path.pytestmark[0].args[1]  # type: ignore[attr-defined]
    made = {name for _, name, _ in cases}
    others = {"expected", "unstamped", "pending", "match", "schedule_diff", "error_diff"}
    assert made | others == set(CLASSES)


def test_errors_are_compared_by_class_and_by_message_if_asked() -> None:
    def failed(**error: Any) -> Pair:
        told = FAILED._replace(error={"type": "E", "message": "no"} | error)
        return Pair(OWNED._replace(state="failed", outcome=FAILED, starts=5), COPY._replace(outcome=told))

    assert paths(failed(type="F")) == [("error.type", "value")]
    assert names(failed(type="F")) == ["error_diff"]
    assert names(failed(message="other")) == ["match"]
    asked = Look(NOW, {}, 60.0, with_messages=True)
    assert paths(failed(message="other"), asked) == [("error.message", "value")]


@pytest.mark.parametrize(
    ("legacy", "supabase", "differs"),
    [
        (None, None, False),
        (100, 100, False),
        (100, None, True),
        (100, 102, True),
        (100, 100.9, False),
    ],
)
def test_a_schedule_is_compared_until_one_begins(
    legacy: float | None, supabase: float | None, differs: bool
) -> None:
    def due(seconds: float | None) -> int | None:
        return None if seconds is None else NOW + int(seconds * SECOND)

    pair = waiting()
    assert pair.legacy
    assert pair.supabase
    pair = Pair(pair.legacy._replace(due_at=due(legacy)), pair.supabase._replace(due_at=due(supabase)))
    late = Look(NOW + 10_000 * SECOND, {}, 60.0)
    assert ("schedule_diff" in names(pair, late)) == differs
    began = Pair(pair.legacy._replace(starts=1), pair.supabase)
    assert "schedule_diff" not in names(began, late)


def test_a_delay_is_the_same_by_two_clocks_that_differ() -> None:
    pair = waiting(due_at=LONG_AGO + 60 * SECOND)
    assert pair.legacy
    ahead = pair.legacy._replace(accepted_at=LONG_AGO + 30 * SECOND, due_at=LONG_AGO + 90 * SECOND)
    assert names(Pair(ahead, pair.supabase)) == ["stuck"]


def test_a_shadow_that_failed_says_nothing_of_a_job_that_took_several_attempts() -> None:
    twice = DONE._replace(attempts=2)
    retried = Pair(OWNED._replace(starts=2, outcome=twice), COPY._replace(shadow=FAILED, outcome=twice))
    assert names(retried) == ["uncomparable"]
    assert names(told(shadow=FAILED)) == ["status_diff"]


def test_what_both_have_the_end_of_is_not_waited_for() -> None:
    young = replace(LOOK, settle_seconds={"count": 1e9})
    assert names(legacys(starts=2), young) == ["legacy_redelivered"]
    assert names(told(shadow=Outcome("cancelled")), young) == ["uncomparable"]
    assert names(told(payload=0), young) == ["pending"]


def test_what_may_still_come_is_pending() -> None:
    young = Look(LONG_AGO + 59 * SECOND, {}, 60.0)
    settled = Look(LONG_AGO + 61 * SECOND, {}, 60.0)
    for pair, later in ((Pair(OWNED, None), "missing_in_supabase"), (told(payload=2), "payload_diff")):
        assert names(pair, young) == ["pending"]
        assert names(pair, settled) == [later]
    assert names(legacys(), young) == ["match"]
    assert names(told(starts=1), young)[0] == "duplicate_execution"


def test_a_window_counts_from_when_a_job_may_run_and_is_its_types() -> None:
    later = waiting(due_at=NOW - 5 * SECOND)
    assert names(later) == ["pending"]
    assert names(waiting(due_at=NOW - 61 * SECOND)) == ["match"], "late, but not stuck yet"
    assert names(waiting(due_at=NOW - 121 * SECOND)) == ["stuck"]
    assert names(waiting(task_type="quick", due_at=NOW - 21 * SECOND)) == ["stuck"]


def test_what_is_stored_is_compared_long_before_the_job_is_due() -> None:
    due_at = NOW + 1000 * SECOND
    later = waiting(due_at=due_at)
    assert names(later) == ["pending"]
    assert later.legacy
    assert names(Pair(later.legacy, None)) == ["missing_in_supabase"]
    moved = later.legacy._replace(due_at=due_at + 60 * SECOND)
    assert names(Pair(moved, later.supabase)) == ["schedule_diff"]
    assert names(Pair(later.legacy._replace(payload=0), later.supabase)) == ["payload_diff"]


def test_a_rule_takes_a_path_out() -> None:
    rules = FieldRules(ignored=(PathPattern("$.n"),))
    assert names(told(payload={"n": 2}), Look(NOW, {}, 60.0, rules)) == ["match"]
    assert names(told(payload={"n": 2, "m": 1}), Look(NOW, {}, 60.0, rules)) == ["payload_diff"]


def test_a_comparator_says_whether_results_agree() -> None:
    other = told(outcome=DONE._replace(result={"sum": 7.004, "rows": [1, 2]}))

    def look(comparator: Any) -> Look:
        return Look(NOW, {}, 60.0, comparators={"count": comparator})

    near = look(lambda control, candidate: abs(control["sum"] - candidate["sum"]) < 0.01)
    assert names(other) == ["result_diff"]
    assert names(other, near) == ["match"]
    assert names(told(outcome=DONE._replace(result={"sum": 8, "rows": [1, 2]})), near) == ["result_diff"]
    assert names(told(), look(lambda control, candidate: 1 / 0)) == ["match"], "not asked of what is the same"
    assert paths(other, look(lambda control, candidate: False)) == [("result.sum", "value")]
    failed = look(lambda control, candidate: control["nothing"])
    assert names(other, failed) == ["uncomparable"]
    assert [one.candidate for one in classify(other, failed).differences] == ["KeyError"]


def test_the_worst_is_the_class_and_the_others_are_told() -> None:
    found = classify(told(payload={"n": 2}, outcome=FAILED), LOOK)
    assert (found.name, found.also) == ("payload_diff", ("status_diff",))
    redelivered = classify(Pair(OWNED._replace(starts=2), COPY._replace(payload=0)), LOOK)
    assert (redelivered.name, redelivered.also) == ("legacy_redelivered", ("payload_diff",))
    assert not redelivered.is_clean


UNSTAMPED = COPY._replace(task_type=None, state="unstamped", starts=1, payload=None, outcome=None)


@pytest.mark.parametrize("began", [LONG_AGO, NOW])
def test_a_message_around_the_router_is_named_at_once(began: int) -> None:
    assert names(Pair(UNSTAMPED._replace(accepted_at=began), None)) == ["unstamped"]


def test_a_message_around_the_router_that_supabase_ran_too() -> None:
    ran = OWNED._replace(owner="supabase")
    assert names(Pair(UNSTAMPED, ran)) == ["duplicate_execution", "unstamped"]
