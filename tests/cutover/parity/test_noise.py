"""Where legacy differs from itself the systems may as well, as long as it is no more than that."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from scipy import stats

from supaqueue.cli.parity.table import print_report
from supaqueue.contract import Json, NewJob
from supaqueue.cutover.legacy.entry import Ending, Entry
from supaqueue.cutover.parity.classes import Comparator
from supaqueue.cutover.parity.field_rules import FieldRules, PathPattern
from supaqueue.cutover.parity.judging import judge
from supaqueue.cutover.parity.noise import LEAST_REPEATS, Noise
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.report import Compared, report_of
from supaqueue.cutover.parity.rules import Rule
from supaqueue.cutover.parity.tally import Tally
from supaqueue.cutover.parity.verdict import Verdict, verdict_of
from supaqueue.cutover.stamp import Stamp
from tests.cutover.parity.test_check import checked
from tests.cutover.parity.test_classify import DONE, LOOK, told
from tests.cutover.parity.test_report import TODAY, WHEN
from tests.cutover.world import World
from tests.sql.calls import endings

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PATH = "shadow.result.sum"
_numbers = itertools.count()


def repeated(first: Any, second: Any, task_type: str = "count") -> Entry:
    """A job that legacy ran twice."""
    job = NewJob(task_type)
    return Entry(
        *(job.job_id, job, "legacy", 0, "published", NOW),
        ending=Ending("completed", first, attempts=1),
        repeat=Ending("completed", second, attempts=1),
    )


def shadowed(result: Any, **changes: Any) -> Pair:
    """A job that legacy ended with the sum 7 and rows 1 and 2, and what its shadow came to."""
    legacy, supabase = told(shadow=DONE._replace(result=result), **changes)
    assert legacy is not None
    assert supabase is not None
    job_id = f"{next(_numbers):04}"
    return Pair(legacy._replace(job_id=job_id), supabase._replace(job_id=job_id))


SAME: dict[str, Json] = {"sum": 7, "rows": [1, 2]}
OTHER: dict[str, Json] = {"sum": 8, "rows": [1, 2]}


def same(count: int) -> list[Pair]:
    return [shadowed(SAME) for _ in range(count)]


def other(count: int) -> list[Pair]:
    return [shadowed(OTHER) for _ in range(count)]


class Comparison:
    """Legacy's repeats, then pairs, counted and concluded."""

    def __init__(
        self,
        entries: list[Entry],
        pairs: list[Pair],
        rules: tuple[Rule, ...] = (),
        comparators: dict[str, Comparator] | None = None,
    ) -> None:
        given = comparators or {}
        look = replace(LOOK, comparators=given)
        self.noise = Noise(rules, given, TODAY)
        self.noise.look_at(entries)
        self.tally = Tally(keeps=self.noise.keeps)
        for pair in pairs:
            self.tally.add(pair, judge(pair, look, rules, TODAY))
        self.noise.settle(self.tally)
        self.rules = rules

    @property
    def classes(self) -> dict[str, int]:
        return {name: one.count for name, one in self.tally.types["count"].classes.items() if one.count}

    @property
    def verdict(self) -> Verdict:
        return verdict_of(
            self.tally, self.rules, declared_bound=0.05, jobs_per_second=0.0, notes=self.noise.notes()
        )

    @property
    def report(self) -> Any:
        compared = Compared(
            *(WHEN.since, WHEN.until, WHEN.observed_at, 1, 1, 0, {}), floors=self.noise.floors()
        )
        return report_of(compared, self.tally, self.rules, self.verdict, TODAY)


def unlike(count: int, of: int, second: Json = None) -> list[Entry]:
    """Repeats of which so many differ from the first run at `sum`."""
    return [repeated(SAME, second or OTHER)] * count + [repeated(SAME, SAME)] * (of - count)


def test_what_legacy_differs_from_itself_as_often_is_noise() -> None:
    found = Comparison(unlike(10, of=100), same(90) + other(10))
    assert found.classes == {"match": 100}
    assert (found.verdict.answer, found.verdict.because) == ("pass", ())
    [of_type] = found.report["types"]
    [path] = of_type["noise"].pop("paths")
    assert of_type["noise"] == {"repeats": 100, "shadows": 100, "excused": 10, "further_repeats": 0}
    assert (path["path"], path["jobs"], path["rate"], path["between"]) == (PATH, 10, 0.1, 0.1)
    assert path["is_excused"] is True
    assert path["p_value"] == pytest.approx(
        stats.fisher_exact([[10, 90], [10, 90]], alternative="greater").pvalue
    )


def test_the_terminal_says_what_was_excused(capsys: pytest.CaptureFixture[str]) -> None:
    found = Comparison(unlike(10, of=100), same(90) + other(10))
    print_report(found.report, found.verdict, "")
    out = capsys.readouterr().out
    assert "100 runs repeated in legacy, 10 jobs differ by no more than legacy from itself" in out
    assert f"{PATH}: legacy differs from itself in 10.00%, from Supabase in 10.00%" in out
    assert "not excused" not in out


def test_without_repeats_every_difference_counts() -> None:
    found = Comparison([], same(90) + other(10))
    assert found.classes == {"match": 90, "result_diff": 10}
    assert found.report["types"][0]["noise"] is None
    assert found.noise.notes() == []


def test_significantly_more_than_that_is_no_noise() -> None:
    within = Comparison(unlike(10, of=100), same(80) + other(20))
    assert within.classes == {"match": 100}, "p = 0.04"
    beyond = Comparison(unlike(10, of=100), same(74) + other(26))
    assert beyond.classes == {"match": 74, "result_diff": 26}
    assert beyond.verdict.answer == "differences"
    assert beyond.verdict.because[-1].startswith(
        f"'count' differs at {PATH} in 26.00% of 100 shadow runs, and legacy from itself in 10.00% of 100"
        " repeats: that is more than noise (p = 2."
    )
    [differing] = [one for one in beyond.report["types"][0]["classes"] if one["name"] == "result_diff"]
    assert differing["paths"] == [{"path": PATH, "kind": "value", "jobs": 26}]
    assert (len(differing["samples"]), differing["first_seen"] is not None) == (20, True)
    ids = [sample["job_id"] for sample in differing["samples"]]
    assert ids == sorted(ids)


def test_with_few_repeats_nothing_is_excused_and_it_is_said_how_many_more() -> None:
    found = Comparison(unlike(5, of=LEAST_REPEATS - 1), same(90) + other(10))
    assert found.classes == {"match": 90, "result_diff": 10}
    assert found.verdict.because[-1].endswith("1 more repeats are needed before that excuses anything")
    assert found.report["types"][0]["noise"]["further_repeats"] == 1
    enough = Comparison(unlike(5, of=LEAST_REPEATS), same(90) + other(10))
    assert enough.classes == {"match": 100}


def test_another_path_is_a_difference_and_the_noise_beside_it_is_named() -> None:
    both = shadowed({"sum": 8, "rows": [1, 3]})
    found = Comparison(unlike(10, of=100), [*same(90), *other(5), both])
    assert found.classes == {"match": 95, "result_diff": 1}
    [differing] = [one for one in found.report["types"][0]["classes"] if one["name"] == "result_diff"]
    assert differing["paths"] == [
        {"path": "shadow.result.rows[*]", "kind": "value", "jobs": 1},
        {"path": PATH, "kind": "noise", "jobs": 1},
    ]
    kinds = {one["path"]: one["kind"] for one in differing["samples"][0]["differences"]}
    assert kinds == {PATH: "noise", "shadow.result.rows[1]": "value"}


def test_places_in_lists_are_one_path() -> None:
    second: Json = {"sum": 7, "rows": [3, 2]}
    found = Comparison(unlike(10, 100, second), same(98) + [shadowed({"sum": 7, "rows": [1, 9]})] * 2)
    assert found.classes == {"match": 100}


def test_a_job_with_another_class_is_not_excused() -> None:
    other_payload = shadowed(OTHER, payload={"n": 2})
    found = Comparison(unlike(10, of=100), [*same(90), other_payload])
    assert found.classes == {"match": 90, "payload_diff": 1}
    assert found.noise.floors()["count"].paths[0].between == pytest.approx(1 / 91), "it counts as a shadow"


def test_what_legacy_told_is_never_noise() -> None:
    """The mirror holds what legacy sent: no handler ran for it."""
    retold = told(outcome=DONE._replace(result=OTHER))
    found = Comparison(unlike(10, of=100), [*same(9), retold])
    assert found.classes == {"match": 9, "result_diff": 1}


def test_rules_and_comparators_count_in_both() -> None:
    rule = Rule("sums", "ann", TODAY, 100, fields=FieldRules(ignored=(PathPattern("$.sum"),)))
    ruled = Comparison(unlike(10, of=100), same(90) + other(10), rules=(rule,))
    assert ruled.classes == {"match": 90, "expected": 10}
    assert ruled.noise.floors()["count"].paths == ()
    near = Comparison(unlike(10, of=100), other(10), comparators={"count": lambda one, two: True})
    assert near.noise.floors()["count"].paths == ()
    assert near.classes == {"match": 10}


def test_a_rule_that_was_needed_besides_is_counted_against_its_cap() -> None:
    rule = Rule("rows", "ann", TODAY, 1, fields=FieldRules(ignored=(PathPattern("$.rows"),)))
    both = [shadowed({"sum": 8, "rows": [1, 3]}) for _ in range(2)]
    found = Comparison(unlike(10, of=100), [*same(98), *both], rules=(rule,))
    assert found.classes == {"match": 98, "expected": 2}
    assert found.tally.rules == {"rows": 2}
    assert "its cap is 1" in found.verdict.because[0]


def test_what_was_given_out_again_stays_that() -> None:
    pair = shadowed(OTHER)
    assert pair.legacy is not None
    again = pair._replace(legacy=pair.legacy._replace(starts=2))
    found = Comparison(unlike(10, of=100), [*same(90), again])
    assert found.classes == {"match": 90, "legacy_redelivered": 1}


def test_types_are_apart() -> None:
    found = Comparison([repeated(SAME, OTHER, "mail")] * 100, same(90) + other(10))
    assert found.classes == {"match": 90, "result_diff": 10}


def test_more_combinations_than_are_kept_apart_are_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supaqueue.cutover.parity.noise.COMBINATIONS", 10)
    keys = [f"k{number}" for number in range(15)]
    entries = [repeated({}, dict.fromkeys(keys, 1))] * LEAST_REPEATS
    pairs = [shadowed(SAME | {key: 1}) for key in keys]
    found = Comparison(entries, pairs)
    assert found.classes == {"match": 10, "result_diff": 5}


def test_every_job_counts_once() -> None:
    pairs = same(50) + other(30) + [shadowed({"sum": 8, "rows": [9]})] * 7 + [told()] * 13
    for entries in ([], unlike(1, of=100), unlike(50, of=100)):
        assert Comparison(list(entries), pairs).tally.types["count"].jobs == 100


def test_repeats_in_a_real_index_and_real_shadows(world: World) -> None:
    world.go_to(0)
    world.change(stage="shadow", shadow_percent=100)
    jobs = [world.new_job("legacy", payload={"n": n}) for n in range(LEAST_REPEATS)]
    world.accept(*jobs)
    for number, job in enumerate(jobs):
        admission = world.guard.admit(stamp := Stamp(job.job_id), "count")
        assert admission.run is not None
        admission.run.finish(Ending("completed", {"at": number}, attempts=1))
        world.legacy.index.record_repeat(stamp, Ending("completed", {"at": number + 0.5}, attempts=1))
    worker = world.worker
    while tasks := worker.claim():
        worker.finish(endings(tasks, "done", result={"result": {"at": -1}, "effects": [], "effect_count": 0}))
    world.relay.turn()
    found = checked(world, declared_bound=0.2)
    assert found.report["classes"] == {"match": LEAST_REPEATS}
    assert found.verdict.answer == "pass"
    [of_type] = found.report["types"]  # type: ignore[misc]
    assert of_type["noise"]["paths"][0]["path"] == "shadow.result.at"  # type: ignore
