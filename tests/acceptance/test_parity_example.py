"""The example's script for cron, and its lesson: on two real systems, and in all that can go wrong before."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supaqueue.cli.could_not_run import COULD_NOT_RUN
from supaqueue.cli.demo.cutover.processes import PythonProcess
from supaqueue.devstack import Stack
from tests.worker.waiting import until

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "08_parity"
BIN = Path(sys.executable).parent
ROUNDING, ANOTHER_ROUNDING = "invoice.lines), 2)", "invoice.lines), 1)"


class Site:
    """A team's folder with the example in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "legacy").mkdir()
        self.variables = {
            "PATH": f"{BIN}:/usr/bin:/bin",
            "PYTHONPATH": str(folder),
            "SUPABASE_URL": "http://127.0.0.1:9",
            "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_none",
            "SUPAQUEUE_LEGACY": "queues:legacy",
            "SUPAQUEUE_SPOOL": str(folder / "spool"),
            "LEGACY_FOLDER": str(folder / "legacy"),
            "PARITY_FOLDER": str(folder / "parity"),
        }

    @property
    def kept(self) -> list[str]:
        """What kinds of files the script left, by their endings."""
        return sorted(path.suffix for path in (self.folder / "parity").glob("2*"))

    def morning(self, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run the script as cron does, with next to no environment."""
        lines = [f"{name}='{value}'\n" for name, value in (self.variables | changes).items()]
        (self.folder / "parity.env").write_text("".join(lines))
        return self.script("parity.env")

    def script(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script with arguments."""
        return subprocess.run(
            ["/bin/sh", "./every_morning.sh", *arguments],
            cwd=self.folder,
            env={"HOME": "/nowhere"},
            capture_output=True,
            text=True,
            timeout=200,
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "app")


@pytest.mark.parametrize("arguments", [(), ("none.env",), ("broken.env",), ("empty.env",)])
def test_without_settings_it_says_that_it_could_not_run(site: Site, arguments: tuple[str, ...]) -> None:
    (site.folder / "broken.env").write_text("if\n")
    (site.folder / "empty.env").write_text("")
    assert site.script(*arguments).returncode == COULD_NOT_RUN


def test_without_supabase_it_says_so_and_tells(site: Site) -> None:
    told = site.folder / "told"
    done = site.morning(PARITY_TELL=f'{{ cat; echo "$PARITY_CODE"; }} > {told}', SUPABASE_URL="nowhere")
    assert done.returncode == COULD_NOT_RUN
    assert done.stdout.startswith("parity: could not run: supaqueue: SUPABASE_URL")
    assert told.read_text() == f"{done.stdout}{COULD_NOT_RUN}\n"
    assert site.kept == [".log"]


def test_two_do_not_run_at_once(site: Site) -> None:
    (site.folder / "parity").mkdir()
    with (site.folder / "parity" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = site.morning()
    assert (done.returncode, site.kept) == (COULD_NOT_RUN, [])
    assert "another run has not ended" in done.stderr


@pytest.fixture
def working(own_stack: Stack, site: Site) -> Iterator[Site]:
    """The lesson's steps up to shadow runs, and its processes but for Supabase's worker."""
    site.variables |= {
        "SUPABASE_URL": own_stack.url,
        "SUPABASE_SERVICE_ROLE_KEY": own_stack.service_role_key,
    }
    for step in ("begin", "set 0 --stage mirror", "set 0 --stage shadow --shadow 5"):
        assert typed(site, "rollout", *step.split()).returncode == 0
    processes = [
        started(site, "old", "legacy_worker.py"),
        started(site, "relay", "-m", "supaqueue", "rollout", "relay"),
    ]
    yield site
    for process in processes:
        process.stop()


@contextmanager
def supabase_worker(site: Site, handlers: str) -> Iterator[None]:
    """A worker of Supabase's with the handlers of one module."""
    process = started(site, handlers, "-m", "supaqueue", "worker", f"{handlers}:registry")
    try:
        yield
    finally:
        process.stop()


def started(site: Site, name: str, *words: str) -> PythonProcess:
    process = PythonProcess(name, words, site.variables, site.folder)
    process.start()
    return process


def typed(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "supaqueue", *arguments],
        cwd=site.folder,
        env=os.environ | site.variables | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.mark.slow
def test_the_lesson(working: Site) -> None:
    readme = (working.folder / "README.md").read_text()
    run = re.findall(r"^supaqueue (parity run .*)$", readme, re.MULTILINE)[0].split()
    with supabase_worker(working, "jobs"):
        done = typed(working, *run)
    assert done.returncode == 0, (done.stdout, done.stderr)
    first = working.morning(PARITY_OPTIONS="--bound 3")
    assert (first.returncode, first.stderr) == (0, "")
    [page] = (working.folder / "parity").glob("*.html")
    assert "The two systems agree" in page.read_text()
    assert first.stdout == "parity: pass: 0 of 100 jobs differ, rate at most 2.95%, declared 3.00%\n"
    told = working.folder / "told"
    until(lambda: int(time.time()) > kept_at(working), "the next second, for another name")
    unsure = working.morning(PARITY_TELL=f'cat "$PARITY_REPORT" > {told}; false')
    assert unsure.returncode == 2
    assert unsure.stderr == "parity: nobody was told: PARITY_TELL failed\n"
    assert json.loads(told.read_text())["verdict"]["answer"] == "inconclusive"
    assert working.kept == [".html", ".html", ".json", ".json"]
    code = (working.folder / "jobs.py").read_text()
    assert ROUNDING in code
    (working.folder / "other_jobs.py").write_text(code.replace(ROUNDING, ANOTHER_ROUNDING))
    with supabase_worker(working, "other_jobs"):
        differs = typed(working, *run)
    assert differs.returncode == 1, differs
    assert "shadow.result.total" in differs.stdout
    until(lambda: int(time.time()) > kept_at(working), "the next second, for another name")
    evening = working.morning(PARITY_OPTIONS="--settle 1s")
    assert evening.returncode == 1
    assert evening.stdout.startswith("parity: differences: ")
    assert working.kept == [".html"] * 3 + [".json"] * 3


def kept_at(site: Site) -> int:
    """When the last report was kept, in whole seconds."""
    return max(int(path.stat().st_mtime) for path in (site.folder / "parity").glob("*.json"))
