"""Two sessions at one job of several tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import psycopg
import pytest

from tests.sql.calls import Calls, Worker, endings, leases
from tests.sql.flags import begin, hand_back_pass, set_flag
from tests.sql.graphs import by_name, end, enqueue_graph, fan, graph, new_task, run_all, statuses
from tests.sql.sessions import blocked, together

OpenWorker = Callable[..., Worker]
ROUNDS = 20
SOME = 6
JOIN = {"a": (), "b": (), "last": ("a", "b")}


def test_the_last_two_before_one_that_end_at_once_let_it_go(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    first, second = open_worker(), open_worker()
    for _ in range(ROUNDS):
        job_id = enqueue_graph(calls, queue_name, JOIN)
        one, other = first.claim_all()
        second.worker_id = first.worker_id
        together(partial(end, first, one), partial(end, second, other))
        assert run_all(first) == ["last"]
        assert calls.status(job_id) == "completed"


def test_the_second_of_two_waits_for_the_first_and_sees_it(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    """The same, in the one order that goes wrong if the second counts on what it saw before it waited."""
    first, second = open_worker(), open_worker()
    job_id = enqueue_graph(calls, queue_name, JOIN)
    one, other = first.claim_all()
    second.worker_id = first.worker_id
    first.connection.execute("begin")
    end(first, one)
    with blocked(partial(end, second, other), second.connection, calls.connection):
        first.connection.execute("commit")
    assert statuses(calls, job_id)["last"] == "pending"
    assert run_all(first) == ["last"]


@pytest.mark.parametrize("on_failure", ["fail", "skip"])
def test_a_failure_a_cancel_and_a_replay_at_once_leave_nothing_open(
    calls: Calls, open_worker: OpenWorker, queue_name: str, on_failure: str
) -> None:
    """Whatever comes first, the counters are right and the job ends."""
    worker, other, operator = open_worker(), open_worker(), open_worker()
    for _ in range(SOME):
        job_id = enqueue_graph(
            calls, queue_name, {"a": (), "b": (), "c": ("a",), "d": ("b", "c")}, on_failure
        )
        held = by_name(worker.claim_all())
        other.worker_id = worker.worker_id
        failed = endings([held["a"]], "fail")
        together(
            partial(worker.finish, failed),
            partial(other.finish, endings([held["b"]], "done")),
            partial(operator.replay, *leases(failed)),
            partial(operator.cancel, job_id) if on_failure == "skip" else partial(calls.status, job_id),
        )
        operator.replay(*leases(failed))
        run_all(worker)
        assert set(statuses(calls, job_id).values()) <= {"completed", "cancelled"}
        assert calls.status(job_id) in ("completed", "cancelled")


def test_many_workers_fan_out_and_in(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    job_id = enqueue_graph(calls, queue_name, fan(1000))
    workers = [open_worker() for _ in range(3)]
    [first] = workers[0].claim_all()
    end(workers[0], first)

    def drain(worker: Worker) -> int:
        finished = 0
        while tasks := worker.claim_all(60, idle_claims=4):
            worker.finish(endings(tasks, "done"))
            finished += len(tasks)
        return finished

    together(*(partial(drain, worker) for worker in workers))
    run_all(workers[0])
    assert calls.status(job_id) == "completed"
    assert calls.value("select max(lease_token) from job_tasks") == 1


def test_a_hand_back_never_takes_it_and_a_cutover_refuses_new_ones(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    stored = graph(queue_name, {}) | {"tasks": [new_task("a")]}
    assert calls.enqueue(stored)[0]["answer"] == "created"
    assert run_all(worker) == ["a"]
    begin(calls.connection, "live", holdback_percent=0)
    assert calls.enqueue(stored)[0]["answer"] == "exists", "a repeat is answered alike, whatever the stage"
    for tasks in ([new_task("a")], [new_task("a"), new_task("b", task_type="other")]):
        with pytest.raises(
            psycopg.Error, match="tasks is for task types whose cutover is complete"
        ) as refused:
            calls.enqueue(graph(queue_name, {}) | {"tasks": tasks})
        assert refused.value.sqlstate == "SQ005"
    [job_id] = calls.enqueue_new(queue_name)
    make_graph(calls, job_id)
    set_flag(calls.connection, is_enabled=False, rollout_percent=0, hand_back="all", drain=True)
    hand_back_pass(calls)
    assert calls.value("select owner from jobs where job_id = %s", [job_id]) == "supabase"
    assert run_all(worker) == ["a", "b"]
    assert calls.status(job_id) == "completed"


def make_graph(calls: Calls, job_id: str) -> None:
    """Give a waiting job a second task behind its first: during a cutover no enqueue stores such a job."""
    calls.connection.execute(
        "update jobs set on_failure = 'fail', task_count = 2, unfinished_tasks = 2 where job_id = %s",
        [job_id],
    )
    calls.connection.execute(
        "update job_tasks set task_name = 'a', runs_before = '{1}' where job_id = %s", [job_id]
    )
    calls.connection.execute(
        "insert into job_tasks (job_id, task_number, queue, task_type, payload, status, waits_for, task_name,"
        " runs_after) select job_id, 1, queue, task_type, '1', 'blocked', 1, 'b', '{0}' from job_tasks"
        " where job_id = %s",
        [job_id],
    )
