"""Taking over: legacy's waiting jobs become Supabase's, each step repeatable, none run by both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls, Worker, endings, new_job
from tests.sql.flags import (
    begin,
    hand_back_pass,
    handed_over,
    listed,
    open_taken_over,
    owner_of,
    record,
    set_flag,
    settle,
    start_legacy,
    take_over,
)
from tests.sql.sessions import together

Connect = Callable[[], psycopg.Connection[Any]]
ROUNDS = 20


def mirrored(calls: Calls, queue: str, **options: Any) -> dict[str, Any]:
    job = new_job(queue, **options)
    calls.enqueue(job | {"owner": "legacy"})
    return job


def test_a_mirror_and_an_unknown_job_are_taken_over(calls: Calls, worker: Worker, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    known, unknown = mirrored(calls, queue_name), new_job(queue_name)
    for _ in range(2):
        assert take_over(calls, known, unknown | {"epoch": 0}) == ["due", "due"]
    assert set(listed(calls, "takeover_due")) == {known["job_id"], unknown["job_id"]}
    assert worker.claim_all() == []
    rows = [(job["job_id"], 0, True) for job in (known, unknown)]
    for _ in range(2):
        assert open_taken_over(calls, *rows) == ["opened", "opened"]
    assert owner_of(calls, known["job_id"]) == ("supabase", 1, "pending", "written")
    tasks = worker.claim_all()
    assert {task["job_id"] for task in tasks} == {known["job_id"], unknown["job_id"]}
    worker.finish(endings(tasks, "done"))
    assert open_taken_over(calls, *rows) == ["opened", "opened"]
    assert take_over(calls, known, unknown) == ["not_owner", "not_owner"]
    endings_told = {id: row["ending"]["status"] for id, row in listed(calls, "end_due").items()}
    assert endings_told == dict.fromkeys((known["job_id"], unknown["job_id"]), "completed")


def test_what_is_far_off_keeps_its_time(calls: Calls, worker: Worker, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    job = mirrored(calls, queue_name, delay_seconds=600)
    assert take_over(calls, job) == ["due"]
    assert open_taken_over(calls, (job["job_id"], 0, True)) == ["opened"]
    assert worker.claim_all() == []
    assert 500 < worker.last["wait_seconds"] <= 600


def test_what_legacy_had_started_it_keeps(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    job = mirrored(calls, queue_name)
    take_over(calls, job)
    lost = (job["job_id"], 0, False)
    assert open_taken_over(calls, lost, lost) == ["kept", "kept"]
    assert owner_of(calls, job["job_id"]) == ("legacy", 0, "mirrored", "none")
    assert open_taken_over(calls, (job["job_id"], 0, True)) == ["changed"]
    assert record(calls, job["job_id"], 0) == "recorded"


def test_what_is_not_to_be_taken_over(calls: Calls, queue_name: str) -> None:
    released, started, ended = handed_over(calls, queue_name, 3)
    settle(calls, "release_due", (started, 1), (ended, 1))
    start_legacy(calls, (started, 1))
    record(calls, ended, 1)
    other = mirrored(calls, queue_name)
    rows = [new_job(queue_name, job_id=id, epoch=1) for id in (released, started, ended)]
    assert take_over(calls, *rows, other | {"epoch": 3}) == ["changed", "started", "ended", "changed"]
    assert listed(calls, "takeover_due") == {}
    untouched = [(id, 1, True) for id in (released, started, ended)]
    assert open_taken_over(calls, *untouched, (new_job_id(), 0, True)) == ["changed"] * 3 + ["unknown"]


def test_an_end_that_legacy_tells_meanwhile_counts(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    job = mirrored(calls, queue_name)
    take_over(calls, job)
    assert record(calls, job["job_id"], 0) == "recorded"
    assert open_taken_over(calls, (job["job_id"], 0, True)) == ["changed"]
    assert owner_of(calls, job["job_id"])[:2] == ("legacy", 0)
    assert take_over(calls, job) == ["ended"]


def test_what_is_opened_while_its_type_goes_back_goes_back_at_once(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    """Else it would wait here after the last pass, of which was told that it was the last."""
    begin(calls.connection, "live", holdback_percent=0)
    job = mirrored(calls, queue_name)
    take_over(calls, job)
    set_flag(calls.connection, is_enabled=False, rollout_percent=0, hand_back="not_started")
    assert hand_back_pass(calls)[1]["done"] is True
    for _ in range(2):
        assert open_taken_over(calls, (job["job_id"], 0, True)) == ["changed"]
    assert owner_of(calls, job["job_id"]) == ("legacy", 2, "mirrored", "release_due")


def test_the_epoch_counts_every_hand_over(calls: Calls, worker: Worker, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    [job_id] = calls.enqueue_new(queue_name)
    job = new_job(queue_name, job_id=job_id)
    for epoch in (1, 3, 5):
        set_flag(calls.connection, is_enabled=False, rollout_percent=0, hand_back="all")
        assert hand_back_pass(calls)[0] == 1
        settle(calls, "release_due", (job_id, epoch))
        set_flag(calls.connection, hand_back="none")
        assert start_legacy(calls, *((job_id, other) for other in range(epoch))) == ["stale"] * epoch
        assert take_over(calls, job | {"epoch": epoch}) == ["due"]
        assert start_legacy(calls, (job_id, epoch)) == ["stale"]
        assert open_taken_over(calls, (job_id, epoch, True)) == ["opened"]
        assert owner_of(calls, job_id)[:2] == ("supabase", epoch + 1)


@pytest.mark.parametrize("won", [True, False])
def test_a_start_and_an_opening_at_once(calls: Calls, connect: Connect, queue_name: str, won: bool) -> None:
    """The marker there decides; a start is refused from the announcement on, until legacy keeps the job."""
    ids = handed_over(calls, queue_name, ROUNDS)
    settle(calls, "release_due", *((job_id, 1) for job_id in ids))
    take_over(calls, *(new_job(queue_name, job_id=job_id, epoch=1) for job_id in ids))
    other = Calls(connect())
    for job_id in ids:
        start, opened = together(
            partial(start_legacy, calls, (job_id, 1)), partial(open_taken_over, other, (job_id, 1, won))
        )
        if won:
            assert (start, opened) == (["stale"], ["opened"])
        else:
            assert (start, opened) in ((["stale"], ["kept"]), (["started"], ["kept"]))


def test_openings_at_once_open_once(calls: Calls, connect: Connect, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    sessions = [Calls(connect()) for _ in range(2)]
    for _ in range(ROUNDS):
        jobs = [mirrored(calls, queue_name) for _ in range(3)]
        take_over(calls, *jobs)
        rows = [(job["job_id"], 0, True) for job in jobs]
        replies = together(*(partial(open_taken_over, session, *rows) for session in sessions))
        assert replies == [["opened"] * 3] * 2
        assert {owner_of(calls, job["job_id"])[:2] for job in jobs} == {("supabase", 1)}
