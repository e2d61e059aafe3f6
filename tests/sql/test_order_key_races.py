"""Sessions at the same order keys: no enqueue waits for another, no turn is given twice, and none is lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, endings, leases
from tests.sql.sessions import blocked, open_transaction, together
from tests.sql.test_order_keys import ids, ordered, release

Connect = Callable[[], psycopg.Connection[Any]]
OpenWorker = Callable[..., Worker]

OUT_OF_ORDER = """
    select count(*) from (
        select claimed_at < max(claimed_at) over (partition by order_key order by key_position
            rows between unbounded preceding and 1 preceding) as is_early
        from (
            select t.order_key, t.key_position, min(a.claimed_at) as claimed_at
            from job_tasks t join job_task_attempts a using (job_id, task_number)
            where t.order_key is not null
            group by t.order_key, t.key_position
        ) as first_leases
    ) as tasks
    where is_early
"""
"""Tasks whose first lease began before that of one ahead of them. Every test ends by checking overlaps."""


def test_enqueues_and_claims_of_one_key_wait_for_nobody(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    one, other = Calls(connect()), Calls(connect())
    with open_transaction(one.connection):
        [first] = ordered(one, queue_name, "a")
        [second] = ordered(other, queue_name, "a")
        held = worker.claim()
        assert ids(held) == [second], "what commits late comes late"
    assert worker.claim() == []
    worker.finish(endings(held, "done"))
    assert ids(worker.claim_all()) == [first]


def test_a_signal_that_is_answered_before_the_turn_ends_is_made_good_by_that_end(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    """The finish sees no task that waits, and the claim between them sees the turn held."""
    ordered(calls, queue_name, "a")
    held = worker.claim()
    with open_transaction(worker.connection):
        worker.finish(endings(held, "done"))
        [second] = ordered(calls, queue_name, "a")
        other = open_worker()
        assert other.claim() == []
        assert calls.value("select count(*) from job_order_key_signals") == 0, (
            "the finish's is not visible yet"
        )
    assert ids(other.claim_all()) == [second]


def test_a_turn_that_another_claim_gives_meanwhile_is_not_given_twice(
    calls: Calls, open_worker: OpenWorker, connect: Connect, queue_name: str
) -> None:
    """The second claim finds a task that committed late, ahead of the one that the first gave the turn to."""
    late, first, second = Calls(connect()), open_worker(), open_worker()
    late.connection.execute("begin")
    [ahead] = ordered(late, queue_name, "a")
    [behind] = ordered(calls, queue_name, "a")
    first.connection.execute("begin")
    held = first.claim()
    assert ids(held) == [behind]
    late.connection.execute("commit")
    with blocked(second.claim, second.connection, calls.connection) as claimed:
        first.connection.execute("commit")
    assert claimed.result() == []
    first.finish(endings(held, "done"))
    assert ids(second.claim_all()) == [ahead]


def test_claims_that_give_turns_in_cross_order_do_not_deadlock(
    calls: Calls, open_worker: OpenWorker, connect: Connect, queue_name: str
) -> None:
    """Two queues and many keys, of each a task that is there and one that commits while claims are at it."""
    queues = [queue_name, f"{queue_name}-2"]
    for n in range(5):
        late = Calls(connect())
        late.connection.execute("begin")
        for queue in queues:
            ordered(late, queue, *(f"{n}-{i}" for i in range(30)))
            ordered(calls, queue, *(f"{n}-{i}" for i in reversed(range(30))))
        workers = [open_worker(queues=queues), open_worker(queues=queues[::-1])]
        together(
            *(partial(worker.claim, 100) for worker in workers), partial(late.connection.execute, "commit")
        )


@pytest.mark.parametrize(("keys", "tasks"), [(50, 1000), pytest.param(1000, 50_000, marks=pytest.mark.slow)])
def test_every_key_in_order_and_none_twice_at_once(
    calls: Calls, connect: Connect, open_worker: OpenWorker, queue_name: str, keys: int, tasks: int
) -> None:
    """Two producers; eight workers, of which some vanish with their leases, and some while they claim."""
    stop = threading.Event()

    def produce(seed: int) -> None:
        chance, session = random.Random(seed), Calls(connect())
        mine = [f"{seed}-{n}" for n in range(keys // 2)]
        for start in range(0, tasks // 2, 100):
            batch = [mine[n % len(mine)] for n in range(start, start + 100)]
            chance.shuffle(batch)
            ordered(session, queue_name, *batch, max_attempts=1000)

    def work(seed: int) -> None:
        chance, worker = random.Random(seed), open_worker()
        while not stop.is_set():
            if chance.random() < 0.05:
                worker.connection.execute("begin")
                worker.claim(20)
                worker.connection.close()
                worker = open_worker()
            held = worker.claim(100, lease_seconds=1 if chance.random() < 0.1 else 60)
            if worker.last["tasks"] and chance.random() < 0.05:
                give_up(worker, held)
            else:
                ends = [chance.choice(["done"] * 8 + ["retry", "not_started"]) for _ in held]
                worker.finish([e for task, end in zip(held, ends, strict=True)
                               for e in endings([task], end, after_seconds=0)])  # fmt: skip
            if not held:
                time.sleep(0.02)

    def watch() -> None:
        deadline = time.monotonic() + 600
        while calls.value("select count(*) from jobs where status = 'completed'") < tasks:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        stop.set()

    def watched() -> None:
        try:
            watch()
        finally:
            stop.set()

    together(*(partial(produce, n) for n in range(2)), *(partial(work, n) for n in range(8)), watched)
    assert calls.value(OUT_OF_ORDER) == 0


def give_up(worker: Worker, held: list[Row]) -> None:
    """Let a worker vanish with what it holds: its leases end at once instead of after their time."""
    worker.connection.execute(
        "update job_tasks set lease_expires_at = clock_timestamp() where worker_id = %s and job_id = any(%s)",
        [worker.worker_id, ids(held)],
    )


def test_turns_that_end_in_every_way_at_once_are_neither_lost_nor_doubled(
    calls: Calls, connect: Connect, open_worker: OpenWorker, queue_name: str
) -> None:
    """Producers, workers, and operators who cancel, replay, drop and release, all at four keys."""
    rounds = 25
    keys = ["a", "b", "c", "d"]

    def produce(seed: int) -> None:
        chance, session = random.Random(seed), Calls(connect())
        for _ in range(rounds):
            policy = chance.choice(["block", "continue"])
            ordered(session, queue_name, *(chance.choice(keys) for _ in range(3)), order_on_failure=policy)

    def work(seed: int) -> None:
        chance, worker = random.Random(seed), open_worker()
        for _ in range(rounds):
            for task in worker.claim(3):
                worker.finish(
                    endings([task], chance.choice(["done", "fail", "retry", "cancel"]), after_seconds=0)
                )

    def operate(seed: int) -> None:
        chance, session = random.Random(seed), Calls(connect())
        for _ in range(rounds):
            dead = leases(session.list_dead_letters()["dead_letters"])
            chosen = chance.sample(dead, min(3, len(dead)))
            match chance.choice(["replay", "drop", "release", "cancel"]):
                case "replay":
                    session.replay(*chosen)
                case "drop":
                    session.drop(*chosen)
                case "release":
                    release(session, queue_name, *chance.sample(keys, 2))
                case _:
                    rows = session.connection.execute(
                        "select job_id::text from jobs order by random() limit 3"
                    ).fetchall()
                    session.cancel(*(row[0] for row in rows))

    together(*(partial(produce, n) for n in range(2)), *(partial(work, n) for n in range(3)),
             *(partial(operate, n) for n in range(2)))  # fmt: skip
    worker = open_worker()
    while calls.value("select count(*) from job_tasks where status = 'blocked'") > 0:
        release(calls, queue_name, *keys)
        worker.finish(endings(worker.claim(100), "done"))
    worker.finish(endings(worker.claim_all(100), "done"))
    assert calls.value("select count(*) from job_tasks where status in ('pending', 'blocked')") == 0


def test_a_head_that_another_session_holds_is_looked_for_again(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    other = Calls(connect())
    [job_id] = ordered(calls, queue_name, "a")
    with open_transaction(other.connection):
        other.connection.execute("select from jobs where job_id = %s for update", [job_id])
        assert worker.claim() == []
        assert worker.last["more"] is False
    assert ids(worker.claim()) == [job_id]


def test_what_a_long_transaction_stores_is_found_whatever_came_since(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    """Its signals lie behind the marks of a worker that has read on."""
    late = Calls(connect())
    ordered(calls, queue_name, "x")
    worker.finish(endings(worker.claim(), "done"))
    with open_transaction(late.connection):
        jobs = ordered(late, queue_name, "a", "b")
        for n in range(20):
            ordered(calls, queue_name, f"n{n}")
            worker.finish(endings(worker.claim(), "done"))
    found = [job_id for _ in range(30) for job_id in ids(worker.claim())]
    assert sorted(found) == sorted(jobs)
