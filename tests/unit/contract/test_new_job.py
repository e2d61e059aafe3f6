"""Options of a new job: what is refused names the field, what is accepted is written one way only."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from supaqueue.backoff import Backoff
from supaqueue.contract import NewJob
from supaqueue.errors import InvalidInput
from supaqueue.job_id import job_id_from_key, new_job_id
from supaqueue.unique import Unique

NAIVE = datetime(2026, 1, 1)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"task_type": ""}, "task_type"),
        ({"task_type": "a" * 201}, "task_type"),
        ({"task_type": "a\0"}, "task_type"),
        ({"task_type": 7}, "task_type"),
        ({"queue": ""}, "queue"),
        ({"queue": "\ud800"}, "queue"),
        ({"payload": {"a": [object()]}}, "payload.a[0]"),
        ({"job_id": "7"}, "job_id"),
        ({"job_id": new_job_id(), "idempotency_key": "k"}, "idempotency_key"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"run_at": NAIVE}, "run_at"),
        ({"run_at": "tomorrow"}, "run_at"),
        ({"run_at": datetime.now(UTC), "delay": 1}, "delay"),
        ({"delay": -1}, "delay"),
        ({"delay": float("inf")}, "delay"),
        ({"delay": float("nan")}, "delay"),
        ({"delay": "5"}, "delay"),
        ({"delay": True}, "delay"),
        ({"backoff": timedelta(days=31)}, "backoff"),
        ({"backoff": "5"}, "backoff"),
        ({"backoff": -1}, "backoff"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": timedelta(days=31)}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"deadline": 0}, "deadline"),
        ({"deadline": "tomorrow"}, "deadline"),
        ({"deadline": NAIVE}, "deadline"),
        ({"deadline": MOMENT, "run_at": MOMENT}, "deadline"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 1001}, "max_attempts"),
        ({"max_attempts": 2.0}, "max_attempts"),
        ({"tags": "abc"}, "tags"),
        ({"tags": ["ok", ""]}, "tags[1]"),
        ({"tags": ["t"] * 101}, "tags"),
        ({"order_key": ""}, "order_key"),
        ({"order_key": "k", "order_on_failure": "retry"}, "order_on_failure"),
        ({"order_on_failure": "continue"}, "order_on_failure"),
        ({"order_key": "k", "unique": Unique("u", 5.0, "replace")}, "order_key"),
    ],
)
def test_refused_by_field(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        NewJob(**({"task_type": "a"} | options))
    assert raised.value.field == field


@pytest.mark.parametrize("option", ["group_key", "depends_on"])
def test_options_of_later_versions_are_refused_by_name(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        NewJob("a", **{option: 1})  # type: ignore[arg-type]
    with pytest.raises(InvalidInput) as raised:
        NewJob.from_mapping({"task_type": "a", option: 1}, field="jobs[3]")
    assert raised.value.field == f"jobs[3].{option}"


def test_a_mapping_says_where_it_is_wrong() -> None:
    with pytest.raises(InvalidInput) as raised:
        NewJob.from_mapping({"payload": 1}, field="jobs[0]")
    assert raised.value.field == "jobs[0].task_type"
    with pytest.raises(InvalidInput) as raised:
        NewJob.from_mapping({"task_type": "a", "delay": -1}, field="jobs[1]")
    assert raised.value.field == "jobs[1].delay"


def test_what_is_not_set_is_not_written() -> None:
    job = NewJob("a")
    assert job.row() == {"job_id": job.job_id, "queue": "default", "task_type": "a"}


def test_alike_jobs_are_written_alike() -> None:
    job_id = new_job_id()
    moment = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    one = NewJob("a", {"x": 1}, job_id=job_id, run_at=moment, backoff=60, tags=["t"])
    same = NewJob(
        task_type="a",
        payload={"x": 1},
        job_id=job_id.upper(),
        run_at=moment.astimezone(UTC),
        backoff=timedelta(minutes=1),
        tags=(tag for tag in ["t"]),
    )
    assert one == same
    assert one.row() == same.row()
    assert one.row()["run_at"] == "2026-05-01T10:00:00+00:00"
    assert one.row()["retry_delay_seconds"] == 60.0


def test_a_backoff_is_written_in_full() -> None:
    assert (
        NewJob("a", backoff=Backoff(2, 3, 60, jitter=False)).row().items()
        >= {
            "retry_delay_seconds": 2.0,
            "retry_factor": 3.0,
            "retry_max_delay_seconds": 60.0,
            "retry_jitter": False,
        }.items()
    )
    assert NewJob("a", backoff=7).backoff == Backoff.fixed(7)


def test_limits_in_seconds_or_as_a_timedelta_or_moment() -> None:
    row = NewJob("a", timeout=timedelta(minutes=1), deadline=timedelta(hours=1)).row()
    assert (row["timeout_seconds"], row["deadline_seconds"]) == (60.0, 3600.0)
    row = NewJob("a", deadline=MOMENT, run_at=MOMENT - timedelta(seconds=1)).row()
    assert row["deadline_at"] == "2026-01-01T00:00:00+00:00"
    assert "deadline_seconds" not in row
    mapped = NewJob.from_mapping({"task_type": "a", "timeout": 5, "deadline": 9, "backoff": 1})
    assert (mapped.timeout_seconds, mapped.deadline_seconds, mapped.backoff) == (5.0, 9.0, Backoff.fixed(1))


def test_an_id_is_there_from_the_start() -> None:
    assert NewJob("a").job_id != NewJob("a").job_id
    assert NewJob("a", idempotency_key="k").job_id == job_id_from_key("a", "k")


def test_a_new_job_survives_pickling_and_cannot_be_changed() -> None:
    job = NewJob("a", {"x": 1})
    assert pickle.loads(pickle.dumps(job)) == job
    with pytest.raises(AttributeError):
        job.queue = "b"  # type: ignore[misc]
