"""The built wheel, in an environment that holds nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from supaqueue.devstack import Stack

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SUPA", "PYTHON", "VIRTUAL"))
    }
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=240,
        cwd="/",
        env=env | environ,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with the wheel and its extra `postgres`, made from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, REPOSITORY)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    pip = run(folder / "env/bin/pip", "install", "--quiet", f"{wheel}[postgres]")
    assert pip.returncode == 0, pip.stderr
    return folder / "env/bin"


def test_commands_answer_without_the_extras_of_others(installed: Path, tmp_path: Path) -> None:
    listed = run(installed / "supaqueue", "--help")
    assert listed.returncode == 0, listed.stderr
    assert "worker" in listed.stdout
    for command, extra in (("dev", "devstack"), ("demo", "demo")):
        needs_more = run(installed / "supaqueue", command, "up", "--directory", tmp_path)
        assert needs_more.returncode == 1
        assert f"pip install 'supaqueue[{extra}]'" in needs_more.stderr
        assert "Traceback" not in needs_more.stderr


def test_wheel_migrates_and_works(installed: Path, own_stack: Stack) -> None:
    env = own_stack.env()
    migrated = run(
        installed / "supaqueue",
        "migrate",
        "--schema",
        "jobs_here",
        "--json",
        SUPABASE_DB_URL=env["SUPABASE_DB_URL"],
    )
    assert migrated.returncode == 0, migrated.stderr
    assert json.loads(migrated.stdout)
    program = (
        "from supaqueue import Queue\n"
        "with Queue() as queue:\n"
        "    job_id = queue.enqueue('greet', {'name': 'Ada'}).job_id\n"
        "    print(queue.get(job_id).status)\n"
    )
    enqueued = run(
        installed / "python",
        "-c",
        program,
        SUPABASE_URL=env["SUPABASE_URL"],
        SUPABASE_SERVICE_ROLE_KEY=env["SUPABASE_SERVICE_ROLE_KEY"],
    )
    assert enqueued.stdout.strip() == "pending", enqueued.stderr


def test_wheel_carries_what_users_need(installed: Path) -> None:
    listed = run(
        installed / "python",
        "-c",
        "from importlib.resources import files; root = files('supaqueue');"
        "print(root.joinpath('py.typed').is_file(), len(list(root.joinpath('sql/functions').iterdir())))",
    )
    typed, functions = listed.stdout.split()
    assert typed == "True"
    assert int(functions) == len(list((REPOSITORY / "sql/functions").iterdir()))


def test_wheel_carries_the_page_of_the_parity_report(installed: Path) -> None:
    listed = run(
        installed / "python",
        "-c",
        "from importlib.resources import files; root = files('supaqueue').joinpath('cutover/parity/page');"
        "print(*sorted(str(path.relative_to(root)) for path in root.rglob('*') if path.suffix != '.pyc'))",
    )
    folder = REPOSITORY / "supaqueue/cutover/parity/page"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix != ".pyc"}
    assert set(listed.stdout.split()) - {"__pycache__"} == there - {"__pycache__"}
    assert "vendor/uplot/LICENSE" in there
