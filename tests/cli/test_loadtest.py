"""`supaqueue loadtest` against the real stack: what it answers, what it refuses, what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from supaqueue.cli import main
from supaqueue.cli.loadtest.plan import TASK_TYPE
from supaqueue.client import Queue
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.cli.loadtests import LoadTests, rows, until, workers
from tests.sql.calls import Worker, endings

EASY = ("--slo-ms", "60000", "--percentile", "50")


@pytest.fixture
def queue_name() -> str:
    """A queue that only this test loads."""
    return f"load-{uuid4().hex[:8]}"


@pytest.fixture
def loadtests(stack18: Stack, tmp_path: Path) -> Iterator[LoadTests]:
    loadtests = LoadTests(stack18, tmp_path)
    yield loadtests
    loadtests.end()


@pytest.fixture
def database(stack18: Stack) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(stack18.superuser_url, autocommit=True) as connection:
        yield connection


def test_measures_and_leaves_nothing_behind(
    loadtests: LoadTests, database: psycopg.Connection[Any], queue_name: str
) -> None:
    with Queue(Settings.load(loadtests.stack.env(), dotenv=None)) as client:
        mine = client.enqueue("mine", queue=queue_name).job_id
    code, found = loadtests.json(
        "--duration-seconds", "2", "--concurrency", "20", "--queue", queue_name, *EASY
    )
    jobs = found["jobs"]
    assert (code, found["verdict"], found["reasons"]) == (0, "met", [])
    assert (
        jobs["due"] == jobs["sent"] == jobs["accepted"] == jobs["completed"] == found["objective"]["within"]
    )
    assert jobs["due"] >= 20
    assert jobs["by_owner"] == {"supabase": jobs["due"]}
    assert {name: row["count"] for name, row in found["latency_ms"].items()} == dict.fromkeys(
        ("late", "answer", "pickup", "run", "finish"), jobs["due"]
    )
    finish = found["latency_ms"]["finish"]
    assert 0 < finish["p50"] <= finish["p90"] <= finish["p95"] <= finish["p99"] <= finish["max"]
    backlog = found["backlog"]
    assert backlog["drained"] is True
    assert backlog["before"]["waiting"] == backlog["after"]["waiting"] == 1  # the one that is not its own
    assert sum(one["due"] for one in found["timeline"]["slices"]) == jobs["due"]
    assert found["timeline"]["slices"][-1]["open"] == 0
    assert 0 < found["clocks"]["supabase"]["error_ms"] < 5000
    # All its own jobs are gone, the user's stays; its workers and its right to the queue are given back.
    assert found["cleaned_up"]["failed"] is None
    assert found["cleaned_up"]["removed"] == jobs["due"] + 10
    left = database.execute("select job_id::text from jobs where queue = %s", [queue_name]).fetchall()
    assert left == [(mine,)]
    assert workers(database, queue_name) == []
    held = "select count(*) from job_leases where lease_name = %s and expires_at > clock_timestamp()"
    assert database.execute(held, [f"loadtest {queue_name}"]).fetchone() == (0,)


def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What the command says that cannot run; its exit code is 3."""
    monkeypatch.setattr("sys.argv", ["supaqueue", "loadtest", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (3, "")
    assert "Traceback" not in said.err
    return " ".join(said.err.split())


REFUSED = [
    (["--duration-seconds", "0"], "--duration-seconds: must be 1 to 86400"),
    (["--concurrency", "0"], "--concurrency: must be 1 to 10000"),
    (["--rate", "-1"], "--rate: must be above 0"),
    (["--rate", "nan"], "--rate: must be above 0"),
    (["--slo-ms", "0"], "--slo-ms: must be above 0"),
    (["--percentile", "100"], "--percentile: must be 50 to 99.9"),
    (["--max-errors-percent", "100"], "--max-errors-percent: must be 0 or more"),
    (["--drain-seconds", "-1"], "--drain-seconds: must be 0 to 86400"),
    (["--task-type", "bill", "--workers", "1"], "its own workers run jobs of type supaqueue-loadtest only"),
    (["--payload", "nowhere.json"], "nowhere.json cannot be read"),
    (["--nonsense"], "No such option"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED, ids=lambda one: " ".join(one)[:30])
def test_refuses_what_makes_no_sense(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUPAQUEUE_LEGACY", raising=False)
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "key")
    monkeypatch.setenv("NO_COLOR", "1")
    assert said in typed(monkeypatch, capsys, *arguments)


def test_asks_before_it_loads_another_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "a-secret-key")
    said = typed(
        monkeypatch, capsys, "--url", "https://abc.supabase.co", "--rate", "50", "--duration-seconds", "120"
    )
    assert "https://abc.supabase.co is not on this machine" in said
    assert "about 6,000 jobs" in said
    assert "--yes" in said
    assert "a-secret-key" not in said


def test_says_what_is_wrong_if_nothing_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, stack18: Stack
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUPABASE_URL", stack18.url)
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "no-such-key")
    said = typed(monkeypatch, capsys, "--duration-seconds", "1")
    assert "SUPABASE_SERVICE_ROLE_KEY" in said
    assert "no-such-key" not in said


@pytest.mark.slow
def test_prints_tables_charts_and_a_verdict(loadtests: LoadTests, queue_name: str) -> None:
    done = loadtests.run(
        "--duration-seconds", "4", "--concurrency", "20", "--queue", queue_name, "--slo-ms", "1",
        "--percentile", "80",
    )  # fmt: skip
    # No machine completes a job in a millisecond; a slow one may say of itself that it is.
    assert done.returncode in (1, 2), done.stderr
    assert done.stderr == ""
    said = " ".join(done.stdout.split())
    for text in (
        "p99.9",
        "finish, ms",
        "jobs that had not ended",
        "┤",
        "drained",
        "percent completed within",
    ):
        assert text in said
    assert "missed: " in said or "cannot keep that rate" in said


@pytest.mark.slow
def test_one_at_a_time(loadtests: LoadTests, database: psycopg.Connection[Any], queue_name: str) -> None:
    first = loadtests.start("--duration-seconds", "20", "--rate", "5", "--queue", queue_name)
    until(lambda: rows(database, queue_name), "the first to begin")
    second = loadtests.run("--duration-seconds", "1", "--queue", queue_name)
    assert second.returncode == 3
    assert "another load test" in second.stderr
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert first.returncode == 2
    assert rows(database, queue_name) == 0


@pytest.mark.slow
def test_interrupted_it_tells_what_it_has_and_cleans_up(
    loadtests: LoadTests, database: psycopg.Connection[Any], queue_name: str
) -> None:
    process = loadtests.start(
        "--duration-seconds", "60", "--rate", "20", "--queue", queue_name, "--json", *EASY
    )
    until(lambda: rows(database, queue_name, "completed") > 40, "some jobs to complete")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    found = json.loads(out)
    assert (process.returncode, err) == (2, "")
    assert (found["verdict"], found["reasons"]) == ("inconclusive", ["it was interrupted"])
    assert found["latency_ms"]["finish"]["count"] > 20
    assert found["jobs"]["unsent"] == 0
    assert rows(database, queue_name) == 0
    assert workers(database, queue_name) == []


@pytest.mark.slow
def test_killed_its_workers_leave_and_the_next_one_begins(
    loadtests: LoadTests, database: psycopg.Connection[Any], queue_name: str
) -> None:
    process = loadtests.start("--duration-seconds", "60", "--rate", "20", "--queue", queue_name)
    until(lambda: rows(database, queue_name, "completed") > 20, "some jobs to complete")
    assert len(workers(database, queue_name)) == 1
    process.kill()
    process.communicate()
    until(lambda: not workers(database, queue_name), "its worker to leave")
    # What it held for a minute, as if that had passed.
    database.execute(
        "update job_leases set expires_at = clock_timestamp() where lease_name = %s",
        [f"loadtest {queue_name}"],
    )
    code, found = loadtests.json("--duration-seconds", "2", "--rate", "20", "--queue", queue_name, *EASY)
    assert (code, found["verdict"]) == (0, "met")
    assert rows(database, queue_name, "pending") == 0


@pytest.mark.slow
def test_without_its_worker_it_knows_too_little(
    loadtests: LoadTests, database: psycopg.Connection[Any], queue_name: str
) -> None:
    process = loadtests.start(
        "--duration-seconds", "60", "--rate", "20", "--queue", queue_name, "--json", *EASY
    )
    until(lambda: rows(database, queue_name, "completed") > 40, "some jobs to complete")
    [worker] = workers(database, queue_name)
    os.kill(worker, signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    found = json.loads(out)
    assert (process.returncode, found["verdict"]) == (2, "inconclusive")
    assert "a worker of the load test ended" in found["reasons"][0]
    # What the worker held is cancelled, and ends with its lease, if it held anything.
    assert rows(database, queue_name, "pending") == 0


@pytest.mark.slow
def test_nobody_works(loadtests: LoadTests, database: psycopg.Connection[Any], queue_name: str) -> None:
    done = loadtests.run("--workers", "0", "--ready-seconds", "1", "--queue", queue_name)
    assert done.returncode == 3
    assert "does a worker serve both" in done.stderr
    assert rows(database, queue_name) == 0


@pytest.mark.slow
def test_jobs_of_the_user_s_own_type_stay_and_what_has_not_ended_is_cancelled(
    loadtests: LoadTests, database: psycopg.Connection[Any], queue_name: str, tmp_path: Path
) -> None:
    """The user's worker runs the first ten jobs, and then stops working."""
    (tmp_path / "payload.json").write_text('{"n": 7}')
    arguments = ("--queue", queue_name, "--task-type", "bill", "--payload", "payload.json", "--json")
    process = loadtests.start(
        "--duration-seconds", "3", "--rate", "20", "--drain-seconds", "1", *EASY, *arguments
    )
    worker = Worker(database, queues=[queue_name], task_types=["bill"])
    ended = 0
    until(lambda: rows(database, queue_name, "pending"), "the first job")
    while ended < 10:
        tasks = worker.claim(want=10 - ended)
        assert all(task["payload"] == {"n": 7} for task in tasks)
        worker.finish(endings(tasks, "done"))
        ended += len(tasks)
    out, err = process.communicate(timeout=60)
    found = json.loads(out)
    assert (process.returncode, err, found["verdict"]) == (1, "", "missed")
    assert found["backlog"]["drained"] is False
    assert found["jobs"]["unended"] == found["jobs"]["accepted"] == found["cleaned_up"]["cancelled"]
    assert found["cleaned_up"]["removed"] == 0
    assert rows(database, queue_name, "completed") == 10
    assert rows(database, queue_name, "cancelled") == found["jobs"]["accepted"]
    with RestTransport(Settings.load(loadtests.stack.env(), dotenv=None)) as transport:
        tagged = list(Queue(transport=transport).list(tag=found["cleaned_up"]["tag"]))
    assert len(tagged) == 10 + found["jobs"]["accepted"]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_200_producers_for_a_minute(loadtests: LoadTests, database: psycopg.Connection[Any]) -> None:
    code, found = loadtests.json(
        "--duration-seconds", "60", "--concurrency", "200", "--slo-ms", "60000", "--rate", "10"
    )
    print(json.dumps({name: row for name, row in found.items() if name != "timeline"}, indent=1))
    assert (code, found["verdict"]) == (0, "met")
    jobs = found["jobs"]
    assert jobs["due"] == jobs["completed"]
    assert jobs["due"] > 450  # six standard deviations below 600
    assert found["backlog"]["drained"] is True
    assert found["timeline"]["slices"][-1]["open"] == 0
    assert rows(database, TASK_TYPE) == 0
