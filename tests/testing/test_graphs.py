"""Jobs of several tasks: made by a producer, run by handlers, read again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from supaqueue import Context, NewJob, NewTask, Queue, Registry, sequence
from supaqueue.contract import Call, ReadResults
from supaqueue.errors import CallRefused, JobNotFound, QueueUnavailable
from supaqueue.job_id import new_job_id
from supaqueue.testing import (
    AsyncMemoryTransport,
    MemoryDatabase,
    MemoryTransport,
    RunSummary,
    async_run_until_empty,
    run_until_empty,
)
from supaqueue.worker import results
from tests.contract.raw import raw_call
from tests.sql.test_graphs import REFUSED

Run = Callable[..., RunSummary]


@pytest.fixture
def registry() -> Registry:
    registry = Registry()

    @registry.task("split")
    def split(parts: int) -> list[int]:
        return list(range(parts))

    @registry.task("square")
    async def square(place: int, context: Context) -> int:
        numbers = context.results["split"]
        assert isinstance(numbers, list)
        return place * cast(int, numbers[place])

    @registry.task("add_up")
    def add_up(context: Context) -> list[Any]:
        return [sum(context.results.values()), context.task_name]

    @registry.task("break")
    def broken() -> None:
        raise ValueError("broken")

    return registry


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    """Both colours, called alike."""
    if request.param == "sync":
        return run_until_empty
    return lambda *given, **options: asyncio.run(async_run_until_empty(*given, **options))


def squares(count: int) -> tuple[NewTask, ...]:
    return sequence(
        NewTask("split", count),
        [NewTask("square", n, name=f"part {n}") for n in range(count)],
        NewTask("add_up"),
    )


def test_results_are_handed_on(run: Run, registry: Registry, supaqueue_queue: Queue) -> None:
    queue = supaqueue_queue
    job_id = queue.enqueue("squares", tasks=squares(4), on_failure="fail").job_id
    summary = run(registry, queue)
    assert (summary.runs, summary.completed, summary.raised) == (6, 6, ())
    job = queue.wait(job_id, 1)
    assert (job.status, job.result, job.task_count) == ("completed", [0 + 1 + 4 + 9, "add_up"], 6)
    names = [(task.name, task.status) for task in queue.list_tasks(job_id)]
    assert names == [(task.name, "completed") for task in squares(4)]
    assert [task.name for task in queue.list_tasks(job_id, limit=2)] == ["split", "part 0"]
    with pytest.raises(JobNotFound):
        list(queue.list_tasks(new_job_id()))


def test_several_last_tasks_have_their_results_by_name(registry: Registry, supaqueue_queue: Queue) -> None:
    queue = supaqueue_queue
    parts = [NewTask("square", n, name=f"part {n}") for n in range(2)]
    job_id = queue.enqueue(
        "squares", tasks=sequence(NewTask("split", 2), [*parts, NewTask("break")]), on_failure="skip"
    ).job_id
    run_until_empty(registry, queue)
    job = queue.wait(job_id, 1)
    assert (job.status, job.result) == ("failed", {"part 0": 0, "part 1": 1})
    assert job.error == {"type": "ValueError", "message": "broken"}


def test_what_a_failure_means(registry: Registry, supaqueue_queue: Queue) -> None:
    queue = supaqueue_queue
    tasks = sequence([NewTask("break", max_attempts=1), NewTask("split", 3)], NewTask("add_up"))
    ids = {
        on_failure: queue.enqueue("x", tasks=tasks, on_failure=on_failure).job_id
        for on_failure in ("fail", "skip")
    }
    run_until_empty(registry, queue)
    after = {name: [task.skipped for task in queue.list_tasks(job_id)] for name, job_id in ids.items()}
    assert after == {"fail": [False, True, True], "skip": [False, False, True]}
    letters = [letter for letter in queue.dead_letters.list() if letter.job_id == ids["fail"]]
    assert [answer.answer for answer in queue.dead_letters.replay(letters)] == ["replayed"]
    assert [task.status for task in queue.list_tasks(ids["fail"])] == ["pending", "pending", "blocked"]


def test_no_task_runs_without_the_results_before_it(
    registry: Registry, supaqueue_database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that gets no answer sends the task back, at no attempt's cost."""
    send = AsyncMemoryTransport.send
    refusals = [
        CallRefused("not now", call="read_results_v1"),
        QueueUnavailable("nor now", call="read_results_v1"),
    ]

    async def fails_twice(self: AsyncMemoryTransport, call: Call[Any]) -> Any:
        if isinstance(call, ReadResults) and refusals:
            raise refusals.pop()
        return await send(self, call)

    monkeypatch.setattr(AsyncMemoryTransport, "send", fails_twice)
    monkeypatch.setattr(results, "UNREAD_PAUSE_SECONDS", 0.0)
    queue = Queue(transport=MemoryTransport(supaqueue_database))
    tasks = sequence(NewTask("split", 2), NewTask("square", 1, max_attempts=1))
    job_id = queue.enqueue("squares", tasks=tasks, on_failure="fail").job_id
    run_until_empty(registry, queue)
    job = queue.get(job_id, with_attempts=True)
    assert job is not None
    assert (job.status, job.result) == ("completed", 1)
    assert [attempt.outcome for attempt in job.tasks[0].history] == ["not_started", "not_started", "done"]


def test_in_memory_the_same_is_refused_as_in_sql() -> None:
    transport = MemoryTransport()
    plain = {"job_id": new_job_id(), "queue": "q", "task_type": "whole", "on_failure": "fail"}
    for tasks, options, message in REFUSED:
        if options.get("owner"):
            continue  # refused as every owner but its own is
        job = plain | {"tasks": tasks} | options
        with pytest.raises(CallRefused) as refused:
            transport.send(raw_call("enqueue_jobs_v1", jobs=[job]))
        assert message in str(refused.value)


def test_a_job_of_several_is_given_as_json_too(registry: Registry, supaqueue_queue: Queue) -> None:
    job = NewJob.from_mapping(
        {
            "task_type": "squares",
            "tasks": [
                {"task_type": "split", "payload": 2},
                {"task_type": "square", "payload": 1, "after": ["split"]},
            ],
            "on_failure": "continue",
        }
    )
    assert NewJob.from_row(job.row()) == job
    [answer] = supaqueue_queue.enqueue_many([job])
    run_until_empty(registry, supaqueue_queue)
    assert supaqueue_queue.wait(answer.job_id, 1).result == 1
