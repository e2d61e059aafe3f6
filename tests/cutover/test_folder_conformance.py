"""The folder queue and its index pass the suite that every old queue has to pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.conformance import IndexConformance, LegacyConformance
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.sqlite_index import SqliteIndex


def put_file(pending: Path, job: NewJob) -> None:
    """Put a message there as something else does, due as its name says."""
    pending.mkdir(parents=True, exist_ok=True)
    due = "" if job.run_at is None else f"{round(job.run_at.timestamp() * 1e6):018d}.1.u."
    text = json.dumps({"task_type": job.task_type, "payload": job.payload, "queue": job.queue})
    (pending / f"{due}{job.job_id}.json").write_text(text)


class TestSqliteIndex(IndexConformance):
    @pytest.fixture
    def connect_index(self, tmp_path: Path) -> Callable[[], Index]:
        return partial(SqliteIndex, tmp_path / "index.sqlite")


class TestFolder(LegacyConformance):
    @pytest.fixture
    def connect(self, tmp_path: Path) -> Callable[[], LegacyQueue]:
        return partial(folder_queue, tmp_path / "queue")

    @pytest.fixture
    def put_unstamped(self, tmp_path: Path) -> Callable[[NewJob], None]:
        return partial(put_file, tmp_path / "queue" / "pending")
