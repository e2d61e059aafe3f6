"""Several schedulers, each a process; one is killed with -9. Every tick gets its job, and no tick two."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from os import environ
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.contract import NewSchedule
from supaqueue.devstack import Stack
from supaqueue.maintain.schedules import declare_schedules
from supaqueue.schedule import tick_of
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.worker.waiting import until

ROOT = Path(__file__).parents[2]
SPRING = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
"""In Berlin, 02:00 becomes 03:00."""
AUTUMN = datetime(2025, 10, 26, 1, 0, tzinfo=UTC)
"""In Berlin, 03:00 becomes 02:00."""
STEP = timedelta(minutes=20)
STEPS = 18
HALF_PAST_TWO = {SPRING: SPRING, AUTUMN: AUTUMN - timedelta(minutes=30)}
"""In spring there is no such time: at the end of the missing hour. In autumn there are two: the first."""

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def database(own_stack: Stack) -> Iterator[psycopg.Connection[Any]]:
    with closing(psycopg.connect(own_stack.database_url, autocommit=True)) as connection:
        yield connection


@pytest.fixture
def start(own_stack: Stack) -> Iterator[Start]:
    """Starts processes of Python modules, with the stack's address and key; kills what is left at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", *arguments]
        started.append(subprocess.Popen(command, cwd=ROOT, env=environ | own_stack.env()))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def declare(stack: Stack, *schedules: NewSchedule) -> None:
    with RestTransport(Settings(url=stack.url, service_role_key=stack.service_role_key)) as transport:
        answers = declare_schedules(transport, schedules)
    assert {answer.answer for answer in answers} == {"declared"}


def undecided_since(database: psycopg.Connection[Any], moment: datetime) -> None:
    database.execute("update job_schedules set ticked_through = %s", [moment])


def is_decided(database: psycopg.Connection[Any], name: str, through: datetime) -> bool:
    query = "select ticked_through = %s from job_schedules where schedule_name = %s"
    return database.execute(query, [through, name]).fetchone() == (True,)


def ticks(database: psycopg.Connection[Any]) -> dict[str, list[datetime]]:
    """The tick of every job, by task type."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for task_type, job_id in database.execute("select task_type, job_id from jobs order by job_id"):
        found[task_type].append(tick_of(str(job_id)))
    return found


def write(clock: Path, now: datetime) -> None:
    """As one step, so that nobody reads half of it."""
    new = clock.with_suffix(".new")
    new.write_text(now.isoformat())
    new.rename(clock)


@pytest.mark.parametrize("change", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_three_schedulers_over_a_change_of_the_clock(
    own_stack: Stack, database: psycopg.Connection[Any], start: Start, tmp_path: Path, change: datetime
) -> None:
    first, clock = change - STEP * STEPS / 2, tmp_path / "clock"
    expressions = {"minute": "* * * * *", "hour": "0 * * * *", "half past two": "30 2 * * *"}
    declare(
        own_stack,
        *(
            NewSchedule(
                name, cron, task_type=name, time_zone="Europe/Berlin", missed="all", missed_limit=1000
            )
            for name, cron in expressions.items()
        ),
    )
    undecided_since(database, first)
    write(clock, first)

    def scheduler() -> subprocess.Popen[bytes]:
        process = start("tests.schedules.scheduler_process", str(clock))
        until((tmp_path / f"asked-{process.pid}").exists, "the scheduler has asked for the time")
        return process

    schedulers = [scheduler() for _ in range(3)]
    for step in range(1, STEPS + 1):
        now = first + STEP * step
        write(clock, now)
        if step == STEPS // 2:
            schedulers[0].kill()
        if step == STEPS // 2 + 3:
            schedulers[0] = scheduler()
        until(partial(is_decided, database, "minute", now), f"{now} is decided")

    assert [process.poll() for process in schedulers] == [None] * 3
    length = int(STEP * STEPS / timedelta(minutes=1))
    assert ticks(database) == {
        "minute": [first + timedelta(minutes=number) for number in range(1, length + 1)],
        "hour": [first + timedelta(minutes=number) for number in range(60, length + 1, 60)],
        "half past two": [HALF_PAST_TWO[change]],
    }


def test_schedulers_killed_at_their_work_lose_no_tick_and_double_none(
    own_stack: Stack, database: psycopg.Connection[Any], start: Start
) -> None:
    names = [f"s{number:02}" for number in range(20)]
    declare(
        own_stack,
        *(NewSchedule(name, "* * * * *", task_type=name, missed="all", missed_limit=1000) for name in names),
    )
    since = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=8)
    undecided_since(database, since)
    query = "select count(*) from job_schedules where ticked_through > %s"

    def decided() -> int:
        row = database.execute(query, [since]).fetchone()
        return 0 if row is None else int(row[0])

    kills = 0
    other = start("supaqueue", "schedules", "run", "--log-level", "warning")
    while (before := decided()) < len(names):
        killed = start("supaqueue", "schedules", "run", "--log-level", "warning")
        until(lambda before=before: decided() > before, "a scheduler at work")  # type: ignore[misc]
        for scheduler in (killed, other) if kills == 0 else (killed,):
            scheduler.kill()
        kills += 1
    # Also what was decided and is forgotten makes no second job.
    database.execute(
        "update job_schedules set ticked_through = %s where schedule_name = %s", [since, names[0]]
    )
    last = start("supaqueue", "schedules", "run", "--log-level", "warning")
    until(lambda: decided() == len(names), "all is decided")
    last.terminate()
    assert last.wait(30) == 0

    found = ticks(database)
    assert set(found) == set(names)
    for moments in found.values():
        assert moments == [since + timedelta(minutes=number) for number in range(1, len(moments) + 1)]
        assert len(moments) >= 480
