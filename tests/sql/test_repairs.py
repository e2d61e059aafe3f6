"""What one system has lost is brought again, once, and counts as missing for good."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tests.sql.calls import Calls, Row, Worker, answers, endings, new_job
from tests.sql.flags import begin, job_row, record, set_flag, settle, start_legacy
from tests.sql.retention import DAY, ended, grow_older, prune
from tests.sql.sessions import blocked, open_transaction, together

Connect = Callable[[], psycopg.Connection[Any]]

ACCEPTED = "2026-01-01T12:00:00+00:00"
LONG_AGO = "2026-01-01T00:00:00Z"
DONE = {"status": "completed", "result": {"sum": 7}, "attempts": 1, "ended_at": ACCEPTED}


def repair_mirrors(calls: Calls, *jobs: Row, outcome: Row | None = None, by: str = "ada") -> list[str]:
    outcomes = [{"job_id": job["job_id"], "epoch": 0} | outcome for job in jobs] if outcome else []
    moments = [ACCEPTED] * len(jobs)
    return answers(
        calls.call(
            "repair_mirrors_v1", jobs=list(jobs), accepted_at=moments, outcomes=outcomes, repaired_by=by
        )
    )


def repair_copies(
    calls: Calls, *job_ids: str, seen_at: str = LONG_AGO, dry_run: bool = False, by: str = "ada"
) -> list[str]:
    return answers(
        calls.call(
            "repair_copies_v1", job_ids=list(job_ids), seen_at=seen_at, dry_run=dry_run, repaired_by=by
        )
    )


def repairs(calls: Calls, page_size: int = 100) -> list[Row]:
    """What was repaired, of jobs of all times."""
    found: list[Row] = []
    page = None
    while True:
        answer = calls.call(
            "list_repairs_v1",
            since="2000-01-01T00:00:00Z",
            until="2100-01-01T00:00:00Z",
            page=page,
            page_size=page_size,
        )
        found += answer["repairs"]
        if (page := answer["next_page"]) is None:
            return found


def now(calls: Calls) -> str:
    return str(calls.value("select clock_timestamp()").isoformat())


def lost_job(queue: str, **options: Any) -> Row:
    return new_job(queue, owner="legacy", **options)


def written(calls: Calls, queue: str, count: int = 1) -> list[str]:
    """Jobs of Supabase's of which legacy was told."""
    begin(calls.connection, "live", holdback_percent=0)
    job_ids = calls.enqueue_new(queue, count)
    assert settle(calls, "due", *((job_id, 0) for job_id in job_ids)) == ["settled"] * count
    return job_ids


def test_a_mirror_comes_with_its_end_and_is_noted(calls: Calls, queue_name: str) -> None:
    begin(calls.connection)
    waits, over = lost_job(queue_name), lost_job(queue_name)
    assert repair_mirrors(calls, waits) == ["repaired"]
    assert repair_mirrors(calls, over, outcome=DONE) == ["repaired"]
    mirror = job_row(calls, over["job_id"])
    assert (mirror["owner"], mirror["epoch"], mirror["status"]) == ("legacy", 0, "mirrored")
    assert mirror["owner_outcome"] == DONE
    assert mirror["owner_ended_at"] is not None
    assert job_row(calls, waits["job_id"])["owner_ended_at"] is None
    found = {one["job_id"]: one for one in repairs(calls)}
    assert found.keys() == {waits["job_id"], over["job_id"]}
    one = found[over["job_id"]]
    assert (one["class_name"], one["task_type"]) == ("missing_in_supabase", "count")
    assert (one["accepted_at"], one["repaired_by"]) == (ACCEPTED, "ada")


def test_a_repeat_is_answered_alike_and_changes_nothing(calls: Calls, queue_name: str) -> None:
    begin(calls.connection)
    job = lost_job(queue_name)
    assert repair_mirrors(calls, job, outcome=DONE) == ["repaired"]
    before = repairs(calls), job_row(calls, job["job_id"])
    assert repair_mirrors(calls, job, job, outcome=DONE | {"result": 8}, by="bob") == ["repaired"] * 2
    assert (repairs(calls), job_row(calls, job["job_id"])) == before


def test_a_job_named_twice_is_one(calls: Calls, queue_name: str) -> None:
    begin(calls.connection)
    job = lost_job(queue_name)
    assert repair_mirrors(calls, job, job, outcome=DONE) == ["repaired"] * 2
    assert len(repairs(calls)) == 1


def test_what_is_here_is_no_repair(calls: Calls, queue_name: str) -> None:
    """Neither is what a relay brings first, nor an id that was taken back or is another job's."""
    begin(calls.connection)
    here, abandoned, other = (lost_job(queue_name) for _ in range(3))
    calls.enqueue(here, other | {"payload": {"n": 2}})
    calls.abandon(abandoned["job_id"])
    assert repair_mirrors(calls, here, abandoned, other, outcome=DONE) == ["exists", "conflict", "conflict"]
    assert repairs(calls) == []
    assert job_row(calls, here["job_id"])["owner_outcome"] is None


def test_a_late_mirror_and_a_repair_are_one_job(calls: Calls, connect: Connect, queue_name: str) -> None:
    """Whichever stores it first, the other waits for it and finds it there."""
    begin(calls.connection)
    relay, repairer = Calls(connect()), Calls(connect())
    first, second = lost_job(queue_name), lost_job(queue_name)
    with open_transaction(relay.connection):
        relay.enqueue(first)
        held = blocked(lambda: repair_mirrors(repairer, first), repairer.connection, calls.connection)
        with held as repaired:
            relay.connection.execute("commit")
        assert repaired.result() == ["exists"]
    with open_transaction(repairer.connection):
        assert repair_mirrors(repairer, second) == ["repaired"]
        late = blocked(lambda: answers(relay.enqueue(second)), relay.connection, calls.connection)
        with late as sent:
            repairer.connection.execute("commit")
        assert sent.result() == ["exists"]
    assert [one["job_id"] for one in repairs(calls)] == [second["job_id"]]


def test_two_repairs_at_once_are_one(calls: Calls, connect: Connect, queue_name: str) -> None:
    begin(calls.connection)
    jobs = [lost_job(queue_name) for _ in range(20)]
    one, other = Calls(connect()), Calls(connect())
    said = together(
        lambda: repair_mirrors(one, *jobs, outcome=DONE),
        lambda: repair_mirrors(other, *reversed(jobs), outcome=DONE, by="bob"),
    )
    assert said == [["repaired"] * 20] * 2
    assert len(repairs(calls)) == 20


def test_what_is_rolled_back_is_not_noted(calls: Calls, connect: Connect, queue_name: str) -> None:
    """A repair that dies leaves the job missing, and nothing that says it was not."""
    begin(calls.connection)
    dying = Calls(connect())
    job = lost_job(queue_name)
    dying.connection.execute("begin")
    assert repair_mirrors(dying, job) == ["repaired"]
    dying.connection.execute("rollback")
    assert repairs(calls) == []
    assert repair_mirrors(calls, job) == ["repaired"]


def test_a_relay_is_to_bring_a_copy_again(calls: Calls, worker: Worker, queue_name: str) -> None:
    over, waits = written(calls, queue_name, 2)
    worker.finish(endings(worker.claim(1), "done"))
    assert settle(calls, "end_due", (over, 0)) == ["settled"]
    assert repair_copies(calls, over, waits) == ["repaired"] * 2
    assert job_row(calls, over)["mirror_state"] == "end_due"
    assert job_row(calls, waits)["mirror_state"] == "due"
    found = {one["job_id"]: one for one in repairs(calls)}
    assert found.keys() == {over, waits}
    assert {one["class_name"] for one in found.values()} == {"missing_in_legacy"}
    assert found[waits]["accepted_at"] == job_row(calls, waits)["created_at"]


def test_what_a_repair_would_do_changes_nothing(calls: Calls, queue_name: str) -> None:
    [job_id] = written(calls, queue_name)
    assert repair_copies(calls, job_id, dry_run=True) == ["repaired"]
    assert job_row(calls, job_id)["mirror_state"] == "written"
    assert repairs(calls) == []


def test_a_repeat_that_comes_late_repairs_nothing_again(calls: Calls, queue_name: str) -> None:
    [job_id] = written(calls, queue_name)
    seen = now(calls)
    assert repair_copies(calls, job_id, seen_at=seen) == ["repaired"]
    noted = repairs(calls)
    assert settle(calls, "due", (job_id, 0)) == ["settled"]
    assert repair_copies(calls, job_id, seen_at=seen, by="bob") == ["repaired"]
    assert job_row(calls, job_id)["mirror_state"] == "written"
    assert repairs(calls) == noted
    # Lost once more: seen after the first repair.
    assert repair_copies(calls, job_id, seen_at=now(calls), by="bob") == ["repaired"]
    assert job_row(calls, job_id)["mirror_state"] == "due"
    [again] = repairs(calls)
    assert (again["repaired_by"], again["accepted_at"]) == ("bob", noted[0]["accepted_at"])
    assert again["repaired_at"] > noted[0]["repaired_at"]


def test_what_legacy_owns_or_a_relay_still_brings_is_left_alone(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [first] = written(calls, queue_name)
    [owed] = calls.enqueue_new(queue_name)
    mirror = lost_job(queue_name)
    calls.enqueue(mirror)
    set_flag(calls.connection, is_enabled=False, rollout_percent=0, relays_unrouted=True)
    [handed_over] = calls.enqueue_new(queue_name)
    assert settle(calls, "release_due", (handed_over, 1)) == ["settled"]
    assert start_legacy(calls, (handed_over, 1)) == ["started"]
    unknown = new_job(queue_name)["job_id"]
    before = [job_row(calls, job_id) for job_id in (owed, mirror["job_id"], handed_over)]
    asked = (owed, mirror["job_id"], handed_over, unknown)
    assert repair_copies(calls, *asked) == ["due", "kept", "kept", "unknown"]
    assert [job_row(calls, job_id) for job_id in asked[:3]] == before
    assert repairs(calls) == []
    assert repair_copies(calls, first) == ["repaired"]


def test_after_the_cutover_no_copy_is_missed(calls: Calls, queue_name: str) -> None:
    [job_id] = written(calls, queue_name)
    # The step itself would have to wait until no process acts on the flag as it was.
    calls.connection.execute("alter table feature_flag disable trigger user")
    calls.connection.execute("update feature_flag set stage = 'complete'")
    calls.connection.execute("alter table feature_flag enable trigger user")
    assert repair_copies(calls, job_id) == ["not_needed"]
    assert job_row(calls, job_id)["mirror_state"] == "written"
    assert repairs(calls) == []


def test_a_job_that_ends_meanwhile_brings_its_copy_itself(
    calls: Calls, connect: Connect, worker: Worker, queue_name: str
) -> None:
    """Its end is due then, and a relay stores that where it knows nothing of the job."""
    [job_id] = written(calls, queue_name)
    repairer = Calls(connect())
    tasks = worker.claim(1)
    with open_transaction(worker.connection):
        worker.finish(endings(tasks, "done"))
        held = blocked(lambda: repair_copies(repairer, job_id), repairer.connection, calls.connection)
        with held as repaired:
            worker.connection.execute("commit")
        assert repaired.result() == ["due"]
    assert job_row(calls, job_id)["mirror_state"] == "end_due"
    assert repairs(calls) == []


def test_an_end_after_the_repair_is_told_as_an_end(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = written(calls, queue_name)
    tasks = worker.claim(1)
    assert repair_copies(calls, job_id) == ["repaired"]
    worker.finish(endings(tasks, "done"))
    assert job_row(calls, job_id)["mirror_state"] == "end_due"


def test_two_repairs_of_copies_at_once_are_one(calls: Calls, connect: Connect, queue_name: str) -> None:
    job_ids = written(calls, queue_name, 20)
    one, other = Calls(connect()), Calls(connect())
    said = together(
        lambda: repair_copies(one, *job_ids), lambda: repair_copies(other, *reversed(job_ids), by="bob")
    )
    assert said == [["repaired"] * 20] * 2
    assert len({(one["repaired_by"]) for one in repairs(calls)}) == 1


def test_a_repair_is_kept_as_long_as_its_job(calls: Calls, worker: Worker, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    lost = lost_job(queue_name)
    assert repair_mirrors(calls, lost, outcome=DONE) == ["repaired"]
    other = ended(worker, owner="supabase")
    grow_older(calls, 3, other)
    calls.connection.execute("update jobs set mirror_state = 'settled' where mirror_state = 'end_due'")
    assert prune(calls, {"completed_seconds": 2 * DAY})["removed"] == {"completed": 1}
    assert [one["job_id"] for one in repairs(calls)] == [lost["job_id"]]
    calls.connection.execute("update jobs set owner_ended_at = owner_ended_at - interval '3 days'")
    grow_older(calls, 3, [lost["job_id"]])
    prune(calls, {"completed_seconds": 2 * DAY})
    assert repairs(calls) == []


def test_pages_lead_through_all_of_them_once(calls: Calls, queue_name: str) -> None:
    begin(calls.connection)
    jobs = [lost_job(queue_name) for _ in range(5)]
    moments = [ACCEPTED, ACCEPTED, "2026-01-01T11:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]
    calls.call("repair_mirrors_v1", jobs=jobs, accepted_at=moments, outcomes=[], repaired_by=None)
    paged = [one["job_id"] for one in repairs(calls, page_size=2)]
    tied = sorted(job["job_id"] for job in jobs[:2])
    assert paged == [jobs[2]["job_id"], *tied, jobs[3]["job_id"], jobs[4]["job_id"]]
    answer = calls.call(
        "list_repairs_v1",
        since="2026-01-01T12:00:00Z",
        until="2026-01-03T00:00:00Z",
        page=None,
        page_size=100,
    )
    found = [one["job_id"] for one in answer["repairs"]]
    assert found == [*tied, jobs[3]["job_id"]], "from since on, and before until"


def test_what_was_told_before_the_mirror_came_back_stays(calls: Calls, queue_name: str) -> None:
    begin(calls.connection)
    job = lost_job(queue_name)
    assert repair_mirrors(calls, job, outcome=DONE) == ["repaired"]
    assert record(calls, job["job_id"], 0, "failed") == "recorded"
    assert job_row(calls, job["job_id"])["owner_outcome"] == DONE


def test_a_mirror_that_came_after_its_interval_is_listed_by_when_it_was_accepted(
    calls: Calls, queue_name: str
) -> None:
    begin(calls.connection)
    job = lost_job(queue_name)
    repair_mirrors(calls, job)
    [one] = repairs(calls)
    stored = datetime.fromisoformat(job_row(calls, job["job_id"])["created_at"])
    assert stored - datetime.fromisoformat(one["accepted_at"]) > timedelta(days=1)
