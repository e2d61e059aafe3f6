"""The pytest plugin, as a user's pytest finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

USERS_TESTS = """
import asyncio
import supaqueue
from supaqueue.testing import enqueued


def test_one(supaqueue_queue, supaqueue_async_queue, supaqueue_database):
    supaqueue_queue.enqueue("a")
    asyncio.run(supaqueue_async_queue.enqueue("b"))
    assert [job.task_type for job in enqueued(supaqueue_database)] == ["a", "b"]


def test_another_is_on_its_own(supaqueue_database):
    assert enqueued(supaqueue_database) == []
"""


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_fixtures_are_there_without_any_configuration(tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text(USERS_TESTS)
    done = run("-m", "pytest", "-q", folder=tmp_path)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_starting_pytest_does_not_import_the_package(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_sessionfinish():\n"
        "    print('plugin', 'pytest_supaqueue' in sys.modules, 'package', 'supaqueue' in sys.modules)\n"
    )
    (tmp_path / "test_users.py").write_text("def test_nothing(): pass\n")
    assert "plugin True package False" in run("-m", "pytest", "-s", folder=tmp_path).stdout


@pytest.mark.parametrize("name", ["supaqueue_queue", "supaqueue_async_queue", "supaqueue_database"])
def test_fixtures_are_listed_with_what_they_are(name: str, tmp_path: Path) -> None:
    listed = run("-m", "pytest", "--fixtures", folder=tmp_path).stdout
    assert f"{name} --" in listed
