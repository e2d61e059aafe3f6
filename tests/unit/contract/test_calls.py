"""Calls: what they send, and that they refuse an answer which is none of theirs."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from supaqueue.backoff import Backoff
from supaqueue.contract import (
    ALL_CALLS,
    CONTRACT_VERSION,
    Call,
    CancelJobs,
    ClaimJobTasks,
    ContractVersion,
    DeadLetterFilter,
    FinishedTask,
    GetJobs,
    HeartbeatJobTasks,
    JobFilter,
    Json,
    PauseQueues,
    Progress,
    ResumeQueues,
    SetTaskTypes,
    TaskError,
    TaskRef,
    TaskTypeOptions,
)
from supaqueue.errors import InvalidInput, PayloadMismatch
from supaqueue.job import Job
from supaqueue.job_id import new_job_id
from tests.unit.contract.examples import EXAMPLES, REF

NO_ANSWERS: list[Json] = ["text", 7, {"tasks": 1, "counts": 2}, [{"job_id": REF.job_id}], [1]]


def test_there_is_an_example_of_every_call() -> None:
    assert {type(call) for call in EXAMPLES} == set(ALL_CALLS)
    assert len({call.function for call in ALL_CALLS}) == len(ALL_CALLS)


@pytest.mark.parametrize("call", EXAMPLES, ids=lambda call: call.function)
def test_arguments_are_json_and_carry_the_version(call: Call[Any]) -> None:
    arguments = call.arguments()
    assert json.loads(json.dumps(arguments, allow_nan=False)) == arguments
    version = None if isinstance(call, ContractVersion) else CONTRACT_VERSION
    assert arguments.get("contract_version") == version
    assert call.arguments() == arguments


@pytest.mark.parametrize("call", EXAMPLES, ids=lambda call: call.function)
@pytest.mark.parametrize("body", NO_ANSWERS, ids=range(len(NO_ANSWERS)))
def test_another_functions_answer_is_refused(call: Call[Any], body: Json) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        call.parse(body)


@pytest.mark.parametrize("call", EXAMPLES, ids=lambda call: call.function)
def test_calls_are_values(call: Call[Any]) -> None:
    names = [field.name for field in dataclasses.fields(call)]  # type: ignore[arg-type]
    assert type(call)(*(getattr(call, name) for name in names)) == call
    for name in names:
        with pytest.raises(AttributeError):
            setattr(call, name, None)


def test_an_answer_with_a_row_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="2 rows"):
        CancelJobs((REF.job_id, new_job_id())).parse([{"job_id": REF.job_id, "answer": "cancelled"}])


def test_an_ending_leaves_out_what_is_not_set() -> None:
    row = FinishedTask(REF, "snooze", after_seconds=0.0).row()
    assert row == REF.row() | {"outcome": "snooze", "after_seconds": 0.0}


def test_an_error_is_what_postgres_can_hold() -> None:
    row = FinishedTask(REF, "fail", error=TaskError("E", "a\0\ud800")).row()
    assert row["error"] == {"type": "E", "message": "a\ufffd\ufffd"}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"status": "done"}, "status"),
        ({"queue": "a\0"}, "queue"),
        ({"tag": ""}, "tag"),
        ({"created_before": datetime(2026, 1, 1)}, "created_before"),
    ],
)
def test_filters_are_checked(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        JobFilter(**options)
    assert raised.value.field == field


def job_row(**changes: Json) -> dict[str, Json]:
    task: dict[str, Json] = {
        "task_number": 0,
        "task_type": "a",
        "status": "completed",
        "result": {"total": "s3cr3t"},
        "error": None,
        "attempts": 1,
        "max_attempts": 5,
        "lost_leases": 0,
        "run_at": "2026-01-01T00:00:00.123456+00:00",
        "worker_id": None,
        "last_heartbeat": None,
        "started_at": None,
        "finished_at": None,
    }
    job: dict[str, Json] = {
        "job_id": REF.job_id,
        "queue": "q",
        "task_type": "a",
        "status": "completed",
        "owner": "supabase",
        "tags": ["t"],
        "created_at": "2026-01-01T00:00:00.123456+00:00",
        "finished_at": None,
        "cancel_requested": False,
        "tasks": [task],
        "added_later": 1,
    }
    return job | changes


def read(row: Json) -> Job:
    job = GetJobs((REF.job_id,)).parse([row])[0]
    assert job is not None
    return job


def test_a_job_is_read_with_aware_times_and_whatever_is_new_ignored() -> None:
    job = read(job_row())
    assert job.created_at == datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    assert job.ended
    assert job.result == {"total": "s3cr3t"}
    assert job.payload is None
    assert not read(job_row(status="processing")).ended


def test_a_result_as_a_model() -> None:
    class Text(BaseModel):
        total: str

    class Number(BaseModel):
        total: int

    assert read(job_row()).result_as(Text).total == "s3cr3t"
    with pytest.raises(PayloadMismatch, match="Number") as raised:
        read(job_row()).result_as(Number)
    assert raised.value.field == "result.total"
    assert "s3cr3t" not in str(raised.value)


def test_progress_leaves_out_what_is_unchanged_and_writes_none() -> None:
    assert Progress(3).row() == {"number": 3}
    assert Progress(3, percent=None, checkpoint=None).row() == {
        "number": 3,
        "percent": None,
        "checkpoint": None,
    }
    row = FinishedTask(REF, "done", progress=Progress(4, message="m")).row()
    assert row["progress"] == {"number": 4, "message": "m"}


def test_a_heartbeat_brings_progress_of_its_own_tasks_alone() -> None:
    other = TaskRef(new_job_id(), 0, 1)
    call = HeartbeatJobTasks("w", (REF, other), (), 30.0, {REF: Progress(1, percent=1.0)})
    rows = call.arguments()["tasks"]
    assert rows == [REF.row() | {"progress": {"number": 1, "percent": 1.0}}, other.row()]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"queue": ""}, "queue"),
        ({"error_type": "a\0"}, "error_type"),
        ({"failed_before": datetime(2026, 1, 1)}, "failed_before"),
    ],
)
def test_filters_of_dead_letters_are_checked(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        DeadLetterFilter(**options)
    assert raised.value.field == field


def test_what_a_task_type_leaves_open_is_left_out() -> None:
    assert TaskTypeOptions("t", timeout_seconds=5.0).row() == {"task_type": "t", "timeout_seconds": 5.0}
    assert TaskTypeOptions("t", backoff=Backoff.fixed(5)).row()["retry_jitter"] is False


def test_each_operators_call_is_a_request_of_its_own() -> None:
    assert PauseQueues(("q",)).request_id != PauseQueues(("q",)).request_id
    assert ResumeQueues(("q",)).request_id != ResumeQueues(("q",)).request_id
    assert SetTaskTypes(()).request_id != SetTaskTypes(()).request_id


def test_an_old_answer_to_a_claim_is_understood() -> None:
    """One of a database from before time limits and pauses; and one that knows more than this version."""
    call = ClaimJobTasks("r", "w", ("q",), ("t",), 5, 0, 30.0, {})
    task: dict[str, Json] = REF.row() | {
        "queue": "q",
        "task_type": "t",
        "payload": 1,
        "attempt": 1,
        "max_attempts": 5,
        "waited_seconds": 0.1,
    }
    body: dict[str, Json] = {"tasks": [task], "marks": {}, "more": False, "wait_seconds": None}
    claimed = call.parse(body)
    assert (claimed.tasks[0].timeout_seconds, claimed.paused) == (None, ())
    assert call.parse(body | {"added_later": 1, "tasks": [task | {"added_later": 1}]}) == claimed
