"""What is refused of retries, time limits, progress, dead letters and pauses; see test_refusals.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls
from tests.sql.test_refusals import (
    HEARTBEAT,
    LEASE,
    LIST,
    PAUSE,
    RESUME,
    SECRET,
    TYPES,
    check_refusal,
    ending_with,
    everything,
    job_with,
)


def beat_with(**changes: Any) -> dict[str, Any]:
    return HEARTBEAT | {"tasks": [LEASE | changes]}


def type_with(**changes: Any) -> dict[str, Any]:
    return TYPES | {"task_types": [{"task_type": "t"} | changes]}


LIMITED: list[tuple[str, Callable[..., dict[str, Any]], str]] = [
    ("enqueue_jobs_v1", job_with, "jobs[1]"),
    ("set_task_types_v1", type_with, "task_types[0]"),
]
OUT_OF_RANGE: list[tuple[str, Any]] = [
    ("retry_delay_seconds", -0.001),
    ("retry_delay_seconds", 2_592_001),
    ("retry_delay_seconds", "5"),
    ("retry_factor", 0.99),
    ("retry_factor", 100.01),
    ("retry_factor", 1e300),
    ("retry_max_delay_seconds", -1),
    ("retry_max_delay_seconds", 2_592_001),
    ("retry_jitter", 1),
    ("retry_jitter", "true"),
    ("timeout_seconds", 0),
    ("timeout_seconds", 2_592_001),
    ("deadline_seconds", 0),
    ("deadline_seconds", 3_153_600_001),
]
BAD_PROGRESS: list[tuple[Any, str]] = [
    (SECRET, ""),
    ([1], ""),
    ({"number": 1, "rate": SECRET}, ""),
    ({}, ".number"),
    ({"number": None}, ".number"),
    ({"number": 0}, ".number"),
    ({"number": 1.5}, ".number"),
    ({"number": 1.0}, ".number"),
    ({"number": "1"}, ".number"),
    ({"number": 2**53}, ".number"),
    ({"number": 1, "percent": -1}, ".percent"),
    ({"number": 1, "percent": 100.1}, ".percent"),
    ({"number": 1, "percent": SECRET}, ".percent"),
    ({"number": 1, "message": 1}, ".message"),
    ({"number": 1, "message": "x" * 1001}, ".message"),
    ({"number": 1, "checkpoint": "x" * 262_143}, ".checkpoint"),
]
MOMENT = "2030-01-31T12:00:00Z"
BAD_PAGES = [
    "",
    SECRET,
    f"{MOMENT} {new_job_id()}",
    f"{MOMENT} {new_job_id()} 32768",
    f"{MOMENT} {new_job_id()} 99999",
    f"{MOMENT} {new_job_id()} -1",
    f"{MOMENT} {SECRET} {new_job_id()} 1",
    f"{SECRET} {new_job_id()} 1",
]

REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("enqueue_jobs_v1", job_with(max_attempts=5.0), "SQ003", "jobs[1].max_attempts"),
    ("enqueue_jobs_v1", job_with(deadline_at=SECRET), "SQ003", "jobs[1].deadline_at"),
    ("enqueue_jobs_v1", job_with(deadline_at="infinity"), "SQ003", "jobs[1].deadline_at"),
    (
        "enqueue_jobs_v1",
        job_with(deadline_at="2100-01-01T00:00:00Z", deadline_seconds=1),
        "SQ003",
        "jobs[1].deadline_seconds",
    ),
    (
        "enqueue_jobs_v1",
        job_with(deadline_at="2100-01-01T00:00:00Z", run_at="2100-01-01T01:00:00+01:00"),
        "SQ003",
        "jobs[1].deadline_at",
    ),
    *(
        (function, given(progress=progress), "SQ003", place)
        for progress, field in BAD_PROGRESS
        for function, given, place in (
            ("heartbeat_job_tasks_v1", beat_with, f"tasks[0].progress{field}"),
            ("finish_job_tasks_v1", ending_with, f"tasks[1].progress{field}"),
        )
    ),
    ("replay_job_tasks_v1", {"tasks": None}, "SQ003", "tasks"),
    (
        "replay_job_tasks_v1",
        {"tasks": [LEASE, LEASE | {"lease_token": None}]},
        "SQ003",
        "tasks[1].lease_token",
    ),
    ("replay_job_tasks_v1", {"tasks": [LEASE | {"delay_seconds": -1}]}, "SQ003", "tasks[0].delay_seconds"),
    ("replay_job_tasks_v1", {"tasks": [LEASE | {"delay_seconds": 1e11}]}, "SQ003", "tasks[0].delay_seconds"),
    ("replay_job_tasks_v1", {"tasks": [LEASE | {"run_at": SECRET}]}, "SQ002", "tasks[0].run_at"),
    ("replay_job_tasks_v1", {"tasks": [LEASE] * 10_001}, "SQ003", "tasks"),
    ("drop_dead_letters_v1", {"tasks": {}}, "SQ003", "tasks"),
    ("drop_dead_letters_v1", {"tasks": [LEASE | {"job_id": SECRET}]}, "SQ003", "tasks[0].job_id"),
    ("drop_dead_letters_v1", {"tasks": [LEASE | {"delay_seconds": 1}]}, "SQ002", "tasks[0].delay_seconds"),
    ("drop_dead_letters_v1", {"tasks": [LEASE] * 10_001}, "SQ003", "tasks"),
    ("list_dead_letters_v1", LIST | {"filter": None}, "SQ003", "filter"),
    ("list_dead_letters_v1", LIST | {"filter": {"tag": SECRET}}, "SQ002", "filter.tag"),
    ("list_dead_letters_v1", LIST | {"filter": {"parked": SECRET}}, "SQ003", "filter.parked"),
    ("list_dead_letters_v1", LIST | {"filter": {"error_type": ""}}, "SQ003", "filter.error_type"),
    ("list_dead_letters_v1", LIST | {"filter": {"failed_after": SECRET}}, "SQ003", "filter.failed_after"),
    ("list_dead_letters_v1", LIST | {"filter": {"failed_before": "now"}}, "SQ003", "filter.failed_before"),
    ("list_dead_letters_v1", LIST | {"page_size": 1001}, "SQ003", "page_size"),
    *(("list_dead_letters_v1", LIST | {"page": page}, "SQ003", "page") for page in BAD_PAGES),
    ("pause_queues_v1", PAUSE | {"request_id": None}, "SQ003", "request_id"),
    ("pause_queues_v1", PAUSE | {"queues": []}, "SQ003", "queues"),
    ("pause_queues_v1", PAUSE | {"queues": None}, "SQ003", "queues"),
    ("pause_queues_v1", PAUSE | {"queues": ["q", None]}, "SQ003", "queues"),
    ("pause_queues_v1", PAUSE | {"queues": ["x" * 201]}, "SQ003", "queues"),
    ("pause_queues_v1", PAUSE | {"pause_seconds": 0}, "SQ003", "pause_seconds"),
    ("pause_queues_v1", PAUSE | {"pause_seconds": 1e11}, "SQ003", "pause_seconds"),
    ("pause_queues_v1", PAUSE | {"pause_seconds": float("nan")}, "SQ003", "pause_seconds"),
    ("pause_queues_v1", PAUSE | {"pause_seconds": 1, "paused_until": MOMENT}, "SQ003", "paused_until"),
    ("pause_queues_v1", PAUSE | {"reason": "x" * 1001}, "SQ003", "reason"),
    ("pause_queues_v1", PAUSE | {"changed_by": "x" * 201}, "SQ003", "changed_by"),
    ("resume_queues_v1", RESUME | {"request_id": None}, "SQ003", "request_id"),
    ("resume_queues_v1", RESUME | {"queues": [""]}, "SQ003", "queues"),
    ("set_task_types_v1", TYPES | {"request_id": None}, "SQ003", "request_id"),
    ("set_task_types_v1", TYPES | {"changed_by": "x" * 201}, "SQ003", "changed_by"),
    ("set_task_types_v1", TYPES | {"task_types": None}, "SQ003", "task_types"),
    ("set_task_types_v1", TYPES | {"task_types": [{"task_type": "t"}] * 1001}, "SQ003", "task_types"),
    ("set_task_types_v1", type_with(task_type=None), "SQ003", "task_types[0].task_type"),
    ("set_task_types_v1", type_with(queue=SECRET), "SQ002", "task_types[0].queue"),
    ("set_task_types_v1", type_with(max_attempts=0), "SQ003", "task_types[0].max_attempts"),
    *(
        (function, given(**{name: value}), "SQ003", f"{place}.{name}")
        for function, given, place in LIMITED
        for name, value in OUT_OF_RANGE
    ),
]


def test_what_is_refused_changes_nothing_and_echoes_nothing(calls: Calls) -> None:
    for row in REFUSED:
        check_refusal(calls, *row)
    assert not any(everything(calls))


JOB_TEXT = '"queue": "q", "task_type": "t"'
LEASE_TEXT = '"task_number": 0, "lease_token": 1'
ENDING_TEXT = f'{LEASE_TEXT}, "outcome": "done"'


@pytest.mark.parametrize(
    ("query", "row", "place", "name"),
    [
        ("select enqueue_jobs_v1(%s, 1)", JOB_TEXT, "jobs", "delay_seconds"),
        ("select enqueue_jobs_v1(%s, 1)", JOB_TEXT, "jobs", "retry_delay_seconds"),
        ("select finish_job_tasks_v1('w', %s, 1)", ENDING_TEXT, "tasks", "after_seconds"),
        ("select finish_job_tasks_v1('w', %s, 1)", ENDING_TEXT, "tasks", "ran_seconds"),
        ("select replay_job_tasks_v1(%s, 1)", LEASE_TEXT, "tasks", "delay_seconds"),
    ],
)
def test_a_number_too_small_for_postgres_is_refused_by_name(
    calls: Calls, query: str, row: str, place: str, name: str
) -> None:
    """Else it would be quoted, all its zeros, by an error of Postgres' own (22003)."""
    with pytest.raises(psycopg.Error) as raised:
        calls.value(query, [f'[{{"job_id": "{new_job_id()}", {row}, "{name}": 1e-400}}]'])
    assert raised.value.sqlstate == "SQ003"
    assert raised.value.diag.message_primary == f"{place}[0].{name}: expected a number"
    assert not any(everything(calls))
