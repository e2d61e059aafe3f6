"""What becomes of missed ticks; declared schedules, in code and as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from supaqueue.contract import NewSchedule
from supaqueue.errors import ConfigurationError, InvalidInput, PayloadMismatch
from supaqueue.job_id import new_job_id
from supaqueue.schedule import Missed, Schedule, due_ticks, tick_of
from supaqueue.worker import Registry


class Report(BaseModel):
    days: int


START = datetime(2026, 1, 1, tzinfo=UTC)


def schedule(**changes: Any) -> Schedule:
    given: dict[str, Any] = {
        "schedule_name": "hourly",
        "cron": "0 * * * *",
        "time_zone": "UTC",
        "job": {"queue": "q", "task_type": "t"},
        "missed": "last",
        "missed_limit": 100,
        "is_enabled": True,
        "version": 1,
        "ticked_through": START,
        "created_at": START,
        "updated_at": START,
    }
    return Schedule(**given | changes)


def hours_due(
    missed: Missed, after: timedelta, limit: int = 100, cron: str = "0 * * * *"
) -> list[float] | None:
    ticks = due_ticks(schedule(missed=missed, missed_limit=limit, cron=cron), START + after, 60.0)
    return None if ticks is None else [(tick - START) / timedelta(hours=1) for tick in ticks]


@pytest.mark.parametrize("missed", ["skip", "last", "all"])
def test_a_tick_in_time_is_run_whatever_becomes_of_missed_ones(missed: Missed) -> None:
    assert hours_due(missed, timedelta(hours=1)) == [1]
    assert hours_due(missed, timedelta(hours=1, seconds=60)) == [1]


def test_missed_ticks_are_skipped() -> None:
    assert hours_due("skip", timedelta(hours=5, seconds=61)) == []
    assert hours_due("skip", timedelta(hours=5, seconds=59)) == [5]


def test_the_last_missed_tick_is_run_unless_a_later_one_is_in_time() -> None:
    assert hours_due("last", timedelta(hours=5, seconds=61)) == [5]
    assert hours_due("last", timedelta(hours=5, seconds=59)) == [5]


def test_all_missed_ticks_are_run_up_to_the_limit_the_latest_ones() -> None:
    assert hours_due("all", timedelta(hours=5, minutes=30)) == [1, 2, 3, 4, 5]
    assert hours_due("all", timedelta(hours=5, minutes=30), limit=2) == [4, 5]
    assert hours_due("all", timedelta(hours=5), limit=2) == [3, 4, 5]


def test_the_limit_counts_missed_ones_alone() -> None:
    found = hours_due("all", timedelta(hours=5), limit=3, cron="* * * * *")
    assert found is not None
    assert len(found) == 3 + 2  # the tick of a minute ago, and that of now, are in time


def test_nothing_has_ticked() -> None:
    for missed in ("skip", "last", "all"):
        assert hours_due(missed, timedelta(minutes=59)) is None  # type: ignore[arg-type]


def test_the_tick_of_a_job_is_in_its_id() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= tick_of(new_job_id()) <= datetime.now(UTC)


def new_schedule(**changes: Any) -> NewSchedule:
    given: dict[str, Any] = {"schedule_name": "nightly", "cron": "0 7 * * *", "task_type": "report"}
    return NewSchedule(**given | changes)


def test_a_declaration_as_sql_takes_it() -> None:
    given = new_schedule(payload={"days": 1}, time_zone="Europe/Berlin", tags=["a"], max_attempts=2)
    job = {
        "queue": "default",
        "task_type": "report",
        "payload": {"days": 1},
        "tags": ["a"],
        "max_attempts": 2,
    }
    assert given.row(7) == {
        "schedule_name": "nightly",
        "version": 7,
        "cron": "0 7 * * *",
        "time_zone": "Europe/Berlin",
        "job": job,
        "missed": "last",
        "missed_limit": 100,
    }
    assert "version" not in given.row(None)
    assert "days" not in repr(given)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schedule_name": ""}, "schedule_name"),
        ({"cron": "0 7 * *"}, "cron"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"task_type": 7}, "task_type"),
        ({"payload": {"at": START}}, "payload.at"),
        ({"queue": ""}, "queue"),
        ({"missed": "none"}, "missed"),
        ({"missed_limit": 0}, "missed_limit"),
        ({"missed_limit": True}, "missed_limit"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"colour": "red"}, "colour"),
        ({"job_id": new_job_id()}, "job_id"),
        ({"idempotency_key": "k"}, "idempotency_key"),
        ({"run_at": START}, "run_at"),
        ({"delay": 5}, "delay"),
        ({"deadline": START}, "deadline"),
        ({"deadline": -1}, "deadline"),
    ],
)
def test_declarations_are_checked(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        new_schedule(**changes)
    assert raised.value.field == field


def test_a_registry_declares_schedules() -> None:
    registry, other = Registry(), Registry()
    registry.schedule("nightly", "0 7 * * *", task_type="report", tags=["a"])
    other.schedule("weekly", "0 7 * * 1", task_type="report", missed="all")
    registry.include(other)
    assert list(registry.schedules) == ["nightly", "weekly"]
    assert registry.schedules["nightly"] == new_schedule(tags=["a"])
    with pytest.raises(ConfigurationError, match="'nightly' is declared twice"):
        registry.schedule("nightly", "0 8 * * *", task_type="report")
    with pytest.raises(ConfigurationError, match="twice: weekly"):
        registry.include(other)


def test_a_registry_holds_a_schedules_payload_against_its_handler() -> None:
    registry = Registry()

    @registry.task("report")
    def report(given: Report) -> None: ...

    with pytest.raises(PayloadMismatch, match=r"payload\.days"):
        registry.schedule("nightly", "0 7 * * *", task_type="report", payload={"days": "s3cret"})
    registry.schedule("nightly", "0 7 * * *", task_type="report", payload=Report(days=1))
    assert registry.schedules["nightly"].job["payload"] == {"days": 1}
