"""send_probes_v1 and read_probes_v1: one a queue and minute, lost only while its queue shows no life."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, endings, expire
from tests.sql.flags import begin, emergency
from tests.sql.sessions import together
from tests.sql.test_reading import worker_row

Connect = Callable[[], psycopg.Connection[Any]]
PROBE = "supaqueue.probe"


def send(calls: Calls, *queues: str) -> Row:
    return dict(calls.call("send_probes_v1", queues=list(queues) or None))


def seen(calls: Calls, queue: str, lost_after: float = 60) -> Row:
    """What is told of one queue's probes."""
    [told] = calls.call("read_probes_v1", queues=[queue], lost_after=lost_after)["queues"]
    return dict(told)


def lost(calls: Calls, queue: str) -> int:
    return int(seen(calls, queue)["lost_in_a_row"])


def grow_older(calls: Calls, minutes: float) -> None:
    """Let everything that happened so far lie so much further back."""
    ago = f"interval '{minutes * 60} seconds'"
    calls.connection.execute(f"update job_probes set sent_at = sent_at - {ago}".encode())
    calls.connection.execute(
        f"update job_tasks set finished_at = finished_at - {ago}, last_heartbeat = last_heartbeat - {ago}"
        f", lease_expires_at = lease_expires_at - {ago}".encode()
    )


def send_for(calls: Calls, queue: str, minutes: int) -> None:
    """Send one a minute; a minute has passed since the last one."""
    for _ in range(minutes):
        send(calls, queue)
        grow_older(calls, 1)
    grow_older(calls, 0.1)


def register(calls: Calls, queue: str, *task_types: str, **changes: Any) -> None:
    row = worker_row(queues=[queue], task_types=list(task_types) or ["count", PROBE], **changes)
    calls.call("register_worker_v1", worker=row)


@pytest.fixture
def prober(open_worker: Callable[..., Worker]) -> Worker:
    """One that runs probes, and `count`."""
    return open_worker(task_types=["count", PROBE])


def run_all(worker: Worker) -> list[str]:
    """Claim what waits and end it; returns the purposes."""
    held = worker.claim_all()
    worker.finish(endings(held, "done"))
    return [task["purpose"] for task in held]


def test_one_a_queue_and_minute_however_many_ask(calls: Calls, prober: Worker, queue_name: str) -> None:
    for _ in range(3):
        assert send(calls, queue_name) == {"probed": [queue_name], "unserved": []}
    assert seen(calls, queue_name)["sent"] == 1
    grow_older(calls, 54 / 60)
    send(calls, queue_name)
    assert seen(calls, queue_name)["sent"] == 1
    grow_older(calls, 2 / 60)
    send(calls, queue_name, queue_name)
    told = seen(calls, queue_name)
    assert (told["sent"], told["lost_in_a_row"]) == (2, 0)
    assert told["probes"][0]["sent_at"] > told["probes"][1]["sent_at"]
    assert run_all(prober) == ["probe", "probe"]


def test_of_two_senders_at_once_one_sends(calls: Calls, connect: Connect) -> None:
    sessions = [Calls(connect()) for _ in range(2)]
    for number in range(20):
        queues = [f"a {number}", f"b {number}"]
        answers = together(
            *(partial(send, one, *order) for one, order in zip(sessions, (queues, queues[::-1]), strict=True))
        )
        assert answers == [{"probed": queues, "unserved": []}] * 2
        assert [seen(calls, queue)["sent"] for queue in queues] == [1, 1]


def test_a_probe_runs_whatever_the_flag_says(calls: Calls, prober: Worker, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    emergency(calls.connection)
    send(calls, queue_name)
    [held] = prober.claim()
    assert (held["purpose"], held["task_type"], held["payload"]) == ("probe", PROBE, None)
    assert prober.heartbeat([held], [held])[0]["answer"] == "held"
    assert prober.finish(endings([held], "done"))[0]["answer"] == "recorded"


def test_a_probe_counts_nowhere(calls: Calls, prober: Worker, queue_name: str) -> None:
    """Neither while it waits, nor while it runs, nor when it has ended."""

    def assert_counts_nowhere() -> None:
        assert calls.call("count_jobs_v1", queues=None)["counts"] == []
        assert calls.call("list_jobs_v1", filter={}, page=None, page_size=10)["jobs"] == []
        assert calls.list_dead_letters()["dead_letters"] == []
        assert calls.value("select supaqueue_has_open_jobs('supabase')") is False
        [listed] = calls.call("list_jobs_v1", filter={"task_type": PROBE}, page=None, page_size=10)["jobs"]
        assert listed["status"] == "completed"

    send(calls, queue_name)
    assert_counts_nowhere()
    [held] = prober.claim()
    assert_counts_nowhere()
    prober.finish(endings([held], "fail", error={"type": "E", "message": "no"}))
    assert_counts_nowhere()


def test_probes_that_do_not_end_are_lost(calls: Calls, prober: Worker, queue_name: str) -> None:
    send_for(calls, queue_name, 1)
    assert lost(calls, queue_name) == 1
    assert seen(calls, queue_name, lost_after=90)["lost_in_a_row"] == 0
    send_for(calls, queue_name, 2)
    assert lost(calls, queue_name) == 3
    send(calls, queue_name)
    assert lost(calls, queue_name) == 3, "the one that was just sent may still end"


def test_one_that_ends_ends_the_row(calls: Calls, prober: Worker, queue_name: str) -> None:
    send_for(calls, queue_name, 3)
    [first] = prober.claim(1)
    prober.finish(endings([first], "done"))
    assert lost(calls, queue_name) == 0, "the others wait behind it"
    grow_older(calls, 1)
    send_for(calls, queue_name, 2)
    assert lost(calls, queue_name) == 2


def test_one_that_failed_has_not_ended_in_time(calls: Calls, prober: Worker, queue_name: str) -> None:
    """Its workers died of it, one after the other."""
    send(calls, queue_name)
    prober.finish(endings(prober.claim(), "fail", error={"type": "E", "message": "no"}))
    grow_older(calls, 2)
    assert lost(calls, queue_name) == 1


def test_what_waits_its_turn_is_not_lost(calls: Calls, prober: Worker, queue_name: str) -> None:
    """A burst stands before the probes, and is being worked off; then its workers die."""
    calls.enqueue_new(queue_name, 20)
    prober.claim(4)
    for _ in range(4):
        send(calls, queue_name)
        calls.connection.execute("update job_probes set sent_at = sent_at - interval '1 minute'")
    assert seen(calls, queue_name)["found"] == "busy"
    assert lost(calls, queue_name) == 0
    grow_older(calls, 2)
    assert (seen(calls, queue_name)["found"], lost(calls, queue_name)) == ("idle", 1), "the last, at most"
    send_for(calls, queue_name, 2)
    assert lost(calls, queue_name) == 3


def test_a_task_whose_worker_is_silent_is_no_sign_of_life(
    calls: Calls, prober: Worker, queue_name: str
) -> None:
    """Its lease is long: it has not run out."""
    calls.enqueue_new(queue_name)
    prober.claim(1, lease_seconds=86400)
    grow_older(calls, 2)
    send_for(calls, queue_name, 3)
    assert lost(calls, queue_name) == 3


def test_a_probe_that_is_held_is_no_sign_of_life(calls: Calls, prober: Worker, queue_name: str) -> None:
    send(calls, queue_name)
    assert len(prober.claim()) == 1
    assert seen(calls, queue_name)["found"] == "idle"


def test_a_paused_queue_loses_none(calls: Calls, prober: Worker, queue_name: str) -> None:
    calls.pause(queue_name)
    send_for(calls, queue_name, 3)
    assert (seen(calls, queue_name)["found"], lost(calls, queue_name)) == ("paused", 0)
    calls.resume(queue_name)
    assert lost(calls, queue_name) <= 1
    send_for(calls, queue_name, 2)
    assert lost(calls, queue_name) == 3


def test_a_dead_workers_probe_is_anothers(
    calls: Calls, prober: Worker, open_worker: Callable[..., Worker], queue_name: str
) -> None:
    send(calls, queue_name)
    held = prober.claim()
    prober.heartbeat(held, held)
    grow_older(calls, 2)
    assert lost(calls, queue_name) == 1
    expire(calls.connection, held)
    other = open_worker(task_types=[PROBE])
    assert run_all(other) == ["probe"]
    assert lost(calls, queue_name) == 0
    assert prober.finish(endings(held, "done"))[0]["answer"] == "lost"


def test_workers_that_run_no_probes_are_sent_none(calls: Calls, queue_name: str) -> None:
    """An older SDK; once a newer one serves the queue too, it is sent some."""
    register(calls, queue_name, "count")
    assert send(calls, queue_name) == {"probed": [], "unserved": [queue_name]}
    register(calls, queue_name, worker_id="newer")
    assert send(calls, queue_name) == {"probed": [queue_name], "unserved": []}
    assert seen(calls, queue_name)["workers"] == 1
    for worker_id in ("w1", "newer"):
        register(calls, queue_name, "count", worker_id=worker_id, stopped=True)
    assert send(calls, queue_name)["probed"] == [queue_name], "a queue without workers is to be told of"
    assert seen(calls, queue_name)["workers"] == 0


def test_probed_are_queues_with_workers_or_work(calls: Calls, prober: Worker, queue_name: str) -> None:
    assert send(calls)["probed"] == []
    register(calls, "served")
    register(calls, "left", worker_id="w2", stopped=True)
    calls.enqueue_new("waiting", 2)
    calls.enqueue_new("later", delay_seconds=3600)
    assert send(calls)["probed"] == ["served", "waiting"]
    calls.connection.execute("update job_workers set last_seen_at = now() - interval '3 minutes'")
    calls.connection.execute("delete from jobs where queue = 'waiting' and task_type = 'count'")
    assert send(calls)["probed"] == [], "a probe that waits is no work"


@pytest.mark.parametrize("is_held", [False, True])
def test_old_ones_go(calls: Calls, prober: Worker, queue_name: str, is_held: bool) -> None:
    """Ended or not, and also if a pruning took the job before; what a session holds stays until later."""
    for _ in range(3):
        send(calls, queue_name)
        grow_older(calls, 1)
    pruned, ended = prober.claim(2)
    prober.finish(endings([pruned, ended], "done"))
    calls.connection.execute("delete from jobs where job_id = %s", [pruned["job_id"]])
    grow_older(calls, 16)
    if is_held:
        with calls.connection.transaction():
            calls.call("cancel_jobs_v1", job_ids=[ended["job_id"]])
            send(prober, "other")
            assert calls.value("select count(*) from job_probes where queue = %s", [queue_name]) == 1
    send(calls, "other")
    assert calls.value("select count(*) from job_probes where queue = %s", [queue_name]) == 0
    assert calls.value("select count(*) from jobs where queue = %s", [queue_name]) == 0
    assert calls.call("read_probes_v1", queues=[queue_name], lost_after=60)["queues"] == []


def test_a_pruning_takes_only_what_has_ended(calls: Calls, prober: Worker, queue_name: str) -> None:
    send(calls, queue_name)
    grow_older(calls, 1)
    send(calls, queue_name)
    prober.finish(endings(prober.claim(1), "done"))
    grow_older(calls, 1)
    calls.connection.execute(
        "update jobs set created_at = created_at - interval '1 hour', finished_at = now() - interval '1 hour'"
    )
    answer = calls.call(
        "prune_jobs_v1",
        request_id="00000000-0000-4000-8000-000000000001",
        policy={"probe_seconds": 30, "completed_seconds": 30},
        page=None,
        max_jobs=10,
        dry_run=False,
    )
    assert answer["removed"] == {"probe": 1}
    assert (seen(calls, queue_name)["sent"], lost(calls, queue_name)) == (2, 1)
