"""An archiver killed with -9 at every step there is: the next one leaves every job in the files, and once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from supaqueue.contract import RetentionPolicy
from supaqueue.devstack import Stack
from supaqueue.maintain.archive_file import PARTIAL, WRITTEN, read_lines
from supaqueue.maintain.archive_reader import read_archive
from supaqueue.maintain.retention import Retention
from supaqueue.settings import Settings
from tests.sql.calls import Worker
from tests.sql.retention import ended

DRIVER = Path(__file__).parent / "killed_archiver.py"
LEAST_STEPS = 25
"""Reading, writing, reading back, deleting, dropping a line and renaming come to more."""


def archive(
    stack: Stack, folder: Path, queue: str, step: int, job_id: str
) -> subprocess.CompletedProcess[str]:
    """Run an archiver that is killed at a step; at step 0 it is not."""
    return subprocess.run(
        [sys.executable, str(DRIVER), str(folder), queue, str(step), job_id],
        env=os.environ | stack.env() | {"SUPABASE_DB_URL": stack.superuser_url},
        capture_output=True,
        text=True,
        timeout=60,
    )


def archived(folder: Path) -> Counter[str]:
    """How often each job is in the files of an archive."""
    return Counter(job.job_id for job in read_archive(folder)) if folder.is_dir() else Counter()


def in_table(worker: Worker) -> set[str]:
    rows = worker.connection.execute("select job_id::text from jobs where queue = %s", [worker.queues[0]])
    return {job_id for (job_id,) in rows}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_every_step(stack18: Stack, tmp_path: Path, worker: Worker, settings: Settings) -> None:
    steps, step = LEAST_STEPS, 0
    while step <= steps:
        folder = tmp_path / f"step-{step}"
        worker.queues = [f"q-{uuid4().hex[:12]}"]
        worker.marks = {}
        ids = ended(worker, count=4)
        killed = archive(stack18, folder, worker.queues[0], step, ids[1])
        if step == 0:
            assert killed.returncode == 0, killed.stderr
            steps = int(killed.stdout)
            assert steps >= LEAST_STEPS
            assert in_table(worker) == {ids[1]}
        else:
            assert killed.returncode == -signal.SIGKILL, (step, killed.stderr)
            assert set(archived(folder)) | in_table(worker) | written(folder) == set(ids), step
            assert not set(archived(folder)) & in_table(worker), step
        policy = RetentionPolicy(completed=0, queue=worker.queues[0])
        with Retention(policy, settings, archive=folder, share=1.0) as retention:
            retention.run()
        assert archived(folder) == Counter(ids), step
        assert in_table(worker) == set(), step
        assert files(folder, PARTIAL) + files(folder, WRITTEN) == []
        step += 1


def files(folder: Path, suffix: str) -> list[Path]:
    return sorted(folder.glob(f"jobs-*/*{suffix}"))


def written(folder: Path) -> set[str]:
    """The jobs of files that wait to be settled."""
    lines = [line for path in files(folder, WRITTEN) for line in read_lines(path)]
    return {json.loads(line)["job"]["job_id"] for line in lines}
