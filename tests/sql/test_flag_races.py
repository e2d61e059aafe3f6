"""The emergency update against claims and enqueues: what it waits for, and what comes after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Worker, answers, new_job
from tests.sql.flags import begin, change, emergency, hand_back_pass, own_flag, set_flag
from tests.sql.sessions import blocked, in_background, open_transaction, together, wait_until

Connect = Callable[[], psycopg.Connection[Any]]
OpenWorker = Callable[..., Worker]
ROUNDS = 20


def live(calls: Calls) -> None:
    begin(calls.connection, "live", holdback_percent=0)


def committed(calls: Calls) -> Any:
    """The database's time, after the change has committed."""
    return calls.value("select clock_timestamp()")


def leased_after(calls: Calls, moment: Any) -> int:
    """How many tasks of purpose run were newly leased after a moment, by the database's own times."""
    query = "select count(*) from job_tasks where purpose = 'run' and claimed_at > %s"
    return int(calls.value(query, [moment]))


def race(calls: Calls, workers: list[Worker], before: int) -> tuple[int, float]:
    """Switch off while workers claim one by one; return what was leased late, and how long it took.

    Before it `before` claims have been made.
    """
    stop = time.monotonic() + 60

    def claim(worker: Worker) -> int:
        found, worker.last = 0, {}
        while not worker.last.get("closed"):
            assert time.monotonic() < stop
            found += len(worker.claim(1))
        return found

    with ThreadPoolExecutor(len(workers)) as pool:
        futures = [pool.submit(claim, worker) for worker in workers]
        wait_until(lambda: calls.value("select count(*) from job_claims") >= before, "claims are made")
        began = time.monotonic()
        emergency(calls.connection)
        seconds = time.monotonic() - began
        moment = committed(calls)
        for future in futures:
            future.result()
    for worker in workers:
        worker.claim(10)
    return leased_after(calls, moment), seconds


@pytest.mark.parametrize("is_open", [False, True], ids=["alone", "beside an open enqueue"])
def test_nothing_is_leased_after_the_emergency_update(
    calls: Calls, connect: Connect, open_worker: OpenWorker, queue_name: str, is_open: bool
) -> None:
    """It does not wait for a user's transaction that has enqueued and not committed."""
    user = Calls(connect())
    workers = [open_worker() for _ in range(4)]
    live(calls)
    calls.enqueue_new(queue_name, 400)
    user.connection.execute("begin")
    if is_open:
        assert answers(user.enqueue(new_job(queue_name, owner="supabase"))) == ["created"]
    calls.connection.execute("set statement_timeout = '20s'")
    late, _ = race(calls, workers, 100)
    user.connection.execute("commit")
    assert late == 0
    assert [worker.last["closed"] for worker in workers] == [["count"]] * 4


@pytest.mark.slow
def test_ten_thousand_claims_and_an_emergency_update(
    calls: Calls, connect: Connect, open_worker: OpenWorker, queue_name: str
) -> None:
    """Twenty switches among 10,000 claims, every second beside a user's open enqueue."""
    user = Calls(connect())
    workers = [open_worker() for _ in range(4)]
    live(calls)
    late, seconds = 0, []
    for number in range(20):
        calls.enqueue_new(queue_name, 600)
        with open_transaction(user.connection):
            if number % 2:
                user.enqueue(new_job(queue_name, owner="supabase"))
            calls.connection.execute("delete from job_claims")
            found, took = race(calls, workers, 500)
        late += found
        seconds.append(took)
        set_flag(calls.connection, is_enabled=True, rollout_percent=100)
    print(
        f"\nlate {late}; UPDATE: median {median(seconds) * 1000:.1f} ms, worst {max(seconds) * 1000:.1f} ms"
    )
    assert late == 0


def test_a_claim_that_waits_for_the_update_reads_what_it_wrote(
    calls: Calls, connect: Connect, worker: Worker, queue_name: str
) -> None:
    live(calls)
    calls.enqueue_new(queue_name, 20)
    assert [len(worker.claim(1)) for _ in range(8)] == [1] * 8  # its plans are cached
    switch = connect()
    switch.execute("begin")
    emergency(switch)
    with blocked(worker.claim, worker.connection, calls.connection) as answer:
        switch.execute("commit")
    assert answer.result() == []


def test_the_update_waits_for_the_claims_in_flight(
    calls: Calls, connect: Connect, worker: Worker, queue_name: str
) -> None:
    """So that what they lease was leased before its commit."""
    live(calls)
    calls.enqueue_new(queue_name, 2)
    switch = connect()
    worker.connection.execute("begin")
    assert len(worker.claim(1)) == 1
    with blocked(partial(emergency, switch), switch, calls.connection) as done:
        worker.connection.execute("commit")
    done.result()
    assert worker.claim() == []


def test_enqueues_do_not_wait_for_an_open_change(calls: Calls, connect: Connect, queue_name: str) -> None:
    """They read the flag as it was; a hand-back waits for their end."""
    live(calls)
    switch = connect()
    switch.execute("begin")
    emergency(switch)
    with in_background(lambda: calls.enqueue(new_job(queue_name, owner="supabase"))) as reply:
        assert answers(reply.result(timeout=30)) == ["created"]
    switch.execute("commit")
    assert answers(calls.enqueue(new_job(queue_name, owner="supabase"))) == ["flag_changed"]


def test_the_end_of_a_types_flag_against_claims(
    calls: Calls, connect: Connect, open_worker: OpenWorker, queue_name: str
) -> None:
    """The overall flag, which holds from then on, is off: nothing is leased."""
    live(calls)
    workers = [open_worker() for _ in range(2)]
    for _ in range(ROUNDS):
        own_flag(calls, "count")
        calls.enqueue_new(queue_name, 30)

        def end(session: psycopg.Connection[Any]) -> Any:
            with session.transaction():
                session.execute("delete from feature_flag where task_type = 'count'")
                set_flag(session, is_enabled=False)
            return committed(Calls(session))

        *_, moment = together(*(partial(worker.claim_all, 1) for worker in workers), partial(end, connect()))
        assert leased_after(calls, moment) == 0
        set_flag(calls.connection, is_enabled=True)


def test_enqueues_and_a_hand_back_leave_nothing_behind(
    calls: Calls, connect: Connect, queue_name: str
) -> None:
    """Whatever flag an enqueue read, once it is over no job waits here."""
    live(calls)
    senders = [Calls(connect()) for _ in range(3)]
    for _ in range(ROUNDS):

        def enqueue(sender: Calls) -> None:
            for _ in range(10):
                sender.enqueue(*(new_job(queue_name, owner="supabase") for _ in range(3)))

        def go_back() -> None:
            off = {"is_enabled": False, "rollout_percent": 0, "hand_back": "not_started"}
            change(calls, off)
            while not hand_back_pass(calls, 20)[1]["done"]:
                calls.connection.execute(
                    "update jobs set mirror_state = 'released' where mirror_state = 'release_due'"
                )

        together(*(partial(enqueue, sender) for sender in senders), go_back)
        assert calls.value("select count(*) from jobs where owner = 'supabase'") == 0
        set_flag(calls.connection, hand_back="none")
        set_flag(calls.connection, is_enabled=True, rollout_percent=100)
