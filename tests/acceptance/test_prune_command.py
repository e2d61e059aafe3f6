"""`supaqueue prune`, run as a user runs it."""

from __future__ import annotations

import json
import resource
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from supaqueue.devstack import Stack
from supaqueue.maintain.archive_reader import read_archive
from tests.acceptance.test_bad_input import assert_one_clear_error, supaqueue
from tests.sql.calls import Worker
from tests.sql.retention import ended

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environ(stack18: Stack) -> dict[str, str]:
    return {name: stack18.env()[name] for name in ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY")}


@pytest.fixture
def prune(environ: dict[str, str], tmp_path: Path, queue_name: str) -> Command:
    """Prunes the test's queue, never resting."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return supaqueue(tmp_path, "prune", "--queue", queue_name, "--share", "1", *arguments, **environ)

    return run


@pytest.fixture
def worker(stack18: Stack, queue_name: str) -> Worker:
    return Worker(psycopg.connect(stack18.superuser_url, autocommit=True), queues=[queue_name])


def test_it_says_what_would_go_and_then_removes_it(prune: Command, worker: Worker) -> None:
    completed, failed = ended(worker, count=3), ended(worker, "failed", count=2)
    would = json.loads(prune("--completed", "0s", "--failed", "1d", "--dry-run", "--json").stdout)
    assert would["would_remove"] == {"completed": 3}
    done = prune("--completed", "0s", "--failed", "1d")
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout
    assert worker.get(*completed) == [None] * 3
    assert [job["status"] for job in worker.get(*failed)] == ["failed"] * 2


def test_it_archives(prune: Command, worker: Worker, tmp_path: Path) -> None:
    ids = ended(worker, count=3)
    done = prune("--completed", "0s", "--archive", "archive", "--json")
    assert json.loads(done.stdout)["removed"] == {"completed": 3}, done.stderr
    assert {job.job_id for job in read_archive(tmp_path / "archive")} == set(ids)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing goes without"),
        (["--completed", "soon"], "--completed"),
        (["--completed", "-1d"], "--completed"),
        (["--completed", "999999999w"], "100 years at most"),
        (["--tombstones", "1d"], "tombstones: must be at least 7 days"),
        (["--completed", "1d", "--watch", "x"], "--watch"),
        (["--completed", "1d", "--share", "0"], "share"),
        (["--completed", "1d", "--archive", "/proc/archive"], "cannot write to /proc"),
    ],
)
def test_bad_input_is_one_clear_error(prune: Command, arguments: list[str], said: str) -> None:
    done = prune(*arguments)
    assert_one_clear_error(done, said)


def test_a_full_disk_is_one_clear_error_and_deletes_nothing(
    worker: Worker, environ: dict[str, str], tmp_path: Path, queue_name: str
) -> None:
    """No file may grow beyond 20 kB: a part of the archive can be written, and the disk refuses the rest."""
    ids = [ended(worker, payload={"text": secrets.token_hex(10_000)})[0] for _ in range(10)]
    command = [sys.executable, "-m", "supaqueue", "prune", "--completed", "0s", "--archive", "archive"]
    done = subprocess.run(
        [*command, "--queue", queue_name],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=environ | {"PYTHONDONTWRITEBYTECODE": "1"},  # else it would leave truncated ones behind
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert_one_clear_error(done, "cannot write to archive/jobs-", "make room")
    assert all(job is not None for job in worker.get(*ids))
    assert list((tmp_path / "archive").glob("jobs-*/*")) == []
