"""What is refused, is refused on every ground alike: the same error, naming the same field."""

from __future__ import annotations

import math
from typing import Any
from uuid import uuid4

import pytest

from supaqueue.contract import GetJobs, JobFilter, ListJobs
from supaqueue.errors import CallError, CallRefused, ContractMismatch
from supaqueue.job_id import new_job_id
from supaqueue.testing.memory import NOT_OFFERED
from supaqueue.transport import Transport
from tests.contract.grounds import Ground, MemoryGround
from tests.contract.raw import raw_call
from tests.sql.test_refusals import GOOD, REFUSED, SECRET

WRITABLE = [
    row for row in REFUSED if not any(isinstance(v, float) and math.isnan(v) for v in row[1].values())
]

JOB = GOOD["enqueue_jobs_v1"]["jobs"][0]
LEASE = {"job_id": JOB["job_id"], "task_number": 0, "lease_token": 1}
REQUEST = {"request_id": str(uuid4()), "changed_by": None}
PAUSE = REQUEST | {"queues": ["q"], "pause_seconds": None, "paused_until": None, "reason": None}
LETTERS: dict[str, Any] = {"filter": {}, "page": None, "page_size": 10}


def job_with(**changes: Any) -> dict[str, Any]:
    return {"jobs": [JOB, JOB | changes]}


def beat_with(progress: Any) -> dict[str, Any]:
    return GOOD["heartbeat_job_tasks_v1"] | {"tasks": [LEASE | {"progress": progress}]}


def ending_with(progress: Any) -> dict[str, Any]:
    return {"worker_id": "w", "tasks": [LEASE | {"outcome": "done", "progress": progress}]}


def types_with(**changes: Any) -> dict[str, Any]:
    return REQUEST | {"task_types": [{"task_type": "t"}, {"task_type": "t"} | changes]}


OPERATORS = [
    ("enqueue_jobs_v1", job_with(retry_factor=0.5), "SQ003", "jobs[1].retry_factor"),
    ("enqueue_jobs_v1", job_with(retry_delay_seconds=-1), "SQ003", "jobs[1].retry_delay_seconds"),
    ("enqueue_jobs_v1", job_with(retry_max_delay_seconds=1e9), "SQ003", "jobs[1].retry_max_delay_seconds"),
    ("enqueue_jobs_v1", job_with(retry_jitter=1), "SQ003", "jobs[1].retry_jitter"),
    ("enqueue_jobs_v1", job_with(timeout_seconds=0), "SQ003", "jobs[1].timeout_seconds"),
    ("enqueue_jobs_v1", job_with(deadline_seconds=0), "SQ003", "jobs[1].deadline_seconds"),
    ("enqueue_jobs_v1", job_with(deadline_at=SECRET), "SQ003", "jobs[1].deadline_at"),
    (
        "enqueue_jobs_v1",
        job_with(deadline_at="2030-01-01T00:00:00Z", deadline_seconds=1),
        "SQ003",
        "jobs[1].deadline_seconds",
    ),
    (
        "enqueue_jobs_v1",
        job_with(deadline_at="2030-01-01T00:00:00Z", run_at="2030-01-01T02:00:00+02:00"),
        "SQ003",
        "jobs[1].deadline_at",
    ),
    ("heartbeat_job_tasks_v1", beat_with({"number": 1, "eta": 5}), "SQ003", "tasks[0].progress"),
    ("heartbeat_job_tasks_v1", beat_with({"percent": 5}), "SQ003", "tasks[0].progress.number"),
    ("heartbeat_job_tasks_v1", beat_with({"number": 0}), "SQ003", "tasks[0].progress.number"),
    (
        "heartbeat_job_tasks_v1",
        beat_with({"number": 1, "percent": 101}),
        "SQ003",
        "tasks[0].progress.percent",
    ),
    ("heartbeat_job_tasks_v1", beat_with({"number": 1, "message": 5}), "SQ003", "tasks[0].progress.message"),
    (
        "finish_job_tasks_v1",
        ending_with({"number": 1, "checkpoint": "x" * 262_144}),
        "SQ003",
        "tasks[0].progress.checkpoint",
    ),
    ("finish_job_tasks_v1", ending_with({"number": 1.5}), "SQ003", "tasks[0].progress.number"),
    ("set_task_types_v1", types_with(max_attempts=0), "SQ003", "task_types[1].max_attempts"),
    ("set_task_types_v1", types_with(timeout_seconds=1e9), "SQ003", "task_types[1].timeout_seconds"),
    ("set_task_types_v1", types_with(queue="q"), "SQ002", "task_types[1].queue"),
    ("set_task_types_v1", types_with() | {"request_id": None}, "SQ003", "request_id"),
    ("set_task_types_v1", types_with() | {"changed_by": "x" * 201}, "SQ003", "changed_by"),
    ("pause_queues_v1", PAUSE | {"queues": []}, "SQ003", "queues"),
    ("pause_queues_v1", PAUSE | {"queues": ["q", None]}, "SQ003", "queues"),
    ("pause_queues_v1", PAUSE | {"request_id": None}, "SQ003", "request_id"),
    ("pause_queues_v1", PAUSE | {"pause_seconds": -1}, "SQ003", "pause_seconds"),
    (
        "pause_queues_v1",
        PAUSE | {"pause_seconds": 1, "paused_until": "2030-01-01T00:00:00Z"},
        "SQ003",
        "paused_until",
    ),
    ("pause_queues_v1", PAUSE | {"reason": "x" * 1001}, "SQ003", "reason"),
    ("resume_queues_v1", REQUEST | {"queues": [""]}, "SQ003", "queues"),
    ("list_dead_letters_v1", LETTERS | {"filter": {"job_id": SECRET}}, "SQ003", "filter.job_id"),
    ("list_dead_letters_v1", LETTERS | {"filter": {"parked": 1}}, "SQ003", "filter.parked"),
    ("list_dead_letters_v1", LETTERS | {"filter": {"failed_after": SECRET}}, "SQ003", "filter.failed_after"),
    ("list_dead_letters_v1", LETTERS | {"filter": {"status": "failed"}}, "SQ002", "filter.status"),
    ("list_dead_letters_v1", LETTERS | {"page": SECRET}, "SQ003", "page"),
    ("list_dead_letters_v1", LETTERS | {"page_size": 1001}, "SQ003", "page_size"),
    (
        "replay_job_tasks_v1",
        {"tasks": [LEASE | {"delay_seconds": -1}]},
        "SQ003",
        "tasks[0].delay_seconds",
    ),
    ("replay_job_tasks_v1", {"tasks": [LEASE | {"lease_token": None}]}, "SQ003", "tasks[0].lease_token"),
    ("drop_dead_letters_v1", {"tasks": [LEASE | {"delay_seconds": 1}]}, "SQ002", "tasks[0].delay_seconds"),
]
"""What belongs to the life of a job and to operating a queue."""


def offered(ground: Ground, function: str) -> bool:
    """Whether a function is there: in memory some are refused by their name alone."""
    return not (isinstance(ground, MemoryGround) and function in NOT_OFFERED)


def error_of(transport: Transport, function: str, **arguments: Any) -> CallError:
    with pytest.raises(CallError) as raised:
        transport.send(raw_call(function, **arguments))
    return raised.value


def test_bad_input_is_refused_by_name(ground: Ground, transport: Any) -> None:
    for function, arguments, sqlstate, place in [*WRITABLE, *OPERATORS]:
        if not offered(ground, function):
            continue
        error = error_of(transport, function, **arguments)
        found = (type(error), error.call, error.sqlstate, error.http_status, error.committed, error.retryable)
        assert found == (CallRefused, function, sqlstate, ground.refusal_status, "no", False), arguments
        assert str(error).startswith(f"{function}: {place}: "), arguments
        assert SECRET not in str(error)


def test_every_function_refuses_a_version_that_is_not_spoken(ground: Ground, transport: Any) -> None:
    for function, arguments in GOOD.items():
        if not offered(ground, function):
            continue
        for version in (None, 0, 2):
            error = error_of(transport, function, **arguments, contract_version=version)
            found = (type(error), error.sqlstate, error.http_status)
            assert found == (ContractMismatch, "SQ001", ground.refusal_status)
            assert "the database speaks 1 to 1" in str(error)


def test_what_is_refused_changes_nothing(transport: Any, queue_name: str) -> None:
    good: dict[str, Any] = {"job_id": new_job_id(), "queue": queue_name, "task_type": "t"}
    bad = good | {"job_id": new_job_id(), "max_attempts": 0}
    error_of(transport, "enqueue_jobs_v1", jobs=[good, bad])
    assert transport.send(GetJobs((good["job_id"], bad["job_id"]))) == (None, None)


@pytest.mark.parametrize(
    ("function", "arguments", "sqlstate"),
    [
        ("cancel_jobs_v1", {"job_ids": ["s3cret-value"]}, "22P02"),
        ("claim_job_tasks_v1", GOOD["claim_job_tasks_v1"] | {"request_id": "s3cret-value"}, "22P02"),
        ("claim_job_tasks_v1", GOOD["claim_job_tasks_v1"] | {"want": "s3cret-value"}, "22P02"),
        ("claim_job_tasks_v1", GOOD["claim_job_tasks_v1"] | {"queues": "s3cret-value"}, "22P02"),
        ("finish_job_tasks_v1", {"worker_id": "s3cret-value\0", "tasks": []}, "22P05"),
    ],
)
def test_what_postgres_refuses_is_told_by_its_code_alone(
    transport: Any, function: str, arguments: dict[str, Any], sqlstate: str
) -> None:
    error = error_of(transport, function, **arguments)
    assert (type(error), error.sqlstate) == (CallRefused, sqlstate)
    assert SECRET not in str(error)


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800"])
def test_what_json_cannot_hold_is_not_sent(transport: Any, value: object) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        transport.send(raw_call("count_jobs_v1", queues=[value]))


def test_texts_are_the_same_on_every_ground(ground: Ground) -> None:
    """Word for word, but for the place."""
    with pytest.raises(CallRefused) as raised:
        ground.transport().send(ListJobs(JobFilter(), page_size=0))
    assert str(raised.value) == "list_jobs_v1: page_size: expected 1 to 1000"
    with pytest.raises(CallRefused) as raised:
        ground.transport().send(raw_call("register_worker_v1", worker={"weights": 1} | WORKER))
    assert str(raised.value) == (
        "register_worker_v1: worker.weights: this option is not known to this database."
        ' Leave it out, or run "supaqueue migrate" if a newer version enforces it.'
    )


WORKER = GOOD["register_worker_v1"]["worker"]
