"""The places that a hand-back leaves behind: each look is bounded by them, and sees no less for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Row
from tests.sql.flags import begin, hand_back_pass, mirrors, owner_of, set_flag, settle
from tests.sql.large import fill
from tests.sql.plans import explained, scans
from tests.sql.sessions import open_transaction

Connect = Callable[[], psycopg.Connection[Any]]

GONE = ("legacy", 1, "mirrored", "release_due")
LAY_RELEASE_PLACES = """
insert into job_hand_back_places (look, moment, job_id)
select 'release_due', j.created_at, j.job_id
from (
    select created_at, job_id, row_number() over (order by created_at, job_id) as n
    from jobs where mirror_state = 'release_due'
) as j
where n % %s = 0
on conflict do nothing
"""


def live(calls: Calls) -> None:
    begin(calls.connection, "live", holdback_percent=0)


def go_back(calls: Calls) -> None:
    set_flag(calls.connection, is_enabled=False, rollout_percent=0, hand_back="not_started")


def lay_release_places(calls: Calls, every: int) -> None:
    """The calls draw some at random; here they lie evenly."""
    calls.connection.execute(LAY_RELEASE_PLACES.replace("% %s", f"% {every}").encode())


def places(calls: Calls, look: str) -> int:
    return int(calls.value("select count(*) from job_hand_back_places where look = %s", [look]))


def release(calls: Calls, job_ids: list[str]) -> None:
    """Note as a relay that legacy was told of jobs."""
    for start in range(0, len(job_ids), 1000):
        rows = [(job_id, 1) for job_id in job_ids[start : start + 1000]]
        assert set(settle(calls, "release_due", *rows)) == {"settled"}


def in_order(calls: Calls) -> list[str]:
    """All jobs, as they are listed."""
    return list(calls.value("select array_agg(job_id::text order by created_at, job_id) from jobs"))


def pages(calls: Calls, page_size: int) -> list[list[str]]:
    """The jobs that are to be released, page by page."""
    found = []
    page: str | None = None
    while page is not None or not found:
        reply = mirrors(calls, "release_due", page, page_size)
        found.append([mirror["job_id"] for mirror in reply["mirrors"]])
        page = reply["next_page"]
    return found


@pytest.mark.parametrize("delay_seconds", [None, 600])
def test_what_commits_late_between_two_places_goes_back(
    calls: Calls, connect: Connect, queue_name: str, delay_seconds: int | None
) -> None:
    """Before them all, or among them."""
    live(calls)
    options: Row = {} if delay_seconds is None else {"delay_seconds": delay_seconds}
    late = Calls(connect())
    with open_transaction(late.connection):
        [first] = late.enqueue_new(queue_name, **options)
        calls.enqueue_new(queue_name, 10, **options)
        [among] = late.enqueue_new(queue_name, **options)
        ids = calls.enqueue_new(queue_name, 10, **options)
        go_back(calls)
        assert hand_back_pass(calls, 3)[0] == 20
        assert places(calls, "due" if options else "ready") == 7
        moved, last = hand_back_pass(calls, 3)
        assert (moved, last["done"]) == (0, False)
    assert hand_back_pass(calls, 3)[0] == 2
    assert {owner_of(calls, job_id) for job_id in (first, among, *ids)} == {GONE}


@pytest.mark.parametrize("left", [0, 4, 5, 9, 10, 19])
def test_it_is_not_over_while_one_is_to_be_released_between_two_places(
    calls: Calls, queue_name: str, left: int
) -> None:
    live(calls)
    calls.enqueue_new(queue_name, 20)
    ids = in_order(calls)
    go_back(calls)
    assert hand_back_pass(calls, 4)[0] == 20
    lay_release_places(calls, 5)
    release(calls, ids[:left] + ids[left + 1 :])
    assert hand_back_pass(calls)[1]["done"] is False
    assert [page for page in pages(calls, 2) if page] == [[ids[left]]]
    release(calls, [ids[left]])
    assert hand_back_pass(calls)[1]["done"] is True
    assert pages(calls, 2) == [[]]


def test_what_is_to_be_released_is_listed_across_places(calls: Calls, queue_name: str) -> None:
    live(calls)
    calls.enqueue_new(queue_name, 20)
    ids = in_order(calls)
    go_back(calls)
    hand_back_pass(calls)
    lay_release_places(calls, 7)
    assert [job_id for page in pages(calls, 3) for job_id in page] == ids
    release(calls, ids[3:17])
    assert [job_id for page in pages(calls, 100) for job_id in page] == ids[:3] + ids[17:]


def test_places_are_forgotten_after_a_day(calls: Calls, queue_name: str) -> None:
    live(calls)
    calls.enqueue_new(queue_name)
    go_back(calls)
    hand_back_pass(calls)
    assert places(calls, "ready") == 1
    calls.connection.execute("update job_hand_back_places set stored_at = stored_at - interval '25 hours'")
    hand_back_pass(calls)
    assert places(calls, "ready") == 0


def test_no_statement_walks_all_that_went_over(
    superuser_calls: Calls, connect: Connect, queue_name: str
) -> None:
    """Under a snapshot that keeps every dead entry; half of the jobs wait for their time."""
    calls, jobs = superuser_calls, 20_000
    live(calls)
    calls.connection.execute("alter table jobs set (autovacuum_enabled = off)")
    calls.connection.execute("alter table job_tasks set (autovacuum_enabled = off)")
    fill(calls.connection, queue_name, finished=0, waiting=jobs)
    calls.connection.execute(
        "update job_tasks set position = null, run_at = now() + interval '1 day' where position % 2 = 0"
    )
    calls.connection.execute("vacuum analyze jobs, job_tasks")
    calls.connection.execute("select setseed(0.5)")
    report = connect()
    report.execute("begin isolation level repeatable read")
    report.execute("select from feature_flag")
    go_back(calls)
    assert hand_back_pass(calls, 1000)[0] == jobs
    assert 0 < places(calls, "release_due") < jobs / 200
    lay_release_places(calls, 1000)
    release(calls, in_order(calls))
    with explained(calls.connection) as plans:
        moved, last = hand_back_pass(calls, 1000)
        assert (moved, last["done"], pages(calls, 1000)[-1]) == (0, True, [])
    report.rollback()
    for index in ("job_tasks_due", "job_tasks_ready", "jobs_mirror_open"):
        walked = [scan.blocks for scan in scans(plans) if scan.index == index]
        assert max(walked) < sum(walked) / 4, (index, walked)
