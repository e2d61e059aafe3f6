"""What several acceptance tests need."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty folder that Postgres' own account can enter, unlike pytest's."""
    path = Path(tempfile.mkdtemp(prefix="cutover-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)
