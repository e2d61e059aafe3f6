"""Unique keys: who holds one, what becomes of the others, and when it is free again."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, answers, endings, expire, new_job
from tests.sql.flags import begin


def unique(
    queue: str, key: str = "k", until: Any = "finished", conflict: str = "reject", **options: Any
) -> Row:
    """A new job with a key; `until` in seconds is a window."""
    held = {"unique_until": until} if isinstance(until, str) else {"unique_seconds": until}
    return new_job(queue, **{"unique_key": key, "unique_conflict": conflict} | held | options)


def told(rows: list[Row]) -> list[tuple[str, str | None]]:
    """Each answer, with the job that it leads to."""
    return [(row["answer"], row.get("deduped_into")) for row in rows]


def is_held(calls: Calls, key: str = "k") -> bool:
    return bool(calls.value("select exists (select from job_unique_keys where unique_key = %s)", [key]))


def test_the_second_of_a_key_is_told_the_first_and_so_is_its_repeat(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    first, second = unique(queue_name), unique(queue_name)
    assert told(calls.enqueue(first)) == [("created", None)]
    for _ in range(2):
        assert told(calls.enqueue(second)) == [("deduplicated", first["job_id"])]
    assert told(calls.enqueue(first)) == [("exists", None)]
    assert answers(calls.enqueue(second | {"payload": {"other": 1}})) == ["conflict"]
    assert [task["job_id"] for task in worker.claim_all()] == [first["job_id"]]
    for _ in range(2):  # also once the first has ended
        worker.finish(endings(worker.claim(), "done"))
        assert told(calls.enqueue(second)) == [("deduplicated", first["job_id"])]


def test_in_one_call_the_first_of_a_key_takes_it(calls: Calls, queue_name: str) -> None:
    jobs = [unique(queue_name, key) for key in ("a", "b", "a", "b", "a")]
    assert told(calls.enqueue(*jobs)) == [
        ("created", None),
        ("created", None),
        ("deduplicated", jobs[0]["job_id"]),
        ("deduplicated", jobs[1]["job_id"]),
        ("deduplicated", jobs[0]["job_id"]),
    ]


def test_in_one_call_the_last_of_a_key_replaces(calls: Calls, worker: Worker, queue_name: str) -> None:
    jobs = [unique(queue_name, conflict="replace", payload=n, max_attempts=n + 1) for n in range(3)]
    for answer in ("created", "exists"):
        assert told(calls.enqueue(*jobs)) == [
            (answer, None),
            ("replaced", jobs[0]["job_id"]),
            ("replaced", jobs[0]["job_id"]),
        ]
    [task] = worker.claim_all()
    assert (task["job_id"], task["payload"], task["max_attempts"]) == (jobs[0]["job_id"], 2, 3)


def test_a_key_is_of_its_task_type_in_every_queue(calls: Calls, queue_name: str) -> None:
    assert answers(calls.enqueue(unique(queue_name))) == ["created"]
    assert answers(calls.enqueue(unique(f"{queue_name}-2"))) == ["deduplicated"]
    assert answers(calls.enqueue(unique(queue_name, task_type="other"))) == ["created"]


def test_until_started_the_start_frees_the_key(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue(unique(queue_name, until="started"))
    [task] = worker.claim()
    assert answers(calls.enqueue(unique(queue_name, until="started"))) == ["deduplicated"]
    worker.heartbeat([task], started=[task])
    assert not is_held(calls)
    assert answers(calls.enqueue(unique(queue_name, until="started"))) == ["created"]


@pytest.mark.parametrize("outcome", ["done", "retry", "fail", "snooze"])
def test_until_started_an_end_that_comes_first_frees_the_key(
    calls: Calls, worker: Worker, queue_name: str, outcome: str
) -> None:
    calls.enqueue(unique(queue_name, until="started"))
    worker.finish(endings(worker.claim(), outcome))
    assert not is_held(calls)


@pytest.mark.parametrize("outcome", ["not_started", "lease_lost"])
def test_until_started_what_goes_back_unstarted_keeps_its_key(
    calls: Calls, worker: Worker, queue_name: str, outcome: str
) -> None:
    calls.enqueue(unique(queue_name, until="started"))
    held = worker.claim()
    if outcome == "lease_lost":
        expire(calls.connection, held)
        worker.look_again_for_expired()
        worker.claim(0)
    else:
        worker.finish(endings(held, outcome))
    assert answers(calls.enqueue(unique(queue_name, until="started"))) == ["deduplicated"]
    assert len(worker.claim_all()) == 1


@pytest.mark.parametrize("outcome", ["done", "fail", "cancel"])
def test_until_finished_only_an_end_frees_the_key(
    calls: Calls, worker: Worker, queue_name: str, outcome: str
) -> None:
    calls.enqueue(unique(queue_name))
    held = worker.claim()
    worker.heartbeat(held, started=held)
    assert is_held(calls)
    worker.finish(endings(held, "retry", after_seconds=0))
    assert answers(calls.enqueue(unique(queue_name))) == ["deduplicated"]
    worker.finish(endings(worker.claim_all(), outcome))
    assert answers(calls.enqueue(unique(queue_name))) == ["created"]


def test_a_cancel_frees_the_key(calls: Calls, queue_name: str) -> None:
    for until in ("started", "finished"):
        job = unique(queue_name, until=until)
        calls.enqueue(job)
        assert calls.cancel(job["job_id"]) == ["cancelled"]
        assert not is_held(calls)


def test_a_window_ends_by_time_alone(calls: Calls, worker: Worker, queue_name: str) -> None:
    first = unique(queue_name, until=3600)
    calls.enqueue(first)
    worker.finish(endings(worker.claim(), "done"))
    assert told(calls.enqueue(unique(queue_name, until=3600))) == [("deduplicated", first["job_id"])]
    calls.connection.execute("update job_unique_keys set expires_at = clock_timestamp()")
    second = unique(queue_name, until=3600)
    assert told(calls.enqueue(second)) == [("created", None)]
    assert told(calls.enqueue(unique(queue_name, until=3600))) == [("deduplicated", second["job_id"])]


def test_replace_keeps_time_and_place_and_push_back_does_not(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    first = unique(queue_name, until="started", delay_seconds=100, payload="old", tags=["old"])
    calls.enqueue(first)
    before = calls.task(first["job_id"])
    replacing = unique(queue_name, conflict="replace", payload="new", tags=["new"], timeout_seconds=7)
    assert told(calls.enqueue(replacing)) == [("replaced", first["job_id"])]
    after = calls.task(first["job_id"])
    assert (after["payload"], after["timeout_seconds"], after["run_at"]) == ("new", 7, before["run_at"])
    assert calls.job(first["job_id"])["tags"] == ["new"]
    pushing = unique(queue_name, conflict="push_back", payload="newest", delay_seconds=500)
    assert told(calls.enqueue(pushing)) == [("pushed_back", first["job_id"])]
    assert calls.task(first["job_id"])["run_at"] > before["run_at"]
    assert told(calls.enqueue(unique(queue_name, conflict="push_back"))) == [("pushed_back", first["job_id"])]
    [task] = worker.claim_all()
    assert task["job_id"] == first["job_id"]


def test_a_repeat_changes_nothing_again(calls: Calls, queue_name: str) -> None:
    first, old = unique(queue_name), unique(queue_name, conflict="replace", payload="old")
    calls.enqueue(first, old, unique(queue_name, conflict="replace", payload="new"))
    assert told(calls.enqueue(old)) == [("replaced", first["job_id"])]
    assert calls.task(first["job_id"])["payload"] == "new"


def test_what_replaces_between_attempts_begins_them_anew(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    first = unique(queue_name, max_attempts=2)
    calls.enqueue(first)
    error = {"type": "ValueError", "message": "no"}
    worker.finish(endings(worker.claim(), "retry", error=error, after_seconds=0))
    calls.enqueue(unique(queue_name, conflict="replace", max_attempts=2))
    assert (calls.task(first["job_id"])["attempts"], calls.task(first["job_id"])["max_attempts"]) == (1, 3)
    worker.finish(endings(worker.claim_all(), "retry", error=error, after_seconds=0))
    assert calls.status(first["job_id"]) == "pending"


def test_what_a_worker_has_is_not_replaced_and_nothing_is_lost(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    """Until started, the newer job takes the key over: the last word always runs."""
    first, newer = (
        unique(queue_name, until="started"),
        unique(queue_name, until="started", conflict="replace"),
    )
    calls.enqueue(first)
    held = worker.claim()
    last = unique(queue_name, until="started", conflict="replace", payload="last")
    assert told(calls.enqueue(newer, last)) == [("created", None), ("replaced", newer["job_id"])]
    assert told(calls.enqueue(unique(queue_name, until="started"))) == [("deduplicated", newer["job_id"])]
    worker.finish(endings(held, "not_started"))
    assert {task["job_id"]: task["payload"] for task in worker.claim_all()} == {
        first["job_id"]: {},
        newer["job_id"]: "last",
    }


def test_what_runs_until_finished_is_not_replaced(calls: Calls, worker: Worker, queue_name: str) -> None:
    first = unique(queue_name)
    calls.enqueue(first)
    worker.claim()
    for conflict in ("replace", "push_back"):
        assert told(calls.enqueue(unique(queue_name, conflict=conflict))) == [
            ("deduplicated", first["job_id"])
        ]


def test_a_dead_letter_whose_key_is_held_is_not_replayed(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    calls.enqueue(unique(queue_name))
    [letter] = worker.fail()
    other = unique(queue_name)
    calls.enqueue(other)
    assert calls.replay(letter) == ["key_held"]
    calls.cancel(other["job_id"])
    assert calls.replay(letter) == ["replayed"]
    assert calls.replay(letter) == ["replayed"]
    assert told(calls.enqueue(unique(queue_name))) == [("deduplicated", letter["job_id"])]


def test_a_dead_letter_that_was_unique_until_started_runs_without_its_key(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    calls.enqueue(unique(queue_name, until="started"))
    [letter] = worker.fail()
    calls.enqueue(unique(queue_name, until="started"))
    assert calls.replay(letter) == ["replayed"]
    assert len(worker.claim_all()) == 2


def test_an_id_that_met_a_key_is_read_as_the_other_and_is_no_job(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    first, second = unique(queue_name), unique(queue_name)
    calls.enqueue(first, second)
    assert calls.get(second["job_id"])[0]["job_id"] == first["job_id"]
    listed = calls.call("list_jobs_v1", filter={"queue": queue_name}, page=None, page_size=10)
    assert [job["job_id"] for job in listed["jobs"]] == [first["job_id"]]
    observed = calls.call("observe_jobs_by_id_v1", job_ids=[first["job_id"], second["job_id"]])
    assert [row[0] for row in observed["rows"]] == [first["job_id"]]
    counted = calls.call("count_jobs_v1", queues=[queue_name])
    assert [row["tasks"] for row in counted["counts"]] == [1]
    assert calls.cancel(second["job_id"]) == ["deduplicated"]
    assert len(worker.claim_all()) == 1


def test_an_abandoned_id_that_met_a_key_conflicts(calls: Calls, worker: Worker, queue_name: str) -> None:
    first, second = unique(queue_name), unique(queue_name)
    third = unique(queue_name, conflict="replace")
    calls.enqueue(first, second, third)
    for _ in range(2):
        assert calls.abandon(second["job_id"], third["job_id"]) == ["abandoned", "started"]
    assert answers(calls.enqueue(second, third)) == ["conflict", "replaced"]
    assert len(worker.claim_all()) == 1


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"unique_key": "k"}, "unique_until"),
        ({"unique_key": "k", "unique_until": "started"}, "unique_conflict"),
        ({"unique_key": "k", "unique_until": "ever", "unique_conflict": "reject"}, "unique_until"),
        ({"unique_key": "k", "unique_until": "started", "unique_seconds": 1}, "unique_until"),
        ({"unique_key": "k", "unique_seconds": 0, "unique_conflict": "reject"}, "unique_seconds"),
        ({"unique_key": "k", "unique_seconds": 1, "unique_conflict": "keep"}, "unique_conflict"),
        ({"unique_until": "started"}, "unique_until"),
        ({"unique_seconds": 1}, "unique_seconds"),
        ({"unique_conflict": "reject"}, "unique_conflict"),
        ({"deduped_into": "k"}, "deduped_into"),
    ],
)
def test_what_says_not_enough_is_refused_by_name(
    calls: Calls, queue_name: str, options: Row, field: str
) -> None:
    with pytest.raises(psycopg.Error, match=rf"jobs\[0\]\.{field}: "):
        calls.enqueue(new_job(queue_name, **options))


def test_a_legacy_owned_job_takes_no_key(calls: Calls, queue_name: str) -> None:
    with pytest.raises(psycopg.Error, match=r"unique_key: expected none for a job that legacy owns"):
        calls.enqueue(unique(queue_name, owner="legacy"))


def test_during_a_cutover_nothing_new_takes_a_key_but_a_repeat_is_answered(
    calls: Calls, queue_name: str
) -> None:
    first, second = unique(queue_name), unique(queue_name)
    calls.enqueue(first, second)
    calls.cancel(first["job_id"])
    begin(calls.connection)
    with pytest.raises(psycopg.Error, match="the legacy queue knows nothing like it"):
        calls.enqueue(unique(queue_name, "other"))
    assert told(calls.enqueue(first, second)) == [("exists", None), ("deduplicated", first["job_id"])]


def test_what_met_a_key_is_pruned_with_the_tombstones_and_windows_when_they_are_over(
    calls: Calls, queue_name: str
) -> None:
    first, second = unique(queue_name), unique(queue_name)
    calls.enqueue(first, second, unique(queue_name, "over", until=60), unique(queue_name, "open", until=60))
    calls.connection.execute(
        "update jobs set created_at = now() - interval '8 d', finished_at = finished_at - interval '8 d'"
    )
    calls.connection.execute(
        "update job_unique_keys set expires_at = now() - interval '1 s' where unique_key = 'over'"
    )
    policy, request = {"tombstone_seconds": 7 * 86_400}, "00000000-0000-0000-0000-000000000001"
    pruned = calls.call(
        "prune_jobs_v1", request_id=request, policy=policy, page=None, max_jobs=100, dry_run=False
    )
    assert pruned["removed"] == {"tombstone": 1}
    assert [is_held(calls, key) for key in ("k", "over", "open")] == [True, False, True]
