"""Without what leads away from the old queue, all the rest is as sound as before."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "removing_the_cutover.md"
IGNORED = shutil.ignore_patterns(
    ".git", ".venv", "dist", ".pytest_cache", "__pycache__", ".supaqueue", ".ruff_cache"
)
IMPORTS = re.compile(r"^\s*(from|import) (supaqueue\.cutover|tests\.cutover)\b", re.MULTILINE)
HELP = """
import sys
from typer.testing import CliRunner
from supaqueue.cli.main import app
for command in sys.argv[1:]:
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0, done.output
"""
WITHOUT_SERVERS = ["tests/unit", "tests/api", "tests/testing"]


def removed_paths() -> list[str]:
    """What the page says goes."""
    found = re.search(r"rm -r((?:.|\n)*?)```", PAGE.read_text())
    assert found is not None
    return found[1].replace("\\", " ").split()


@pytest.fixture(scope="module")
def rest() -> Iterator[Path]:
    """A copy of the repository, without the cutover; not in pytest's folder, closed to other users."""
    with TemporaryDirectory(prefix="supaqueue-removal-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)  # some of its tests run as another user
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=IGNORED, symlinks=True)
        for pattern in removed_paths():
            paths = list(copy.glob(pattern))
            assert paths, f"{pattern} is not there"
            for path in paths:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield copy


def run(rest: Path, *command: str) -> str:
    """Run a command in the copy, whose package is the one that is imported; return what it printed."""
    env = os.environ | {"PYTHONPATH": str(rest)}
    done = subprocess.run(command, cwd=rest, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def pytest_in(rest: Path, *arguments: str) -> str:
    """Run tests of the copy."""
    return run(rest, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments)


def test_the_copy_is_what_runs(rest: Path) -> None:
    code = (
        "import supaqueue, importlib.util as u; print(supaqueue.__file__, u.find_spec('supaqueue.cutover'))"
    )
    assert run(rest, sys.executable, "-c", code).split() == [str(rest / "supaqueue" / "__init__.py"), "None"]


def test_nothing_imports_what_is_gone(rest: Path) -> None:
    importing = [str(path) for path in rest.rglob("*.py") if IMPORTS.search(path.read_text())]
    assert importing == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_checks_pass(rest: Path) -> None:
    installed = f"{sys.prefix}/installed"
    done = run(rest, "make", "check", f"VENV={sys.prefix}", f"--old-file={installed}")
    assert "1 kept, 0 broken" in done


def test_every_command_is_listed_and_helps(rest: Path) -> None:
    listed = run(rest, sys.executable, "-m", "supaqueue", "--help")
    commands = re.findall(r"^│ ([a-z]+) ", listed, re.MULTILINE)
    assert {"worker", "migrate", "demo"} <= set(commands)
    run(rest, sys.executable, "-c", HELP, *commands)


def test_a_load_test_says_that_there_is_no_router_any_more(rest: Path) -> None:
    command = [sys.executable, "-m", "supaqueue", "loadtest", "--through-router"]
    env = os.environ | {"PYTHONPATH": str(rest), "SUPABASE_SERVICE_ROLE_KEY": "key", "NO_COLOR": "1"}
    env["SUPABASE_URL"] = "http://127.0.0.1:9"
    done = subprocess.run(command, cwd=rest, env=env, capture_output=True, text=True)
    assert done.returncode == 3
    assert "needs the package supaqueue.cutover, which was removed here" in " ".join(done.stderr.split())


@pytest.mark.slow
def test_tests_without_servers_pass(rest: Path) -> None:
    pytest_in(rest, *WITHOUT_SERVERS)


def test_all_tests_can_be_collected(rest: Path) -> None:
    assert "error" not in pytest_in(rest, "--collect-only", "-q").splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_all_tests_pass(rest: Path) -> None:
    pytest_in(rest, "-m", "not slow", "--numprocesses", "auto", "--maxprocesses", "4", "--dist", "loadfile")
