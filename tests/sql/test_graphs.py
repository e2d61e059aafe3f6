"""Jobs of several tasks: who runs when, what a failure does to the others, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, answers, endings, leases, new_job
from tests.sql.checks import failed_checks
from tests.sql.graphs import (
    DIAMOND,
    by_name,
    end,
    enqueue_graph,
    fan,
    graph,
    new_task,
    read_results,
    run_all,
    statuses,
)

OpenWorker = Callable[..., Worker]


def test_a_task_runs_once_all_before_it_are_completed(calls: Calls, worker: Worker, queue_name: str) -> None:
    job_id = enqueue_graph(calls, queue_name, DIAMOND)
    assert statuses(calls, job_id) == {"a": "pending", "b": "blocked", "c": "blocked", "d": "blocked"}
    [first] = worker.claim_all()
    end(worker, first)
    assert statuses(calls, job_id) == {"a": "completed", "b": "pending", "c": "pending", "d": "blocked"}
    middle = by_name(worker.claim_all())
    end(worker, middle["c"])
    assert worker.claim_all() == []
    assert calls.status(job_id) == "processing"
    end(worker, middle["b"])
    [last] = worker.claim_all()
    assert (last["task_name"], last["payload"], last["results_before"]) == ("d", "d", 2)
    assert read_results(worker, last) == {
        "answer": "read",
        "results": {"b": "b", "c": "c"},
        "next_after": None,
    }
    end(worker, last)
    assert calls.status(job_id) == "completed"


def test_two_before_one_that_end_in_one_batch_let_it_go_once(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    job_id = enqueue_graph(calls, queue_name, DIAMOND | {"e": ("d", "b")})
    end(worker, worker.claim_all()[0])
    worker.finish(endings(worker.claim_all(), "done"))
    assert statuses(calls, job_id)["d"] == "pending"
    assert run_all(worker) == ["d", "e"]
    assert calls.status(job_id) == "completed"


def test_the_options_of_the_job_and_of_each_task_count(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.set_task_types({"task_type": "count", "max_attempts": 7, "timeout_seconds": 11})
    job = graph(
        queue_name, {}, "fail", tags=["x"], tenant="t", priority=2, delay_seconds=3600, deadline_seconds=60
    )
    job["tasks"] = [new_task("a", max_attempts=2, timeout_seconds=5), new_task("b", ["a"])]
    assert answers(calls.enqueue(job)) == ["created"]
    rows = calls.connection.execute(
        "select task_name, max_attempts, extract(epoch from timeout)::integer, tenant, priority,"
        " position is null, extract(epoch from deadline_at - run_at)::integer"
        " from job_tasks order by task_number"
    ).fetchall()
    assert rows == [("a", 2, 5, "t", 2, True, 60), ("b", 7, 11, "t", 2, True, 60)]
    calls.connection.execute("update job_tasks set run_at = clock_timestamp()")
    worker.marks = {}
    assert run_all(worker) == ["a", "b"]


def test_an_enqueue_is_repeatable_and_other_tasks_conflict(calls: Calls, queue_name: str) -> None:
    job = graph(queue_name, DIAMOND)
    assert answers(calls.enqueue(job, job)) == ["created", "exists"]
    assert answers(calls.enqueue(job)) == ["exists"]
    assert answers(calls.enqueue(job | {"on_failure": "skip"})) == ["conflict"]
    assert answers(calls.enqueue(job | {"tasks": job["tasks"][:1]})) == ["conflict"]
    assert calls.value("select count(*) from job_tasks") == 4


def test_fail_ends_what_waits_and_asks_what_runs_to_stop(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    job_id = enqueue_graph(calls, queue_name, DIAMOND | {"lone": ()}, "fail")
    held = by_name(worker.claim_all())
    end(worker, held["a"])
    held |= by_name(worker.claim(1))
    end(worker, held["b"], "fail")
    assert statuses(calls, job_id) == {
        "a": "completed",
        "b": "failed",
        "c": "skipped",
        "d": "skipped",
        "lone": "claimed",
    }
    assert answers(worker.heartbeat([held["lone"]])) == ["cancel"]
    end(worker, held["lone"], "cancel")
    assert statuses(calls, job_id)["lone"] == "skipped"
    assert calls.status(job_id) == "failed"


def test_skip_ends_only_what_is_behind(calls: Calls, worker: Worker, queue_name: str) -> None:
    after = {"a": (), "b": ("a",), "c": ("b",), "x": (), "y": ("x",), "both": ("c", "y")}
    job_id = enqueue_graph(calls, queue_name, after, "skip")
    assert run_all(worker, {"a": "fail"}) == ["a", "x", "y"]
    assert statuses(calls, job_id) == {
        "a": "failed",
        "b": "skipped",
        "c": "skipped",
        "x": "completed",
        "y": "completed",
        "both": "skipped",
    }
    assert calls.status(job_id) == "failed"


def test_continue_runs_what_is_behind_without_that_result(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    job_id = enqueue_graph(calls, queue_name, DIAMOND, "continue")
    end(worker, worker.claim_all()[0])
    held = by_name(worker.claim_all())
    end(worker, held["b"], "fail")
    end(worker, held["c"])
    [last] = worker.claim_all()
    assert read_results(worker, last)["results"] == {"c": "c"}
    end(worker, last)
    assert calls.status(job_id) == "failed"


@pytest.mark.parametrize(
    ("on_failure", "behind", "whole"),
    [
        ("fail", "skipped", "cancelled"),
        ("skip", "skipped", "cancelled"),
        ("continue", "completed", "cancelled"),
    ],
)
def test_a_handler_that_cancels_counts_as_a_failure_for_those_behind(
    calls: Calls, worker: Worker, queue_name: str, on_failure: str, behind: str, whole: str
) -> None:
    job_id = enqueue_graph(calls, queue_name, {"a": (), "b": ("a",)}, on_failure)
    run_all(worker, {"a": "cancel"})
    assert statuses(calls, job_id) == {"a": "cancelled", "b": behind}
    assert calls.status(job_id) == whole


def test_a_deadline_that_passes_and_leases_that_are_lost_are_failures_too(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    late = enqueue_graph(calls, queue_name, DIAMOND, "skip", deadline_seconds=3600)
    calls.connection.execute("update job_tasks set deadline_at = clock_timestamp() where job_id = %s", [late])
    assert worker.claim_all() == []
    assert set(statuses(calls, late).values()) == {"failed", "skipped"}
    assert calls.status(late) == "failed"
    lost = graph(queue_name, {}, "skip")
    lost["tasks"] = [new_task("a", max_attempts=1), new_task("b", ["a"])]
    calls.enqueue(lost)
    held = worker.claim_all()
    worker.heartbeat(held, started=held)
    calls.connection.execute(
        "update job_tasks set lease_expires_at = clock_timestamp() where status = 'processing'"
    )
    worker.look_again_for_expired()
    assert worker.claim_all() == []
    assert statuses(calls, lost["job_id"]) == {"a": "failed", "b": "skipped"}


def test_a_retry_leaves_those_behind_waiting(calls: Calls, worker: Worker, queue_name: str) -> None:
    job_id = enqueue_graph(calls, queue_name, {"a": (), "b": ("a",)})
    end(worker, worker.claim_all()[0], "retry", after_seconds=0)
    assert statuses(calls, job_id) == {"a": "pending", "b": "blocked"}
    assert run_all(worker) == ["a", "b"]


def test_a_cancel_ends_what_waits_in_the_middle(calls: Calls, worker: Worker, queue_name: str) -> None:
    job_id = enqueue_graph(calls, queue_name, DIAMOND)
    end(worker, worker.claim_all()[0])
    [held] = worker.claim(1)
    assert calls.cancel(job_id) == ["requested"]
    assert calls.cancel(job_id) == ["requested"]
    assert statuses(calls, job_id) == {"a": "completed", "b": "claimed", "c": "cancelled", "d": "cancelled"}
    end(worker, held)
    assert worker.claim_all() == []
    assert calls.status(job_id) == "cancelled"


@pytest.mark.parametrize("on_failure", ["fail", "skip"])
def test_a_replay_opens_what_was_skipped(
    calls: Calls, worker: Worker, queue_name: str, on_failure: str
) -> None:
    job_id = enqueue_graph(calls, queue_name, DIAMOND | {"e": ("d",)}, on_failure)
    end(worker, worker.claim_all()[0])
    held = by_name(worker.claim_all())
    end(worker, held["c"])
    end(worker, held["b"], "fail")
    failed = leases([held["b"]])
    assert calls.status(job_id) == "failed"
    assert calls.replay(*failed) == ["replayed"]
    assert statuses(calls, job_id) == {
        "a": "completed",
        "b": "pending",
        "c": "completed",
        "d": "blocked",
        "e": "blocked",
    }
    assert run_all(worker) == ["b", "d", "e"]
    assert calls.replay(*failed) == ["replayed"]
    assert calls.status(job_id) == "completed"


def test_a_replay_waits_until_what_was_stopped_has_ended_and_that_runs_again(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    job_id = enqueue_graph(calls, queue_name, {"a": (), "b": (), "c": ("a", "b")}, "fail")
    held = by_name(worker.claim_all())
    end(worker, held["a"], "fail")
    failed = leases([held["a"]])
    assert calls.replay(*failed) == ["stopping"]
    end(worker, held["b"], "cancel")
    assert calls.status(job_id) == "failed"
    assert calls.replay(*failed) == ["replayed"]
    assert statuses(calls, job_id) == {"a": "pending", "b": "pending", "c": "blocked"}
    assert sorted(run_all(worker)) == ["a", "b", "c"]
    assert calls.status(job_id) == "completed"


def test_a_replay_opens_nothing_that_another_failure_still_holds(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    job_id = enqueue_graph(calls, queue_name, {"a": (), "b": (), "c": ("a",), "d": ("a", "b")}, "skip")
    held = by_name(worker.claim_all())
    end(worker, held["a"], "fail")
    end(worker, held["b"], "fail")
    assert calls.replay(*leases([held["a"]])) == ["replayed"]
    assert statuses(calls, job_id) == {"a": "pending", "b": "failed", "c": "blocked", "d": "skipped"}
    assert run_all(worker) == ["a", "c"]
    assert calls.status(job_id) == "failed"
    assert calls.replay(*leases([held["b"]])) == ["replayed"]
    assert run_all(worker) == ["b", "d"]
    assert calls.status(job_id) == "completed"


def test_a_replay_under_continue_runs_that_task_alone(calls: Calls, worker: Worker, queue_name: str) -> None:
    job_id = enqueue_graph(calls, queue_name, {"a": (), "slow": (), "b": ("a", "slow")}, "continue")
    held = by_name(worker.claim_all())
    end(worker, held["a"], "fail")
    assert calls.replay(*leases([held["a"]])) == ["replayed"]
    end(worker, held["slow"])
    assert statuses(calls, job_id)["b"] == "pending"
    assert sorted(run_all(worker)) == ["a", "b"]
    assert calls.status(job_id) == "completed"


def test_results_are_for_the_holder_alone_and_come_by_page(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    enqueue_graph(calls, queue_name, fan(3))
    end(worker, worker.claim_all()[0])
    for task in worker.claim_all():
        end(worker, task, result=task["task_name"] * 1_500_000)
    [last] = worker.claim_all()
    found: Row = {}
    page = read_results(worker, last)
    pages = [list(page["results"])]
    while page["next_after"] is not None:
        page = read_results(worker, last, page["next_after"])
        pages.append(list(page["results"]))
        found |= page["results"]
    assert pages == [["m0"], ["m1"], ["m2"]]
    assert read_results(worker, last | {"lease_token": 9})["answer"] == "lost"
    worker.worker_id = "another"
    assert read_results(worker, last)["answer"] == "lost"


def test_readers_see_what_tells_how_it_went(calls: Calls, worker: Worker, queue_name: str) -> None:
    job_id = enqueue_graph(calls, queue_name, fan(120), "skip")
    run_all(worker, {"m7": "fail"})
    [job] = calls.get(job_id)
    assert [(task["name"], task["status"], task["skipped"]) for task in job["tasks"]] == [
        ("m7", "failed", False),
        ("last", "cancelled", True),
    ]
    assert (job["on_failure"], job["task_count"], job["unfinished_tasks"]) == ("skip", 122, 0)
    names: list[str] = []
    page: Row = {"next_after": -1}
    while page["next_after"] is not None:
        page = calls.call("list_job_tasks_v1", job_id=job_id, after_number=page["next_after"], page_size=50)
        names += [task["name"] for task in page["tasks"]]
    assert names == list(fan(120))
    assert (
        calls.call("list_job_tasks_v1", job_id=new_job("q")["job_id"], after_number=-1, page_size=5) is None
    )


REFUSED: list[tuple[Any, Row, str]] = [
    ([], {}, "jobs[0].tasks: expected 1 to 20000 tasks"),
    ([new_task("a"), new_task("a")], {}, "jobs[0].tasks[1].name: another task of the job has it"),
    (
        [new_task("a"), new_task("b", ["a", "x"])],
        {},
        "jobs[0].tasks[1].after[1]: no task of the job has this name",
    ),
    ([new_task("a"), new_task("b", ["a", "a"])], {}, "jobs[0].tasks[1].after[1]: is there twice"),
    (
        [new_task("a", ["a"])],
        {},
        "jobs[0].tasks[0].after: leads round in a circle, back to this task",
    ),
    (
        [new_task("behind", ["x"]), new_task("x", ["z"]), new_task("y", ["x"]), new_task("z", ["y"])],
        {},
        "jobs[0].tasks[",
    ),
    ([new_task("a", max_attempts=0)], {}, "jobs[0].tasks[0].max_attempts: expected 1 to 1000"),
    ([new_task("a", timeout_seconds=0)], {}, "jobs[0].tasks[0].timeout_seconds: expected 0.001 to 2592000"),
    ([new_task("a", queue="q")], {}, "jobs[0].tasks[0].queue: this option is not known"),
    ([new_task("a")], {"payload": 1}, "jobs[0].payload: expected none together with tasks"),
    ([new_task("a")], {"max_attempts": 1}, "jobs[0].max_attempts: expected none together with tasks"),
    ([new_task("a")], {"on_failure": None}, "jobs[0].on_failure: expected fail, skip or continue, together"),
    ([new_task("a")], {"on_failure": "stop"}, "jobs[0].on_failure: expected fail, skip or continue"),
    ([new_task("a")], {"owner": "legacy"}, "jobs[0].tasks: expected none, the legacy queue knows"),
    (
        [new_task("a")],
        {"unique_key": "k", "unique_until": "finished", "unique_conflict": "replace"},
        "jobs[0].unique_conflict: expected reject",
    ),
    (None, {}, "jobs[0].on_failure: expected none without tasks"),
]


def test_what_cannot_be_run_is_refused_and_nothing_is_stored(calls: Calls, queue_name: str) -> None:
    for tasks, options, message in REFUSED:
        job = graph(queue_name, {}) | {"tasks": tasks} | options
        with pytest.raises(psycopg.Error) as refused:
            calls.enqueue(new_job(queue_name), job)
        assert message.replace("jobs[0]", "jobs[1]") in str(refused.value)
    assert calls.value("select count(*) from jobs") == 0


def test_a_circle_among_thousands_is_found_and_named(calls: Calls, queue_name: str) -> None:
    tasks = [new_task(f"t{n}", [f"t{n - 1}"] if n else []) for n in range(20_000)]
    tasks[5_000]["after"] = ["t4999", "t5002"]
    with pytest.raises(psycopg.Error, match=r"tasks\[500[0-2]\]\.after: leads round in a circle"):
        calls.enqueue(graph(queue_name, {}) | {"tasks": tasks})


def test_a_unique_key_is_the_jobs(calls: Calls, worker: Worker, queue_name: str) -> None:
    unique = {"unique_key": "k", "unique_until": "finished", "unique_conflict": "reject"}
    first = enqueue_graph(calls, queue_name, DIAMOND, **unique)
    [second] = calls.enqueue(graph(queue_name, DIAMOND, **unique))
    assert (second["answer"], second["deduped_into"]) == ("deduplicated", first)
    plain = new_job(queue_name, "whole") | unique | {"unique_conflict": "replace"}
    assert answers(calls.enqueue(plain)) == ["deduplicated"]
    assert run_all(worker) == ["a", "b", "c", "d"]
    assert answers(calls.enqueue(graph(queue_name, DIAMOND, **unique))) == ["created"]


def test_a_job_of_several_tasks_is_archived_and_pruned_whole(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    job_id = enqueue_graph(calls, queue_name, DIAMOND, "skip")
    run_all(worker, {"b": "fail"})
    line = calls.call_plain("supaqueue_archive_line", given_id=job_id)
    assert line.count('"task_name"') == 4
    [letter] = calls.list_dead_letters()["dead_letters"]
    assert calls.drop({name: letter[name] for name in ("job_id", "task_number", "lease_token")}) == [
        "dropped"
    ]
    assert calls.value("select count(*) from job_tasks") == 0


DAMAGE = [
    "update job_tasks set waits_for = 0 where status = 'blocked'",
    "update job_tasks set waits_for = waits_for + 1 where status = 'blocked'",
    "update job_tasks set waits_for = 1 where status = 'pending'",
    "update job_tasks set status = 'blocked', position = null where status = 'pending'",
    "update job_tasks set runs_before = null where task_name = 'a'",
    "update job_tasks set runs_after = null where task_name = 'd'",
    "update job_tasks set skipped = true where status = 'completed'",
    "update job_tasks set task_name = null",
]


def test_damage_is_seen(calls: Calls, worker: Worker, queue_name: str) -> None:
    enqueue_graph(calls, queue_name, DIAMOND)
    end(worker, worker.claim_all()[0])
    for statement in DAMAGE:
        calls.connection.execute("begin")
        assert calls.connection.execute(statement.encode()).rowcount > 0
        assert failed_checks(calls.connection) != [], statement
        calls.connection.execute("rollback")
