"""Hand-back: what waits goes back to legacy, whatever it does meanwhile, and when that is over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Worker, answers, endings, expire, leases, new_job
from tests.sql.flags import (
    begin,
    change,
    hand_back,
    hand_back_pass,
    job_row,
    listed,
    own_flag,
    owner_of,
    set_flag,
    settle,
    start_legacy,
)
from tests.sql.sessions import blocked, open_transaction, together

Connect = Callable[[], psycopg.Connection[Any]]
OpenWorker = Callable[..., Worker]

GONE = ("legacy", 1, "mirrored", "release_due")
ROUNDS = 20


def live(calls: Calls) -> None:
    begin(calls.connection, "live", holdback_percent=0)


def go_back(calls: Calls, which: str = "not_started", task_type: str | None = None, **columns: Any) -> None:
    """Disable the flag, and send back what waits."""
    set_flag(calls.connection, task_type, is_enabled=False, rollout_percent=0, hand_back=which, **columns)


def settled(calls: Calls) -> None:
    """Tell legacy of all that is to be released."""
    rows = [(job_id, row["epoch"]) for job_id, row in listed(calls, "release_due").items()]
    assert set(settle(calls, "release_due", *rows)) <= {"settled"}


def is_over(calls: Calls) -> bool:
    return bool(hand_back_pass(calls)[1]["done"])


def test_what_waits_goes_back(calls: Calls, worker: Worker, queue_name: str) -> None:
    live(calls)
    ready = calls.enqueue_new(queue_name, 3)
    due = calls.enqueue_new(queue_name, 2, delay_seconds=600)
    go_back(calls)
    assert hand_back_pass(calls)[0] == 5
    assert {owner_of(calls, job_id) for job_id in ready + due} == {GONE}
    assert not is_over(calls)  # the relay has published none of them
    settled(calls)
    assert is_over(calls)
    set_flag(calls.connection, hand_back="none")
    set_flag(calls.connection, is_enabled=True, rollout_percent=100)
    assert worker.claim_all() == []


def test_nothing_goes_back_unless_it_is_on(calls: Calls, queue_name: str) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name)
    reply = hand_back(calls)
    assert (reply["is_on"], reply["done"], reply["next"]) == (False, False, None)
    assert owner_of(calls, job_id)[0] == "supabase"
    assert calls.value("select count(*) from job_hand_backs") == 0


def test_only_the_types_that_go_back_do(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    """Also those that return to pending meanwhile."""
    live(calls)
    own_flag(calls, "going")
    [going] = calls.enqueue_new(queue_name, task_type="going")
    staying, returning = calls.enqueue_new(queue_name, 2)
    worker = open_worker()
    tasks = {task["job_id"]: task for task in worker.claim()}
    go_back(calls, task_type="going")
    worker.finish(endings(tasks.values(), "not_started"))
    assert hand_back_pass(calls)[0] == 1
    assert owner_of(calls, going) == GONE
    assert {owner_of(calls, job_id)[0] for job_id in (staying, returning)} == {"supabase"}


def test_a_pass_goes_in_batches_through_everything(calls: Calls, queue_name: str) -> None:
    live(calls)
    ids = calls.enqueue_new(queue_name, 25) + calls.enqueue_new(f"{queue_name}-2", 13)
    ids += calls.enqueue_new(queue_name, 17, delay_seconds=60) + calls.enqueue_new("a", 5, delay_seconds=60)
    go_back(calls)
    reply, batches = hand_back(calls, None, 4), 1
    moved = reply["moved"]
    while reply["next"] is not None:
        reply, batches = hand_back(calls, reply["next"], 4), batches + 1
        assert reply["moved"] <= 4
        moved += reply["moved"]
    assert (moved, batches >= 15) == (60, True)
    assert {owner_of(calls, job_id) for job_id in ids} == {GONE}


@pytest.mark.parametrize(
    ("outcome", "came_to"),
    [("not_started", "gone"), ("retry", "held"), ("snooze", "held"), ("lease_lost", "held")],
)
def test_what_returns_to_pending_goes_in_the_call_that_returns_it(
    calls: Calls, worker: Worker, queue_name: str, outcome: str, came_to: str
) -> None:
    """Else it would wait here when the last pass is over."""
    live(calls)
    [job_id] = calls.enqueue_new(queue_name)
    [task] = worker.claim(started=[])
    if outcome != "not_started":
        worker.heartbeat([task], [task])
    go_back(calls)
    if outcome == "lease_lost":
        expire(calls.connection, [task])
        worker.look_again_for_expired()
        worker.claim()
    else:
        worker.finish(endings([task], outcome))
    if came_to == "gone":
        assert owner_of(calls, job_id) == GONE
    else:
        assert owner_of(calls, job_id)[:3] == ("supabase", 0, "pending")
        assert job_row(calls, job_id)["held"] is True
    assert worker.claim_all() == []


def test_a_retry_goes_back_where_all_goes(calls: Calls, worker: Worker, queue_name: str) -> None:
    live(calls)
    [job_id, failed] = calls.enqueue_new(queue_name, 2)
    tasks = worker.claim()
    worker.finish(endings(tasks[1:], "fail", error={"type": "E", "message": "no"}))
    go_back(calls, "all")
    worker.finish(endings(tasks[:1], "retry", after_seconds=600))
    assert owner_of(calls, job_id) == GONE
    assert calls.replay(*leases(tasks[1:])) == ["replayed"]
    assert owner_of(calls, failed) == GONE


def test_a_dead_letter_that_is_replayed_is_held(calls: Calls, worker: Worker, queue_name: str) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name)
    failed = worker.fail()
    go_back(calls)
    assert calls.replay(*failed) == ["replayed"]
    assert job_row(calls, job_id)["held"] is True
    assert hand_back_pass(calls)[0] == 0


def test_started_ones_are_held_and_go_once_all_does(calls: Calls, worker: Worker, queue_name: str) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name)
    worker.finish(endings(worker.claim(), "retry", after_seconds=0))
    go_back(calls)
    assert hand_back_pass(calls)[0] == 0
    assert job_row(calls, job_id)["held"] is True
    assert is_over(calls)
    set_flag(calls.connection, hand_back="all")
    assert hand_back_pass(calls)[0] == 1
    assert owner_of(calls, job_id) == GONE
    assert job_row(calls, job_id)["held"] is False


def test_a_drain_takes_what_is_held_and_nothing_else(calls: Calls, worker: Worker, queue_name: str) -> None:
    live(calls)
    [started] = calls.enqueue_new(queue_name)
    worker.finish(endings(worker.claim(), "retry", after_seconds=0))
    calls.enqueue_new(queue_name, 3)
    go_back(calls)
    assert worker.claim_all() == []
    hand_back(calls, None, 1)
    hand_back(calls, {"look": "ready", "found": 0, "xmin": "1"}, 1)
    assert job_row(calls, started)["held"] is True
    set_flag(calls.connection, drain=True)
    assert [task["job_id"] for task in worker.claim_all()] == [started]


def test_a_drain_holds_up_nothing_that_goes_back(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    live(calls)
    worker = open_worker()
    [started] = calls.enqueue_new(queue_name)
    worker.finish(endings(worker.claim(), "snooze"))
    waiting = calls.enqueue_new(queue_name, 20)
    go_back(calls, drain=True)
    hand_back(calls, {"look": "ready", "found": 0, "xmin": "1"}, 1)
    with open_transaction(worker.connection):
        assert [task["job_id"] for task in worker.claim(5)] == [started]
        moved, last = hand_back_pass(calls)
        assert (moved, last["passed_over"]) == (20, 0)
    assert {owner_of(calls, job_id) for job_id in waiting} == {GONE}


def test_it_is_not_over_while_something_is_claimed(calls: Calls, worker: Worker, queue_name: str) -> None:
    live(calls)
    ids = calls.enqueue_new(queue_name, 2)
    tasks = worker.claim()
    worker.heartbeat(tasks[:1], tasks[:1])
    go_back(calls)
    assert not is_over(calls)
    worker.finish(endings(tasks[1:], "not_started"))
    assert owner_of(calls, ids[1]) == GONE
    settled(calls)
    assert is_over(calls)  # what is in a handler has started, and stays
    set_flag(calls.connection, hand_back="all")
    assert not is_over(calls)
    worker.finish(endings(tasks[:1], "retry", after_seconds=600))
    settled(calls)
    assert is_over(calls)


def test_it_is_not_over_while_another_session_holds_a_job(
    calls: Calls, connect: Connect, queue_name: str
) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name)
    go_back(calls)
    other = connect()
    with open_transaction(other):
        other.execute("select from jobs where job_id = %s for no key update", [job_id])
        moved, last = hand_back_pass(calls)
        assert (moved, last["done"], last["passed_over"]) == (0, False, 1)
    assert hand_back_pass(calls)[0] == 1


@pytest.mark.parametrize("numbered", ["before the change", "while it was made", "after it"])
def test_it_is_not_over_while_an_enqueue_is_open_that_read_the_older_flag(
    calls: Calls, connect: Connect, queue_name: str, numbered: str
) -> None:
    """The change may have the lower number and yet be later: it commits after the enqueue has read."""
    live(calls)
    switch, late = connect(), Calls(connect())
    job = new_job(queue_name, owner="supabase")
    late.connection.execute("begin")
    if numbered == "before the change":
        assert answers(late.enqueue(job)) == ["created"]
        go_back(calls)
    elif numbered == "while it was made":
        switch.execute("begin")
        set_flag(switch, is_enabled=False, rollout_percent=0, hand_back="not_started")
        assert answers(late.enqueue(job)) == ["created"]
        switch.execute("commit")
    else:
        go_back(calls)
        assert answers(late.enqueue(job)) == ["flag_changed"]
    for _ in range(3):
        assert not is_over(calls)
    late.connection.execute("commit")
    if numbered != "after it":
        assert hand_back_pass(calls)[0] == 1
        settled(calls)
    assert is_over(calls)


def test_a_change_of_another_flag_moves_the_horizon(calls: Calls, connect: Connect, queue_name: str) -> None:
    """A type's own flag goes, and the overall one, under which jobs go back, holds for it from then on."""
    live(calls)
    own_flag(calls, "own")
    set_flag(calls.connection, rollout_percent=0, hand_back="not_started")
    assert is_over(calls)
    late = Calls(connect())
    with open_transaction(late.connection):
        assert answers(late.enqueue(new_job(queue_name, "own", owner="supabase"))) == ["created"]
        calls.connection.execute("delete from feature_flag where task_type = 'own'")
        assert not is_over(calls)
    assert hand_back_pass(calls)[0] == 1


def test_what_comes_due_between_the_looks_is_seen(calls: Calls, worker: Worker, queue_name: str) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name, delay_seconds=600)
    go_back(calls)
    found = 0
    reply = hand_back(calls, None, 1)
    while reply["next"] is not None:
        found += reply["moved"]
        calls.connection.execute("update job_tasks set run_at = clock_timestamp() where status = 'pending'")
        worker.claim()
        reply = hand_back(calls, reply["next"], 1)
    assert (found + reply["moved"], owner_of(calls, job_id)) == (1, GONE)


def test_a_pass_that_moved_something_is_not_the_last(calls: Calls, queue_name: str) -> None:
    live(calls)
    calls.enqueue_new(queue_name)
    go_back(calls)
    moved, last = hand_back_pass(calls)
    settled(calls)
    assert (moved, last["done"]) == (1, False)
    assert is_over(calls)


def test_a_cutover_of_types_alone_can_go_back_too(calls: Calls, queue_name: str) -> None:
    live(calls)
    own_flag(calls, "own")
    calls.enqueue_new(queue_name, task_type="own")
    change(calls, {"is_enabled": False, "rollout_percent": 0, "hand_back": "all"}, "own")
    with pytest.raises(psycopg.Error, match="end that first"):
        calls.connection.execute("delete from feature_flag where task_type = 'own'")
    assert hand_back_pass(calls)[0] == 1


# Races


def test_hand_back_against_claims_cancels_and_abandons(
    calls: Calls, connect: Connect, open_worker: OpenWorker, queue_name: str
) -> None:
    """Each job ends with one owner: claimed here, ended here, or over there."""
    live(calls)
    worker, sender, canceller = open_worker(), Calls(connect()), Calls(connect())
    for _ in range(ROUNDS):
        set_flag(calls.connection, hand_back="none")
        set_flag(calls.connection, is_enabled=True, rollout_percent=100)
        ids = calls.enqueue_new(queue_name, 40)
        # Enabled with percent 0: claims go on while jobs go back.
        set_flag(calls.connection, rollout_percent=0, hand_back="not_started")
        claimed, _, cancelled, abandoned = together(
            partial(worker.claim_all, 7),
            partial(hand_back_pass, sender, 11),
            partial(canceller.cancel, *ids[:10]),
            partial(calls.abandon, *ids[10:20]),
        )
        run = {task["job_id"] for task in claimed}
        moved, _ = hand_back_pass(calls)
        for job_id, answer in zip(ids[:20], [*cancelled, *abandoned], strict=True):
            owner, epoch, status, state = owner_of(calls, job_id)
            if job_id in run:
                assert (owner, epoch, answer) in (("supabase", 0, "requested"), ("supabase", 0, "started"))
            elif owner == "legacy":
                assert (answer, epoch, state) == ("cancelled", 2, "end_due")
                assert start_legacy(calls, (job_id, 1), (job_id, 2)) == ["stale", "stale"]
            else:
                assert (answer, status) == ("cancelled", "cancelled")
        for job_id in ids[20:]:
            assert owner_of(calls, job_id)[0] == ("supabase" if job_id in run else "legacy")
        worker.finish(endings(claimed, "done"))
        assert moved == 0 or not hand_back_pass(calls)[0]


def test_a_retry_and_the_start_of_a_hand_back(
    calls: Calls, connect: Connect, open_worker: OpenWorker, queue_name: str
) -> None:
    """Whichever is first, when it is over nothing that was never started waits here."""
    live(calls)
    worker, sender = open_worker(), Calls(connect())
    for _ in range(ROUNDS):
        ids = calls.enqueue_new(queue_name, 5)
        tasks = worker.claim(5)
        together(
            partial(worker.finish, endings(tasks, "not_started")),
            partial(go_back, sender),
        )
        passes = 0
        while not is_over(calls):
            settled(calls)
            passes += 1
            assert passes < 10
        assert {owner_of(calls, job_id)[0] for job_id in ids} == {"legacy"}
        set_flag(calls.connection, hand_back="none")
        set_flag(calls.connection, is_enabled=True, rollout_percent=100)


def test_a_retry_that_read_the_flag_before_it_changed_holds_up_the_end(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    live(calls)
    worker = open_worker()
    calls.enqueue_new(queue_name)
    tasks = worker.claim()
    with open_transaction(worker.connection):
        worker.finish(endings(tasks, "not_started"))
        go_back(calls)
        assert not is_over(calls)
    assert hand_back_pass(calls)[0] == 1


def test_two_hand_backs_at_once_move_each_job_once(calls: Calls, connect: Connect, queue_name: str) -> None:
    live(calls)
    senders = [Calls(connect()) for _ in range(2)]
    for _ in range(ROUNDS):
        ids = calls.enqueue_new(queue_name, 30)
        go_back(calls)
        moved = [m for m, _ in together(*(partial(hand_back_pass, sender, 4) for sender in senders))]
        assert sum(moved) + hand_back_pass(calls)[0] == 30
        assert {owner_of(calls, job_id)[:2] for job_id in ids} == {("legacy", 1)}
        set_flag(calls.connection, hand_back="none")
        set_flag(calls.connection, is_enabled=True, rollout_percent=100)


def test_a_repeat_of_a_batch_waits_for_the_original(calls: Calls, connect: Connect, queue_name: str) -> None:
    live(calls)
    [job_id] = calls.enqueue_new(queue_name)
    go_back(calls)
    other = Calls(connect())
    other.connection.execute("begin")
    assert hand_back_pass(other)[0] == 1
    with blocked(lambda: hand_back_pass(calls), calls.connection, connect()) as reply:
        other.connection.execute("commit")
    assert (reply.result()[0], owner_of(calls, job_id)) == (0, GONE)
