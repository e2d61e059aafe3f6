"""close_cohorts_v1 and what reads them: every count once and for good, whoever counts and however late."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, endings
from tests.sql.cohorts import (
    FIRST_SECONDS,
    SETTLE,
    SETTLE_SECONDS,
    TYPES,
    Expected,
    expected,
    store_job,
    store_random_jobs,
)
from tests.sql.plans import explained, scans
from tests.sql.sessions import blocked

Connect = Callable[[], psycopg.Connection[Any]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING = [0, 0, 0, 0, 0]


@pytest.fixture
def open_calls(connect: Connect) -> Callable[[], Calls]:
    """Sessions, without the checks of other tests: here jobs are stored as no call would leave them."""
    return lambda: Calls(connect())


@pytest.fixture
def calls(open_calls: Callable[[], Calls]) -> Calls:
    return open_calls()


def close(calls: Calls, since: datetime, **options: Any) -> Row:
    given = {"first_seconds": FIRST_SECONDS, "settle_seconds": SETTLE_SECONDS, "settle_by_type": SETTLE}
    return dict(calls.call("close_cohorts_v1", since=since.isoformat(), **given | options))


def close_all(calls: Calls, since: datetime, **options: Any) -> None:
    while close(calls, since, **options)["more"]:
        pass


def read(calls: Calls, page_size: int = 5000) -> dict[tuple[datetime, str], list[Any]]:
    """All cohorts, page by page."""
    found: dict[tuple[datetime, str], list[Any]] = {}
    page = None
    times = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
    while True:
        answer = calls.call("read_cohorts_v1", **times, page=page, page_size=page_size)
        assert len(answer["rows"]) <= page_size
        for minute, task_type, *sides in answer["rows"]:
            key = (EPOCH + timedelta(minutes=minute), task_type)
            assert key not in found, "listed twice"
            found[key] = sides
        if (page := answer["next_page"]) is None:
            return found


def totals(calls: Calls, since: datetime, until: datetime) -> Row:
    times = {"since": since.isoformat(), "until": until.isoformat()}
    return dict(calls.call("read_cohort_totals_v1", **times))


def sides_of(one: Expected) -> list[Any]:
    first = [one.first[owner].row() for owner in ("supabase", "legacy")]
    return [
        *first,
        *((one.final[owner].row() for owner in ("supabase", "legacy")) if one.final else (None, None)),
    ]


def database_now(calls: Calls) -> datetime:
    now = calls.value("select clock_timestamp()")
    assert isinstance(now, datetime)
    return now.astimezone(UTC)


def minutes_ago(calls: Calls, minutes: int) -> datetime:
    """The beginning of a minute."""
    return (database_now(calls) - timedelta(minutes=minutes)).replace(second=0, microsecond=0)


@pytest.mark.parametrize("seed", range(3))
def test_each_count_is_what_a_recount_says(calls: Calls, seed: int) -> None:
    chance = random.Random(seed)
    since = minutes_ago(calls, 30)
    with calls.connection.transaction():
        store_random_jobs(calls.connection, chance, 500, since - timedelta(minutes=1))
        store_random_jobs(calls.connection, chance, 200, since + timedelta(minutes=20))
    close_all(calls, since)
    wanted = expected(calls.connection, since, database_now(calls))
    assert {task_type for _, task_type in wanted} == set(TYPES)
    found = read(calls, page_size=7)
    assert found == read(calls)
    assert found == {key: sides_of(one) for key, one in wanted.items()}
    assert any(sides[2] is None for sides in found.values()), "of one type nothing is settled"
    check_latencies(calls, since, wanted)


def check_latencies(calls: Calls, since: datetime, wanted: dict[tuple[datetime, str], Expected]) -> None:
    now = database_now(calls)
    latencies = totals(calls, since, now)["latencies"]
    for task_type in TYPES:
        for owner, name in (("supabase", "canary"), ("legacy", "control")):
            bins = [one.bins[owner] for (_, of), one in wanted.items() if of == task_type]
            counted = sorted(sum(bins, start=type(bins[0])()).items())
            assert latencies.get(task_type, {}).get(name, []) == [list(one) for one in counted]


def test_what_is_counted_late_is_counted_as_it_was_in_time(
    calls: Calls, open_calls: Callable[[], Calls]
) -> None:
    """Step by step or all at once after a day: what became known too late stays unknown."""
    since = minutes_ago(calls, 60)
    store_random_jobs(calls.connection, random.Random(7), 300, since)
    close_all(calls, since, settle_seconds=86_400, settle_by_type={})
    assert all(sides[2] is None for sides in read(calls).values())
    close_all(calls, since)
    by_steps = read(calls)
    calls.connection.execute("truncate job_cohorts, job_cohort_marks")
    close_all(calls, since)
    assert read(calls) == by_steps


def test_a_cohort_is_counted_once(calls: Calls) -> None:
    since = minutes_ago(calls, 40)
    at = since + timedelta(minutes=5, seconds=7)
    store_job(calls.connection, at)
    close_all(calls, since, settle_seconds=86_400)
    store_job(calls.connection, at, tenant="late")
    close_all(calls, since, settle_seconds=86_400)
    [[minute, _]] = read(calls)
    assert minute == since + timedelta(minutes=5)
    assert list(read(calls).values()) == [[[1, 1, 1, 0, 0], NOTHING, None, None]], (
        "what came late is not in it"
    )
    close_all(calls, since)
    [sides] = read(calls).values()
    assert sides == [[1, 1, 1, 0, 0], NOTHING, [2, 2, 2, 0, 0], NOTHING], "the last count has all that came"
    store_job(calls.connection, at)
    close_all(calls, since)
    assert list(read(calls).values()) == [sides]


def test_jobs_that_are_gone_when_their_cohort_settles(calls: Calls) -> None:
    since = minutes_ago(calls, 40)
    job_id = store_job(calls.connection, since)
    close_all(calls, since, settle_seconds=86_400)
    calls.connection.execute("delete from jobs where job_id = %s", [job_id])
    close_all(calls, since)
    [sides] = read(calls).values()
    assert sides == [[1, 1, 1, 0, 0], NOTHING, NOTHING, NOTHING]
    assert close(calls, since)["more"] is False


def test_minutes_are_whole_ones_from_since_on_that_are_over(calls: Calls) -> None:
    now = database_now(calls)
    since = minutes_ago(calls, 10) + timedelta(seconds=30)
    for at in (since - timedelta(seconds=1), since + timedelta(seconds=1), now):
        store_job(calls.connection, at)
    inside = since + timedelta(seconds=31)
    store_job(calls.connection, inside)
    reply = close(calls, since)
    assert [minute for minute, _ in read(calls)] == [since + timedelta(seconds=30)]
    latest = datetime.fromisoformat(reply["counted_until"])
    assert latest.second == 0
    assert now - timedelta(minutes=4) < latest <= database_now(calls) - timedelta(seconds=FIRST_SECONDS)


def test_a_later_beginning_goes_on_from_there_and_an_earlier_one_from_where_it_was(calls: Calls) -> None:
    began = minutes_ago(calls, 60)
    later = began + timedelta(minutes=30)
    close(calls, began, first_seconds=2400)
    store_job(calls.connection, began + timedelta(minutes=25))
    store_job(calls.connection, later)
    close_all(calls, later)
    assert [minute for minute, _ in read(calls)] == [later]
    close_all(calls, began)
    assert [minute for minute, _ in read(calls)] == [later]


def test_two_that_count_take_turns(open_calls: Callable[[], Calls], calls: Calls) -> None:
    since = minutes_ago(calls, 40)
    store_random_jobs(calls.connection, random.Random(1), 100, since)
    one, other = open_calls(), open_calls()
    one.connection.execute("begin")
    close(one, since)
    with blocked(lambda: close(other, since), other.connection, calls.connection) as second:
        one.connection.execute("commit")
    assert second.result()["more"] is False
    wanted = expected(calls.connection, since, database_now(calls))
    assert read(calls) == {key: sides_of(cohort) for key, cohort in wanted.items()}


def test_two_that_find_nothing_to_count_take_one_sample(
    open_calls: Callable[[], Calls], calls: Calls
) -> None:
    since = database_now(calls)
    close(calls, since)
    calls.connection.execute("truncate job_backlogs")
    one, other = open_calls(), open_calls()
    one.connection.execute("begin")
    close(one, since)
    with blocked(lambda: close(other, since), other.connection, calls.connection) as second:
        one.connection.execute("commit")
    assert second.result()["more"] is False
    taken = samples(calls)
    # Unless a minute began meanwhile.
    assert len(taken) == len({sample["minute"] for sample in taken}) <= 2


def test_one_that_is_killed_leaves_nothing(open_calls: Callable[[], Calls], calls: Calls) -> None:
    since = minutes_ago(calls, 40)
    store_random_jobs(calls.connection, random.Random(2), 100, since)
    killed = open_calls()
    killed.connection.execute("begin")
    close(killed, since)
    calls.connection.execute("select pg_terminate_backend(%s, 10000)", [killed.connection.info.backend_pid])
    assert read(calls) == {}
    close_all(calls, since)
    assert read(calls).keys() == expected(calls.connection, since, database_now(calls)).keys()


def test_old_cohorts_are_forgotten_a_few_at_a_time(calls: Calls) -> None:
    calls.connection.execute(
        "insert into job_cohorts"
        " (minute, task_type, first_canary, first_control, final_canary, final_control)"
        " select clock_timestamp() - interval '91 days' + n * interval '1 minute', 't', s, s, s, s"
        " from generate_series(1, 600) as n, (select row(0, 0, 0, 0, 0)::job_cohort_side as s) as none"
    )
    counts = []
    for _ in range(3):
        close(calls, database_now(calls), settle_seconds=604_800)
        counts.append(calls.value("select count(*) from job_cohorts"))
    assert counts == [100, 0, 0]


def samples(calls: Calls) -> list[Row]:
    now = database_now(calls)
    return list(totals(calls, now, now)["backlogs"])


def sample_again(calls: Calls) -> Row:
    """Take a sample as if the last one had been taken a minute ago."""
    calls.connection.execute(
        "update job_backlogs set minute = minute - interval '1 minute',"
        " sampled_at = sampled_at - interval '1 minute'"
    )
    close(calls, database_now(calls))
    return dict(samples(calls)[-1]["types"])


def test_what_waits_is_sampled_once_a_minute(calls: Calls) -> None:
    calls.enqueue_new("q", 2)
    since = database_now(calls)
    close(calls, since)
    close(calls, since)
    taken = samples(calls)
    # Unless a minute began meanwhile.
    assert len(taken) == len({one["minute"] for one in taken}) <= 2
    assert taken[0]["types"]["count"]["unfinished"] == 2
    assert taken[0]["types"]["count"]["is_open"] is True


def test_a_probe_neither_waits_nor_came(calls: Calls) -> None:
    """Else its type would be judged as one that a canary has to prove itself on."""
    calls.enqueue_new("q", 2)
    calls.call("send_probes_v1", queues=["q"])
    assert sample_again(calls).keys() == {"count"}


def test_only_what_could_run_counts_as_waiting(calls: Calls, connect: Connect) -> None:
    calls.enqueue_new("q", 3)
    calls.enqueue_new("q", 1, delay_seconds=3600)
    [due] = calls.enqueue_new("q", 1, delay_seconds=3600)
    calls.enqueue_new("paused", 5)
    calls.pause("paused")
    worker = Worker(connect(), queues=["q"])
    held = worker.claim(2)
    worker.finish(endings(held[:1], "done"))
    aged = "update job_tasks set run_at = clock_timestamp() - interval '%s s' where job_id = any(%s)"
    waiting = (
        "select array_agg(job_id) from job_tasks where status = 'pending' and queue = 'q' and position > 0"
    )
    calls.connection.execute(aged.replace("%s s", "90 s").encode(), [calls.value(waiting)])
    calls.connection.execute(aged.replace("%s s", "30 s").encode(), [[due]])
    seen = sample_again(calls)["count"]
    assert seen["unfinished"] == 3, "one ready, one due, one leased"
    assert 90 <= seen["oldest_seconds"] < 150
    assert seen["canary_arrivals"] == 10


def test_of_the_controls_oldest_a_few_are_passed_over(calls: Calls) -> None:
    now = database_now(calls)
    legacy: Row = {"owner": "legacy", "status": "mirrored", "finished_at": None}
    for seconds in (7000, 600, 300):
        store_job(calls.connection, now - timedelta(seconds=seconds), **legacy)
    old = store_job(calls.connection, now - timedelta(days=2), **legacy)
    close(calls, now)
    [sample] = samples(calls)
    assert 600 <= sample["types"]["mail"]["control_oldest_seconds"] < 660, "one that is stuck tells nothing"
    calls.connection.execute("delete from jobs where job_id = %s", [old])
    calls.connection.execute(
        "update job_backlogs set types = jsonb_set(types, '{mail,control_arrivals}', '200')"
    )
    assert 300 <= sample_again(calls)["mail"]["control_oldest_seconds"] < 480, "two of two hundred"


def test_a_type_that_the_flag_holds_back_is_marked(calls: Calls) -> None:
    calls.enqueue_new("q", 2)
    calls.connection.execute("update feature_flag set is_enabled = false")
    close(calls, database_now(calls))
    assert samples(calls)[-1]["types"]["count"]["is_open"] is False


WALKED = {"job_tasks_ready", "job_tasks_due", "job_tasks_leased", "job_cohorts_unsettled"}
"""Partial indexes that hold what waits now: these are read as a whole."""


def test_a_count_reads_by_indexes_what_it_counts(superuser_calls: Calls) -> None:
    """Also in a session whose plans are from when the tables were empty."""
    calls = superuser_calls
    tables = ("jobs", "job_tasks", "job_task_attempts", "job_cohorts", "job_backlogs")
    for table in tables:
        calls.connection.execute(f"alter table {table} set (autovacuum_enabled = off)".encode())
    now = database_now(calls)
    for _ in range(7):
        close_all(calls, now - timedelta(hours=1))
    calls.connection.execute("truncate job_cohorts, job_cohort_marks, job_backlogs")
    calls.connection.execute(_MANY)
    for _ in range(2):
        with explained(calls.connection) as plans:
            close_all(calls, now - timedelta(hours=1))
        found = [one for one in scans(plans) if one.table != "job_queues"]  # all that are paused
        assert {scan.table for scan in found} >= set(tables[:2])
        assert [one for one in found if one.reads_all and one.index not in WALKED] == []
        assert max(scan.rows for scan in found) < 2500, "an hour's jobs of twenty"
        assert {one.index for one in found if one.table == "jobs"} <= {"jobs_created", "jobs_legacy_open"}
        calls.connection.execute("truncate job_cohorts, job_cohort_marks, job_backlogs")
        calls.connection.execute("analyze")


_MANY = """
set session_replication_role = replica;
create temporary table many as select n, gen_random_uuid() as job_id,
    clock_timestamp() - n * interval '2 s' as at from generate_series(1, 40000) as n;
insert into jobs (job_id, queue, task_type, bucket, content_hash, status, unfinished_tasks, created_at,
        finished_at, owner, owner_ended_at, owner_outcome)
    select job_id, 'q', 'mail', 0, 'x', case when n % 2 = 0 then 'completed' else 'mirrored' end, 0, at,
        case when n % 2 = 0 then at end, case when n % 2 = 0 then 'supabase' else 'legacy' end,
        case when n % 2 = 1 then at end, case when n % 2 = 1 then '{"status": "completed"}'::jsonb end
    from many;
insert into job_tasks (job_id, queue, task_type, payload, status, lease_token, run_at)
    select job_id, 'q', 'mail', '{}', case when n % 2 = 0 then 'completed' else 'mirrored' end, n % 3, at
    from many;
insert into job_task_attempts (job_id, task_number, lease_token, ended_at, outcome, status_after)
    select job_id, 0, 1, at, 'done', 'completed' from many where n % 3 > 0;
reset session_replication_role
"""
