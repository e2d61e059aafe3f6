"""What is refused, is refused on every ground alike: the same error, naming the same field."""

from __future__ import annotations

import math
from typing import Any

import pytest

from supaqueue.contract import GetJobs, JobFilter, ListJobs
from supaqueue.errors import CallError, CallRefused, ContractMismatch
from supaqueue.job_id import new_job_id
from supaqueue.transport import Transport
from tests.contract.grounds import Ground
from tests.contract.raw import raw_call
from tests.sql.test_refusals import GOOD, REFUSED, SECRET

WRITABLE = [
    row for row in REFUSED if not any(isinstance(v, float) and math.isnan(v) for v in row[1].values())
]


def error_of(transport: Transport, function: str, **arguments: Any) -> CallError:
    with pytest.raises(CallError) as raised:
        transport.send(raw_call(function, **arguments))
    return raised.value


def test_bad_input_is_refused_by_name(transport: Any) -> None:
    for function, arguments, sqlstate, place in WRITABLE:
        error = error_of(transport, function, **arguments)
        found = (type(error), error.call, error.sqlstate, error.http_status, error.committed, error.retryable)
        assert found == (CallRefused, function, sqlstate, 400, "no", False), arguments
        assert str(error).startswith(f"{function}: {place}: "), arguments
        assert SECRET not in str(error)


def test_every_function_refuses_a_version_that_is_not_spoken(transport: Any) -> None:
    for function, arguments in GOOD.items():
        for version in (None, 0, 2):
            error = error_of(transport, function, **arguments, contract_version=version)
            assert (type(error), error.sqlstate, error.http_status) == (ContractMismatch, "SQ001", 400)
            assert "the database speaks 1 to 1" in str(error)


def test_what_is_refused_changes_nothing(transport: Any, queue_name: str) -> None:
    good = {"job_id": new_job_id(), "queue": queue_name, "task_type": "t"}
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
