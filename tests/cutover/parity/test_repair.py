"""What one of two real systems lost is brought again, is whole then, and counts as missing all the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from supaqueue.contract import ListRepairs, NewJob
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.parity.check import Checked, check
from supaqueue.cutover.parity.classes import Class
from supaqueue.cutover.parity.question import Question
from supaqueue.cutover.parity.repair import REASONS, Missing, Repair, missing, repair
from supaqueue.cutover.parity.rules import Rule
from supaqueue.cutover.spooled import mirror_record
from tests.cutover.commands import Said, Terminal
from tests.cutover.parity import faults
from tests.cutover.parity.faults import ended_in_legacy, ended_in_supabase, waits_in_legacy, waits_in_supabase
from tests.cutover.parity.terminal import Parity
from tests.cutover.world import World
from tests.sql.calls import endings
from tests.sql.sessions import together

Plant = Callable[[World], NewJob]
DAY = timedelta(days=1)


@pytest.fixture
def parity(rollout: Terminal) -> Parity:
    return Parity(rollout).without_pauses()


def question(**options: Any) -> Question:
    """Everything of two hours, of which nothing is in flight."""
    now = datetime.now(UTC)
    hours = {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}
    return Question(**{"settle_seconds": 1e-6, "looks": (0.0, 0.0)} | hours | options)  # type: ignore[arg-type]


def checked(world: World, **options: Any) -> Checked:
    return check(world.transport, world.legacy, question(**options))


def lost(world: World) -> Missing:
    return missing(world.transport, world.legacy, question())


def answers(repairs: tuple[Repair, ...]) -> dict[str, str]:
    return {one.job_id: one.answer for one in repairs}


def repaired(world: World) -> dict[str, str]:
    """Repair what is missing, and let the relay take a turn."""
    found = repair(world.transport, world.legacy, lost(world), by="ada")
    world.relay.turn()
    return answers(found)


def class_of(found: Checked, name: Class) -> dict[str, Any]:
    report: Any = found.report
    [counts] = report["types"]
    [one] = [one for one in counts["classes"] if one["name"] == name]
    return dict(one)


def repaired_of(found: Checked) -> list[int]:
    """How many were repaired of what is missing in Supabase, and in legacy."""
    return [class_of(found, name)["repaired"] for name in ("missing_in_supabase", "missing_in_legacy")]


def begin(world: World) -> None:
    world.go_to(100)


def drop_row(world: World, job: NewJob) -> None:
    faults.rows(world, "delete from jobs", job)
    world.database.execute("delete from job_tasks where job_id = %s", [job.job_id])


def drop_entry(world: World, job: NewJob) -> None:
    faults.index(world, "delete from job", job)


def mirror_never_came(world: World) -> NewJob:
    """And waits in no spool."""
    return faults.accepted_without_mirror(world)


def ended_mirror_dropped(world: World) -> NewJob:
    """Its end was told before, so that no relay would tell it again."""
    job = ended_in_legacy(world)
    assert world.legacy.index.unsent_endings(10) == []
    drop_row(world, job)
    return job


def failed_mirror_dropped(world: World) -> NewJob:
    job = ended_in_legacy(world, Ending("failed", error={"type": "ValueError", "message": "no"}, attempts=1))
    drop_row(world, job)
    return job


def cancelled_mirror_dropped(world: World) -> NewJob:
    job = waits_in_legacy(world)
    world.legacy.cancel([job.job_id])
    world.relay.turn()
    drop_row(world, job)
    return job


def waiting_copy_dropped(world: World) -> NewJob:
    job = waits_in_supabase(world)
    drop_entry(world, job)
    return job


def ended_copy_dropped(world: World) -> NewJob:
    job = ended_in_supabase(world)
    drop_entry(world, job)
    return job


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (mirror_never_came, "missing_in_supabase"),
        (ended_mirror_dropped, "missing_in_supabase"),
        (failed_mirror_dropped, "missing_in_supabase"),
        (cancelled_mirror_dropped, "missing_in_supabase"),
        (waiting_copy_dropped, "missing_in_legacy"),
        (ended_copy_dropped, "missing_in_legacy"),
        (faults.unparked, "missing_in_legacy"),
    ],
)
def test_a_repaired_job_is_whole_and_counts(world: World, plant: Plant, name: Class) -> None:
    begin(world)
    job = plant(world)
    before = checked(world)
    assert before.report["classes"] == {name: 1}
    assert (class_of(before, name)["repaired"], before.verdict.different) == (0, 1)
    assert repaired(world) == {job.job_id: "repaired"}
    after = checked(world)
    assert after.report["classes"] == {name: 1}
    found = class_of(after, name)
    assert (found["repaired"], found["samples"][0]["repaired"]) == (1, True)
    # Whole: but for the record nothing would differ, or the job only waits.
    assert set(found["samples"][0]["also"]) <= {"stuck"}
    assert found["samples"][0]["legacy"]["ended_at"] == found["samples"][0]["supabase"]["ended_at"]
    assert after.verdict.different == 1
    assert not any("no rollout" in reason for reason in after.verdict.because)
    assert lost(world).repairs == ()


def test_without_its_record_a_repaired_job_would_be_a_match(world: World) -> None:
    begin(world)
    ended_mirror_dropped(world)
    ended_copy_dropped(world)
    repaired(world)
    world.database.execute("delete from job_repairs")
    assert checked(world).report["classes"] == {"match": 2}


def test_showing_what_is_missing_changes_nothing(world: World) -> None:
    begin(world)
    ended_mirror_dropped(world)
    waiting_copy_dropped(world)
    for _ in range(2):
        assert [one.answer for one in lost(world).repairs] == ["repaired"] * 2
    assert world.relay.turn().parked == 0
    assert checked(world).report["classes"] == {"missing_in_supabase": 1, "missing_in_legacy": 1}


def test_what_is_in_flight_is_not_missing(world: World) -> None:
    begin(world)
    mirror_never_came(world)
    waiting_copy_dropped(world)
    assert missing(world.transport, world.legacy, question(settle_seconds=60.0)).repairs == ()


def test_what_comes_at_a_later_look_is_not_missing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(world)
    late = mirror_never_came(world)
    monkeypatch.setattr("supaqueue.cutover.parity.looks.time.sleep", lambda seconds: world.enqueue(late))
    assert lost(world).repairs == ()


def unpublished(world: World) -> NewJob:
    job = world.new_job("legacy")
    world.legacy.index.accept([job])
    return job


def row_dropped(world: World) -> NewJob:
    job = waits_in_supabase(world)
    drop_row(world, job)
    return job


def handed_over_row_dropped(world: World) -> NewJob:
    job = faults.handed_over(world)
    drop_row(world, job)
    return job


def handed_over_entry_dropped(world: World) -> NewJob:
    job = faults.handed_over(world)
    drop_entry(world, job)
    return job


def not_yet_parked(world: World) -> NewJob:
    job = world.new_job("supabase")
    world.enqueue(job)
    return job


@pytest.mark.parametrize(
    ("plant", "answer"),
    [
        (unpublished, "unpublished"),
        (row_dropped, "owner_lost"),
        (handed_over_row_dropped, "handed_over"),
        (handed_over_entry_dropped, "kept"),
        (not_yet_parked, "due"),
    ],
)
def test_what_would_be_a_guess_is_refused_by_name(
    world: World, parity: Parity, plant: Plant, answer: str
) -> None:
    begin(world)
    job = plant(world)
    before = checked(world).report["classes"]
    found = lost(world)
    assert answers(found.repairs) == {job.job_id: answer}
    assert answers(repair(world.transport, world.legacy, found)) == {job.job_id: answer}
    assert checked(world).report["classes"] == before
    said = parity("repair", "--yes", "--settle", "0.000001s", "--json")
    assert said.code == 1
    [one] = json.loads(said.out)["jobs"]
    assert (one["answer"], one["reason"]) == (answer, REASONS[answer])  # type: ignore[index]


def test_one_that_supabase_refuses_keeps_no_other_from_being_repaired(world: World) -> None:
    begin(world)
    jobs = [mirror_never_came(world) for _ in range(5)]
    world.run_in_legacy(jobs[2], result="no text of Postgres': \0")
    found = answers(repair(world.transport, world.legacy, lost(world)))
    assert [found.pop(job.job_id) for job in jobs if job is not jobs[2]] == ["repaired"] * 4
    assert list(found.values()) == ["refused"]


def test_a_job_of_yesterday_is_repaired_today_and_counts_yesterday_alone(world: World) -> None:
    begin(world)
    mirror, copy = ended_mirror_dropped(world), ended_copy_dropped(world)
    yesterday = datetime.now(UTC) - DAY
    at = (yesterday - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    faults.index(world, "update job set accepted_at = ?", mirror, at)
    faults.rows(world, "update jobs set created_at = created_at - interval '1 day'", copy)
    days = {"since": yesterday - timedelta(hours=1), "until": yesterday + timedelta(hours=1)}
    found = missing(world.transport, world.legacy, question(**days))
    assert set(answers(repair(world.transport, world.legacy, found)).values()) == {"repaired"}
    world.relay.turn()
    then = checked(world, **days)
    assert then.report["classes"] == {"missing_in_supabase": 1, "missing_in_legacy": 1}
    assert [class_of(then, name)["repaired"] for name in ("missing_in_supabase", "missing_in_legacy")] == [
        1,
        1,
    ]  # type: ignore[arg-type]
    assert checked(world).report["jobs"] == 0


def test_a_repair_that_legacy_was_not_told_of_yet_is_none(world: World) -> None:
    begin(world)
    ended_copy_dropped(world)
    found = lost(world)
    assert [one.answer for one in repair(world.transport, world.legacy, found)] == ["repaired"]
    waits = checked(world)
    assert class_of(waits, "missing_in_legacy")["repaired"] == 0
    assert any("no rollout" in reason for reason in waits.verdict.because)
    assert [one.answer for one in lost(world).repairs] == ["due"]


def test_what_is_lost_again_is_repaired_again(world: World) -> None:
    begin(world)
    mirror, copy = ended_mirror_dropped(world), waiting_copy_dropped(world)
    for _ in range(2):
        assert set(repaired(world).values()) == {"repaired"}
        assert lost(world).repairs == ()
        drop_row(world, mirror)
        drop_entry(world, copy)
    counts = checked(world)
    assert counts.report["classes"] == {"missing_in_supabase": 1, "missing_in_legacy": 1}
    assert [class_of(counts, name)["repaired"] for name in ("missing_in_supabase", "missing_in_legacy")] == [
        0,
        0,
    ]  # type: ignore[arg-type]


def test_a_rule_takes_no_repaired_difference_away(world: World) -> None:
    begin(world)
    ended_mirror_dropped(world)
    repaired(world)
    rule = Rule("lost", "ann", datetime(2100, 1, 1).date(), 5, classes=frozenset({"missing_in_supabase"}))
    assert checked(world, rules=(rule,)).report["classes"] == {"missing_in_supabase": 1}


def test_two_repairs_at_once_are_one(world: World) -> None:
    begin(world)
    jobs = [ended_mirror_dropped(world) for _ in range(3)] + [waiting_copy_dropped(world) for _ in range(3)]
    one, other = lost(world), lost(world)
    said = together(
        lambda: repair(world.transport, world.legacy, one, by="ada"),
        lambda: repair(world.transport, world.legacy, other, by="bob"),
    )
    world.relay.turn()
    assert [answers(found) for found in said] == [{job.job_id: "repaired" for job in jobs}] * 2
    assert checked(world).report["classes"] == {"missing_in_supabase": 3, "missing_in_legacy": 3}
    assert world.database.execute("select count(*) from job_repairs").fetchall() == [(6,)]
    assert lost(world).repairs == ()


def test_a_repair_beside_the_relay_that_brings_the_late_mirror(world: World) -> None:
    """Whoever comes first, the job is there once, with its end; only what was repaired counts as missing."""
    begin(world)
    jobs = [mirror_never_came(world) for _ in range(6)]
    for job in jobs[:3]:
        world.run_in_legacy(job, result=faults.RESULT)
    found = lost(world)
    assert len(found.repairs) == 6
    world.spool.append([mirror_record(job) for job in jobs])

    def relayed() -> None:
        relay = world.relay
        relay.send_spooled()
        relay.turn()

    said, _ = together(lambda: repair(world.transport, world.legacy, found), relayed)
    told = answers(said)
    assert set(told.values()) <= {"repaired", "exists"}
    world.relay.turn()
    brought = sum(answer == "repaired" for answer in told.values())
    found_again = checked(world).report["classes"]
    assert found_again.get("missing_in_supabase", 0) == brought  # type: ignore[union-attr]
    assert lost(world).repairs == ()
    ended = "select count(*) from jobs where owner_outcome ->> 'status' = 'completed'"
    assert world.database.execute(ended.encode()).fetchall() == [(3,)]


def test_a_repair_beside_the_end_of_its_job(world: World) -> None:
    """The end comes with the repair, or after it by the relay; never is it lost."""
    begin(world)
    mirrors = [mirror_never_came(world) for _ in range(4)]
    copies = [waiting_copy_dropped(world) for _ in range(4)]
    worker = world.worker
    tasks = worker.claim_all()
    found = lost(world)

    def ended() -> None:
        for job in mirrors:
            world.run_in_legacy(job, result=faults.RESULT)
        worker.finish(endings(tasks, "done", result=faults.RESULT))

    together(lambda: repair(world.transport, world.legacy, found), ended)
    world.relay.turn()
    for job in (*mirrors, *copies):
        entry = world.entry(job)
        assert entry is not None
        assert entry.ending is not None
        assert entry.ending.result == faults.RESULT
    told = "select count(*) from jobs where owner_outcome ->> 'status' = 'completed'"
    assert world.database.execute(told.encode()).fetchall() == [(4,)]
    assert lost(world).repairs == ()


def test_it_is_kept_who_repaired_what(world: World) -> None:
    begin(world)
    job = ended_mirror_dropped(world)
    repaired(world)
    entry = world.entry(job)
    assert entry is not None
    asked = question()
    [one] = world.transport.send(ListRepairs(asked.since, asked.until)).repairs
    assert (one.job_id, one.class_name, one.repaired_by) == (job.job_id, "missing_in_supabase", "ada")
    assert (one.task_type, one.accepted_at) == (job.task_type, entry.accepted_at)


REPAIR = ("repair", "--since", "1h", "--settle", "0.000001s")


def say(parity: Parity, *arguments: str) -> Said:
    said = parity(*REPAIR, *arguments)
    assert "Traceback" not in said.err
    return said


def test_the_command_shows_and_then_does(world: World, parity: Parity) -> None:
    begin(world)
    mirror, copy = ended_mirror_dropped(world), waiting_copy_dropped(world)
    shown = say(parity)
    assert shown.code == 1
    for part in ("missing_in_supabase", "missing_in_legacy", mirror.job_id, copy.job_id, "say --yes"):
        assert part in shown.out
    assert checked(world).report["classes"] == {"missing_in_supabase": 1, "missing_in_legacy": 1}
    assert all(one["repaired"] == 0 for one in checked(world).report["types"][0]["classes"])  # type: ignore
    said = json.loads(say(parity, "--json").out)
    assert (said["is_done"], [one["answer"] for one in said["jobs"]]) == (False, ["repaired"] * 2)
    done = say(parity, "--yes", "--by", "ada", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert told["is_done"]
    assert {one["job_id"]: one["class"] for one in told["jobs"]} == {
        mirror.job_id: "missing_in_supabase",
        copy.job_id: "missing_in_legacy",
    }
    world.relay.turn()
    after = say(parity)
    assert (after.code, after.out) == (0, "nothing is missing\n")
    shown = parity("check", "--since", "1h", "--settle", "0.000001s", "--json")
    assert [one["repaired"] for one in json.loads(shown.out)["types"][0]["classes"]] == [1, 1]
    assert shown.code in (1, 2)


def test_more_than_are_looked_at_again_are_for_another_time(
    world: World, parity: Parity, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(world)
    for _ in range(3):
        ended_mirror_dropped(world)
    monkeypatch.setattr(sys.modules["supaqueue.cutover.parity.repair"], "LOOKED_AT_AGAIN", 2)
    first = say(parity, "--yes")
    assert (first.code, "1 more are missing" in first.out) == (1, True)
    assert say(parity, "--yes").code == 0
    assert say(parity).out == "nothing is missing\n"


def test_somebody_at_a_terminal_is_asked(world: World, parity: Parity) -> None:
    begin(world)
    ended_mirror_dropped(world)
    parity.answers_at_the_terminal("n")
    assert say(parity).code == 1
    assert len(lost(world).repairs) == 1
    parity.answers_at_the_terminal("y")
    assert say(parity).code == 0
    assert lost(world).repairs == ()


def test_only_the_types_asked_for_are_repaired(world: World, parity: Parity) -> None:
    begin(world)
    ended_mirror_dropped(world)
    assert say(parity, "--type", "other", "--yes").out == "nothing is missing\n"
    assert say(parity, "--type", "count", "--yes").code == 0
    assert lost(world).repairs == ()


def test_without_supabase_it_could_not_run(parity: Parity, rollout: Terminal) -> None:
    rollout.lose_supabase()
    said = say(parity, "--yes")
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("supaqueue: ")
    assert say(parity, "--since", "soon").code == 3
