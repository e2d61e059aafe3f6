"""`supaqueue schedules` and the worker that runs them, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from supaqueue.client import Queue
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from tests.forked import typed
from tests.worker.waiting import until

HERE = Path(__file__).parent
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(stack18: Stack, tmp_path: Path) -> Run:
    """Runs `supaqueue schedules` to its end."""

    def run_one(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | stack18.env() | {"COLUMNS": "200"}
        return typed("schedules", *arguments, env=env, cwd=tmp_path)

    return run_one


@pytest.fixture
def name(run: Run) -> Iterator[str]:
    name = f"nightly {uuid4().hex[:8]}"
    yield name
    run("remove", name)


def listed(run: Run, name: str, *options: str) -> dict[str, Any] | None:
    found = json.loads(run("list", "--json", *options).stdout)["schedules"]
    return next((one for one in found if one["schedule_name"] == name), None)


def test_a_schedule_from_set_to_remove(run: Run, name: str) -> None:
    options = ["--task-type", "report", "--payload", '{"days": 1}', "--time-zone", "Europe/Berlin"]
    done = run("set", name, "0 7 * * *", *options, "--missed", "all", "--max-attempts", "2", "--tag", "a")
    assert (done.returncode, done.stdout) == (0, f"{name}: declared\n"), done.stderr
    found = listed(run, name, "--with-payload")
    assert found is not None
    assert found["job"] == {
        "queue": "default",
        "task_type": "report",
        "payload": {"days": 1},
        "max_attempts": 2,
        "tags": ["a"],
    }
    assert datetime.fromisoformat(found["next_tick"]) > datetime.now(UTC)
    assert found["next_tick"][11:16] in ("05:00", "06:00")
    assert "payload" not in (listed(run, name) or {})["job"]

    changed = json.loads(run("set", name, "0 8 * * *", *options, "--json").stdout)
    assert changed["answer"] == "declared"
    assert changed["version"] > found["version"]
    assert run("disable", name).stdout == f"{name}: disabled\n"
    table = run("list").stdout
    [line] = [line for line in table.splitlines() if name in line]
    assert "disabled" in line
    assert json.loads(run("enable", name, "--json").stdout)["answer"] == "enabled"
    [line] = [line for line in run("list").stdout.splitlines() if name in line]
    assert "08:00 CE" in line
    assert run("remove", name).stdout == f"{name}: removed\n"
    assert listed(run, name) is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["set", "{}", "61 * * * *", "--task-type", "t"], "cron: bad minute"),
        (["set", "{}", "0 7 * * *", "--task-type", "t", "--time-zone", "Mars"], "time_zone: must be a name"),
        (["set", "{}", "0 7 * * *", "--task-type", "t", "--payload", "s3cret{"], "payload: must be JSON"),
        (["set", "{}", "0 7 * * *", "--task-type", "t", "--missed", "none"], "missed: must be one of"),
        (["set", "{}", "0 7 * * *", "--task-type", "t", "--max-attempts", "0"], "max_attempts: must be"),
        (["disable", "unknown"], "schedule_name: there is no such schedule"),
        (["remove", "unknown", "--json"], "schedule_name: there is no such schedule"),
        (["next", "@daily"], "cron: must have five fields"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(run: Run, name: str, arguments: list[str], says: str) -> None:
    done = run(*(name if argument == "{}" else argument for argument in arguments))
    assert done.returncode == 1
    assert done.stderr.startswith(f"supaqueue: {says}")
    assert len(done.stderr.splitlines()) == 1
    assert "s3cret" not in done.stderr
    assert listed(run, name) is None


def test_the_next_ticks_with_their_zone(tmp_path: Path) -> None:
    """Without a database: there is no address in the environment."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("SUPA")}
    command = [sys.executable, "-m", "supaqueue", "schedules", "next", "30 2 * * *"]
    command += ["--time-zone", "Europe/Berlin", "--count", "3"]
    shown = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = shown.stdout.splitlines()
    assert len(lines) == 3
    assert all(" CET = " in line or " CEST = " in line for line in lines)
    told = subprocess.run([*command, "--json"], env=env, cwd=tmp_path, capture_output=True, check=True)
    ticks = [datetime.fromisoformat(tick) for tick in json.loads(told.stdout)["ticks"]]
    assert len(ticks) == 3
    assert all(tick.utcoffset() in (timedelta(hours=1), timedelta(hours=2)) for tick in ticks)


def test_a_worker_declares_and_runs_what_its_registry_schedules(
    own_stack: Stack, tmp_path: Path, queue_name: str
) -> None:
    """Twice: the second worker finds all declared, and a tick that nobody was there for."""
    settings = Settings(url=own_stack.url, service_role_key=own_stack.service_role_key)
    env = os.environ | own_stack.env() | {"SCHEDULED_QUEUE": queue_name}
    command = [
        sys.executable,
        "-m",
        "supaqueue",
        "worker",
        "jobs_on_schedule:registry",
        "--queue",
        queue_name,
    ]
    query = "select schedule_name from job_schedules order by schedule_name"
    with (
        closing(psycopg.connect(own_stack.database_url, autocommit=True)) as database,
        Queue(settings) as queue,
    ):
        worker = subprocess.Popen(command, cwd=HERE, env=env)
        try:
            names = [("hourly report",), ("never mind",)]
            until(lambda: database.execute(query).fetchall() == names, "the schedules are declared")
            until(lambda: queue.stats().workers, "the worker is at work")
        finally:
            worker.terminate()
            assert worker.wait(30) == 0
        versions = "select schedule_name, version from job_schedules order by schedule_name"
        before = database.execute(versions).fetchall()
        since = datetime.now(UTC) - timedelta(hours=3)
        database.execute("update job_schedules set ticked_through = %s", [since])
        worker = subprocess.Popen(command, cwd=HERE, env=env)
        try:
            jobs = until(lambda: list(queue.list(queue=queue_name)), "the missed tick's job")
            assert queue.wait(jobs[-1].job_id, timeout=60).result == "7 days until 00:00"
        finally:
            worker.terminate()
            assert worker.wait(30) == 0
        assert database.execute(versions).fetchall() == before


def test_a_worker_whose_schedules_are_refused_says_why(stack18: Stack, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from supaqueue import Registry\nregistry = Registry()\n"
        "registry.schedule('nightly', '0 7 * *', task_type='t', payload='s3cret')\n"
    )
    command = [sys.executable, "-m", "supaqueue", "worker", "bad:registry"]
    env = os.environ | stack18.env()
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "cron: must have five fields" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr
