"""The examples, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supaqueue.devstack import Stack

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

PRINTED = {
    "01_one_job": ["Hello Ada, attempt 1"],
    "02_what_handlers_say": [
        "-1 failed {'type': 'Fail', 'message': 'there are no such reports'}",
        "0 cancelled {'type': 'Cancel', 'message': 'nobody wants it any more'}",
        "1 completed report 1, attempt 2",
        "2 completed report 2, attempt 2",
        "3 completed report 3, attempt 1",
        "exists True",
    ],
    "03_the_life_of_a_job": [
        "completed attempt 2 imported the pages after 2 (page 5 of 5)",
        "failed {'type': 'TimedOut', 'message': 'took longer than its timeout of 0.3 s'}",
        "['pending', 'pending', 'pending']",
        "['failed', 'failed', 'failed']",
        "3 dead letters: {'no mail server'}",
        "['invoice 1 sent', 'invoice 2 sent', 'invoice 3 sent']",
        "dropped",
    ],
    "05_retention": [
        "would remove {'completed': 2}",
        "removed {'completed': 2}",
        "archived [700, 800]",
        "in the database [None, None, 'failed']",
    ],
    "09_enqueue_in_sql": [
        "rolled back: 0 invoices to send",
        "committed: invoice 2 sent",
        "updated 3 times at once: total 12 exported",
    ],
    "10_several_tasks": [
        "completed {'lines': 3, 'words': 6}",
        "skip failed None {'type': 'IndexError', 'message': 'there is no line 3'}",
        "add_up skipped",
        "continue failed {'lines': 3, 'words': 6} {'type': 'IndexError', 'message': 'there is no line 3'}",
        "add_up completed",
        "{'add_up': 'blocked'}",
    ],
    "04_recurring_jobs": ["minutely report, for second 00 of a minute"],
}

TESTS = {"06_testing_your_code": "4 passed"}
"""Examples that are a user's tests, and what pytest prints of them."""

WAITING = {"04_recurring_jobs"}
"""Examples that wait for a minute to begin."""

SERVERS = {"07_api"}
"""Examples that are servers: test_api_example.py."""

CUTOVER = {"08_parity"}
"""Examples with an old queue as well, which go with it: test_parity_example.py."""


@contextmanager
def worker(folder: Path, env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "supaqueue", "worker", "jobs:registry"], cwd=folder, env=env
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_every_example_is_run() -> None:
    found = {path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name[0].isdigit()}
    assert found - CUTOVER == {*PRINTED, *TESTS, *SERVERS}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in WAITING)) for name in sorted(PRINTED)],
)
def test_example_prints_what_it_should(name: str, own_stack: Stack) -> None:
    env = os.environ | own_stack.env()
    with worker(EXAMPLES / name, env):
        done = subprocess.run(
            [sys.executable, "enqueue.py"],
            cwd=EXAMPLES / name,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,  # a recurring job may be a minute away
        )
    assert done.stdout.splitlines() == PRINTED[name], done.stderr


@pytest.mark.parametrize("name", sorted(TESTS))
def test_examples_tests_pass(name: str) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=EXAMPLES / name, capture_output=True, text=True, timeout=60)
    assert TESTS[name] in done.stdout, done.stdout + done.stderr


def test_readme_shows_the_first_example_as_it_is() -> None:
    readme = (EXAMPLES.parent / "README.md").read_text()
    code = (EXAMPLES / "01_one_job" / "jobs.py").read_text().split("\n\n", 1)[1]
    assert code.strip() in readme
