"""The whole check on both real systems: what is planted is named, with job and path, and nothing else."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supaqueue.cli import main
from supaqueue.contract import NewJob
from supaqueue.cutover.parity.check import Checked, check
from supaqueue.cutover.parity.question import Question
from supaqueue.cutover.parity.report import written
from tests.cutover.commands import Said, Terminal
from tests.cutover.world import World
from tests.sql.calls import endings

SINCE = datetime.now(UTC) - timedelta(hours=1)


def checked(world: World, **options: Any) -> Checked:
    """Compare at once: what is not settled after a microsecond never will be."""
    given: dict[str, Any] = {"settle_seconds": 1e-6, "looks": (0.0, 0.0)} | options
    question = Question(SINCE, datetime.now(UTC) + timedelta(hours=1), **given)
    return check(world.transport, world.legacy, question)


def some_jobs(world: World) -> list[NewJob]:
    """Ten of legacy's and ten of Supabase's, run and told."""
    world.go_to(100)
    legacys = [world.new_job("legacy", payload={"n": n}) for n in range(10)]
    supabases = [world.new_job("supabase", payload={"n": n}) for n in range(10)]
    world.accept(*legacys)
    world.enqueue(*supabases)
    for job in legacys:
        world.run_in_legacy(job, result={"sum": 7})
    worker = world.worker
    while tasks := worker.claim():
        worker.finish(endings(tasks, "done", result={"sum": 7}))
    world.relay.turn()
    return [*legacys, *supabases]


def test_what_agrees_is_a_match(world: World) -> None:
    some_jobs(world)
    found = checked(world, declared_bound=0.2)
    assert found.report["classes"] == {"match": 20}
    assert found.verdict.answer == "pass"
    assert (found.report["listed"], found.report["jobs"]) == ({"legacy": 20, "supabase": 20}, 20)


def test_a_number_that_postgres_writes_otherwise_is_the_same(world: World) -> None:
    world.accept(
        *(world.new_job("legacy", payload={"n": n}) for n in (1e300, 1e23, 2.0**60, 1e-7, 0.1, -0.0))
    )
    found = checked(world)
    assert "payload_diff" not in found.report["classes"]
    assert found.report["classes"] == {"stuck": 6}


def test_each_side_is_listed_by_itself(world: World) -> None:
    jobs = some_jobs(world)
    world.database.execute("delete from jobs where job_id = %s", [jobs[0].job_id])
    lost = world.new_job("supabase")
    world.enqueue(lost)
    found = checked(world)
    assert found.report["classes"] == {"match": 19, "missing_in_supabase": 1, "missing_in_legacy": 1}
    assert found.verdict.answer == "differences"
    [counts] = found.report["types"]  # type: ignore[misc]
    samples = {one["name"]: [s["job_id"] for s in one["samples"]] for one in counts["classes"]}  # type: ignore
    assert samples["missing_in_supabase"] == [jobs[0].job_id]
    assert samples["missing_in_legacy"] == [lost.job_id]


def test_a_payload_changed_in_one_system_is_named_by_its_path(world: World) -> None:
    jobs = some_jobs(world)
    change = "update job_tasks set payload = '{\"n\": 99}' where job_id = %s"
    world.database.execute(change, [jobs[3].job_id])
    found = checked(world)
    assert found.report["classes"] == {"match": 19, "payload_diff": 1}
    [counts] = found.report["types"]  # type: ignore[misc]
    [differs] = [one for one in counts["classes"] if one["name"] == "payload_diff"]  # type: ignore
    [sample] = differs["samples"]
    assert sample["job_id"] == jobs[3].job_id
    assert sample["differences"] == [{"path": "payload.n", "kind": "value", "legacy": 3, "supabase": 99}]


def test_what_comes_to_agree_at_a_later_look_is_a_match(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_jobs(world)
    late = world.new_job("supabase")
    world.enqueue(late)
    turns = []

    def relayed(seconds: float) -> None:
        turns.append(seconds)
        if len(turns) == 2:
            tasks = world.worker.claim()
            world.worker.finish(endings(tasks, "done"))
            world.relay.turn()

    monkeypatch.setattr("supaqueue.cutover.parity.looks.time.sleep", relayed)
    assert checked(world, looks=(1.0, 2.0)).report["classes"] == {"match": 21}
    # Since the look before; the first one is over when both are listed.
    assert 0.0 <= turns[0] < 1.0 < turns[1] <= 2.0
    assert len(turns) == 2


def test_what_lies_outside_the_time_on_one_side_is_found_by_id(world: World) -> None:
    jobs = some_jobs(world)
    moved = "update jobs set created_at = created_at - interval '1 day' where job_id = %s"
    world.database.execute(moved, [jobs[0].job_id])
    found = checked(world)
    assert found.report["listed"] == {"legacy": 20, "supabase": 19}
    assert found.report["classes"] == {"match": 20}


def test_only_the_types_asked_for_are_compared(world: World) -> None:
    some_jobs(world)
    assert checked(world, task_types=frozenset({"other"})).report["jobs"] == 0
    assert checked(world, task_types=frozenset({"count"})).report["jobs"] == 20


def test_the_same_systems_give_the_same_report(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    some_jobs(world)
    # By its globals: under the module's name the package has the function.
    monkeypatch.setitem(check.__globals__, "database_time", lambda transport: 10**16)
    until = datetime.now(UTC) + timedelta(hours=1)
    question = Question(SINCE, until, looks=())
    one, other = (check(world.transport, world.legacy, question).report for _ in range(2))
    assert written(one) == written(other)


@pytest.fixture
def parity(rollout: Terminal) -> Any:
    """Types `supaqueue parity check`, in the environment of `rollout`; further looks come at once."""
    at_once = SimpleNamespace(sleep=lambda seconds: None, monotonic=time.monotonic)
    rollout.monkeypatch.setattr("supaqueue.cutover.parity.looks.time", at_once)

    def type_(*arguments: str) -> Said:
        rollout.capture.readouterr()
        rollout.monkeypatch.setattr("sys.argv", ["supaqueue", "parity", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        captured = rollout.capture.readouterr()
        code = left.value.code
        return Said(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    return type_


def test_the_command_says_what_it_proves(world: World, parity: Any) -> None:
    some_jobs(world)
    said = parity("check", "--since", "1h", "--bound", "20")
    assert said.code == 0, said
    assert "0 of 20 jobs differ: the rate is at most 13.91% (95 percent confidence)" in said.out
    unsure = parity("check", "--since", "1h")
    assert unsure.code == 2
    assert "279 further jobs without a difference would do" in unsure.out


def test_the_command_shows_job_path_and_both_values(world: World, parity: Any, tmp_path: Path) -> None:
    jobs = some_jobs(world)
    change = "update jobs set owner_outcome = jsonb_set(owner_outcome, '{result,sum}', '8') where job_id = %s"
    world.database.execute(change, [jobs[0].job_id])
    said = parity("check", "--since", "1h", "--settle", "1s")
    assert said.code in (1, 2), said
    waited = parity("check", "--since", "1h", "--settle", "0.000001s", "--json")
    assert waited.code == 1
    report = json.loads(waited.out)
    assert report["classes"] == {"match": 19, "result_diff": 1}
    shown = parity("check", "--since", "1h", "--settle", "0.000001s")
    for part in (jobs[0].job_id, "result.sum: legacy 7, Supabase 8", "1 of 20 jobs differ"):
        assert part in shown.out
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "sums"\nowner = "ann"\nexpires = 2100-01-01\ncap = 1\nignore = ["$.sum"]\n'
    )
    ruled = parity("check", "--since", "1h", "--settle", "0.000001s", "--rules", str(rules), "--bound", "20")
    assert ruled.code == 0
    assert "rule sums of ann: 1 of at most 1 jobs" in ruled.out


def test_a_team_compares_by_a_function_of_its_own(world: World, parity: Any, tmp_path: Path) -> None:
    jobs = some_jobs(world)
    change = "update jobs set owner_outcome = jsonb_set(owner_outcome, '{result,sum}', '7.001')"
    world.database.execute(f"{change} where job_id = %s".encode(), [jobs[0].job_id])
    (tmp_path / "sums.py").write_text(
        "def near(control, candidate):\n    return abs(control['sum'] - candidate['sum']) < 0.01\n"
    )
    arguments = ("check", "--since", "1h", "--settle", "0.000001s", "--bound", "20")
    assert json.loads(parity(*arguments, "--json").out)["classes"] == {"match": 19, "result_diff": 1}
    report = json.loads(parity(*arguments, "--compare", "count=sums:near", "--json").out)
    assert report["classes"] == {"match": 20}


def test_jobs_of_before_dual_write_are_explained(world: World, parity: Any) -> None:
    world.change(stage="off", is_enabled=False, rollout_percent=0, holdback_percent=0)
    world.legacy.enqueue([world.new_job("legacy")])
    began = datetime.now(UTC)
    world.change(stage="mirror")
    arguments = ("check", "--settle", "0.000001s")
    said = parity(*arguments, "--since", "1h")
    assert said.code == 1
    assert "missing_in_supabase" in said.out
    named = re.search(r"ask with --since (\S+)$", said.err, re.MULTILINE)
    assert named is not None
    assert began < datetime.fromisoformat(named[1]) < began + timedelta(seconds=60)
    assert parity(*arguments, "--since", "0s", "--until", "2100-01-01T00:00Z").err == ""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("check", "--since", "yesterday"), "--since"),
        (("check", "--since", "1h", "--until", "2h"), "--since"),
        (("check", "--bound", "0"), "--bound"),
        (("check", "--bound", "much"), "--bound"),
        (("check", "--nope"), "--nope"),
        (("chekc",), "chekc"),
        (("check", "--rules", "none.toml"), "none.toml"),
        (("check", "--settle", "soon"), "--settle"),
        (("check", "--compare", "count"), "--compare"),
        (("check", "--compare", "count=nowhere:near"), "nowhere"),
        (("check", "--compare", "count=json:near"), "near"),
        (("check", "--legacy", "nowhere:queue"), "nowhere"),
    ],
)
def test_what_cannot_run_ends_with_three(parity: Any, arguments: tuple[str, ...], named: str) -> None:
    said = parity(*arguments)
    assert said.code == 3, said
    assert named in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_without_supabase_it_ends_with_three(parity: Any, rollout: Terminal) -> None:
    rollout.lose_supabase()
    said = parity("check")
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("supaqueue: ")
