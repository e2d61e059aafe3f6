"""From jobs of both systems to what a gate rests on, through real calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from supaqueue.backoff import Backoff
from supaqueue.contract import SetTaskTypes, TaskTypeOptions
from supaqueue.cutover.gate.close_cohorts import close_cohorts, windows
from supaqueue.cutover.gate.evidence import BIN, Cohort, Side
from supaqueue.cutover.gate.read_evidence import read_evidence
from supaqueue.cutover.stamp import Stamp
from tests.cutover.world import World
from tests.sql.calls import endings

AGE = timedelta(minutes=40)


def age(world: World) -> datetime:
    """Let all jobs be of one minute, 40 minutes ago, as if they had ended then; return that minute."""
    world.database.execute(
        "update jobs set created_at = m.minute + interval '1 s',"
        " finished_at = m.minute + (finished_at - created_at),"
        " owner_ended_at = m.minute + interval '3 s', legacy_first_failed_at = m.minute"
        " + (legacy_first_failed_at - created_at), owner_outcome = owner_outcome"
        " || jsonb_build_object('ended_at', m.minute + interval '2 s')"
        " from (select date_trunc('minute', clock_timestamp()) - %s as minute) as m",
        [AGE],
    )
    world.database.execute(
        "update job_tasks t set run_at = j.created_at from jobs j where j.job_id = t.job_id"
    )
    world.database.execute(
        "update job_task_attempts set ended_at = ended_at - %s", [AGE + timedelta(minutes=1)]
    )
    row = world.database.execute("select date_trunc('minute', created_at) from jobs limit 1").fetchone()
    assert row is not None
    return row[0].astimezone(UTC)  # type: ignore[no-any-return]


def finish_some(world: World) -> None:
    """Two jobs of Supabase's, one of which fails; three of legacy's, of which one is tried again."""
    world.go_to(100)
    world.enqueue(*(world.new_job("supabase", tenant="a") for _ in range(2)))
    one, other = world.worker.claim()
    world.worker.finish(endings([one], "done"))
    world.worker.finish(endings([other], "fail", error={"type": "E", "message": "no"}))
    legacy = [world.new_job("legacy", tenant=tenant) for tenant in ("a", "b", "b")]
    world.accept(*legacy)
    run = world.guard.admit(Stamp(legacy[0].job_id), "count").run
    assert run is not None
    with run:
        run.free(has_failed=True)
    for job in legacy:
        assert world.run_in_legacy(job).verdict == "run"
    world.relay.turn()


def test_what_is_read_is_what_happened(world: World) -> None:
    finish_some(world)
    minute = age(world)
    since = minute - timedelta(minutes=1)
    assert close_cohorts(world.transport, since).more is False
    evidence = read_evidence(world.transport, since)
    assert evidence.since == since
    assert evidence.until > since + AGE
    [found] = evidence.types
    assert (found.task_type, found.routes_by_tenant) == ("count", False)
    canary = Side(jobs=2, keys=1, known=2, failed=1, failed_keys=1)
    control = Side(jobs=3, keys=2, known=3)
    assert found.final == (Cohort(minute, canary, control),)
    failed_first = Side(jobs=3, keys=2, known=3, failed=1, failed_keys=1)
    assert found.first == (Cohort(minute, canary, failed_first),)
    assert (found.canary_dead_letters, found.control_dead_letters) == (1, 0)
    [(number, jobs)] = found.control_latencies.bins.items()
    assert jobs == 2, "the one that was started twice tells nothing"
    assert BIN**number <= 1000 <= BIN ** (number + 1)
    assert sum(found.canary_latencies.bins.values()) == 2
    assert found.control_oldest_seconds is not None


def test_without_first_failures_first_attempts_do_not_compare(world: World) -> None:
    finish_some(world)
    since = age(world) - timedelta(minutes=1)
    close_cohorts(world.transport, since)
    [found] = read_evidence(world.transport, since, with_first_attempts=False).types
    assert found.first == ()
    assert len(found.final) == 1


def test_cohorts_of_another_time_are_left_out(world: World) -> None:
    finish_some(world)
    minute = age(world)
    close_cohorts(world.transport, minute)
    assert read_evidence(world.transport, minute, minute + timedelta(minutes=1)).types[0].final
    after = read_evidence(world.transport, minute + timedelta(minutes=1))
    assert [one.final for one in after.types] in ([], [()])


def test_nothing_is_known_of_nothing(world: World) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)
    assert read_evidence(world.transport, since).types == ()


def test_types_route_by_tenant_as_their_flag_says(world: World) -> None:
    finish_some(world)
    world.change(routes_by_tenant=True)
    since = age(world) - timedelta(minutes=1)
    close_cohorts(world.transport, since)
    assert [one.routes_by_tenant for one in read_evidence(world.transport, since).types] == [True]


def test_windows_follow_from_what_is_declared(world: World) -> None:
    try:
        slow = TaskTypeOptions("slow", max_attempts=4, backoff=Backoff.fixed(600))
        world.transport.send(SetTaskTypes((slow,)))
        assert windows(world.transport, datetime.now(UTC) - timedelta(hours=1)) == {"slow": 1800.0}
    finally:
        world.database.execute("truncate job_task_types")


def test_the_last_minutes_of_a_backlog(world: World) -> None:
    world.go_to(100)
    since = datetime.now(UTC) - timedelta(hours=1)
    close_cohorts(world.transport, since)
    world.database.execute(
        "update job_backlogs set minute = minute - interval '1 minute',"
        " sampled_at = sampled_at - interval '1 minute'"
    )
    world.enqueue(*(world.new_job("supabase") for _ in range(3)))
    close_cohorts(world.transport, since)
    [found] = read_evidence(world.transport, since).types
    [minute] = found.backlog
    assert (minute.arrivals, minute.completions) == (3, 0)
    assert 0 < minute.oldest_seconds < 60
