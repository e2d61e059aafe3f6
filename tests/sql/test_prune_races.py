"""Removals beside other calls at the same jobs: each job is wholly there or wholly gone, in every order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql.calls import Calls, Worker, answers, endings, new_job
from tests.sql.retention import dead_letters, delete, ended, left, prune, read, replay
from tests.sql.sessions import blocked, open_transaction, together

OpenWorker = Callable[..., Worker]
Connect = Callable[[], psycopg.Connection[Any]]

EVERYTHING = {f"{status}_seconds": 0 for status in ("completed", "failed", "cancelled")}
ROUNDS = 20


@pytest.fixture
def other(connect: Connect) -> Calls:
    """Another session."""
    return Calls(connect())


def remove_all(calls: Calls) -> None:
    """Prune until nothing is left to prune."""
    page, first = None, True
    while first or page is not None:
        page, first = prune(calls, EVERYTHING, page=page)["next_page"], False


def test_a_prune_passes_over_what_is_being_replayed(calls: Calls, worker: Worker, other: Calls) -> None:
    replayed, failed = ended(worker, "failed", count=2)
    letters = dead_letters(calls, [replayed])
    with open_transaction(other.connection):
        assert replay(other, letters) == ["replayed"]
        assert prune(calls, EVERYTHING)["removed"] == {"failed": 1}
    assert left(calls) == {replayed}
    assert [task["job_id"] for task in worker.claim_all()] == [replayed]
    assert failed not in left(calls)


def test_a_replay_behind_a_prune_finds_nothing(calls: Calls, worker: Worker, other: Calls) -> None:
    [job_id] = ended(worker, "failed")
    letters = dead_letters(calls, [job_id])
    calls.connection.execute("begin")
    assert prune(calls, EVERYTHING)["removed"] == {"failed": 1}
    with blocked(partial(replay, other, letters), other.connection, worker.connection) as answer:
        calls.connection.execute("commit")
    assert answer.result() == ["unknown"]
    assert left(calls) == set()
    assert calls.value("select count(*) from job_tasks") == 0


def test_a_replay_between_look_and_lock_keeps_the_job(calls: Calls, worker: Worker, other: Calls) -> None:
    """The prune saw it failed; when it has the lock, the job waits again."""
    [job_id] = ended(worker, "failed")
    calls.connection.execute("begin")
    policy = "supaqueue_read_retention('{\"failed_seconds\": 0}')"
    seen = f"select array_agg(job_id) from supaqueue_removable_jobs(%s::uuid[], {policy})".encode()
    assert [str(found) for found in calls.value(seen, [[job_id]])] == [job_id]
    assert replay(other, dead_letters(other, [job_id])) == ["replayed"]
    held = calls.value("select supaqueue_lock_unheld_jobs(%s::uuid[])", [[job_id]])
    assert [str(found) for found in held] == [job_id]
    assert calls.value(seen, [[job_id]]) is None
    calls.connection.execute("commit")


def test_replays_and_prunes_at_once_leave_nothing_half(
    calls: Calls, worker: Worker, other: Calls, connect: Connect
) -> None:
    for _ in range(ROUNDS):
        ids = ended(worker, "failed", count=40)
        letters = dead_letters(calls, ids)
        pruner = Calls(connect())
        replays, _ = together(
            lambda letters=letters: [replay(other, [letter])[0] for letter in letters],
            lambda pruner=pruner: remove_all(pruner),
        )
        assert set(replays) <= {"replayed", "unknown"}
        statuses = {job["job_id"]: job["status"] for job in calls.get(*ids) if job is not None}
        assert set(statuses.values()) <= {"pending"}
        assert set(statuses) == {
            letter["job_id"] for letter, answer in zip(letters, replays, strict=True) if answer == "replayed"
        }
        tasks = worker.claim_all(40)
        assert {task["job_id"] for task in tasks} == set(statuses)
        worker.finish(endings(tasks, "done"))
        remove_all(calls)
        assert calls.value("select count(*) from job_tasks") == 0


def test_a_cancel_behind_a_prune_says_unknown(calls: Calls, worker: Worker, other: Calls) -> None:
    [job_id] = ended(worker)
    calls.connection.execute("begin")
    prune(calls, EVERYTHING)
    with blocked(lambda: other.cancel(job_id), other.connection, worker.connection) as answer:
        calls.connection.execute("commit")
    assert answer.result() == ["unknown"]


def test_a_repeated_finish_behind_a_prune_says_unknown(
    calls: Calls, worker: Worker, open_worker: OpenWorker
) -> None:
    calls.enqueue_new(worker.queues[0])
    tasks = worker.claim()
    worker.finish(endings(tasks, "done"))
    late = open_worker(worker_id=worker.worker_id)
    calls.connection.execute("begin")
    prune(calls, EVERYTHING)
    finish = partial(late.finish, endings(tasks, "done"), worker_id=worker.worker_id)
    with blocked(finish, late.connection, worker.connection) as answer:
        calls.connection.execute("commit")
    assert answers(answer.result()) == ["unknown"]


def test_a_prune_passes_over_what_is_being_cancelled_or_finished(
    calls: Calls, worker: Worker, other: Calls
) -> None:
    [cancelled] = calls.enqueue_new(worker.queues[0])
    with open_transaction(other.connection):
        other.cancel(cancelled)
        assert prune(calls, EVERYTHING)["removed"] == {}
    assert prune(calls, EVERYTHING)["removed"] == {"cancelled": 1}


def test_a_repeated_enqueue_behind_a_prune_stores_the_job_anew(
    calls: Calls, worker: Worker, other: Calls
) -> None:
    """That is what ages are for: they are to be longer than any repeat of an enqueue may take."""
    job = new_job(worker.queues[0])
    calls.enqueue(job)
    worker.finish(endings(worker.claim(), "done"))
    calls.connection.execute("begin")
    prune(calls, EVERYTHING)
    with blocked(lambda: other.enqueue(job), other.connection, worker.connection) as answer:
        calls.connection.execute("commit")
    assert answers(answer.result()) == ["created"]
    assert [task["job_id"] for task in worker.claim_all()] == [job["job_id"]]


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_prune_and_its_repeat_remove_once(calls: Calls, worker: Worker, other: Calls, ending: str) -> None:
    """Whichever comes first: the other waits, and is answered alike."""
    ended(worker, count=10)
    request_id = str(uuid4())
    call = partial(prune, policy=EVERYTHING, request_id=request_id, max_jobs=4)
    calls.connection.execute("begin")
    first = call(calls)
    with blocked(lambda: call(other), other.connection, worker.connection) as answer:
        calls.connection.execute(ending.encode())
    assert answer.result()["removed"] == first["removed"] == {"completed": 4}
    assert len(left(calls)) == 6


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_batch_and_its_repeat_remove_once(calls: Calls, worker: Worker, other: Calls, ending: str) -> None:
    ended(worker, count=10)
    found = read(calls, EVERYTHING)["jobs"]
    batch_id = str(uuid4())
    calls.connection.execute("begin")
    first = delete(calls, found, batch_id)
    with blocked(lambda: delete(other, found, batch_id), other.connection, worker.connection) as answer:
        calls.connection.execute(ending.encode())
    assert answer.result() == first == {"removed": 10, "kept": []}


def test_two_batches_of_the_same_jobs_share_none(calls: Calls, worker: Worker, connect: Connect) -> None:
    for _ in range(ROUNDS):
        ids = set(ended(worker, count=50))
        found = read(calls, EVERYTHING)["jobs"]
        sessions = [Calls(connect()) for _ in range(2)]
        orders = [found, found[::-1]]
        replies = together(*(partial(delete, s, o) for s, o in zip(sessions, orders, strict=True)))
        gone = [ids - set(reply["kept"]) for reply in replies]
        assert not gone[0] & gone[1]
        assert [len(part) for part in gone] == [reply["removed"] for reply in replies]
        assert left(calls) == ids - gone[0] - gone[1]
        remove_all(calls)


def test_prunes_at_once_wait_for_nobody(calls: Calls, worker: Worker, other: Calls) -> None:
    ended(worker, count=20)
    with open_transaction(other.connection):
        assert prune(other, EVERYTHING, max_jobs=5)["removed"] == {"completed": 5}
        assert prune(calls, EVERYTHING)["removed"] == {"completed": 15}
    assert left(calls) == set()


PRUNE_BEHIND_THE_INSERT = """
create function prune_behind_the_insert() returns trigger language plpgsql as $$
begin
    if current_setting('test.pruned', true) is distinct from 'yes' then
        perform set_config('test.pruned', 'yes', true);
        delete from jobs where finished_at is not null;
    end if;
    return null;
end $$;
create trigger prune_behind_the_insert after insert on jobs
    for each statement execute function prune_behind_the_insert();
"""


@pytest.mark.parametrize("call", ["enqueue", "abandon"])
def test_what_is_pruned_between_insert_and_look_up_is_new(
    calls: Calls, superuser_calls: Calls, worker: Worker, call: str
) -> None:
    """The insert finds the job, then another session's prune commits: a trigger stands for that session."""
    job = new_job(worker.queues[0])
    calls.enqueue(job)
    worker.finish(endings(worker.claim(), "done"))
    superuser_calls.connection.execute(PRUNE_BEHIND_THE_INSERT)
    if call == "enqueue":
        assert answers(calls.enqueue(new_job("q"), job)) == ["created", "created"]
        assert calls.status(job["job_id"]) == "pending"
    else:
        assert calls.abandon(job["job_id"]) == ["abandoned"]
        superuser_calls.connection.execute("drop trigger prune_behind_the_insert on jobs")
        assert answers(calls.enqueue(job)) == ["conflict"]
