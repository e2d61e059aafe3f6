"""The claim's shared lock: after a change of the flag has committed, no claim leases under the old one."""

from __future__ import annotations

from collections.abc import Callable

from tests.sql.calls import Calls, Worker
from tests.sql.sessions import blocked, open_transaction

TAKE = "select pg_advisory_xact_lock(hashtextextended('supaqueue feature_flag ' || current_schema(), 0))"
REPLACE = """
create or replace function queue_is_open(task_type text) returns boolean
language sql stable parallel safe set search_path from current return {body}
"""


def test_a_claim_waits_for_a_change_and_obeys_it(
    calls: Calls, worker: Worker, open_worker: Callable[..., Worker], queue_name: str
) -> None:
    """The session that waits has asked queue_is_open many times before, so its plans are cached."""
    calls.enqueue_new(queue_name, 20)
    assert [len(worker.claim(1)) for _ in range(8)] == [1] * 8
    switch = open_worker().connection
    switch.execute("begin")
    switch.execute(TAKE)
    with blocked(worker.claim, worker.connection, calls.connection) as answer:
        switch.execute(REPLACE.format(body="false").encode())
        switch.execute("commit")
    assert answer.result() == []
    assert worker.claim() == []
    calls.connection.execute(REPLACE.format(body="true").encode())
    assert len(worker.claim_all()) == 12


def test_closing_one_type_leaves_the_others(
    calls: Calls, open_worker: Callable[..., Worker], queue_name: str
) -> None:
    calls.enqueue_new(queue_name, 3, "a")
    expected = calls.enqueue_new(queue_name, 3, "b")
    worker = open_worker(task_types=["a", "b"])
    calls.connection.execute(REPLACE.format(body="task_type <> 'a'").encode())
    assert [task["job_id"] for task in worker.claim_all()] == expected
    calls.connection.execute(REPLACE.format(body="true").encode())
    assert {task["task_type"] for task in worker.claim_all()} == {"a"}


def test_claims_do_not_wait_for_each_other(
    calls: Calls, open_worker: Callable[..., Worker], queue_name: str
) -> None:
    one, other = open_worker(), open_worker()
    calls.enqueue_new(queue_name, 2)
    with open_transaction(one.connection):
        one.claim(1)
        assert len(other.claim_all(1)) == 1


def test_the_lock_is_taken_before_anything_else(calls: Calls, worker: Worker) -> None:
    """A claim that waits holds and has read nothing: it has no transaction number and no lock on a table."""
    with open_transaction(calls.connection):
        calls.connection.execute(TAKE)
        with blocked(worker.claim, worker.connection, calls.connection):
            pid = worker.connection.info.backend_pid
            locks = """select count(*) from pg_locks where pid = %s and granted
                       and locktype in ('relation', 'transactionid')"""
            assert calls.value(locks, [pid]) == 0
            calls.connection.execute("commit")
            calls.connection.execute("begin")
