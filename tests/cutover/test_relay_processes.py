"""`supaqueue rollout relay` and `supaqueue worker --relay` as processes: they work, and leave when told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supaqueue.cutover.spooled import mirror_record
from supaqueue.devstack import Stack
from tests.cutover.world import World
from tests.worker.waiting import until

Start = Callable[..., "subprocess.Popen[str]"]

JOBS = """
from supaqueue.worker import Registry

registry = Registry()


@registry.task("count")
def count(payload):
    return payload
"""


@pytest.fixture
def start(stack18: Stack, world: World, tmp_path: Path) -> Iterator[Start]:
    """Starts `supaqueue` with arguments, on both systems of this test; killed at its end."""
    started: list[subprocess.Popen[str]] = []
    (tmp_path / "my_jobs.py").write_text(JOBS)
    environment = os.environ | stack18.env()
    environment |= {
        "SUPAQUEUE_LEGACY": f"folder:{tmp_path / 'legacy'}",
        "SUPAQUEUE_SPOOL": str(tmp_path / "spool"),
    }

    def run(*arguments: str, **given: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "supaqueue", *arguments],
            env=environment | given,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_relay_says_what_it_does_and_leaves_at_a_signal(world: World, start: Start, sign: int) -> None:
    world.go_to(100)
    relay = start("rollout", "relay", "--json")
    for number in range(2):
        job = world.new_job("supabase")
        world.enqueue(job)
        until(lambda job=job: world.entry(job), f"job {number} to be parked")  # type: ignore[misc]
    spooled = world.new_job("legacy")
    world.spool.append([mirror_record(spooled)])
    world.spool.close()
    find = "select count(*) from jobs where job_id = %s"
    until(lambda: world.database.execute(find, [spooled.job_id]).fetchone() == (1,), "the mirror to come")
    relay.send_signal(sign)
    out, err = relay.communicate(timeout=60)
    assert (relay.returncode, err) == (0, "")
    turns = [json.loads(line) for line in out.splitlines()]
    assert sum(turn["parked"] for turn in turns) == 2
    assert sum(turn["mirrored"] for turn in turns) == 1
    assert all(any(turn.values()) for turn in turns), "a turn in which nothing was done is not told"
    [held] = world.database.execute("select expires_at <= clock_timestamp() from job_leases").fetchall()
    assert held == (True,), "its lease was given back"


@pytest.mark.slow
def test_a_relay_says_at_once_that_supabase_gives_no_answer(world: World, start: Start) -> None:
    relay = start("rollout", "relay", SUPABASE_URL="http://127.0.0.1:9")
    out, err = relay.communicate(timeout=120)
    assert (relay.returncode, out) == (1, "")
    assert err.startswith("supaqueue: ")
    assert "Traceback" not in err


def test_a_worker_relays_beside_its_tasks(world: World, start: Start) -> None:
    world.go_to(100)
    job = world.new_job("supabase")
    world.enqueue(job)
    worker = start("worker", "my_jobs:registry", "--queue", "q", "--relay", "--no-scheduler")
    ended = ("completed", "settled")
    until(lambda: world.row(job, "status", "mirror_state") == ended, "its end to be told to legacy")
    entry = world.entry(job)
    assert entry is not None
    assert entry.ending is not None
    worker.send_signal(signal.SIGTERM)
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert "Traceback" not in err


def test_a_worker_without_it_relays_nothing_and_with_it_needs_a_legacy_queue(
    world: World, start: Start
) -> None:
    world.go_to(100)
    job = world.new_job("supabase")
    world.enqueue(job)
    worker = start("worker", "my_jobs:registry", "--queue", "q", "--no-scheduler")
    until(lambda: world.row(job, "status") == ("completed",), "the job to end")
    assert world.row(job, "mirror_state") == ("end_due",)
    worker.terminate()
    worker.communicate(timeout=60)
    refused = start("worker", "my_jobs:registry", "--relay", SUPAQUEUE_LEGACY="")
    _, err = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert "set SUPAQUEUE_LEGACY or --legacy" in err


BROKEN = """
from supaqueue import Records

records = Records(unknown=lambda limit: 1 / 0, undo=print, keep=print)
"""


def test_a_relay_goes_on_if_an_applications_records_fail(world: World, start: Start, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    world.go_to(100)
    relay = start("rollout", "relay", "--settle", "broken:records")
    assert relay.stderr is not None
    until(lambda: "`unknown` failed: ZeroDivisionError" in relay.stderr.readline(), "it to be named")
    job = world.new_job("supabase")
    world.enqueue(job)
    until(lambda: world.entry(job), "the job to be parked")
    relay.terminate()
    _, err = relay.communicate(timeout=60)
    assert relay.returncode == 0
    assert "Traceback" not in err


def test_records_that_are_not_there_are_refused_at_once(world: World, start: Start) -> None:
    for words in (("rollout", "relay"), ("worker", "my_jobs:registry", "--relay")):
        refused = start(*words, SUPAQUEUE_SETTLE="my_jobs:records")
        out, err = refused.communicate(timeout=60)
        assert (refused.returncode, out) == (1, "")
        assert "SUPAQUEUE_SETTLE: nothing is under 'my_jobs:records'" in err


def test_one_round_settles_too(world: World, start: Start, tmp_path: Path) -> None:
    world.go_to(100)
    job = world.new_job("supabase")
    world.enqueue(job)
    (tmp_path / "mine.py").write_text(
        "from supaqueue import Records\n"
        f"records = Records(unknown=lambda limit: [{job.job_id!r}], undo=lambda ids: None, keep=print)\n"
    )
    relay = start("rollout", "relay", "--once", "--json", "--settle", "mine:records")
    out, err = relay.communicate(timeout=60)
    assert (relay.returncode, err) == (0, "")
    assert json.loads(out)["settled_unknown"] == 1
    assert world.row(job, "status") == ("cancelled",)
