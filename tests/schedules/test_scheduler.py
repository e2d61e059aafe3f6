"""One scheduler on a real stack: missed ticks, changes under its hands, schedules that cannot tick."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from supaqueue.client import Queue
from supaqueue.contract import Call, ListSchedules, NewSchedule, TickSchedules
from supaqueue.devstack import Stack
from supaqueue.errors import InvalidInput
from supaqueue.job import Job
from supaqueue.maintain.scheduler import JITTER_SECONDS, Scheduler
from supaqueue.maintain.schedules import (
    declare_schedules,
    list_schedules,
    remove_schedule,
    switch_schedule,
)
from supaqueue.schedule import Schedule, tick_of
from supaqueue.settings import Settings
from supaqueue.telemetry import Telemetry
from supaqueue.telemetry.events import JobEnqueued
from supaqueue.transport import RestTransport, Transport
from tests.faults.proxy import Fault, FaultProxy
from tests.schedules.moved_time import MovedTime
from tests.worker.running import KeptEvents
from tests.worker.waiting import until

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class OwnSchedules:
    """Schedules that only one test uses; their ticks since `START` are undecided."""

    transport: RestTransport
    database: psycopg.Connection[Any]
    queue: str = field(default_factory=lambda: f"q-{uuid4().hex[:12]}")

    def declare(self, name: str = "hourly", cron: str = "0 * * * *", **options: Any) -> NewSchedule:
        schedule = NewSchedule(self.full(name), cron, task_type=name, queue=self.queue, **options)
        assert declare_schedules(self.transport, [schedule])[0].answer == "declared"
        return schedule

    def undecided(self) -> None:
        self.alter("ticked_through = %s", START)

    def alter(self, change: str, *values: object) -> None:
        query = f"update job_schedules set {change} where job ->> 'queue' = %s"
        self.database.execute(query.encode(), [*values, self.queue])

    def full(self, name: str) -> str:
        return f"{name} {self.queue}"

    def found(self, name: str = "hourly") -> Schedule | None:
        schedules = list_schedules(self.transport).schedules
        return next((one for one in schedules if one.schedule_name == self.full(name)), None)

    def at(self, after: timedelta) -> MovedTime:
        return MovedTime(self.transport, lambda: START + after)

    def jobs(self) -> list[Job]:
        with Queue(transport=self.transport) as queue:
            return sorted(queue.list(queue=self.queue), key=lambda job: job.job_id)

    def hours(self) -> list[float]:
        return [(tick_of(job.job_id) - START) / timedelta(hours=1) for job in self.jobs()]


@pytest.fixture
def schedules(stack18: Stack) -> Iterator[OwnSchedules]:
    settings = Settings(url=stack18.url, service_role_key=stack18.service_role_key)
    with (
        RestTransport(settings) as transport,
        psycopg.connect(stack18.database_url, autocommit=True) as database,
    ):
        own = OwnSchedules(transport, database)
        yield own
        own.alter("removed_at = clock_timestamp()")


@pytest.mark.parametrize(
    ("missed", "hours"),
    [("skip", []), ("last", [5.0]), ("all", [3.0, 4.0, 5.0])],
    ids=["skip", "last", "all"],
)
def test_missed_ticks(schedules: OwnSchedules, missed: Any, hours: list[float]) -> None:
    schedules.declare(missed=missed, missed_limit=3)
    schedules.undecided()
    scheduler = Scheduler(schedules.at(timedelta(hours=5, minutes=30)))
    scheduler.turn()
    scheduler.turn()
    assert schedules.hours() == hours
    # What was passed over stays so, also for one that would run it.
    Scheduler(schedules.at(timedelta(hours=5, minutes=31)), grace_seconds=36_000).turn()
    assert schedules.hours() == hours
    Scheduler(schedules.at(timedelta(hours=6))).turn()
    assert schedules.hours() == [*hours, 6.0]


def test_a_new_schedule_makes_up_for_nothing(schedules: OwnSchedules) -> None:
    schedules.declare(cron="* * * * *", missed="all")
    found = schedules.found()
    assert found is not None
    before = found.ticked_through.replace(second=0, microsecond=0)
    scheduler = Scheduler(MovedTime(schedules.transport, lambda: max(before, found.ticked_through)))
    scheduler.turn()
    assert schedules.jobs() == []


def test_the_pause_lasts_until_the_next_tick(schedules: OwnSchedules) -> None:
    schedules.declare()
    schedules.undecided()
    scheduler = Scheduler(schedules.at(timedelta(minutes=59, seconds=50)), longest_pause=20.0)
    assert scheduler.turn() <= 10.0 + JITTER_SECONDS
    scheduler = Scheduler(schedules.at(timedelta(minutes=10)), longest_pause=20.0)
    assert scheduler.turn() <= 20.0 + JITTER_SECONDS


class Interrupted:
    """A transport that lets something happen between a listing and the tick that follows from it."""

    def __init__(self, transport: Transport, *happenings: Callable[[], object]) -> None:
        self._transport = transport
        self._happenings = list(happenings)

    def send(self, call: Call[Any]) -> Any:
        if isinstance(call, TickSchedules) and self._happenings:
            self._happenings.pop(0)()
        return self._transport.send(call)

    def close(self) -> None: ...


def test_a_change_under_a_schedulers_hands(schedules: OwnSchedules) -> None:
    """The tick is run once, as the schedule stands by then."""
    schedules.declare(payload="old")
    schedules.undecided()
    moved = schedules.at(timedelta(hours=1))
    scheduler = Scheduler(Interrupted(moved, lambda: schedules.declare(payload="new")))
    assert scheduler.turn() <= JITTER_SECONDS  # it looks again at once
    assert schedules.jobs() == []
    scheduler.turn()
    [job] = schedules.jobs()
    with Queue(transport=schedules.transport) as queue:
        read = queue.get(job.job_id, with_payload=True)
    assert read is not None
    assert read.payload == "new"


def test_another_scheduler_under_a_schedulers_hands(schedules: OwnSchedules) -> None:
    schedules.declare()
    schedules.undecided()
    moved = schedules.at(timedelta(hours=1))
    events, others = KeptEvents(), KeptEvents()
    other = Scheduler(moved, telemetry=Telemetry([others]))
    Scheduler(Interrupted(moved, other.turn), telemetry=Telemetry([events])).turn()
    assert schedules.hours() == [1.0]
    assert [event.answer for event in others.of(JobEnqueued)] == ["created"]
    assert [event.answer for event in events.of(JobEnqueued)] == ["exists"]


def test_a_removal_and_a_disable_under_a_schedulers_hands(schedules: OwnSchedules) -> None:
    schedules.declare("hourly")
    schedules.declare("daily", "0 0 * * *")
    schedules.undecided()

    def change() -> None:
        remove_schedule(schedules.transport, schedules.full("hourly"))
        switch_schedule(schedules.transport, schedules.full("daily"), is_enabled=False)

    scheduler = Scheduler(Interrupted(schedules.at(timedelta(days=1)), change))
    scheduler.turn()
    scheduler.turn()
    assert schedules.jobs() == []


def test_what_cannot_be_read_here_is_told_once_and_stops_nobody(
    schedules: OwnSchedules, caplog: pytest.LogCaptureFixture
) -> None:
    """Another language's scheduler may know other expressions; the SQL cannot tell."""
    schedules.declare("strange")
    schedules.alter("cron = '99 * * * *'")
    schedules.declare("hourly")
    schedules.undecided()
    scheduler = Scheduler(schedules.at(timedelta(hours=1)))
    with caplog.at_level(logging.ERROR):
        scheduler.turn()
        scheduler.turn()
    assert [job.task_type for job in schedules.jobs()] == ["hourly"]
    assert [record.message for record in caplog.records if schedules.queue in record.message] == [
        f"schedule {schedules.full('strange')} does not tick here: cron: bad minute in '99 * * * *'"
    ]


def test_what_the_database_refuses_stops_nobody(
    schedules: OwnSchedules, caplog: pytest.LogCaptureFixture
) -> None:
    """A later version may accept less than the one that took the declaration."""
    schedules.declare("refused", payload="s3cret")
    schedules.alter("job = job || '{\"max_attempts\": 0}'")
    schedules.declare("hourly")
    schedules.undecided()
    with caplog.at_level(logging.ERROR):
        Scheduler(schedules.at(timedelta(hours=1))).turn()
    assert [job.task_type for job in schedules.jobs()] == ["hourly"]
    [told] = [record.message for record in caplog.records if schedules.queue in record.message]
    assert "max_attempts: expected 1 to 1000" in told
    assert "s3cret" not in told


def test_many_ticks_go_in_several_calls(schedules: OwnSchedules) -> None:
    for name in ("one", "two", "three"):
        schedules.declare(name, "* * * * *", missed="all", missed_limit=600)
    schedules.undecided()
    Scheduler(schedules.at(timedelta(hours=10))).turn()
    assert len(schedules.jobs()) == 3 * 600


def test_a_thread_goes_on_after_failures(schedules: OwnSchedules, stack18: Stack) -> None:
    schedules.declare()
    schedules.undecided()
    with FaultProxy(stack18.url) as proxy:
        proxy.expect(ListSchedules.function, Fault.ANSWER_401)
        proxy.expect(TickSchedules.function, Fault.ANSWER_400, Fault.DROP_ANSWER)
        settings = Settings(url=proxy.url, service_role_key=stack18.service_role_key)
        with RestTransport(settings) as transport:
            moved = MovedTime(transport, lambda: START + timedelta(hours=1))
            with Scheduler(moved, longest_pause=0.1) as scheduler:
                until(schedules.jobs, "the tick's job")
                until(lambda: len(proxy.faults_done) == 3, "every fault")
            scheduler.stop()
    assert schedules.hours() == [1.0]


def test_declaring_replaces_whatever_stands(schedules: OwnSchedules) -> None:
    first, second = schedules.declare(payload=1), schedules.declare(payload=2)
    answers = declare_schedules(schedules.transport, [first])
    assert answers == declare_schedules(schedules.transport, [first])
    switch_schedule(schedules.transport, first.schedule_name, is_enabled=False)
    declare_schedules(schedules.transport, [second])
    found = schedules.found()
    assert found is not None
    assert not found.is_enabled
    remove_schedule(schedules.transport, first.schedule_name)
    assert schedules.found() is None
    declare_schedules(schedules.transport, [second])
    found = schedules.found()
    assert found is not None
    assert found.is_enabled
    assert remove_schedule(schedules.transport, "unknown").answer == "unknown"
    assert switch_schedule(schedules.transport, "unknown", is_enabled=True).answer == "unknown"


def test_what_is_refused_before_anything_is_sent(schedules: OwnSchedules) -> None:
    schedule = NewSchedule("twice", "0 7 * * *", task_type="t", payload="x" * 100)
    with pytest.raises(InvalidInput, match="once"):
        declare_schedules(schedules.transport, [schedule, schedule])
    with pytest.raises(InvalidInput, match="limit is 50"):
        declare_schedules(schedules.transport, [schedule], max_json_bytes=50)
