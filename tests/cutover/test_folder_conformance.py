"""The folder queue and its index pass the suite that every old queue has to pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from supaqueue.cutover.legacy.conformance import IndexConformance, LegacyConformance
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.sqlite_index import SqliteIndex


class TestSqliteIndex(IndexConformance):
    @pytest.fixture
    def connect_index(self, tmp_path: Path) -> Callable[[], Index]:
        return partial(SqliteIndex, tmp_path / "index.sqlite")


class TestFolder(LegacyConformance):
    @pytest.fixture
    def connect(self, tmp_path: Path) -> Callable[[], LegacyQueue]:
        return partial(folder_queue, tmp_path / "queue")
