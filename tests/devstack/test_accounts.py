"""As root and as an ordinary user, with a home folder and without."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

import supaqueue.devstack
from supaqueue.devstack import Stack, postgres_binaries
from supaqueue.devstack.account import Account, postgres_account
from supaqueue.devstack.binaries import reachable_postgres
from tests.devstack.conftest import MakeStack
from tests.devstack.probes import count_rows, data_folder, write_row

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

UP_ASK_DOWN = """
import sys
from pathlib import Path
import httpx
from supaqueue.devstack import Stack
stack = Stack(Path(sys.argv[1]), durable=False)
with stack:
    answer = httpx.get(stack.url + "/rest/v1/", headers={"apikey": stack.anon_key})
    print(answer.status_code, stack.status().running)
print(stack.status().running)
"""


CALL = """
import sys
from pathlib import Path
from supaqueue.devstack import Stack
try:
    getattr(Stack(Path(sys.argv[1])), sys.argv[2])()
except Exception as error:
    print(type(error).__name__)
    print(error, file=sys.stderr)
"""


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """A folder that the user `nobody` owns, reachable for it."""
    folder = Path("/var/tmp") / f"supaqueue-test-{os.getpid()}"
    folder.mkdir()
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    yield folder
    shutil.rmtree(folder)


def run_as_nobody(code: str, *arguments: str, cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run `code` with this environment's packages as the user `nobody`."""
    user = pwd.getpwnam("nobody")
    scripts = sysconfig.get_path("scripts")
    packages = [str(Path(supaqueue.devstack.__file__).parents[2]), sysconfig.get_path("purelib")]
    return subprocess.run(
        [python_of_everybody(), "-c", code, *arguments],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd=cwd,
        env={
            "HOME": str(home),
            "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(packages),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def python_of_everybody() -> str:
    """This Python, or the system's of the same version where this one lies in a folder closed to others."""
    user = pwd.getpwnam("nobody")
    account = Account(user.pw_uid, user.pw_gid)
    system = f"/usr/bin/python3.{sys.version_info.minor}"
    for candidate in (sys.executable, system):
        if account.can_execute(Path(candidate)):
            return candidate
    pytest.skip(f"the user nobody can run neither {sys.executable} nor {system}")


@as_root
@pytest.mark.parametrize("home", ["empty", "missing"])
def test_it_works_as_an_ordinary_user(folder_of_nobody: Path, home: str) -> None:
    home_folder = folder_of_nobody / "home"
    if home == "empty":
        home_folder.mkdir()
        shutil.chown(home_folder, "nobody")
    folder = folder_of_nobody / "stack"
    result = run_as_nobody(UP_ASK_DOWN, str(folder), cwd=folder_of_nobody, home=home_folder)
    assert (result.stdout.split(), result.stderr) == (["200", "True", "False"], "")
    assert (folder / "data").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@as_root
def test_as_root_postgres_runs_as_an_ordinary_user(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    owner = Path(f"/proc/{stack.status().processes[0].pid}").stat().st_uid
    assert owner not in (0, None)
    assert data_folder(stack).stat().st_uid == owner


@as_root
def test_data_lies_inside_where_that_user_gets_to_and_outside_else(folder_of_nobody: Path) -> None:
    open_folder, private = folder_of_nobody / "open", folder_of_nobody / "private"
    private.mkdir(mode=0o700)
    for parent, inside in ((open_folder, True), (private, False)):
        stack = Stack(parent / "stack", durable=False)
        try:
            stack.up()
            write_row(stack)
            assert data_folder(stack).is_relative_to(parent) is inside
            stack.down()
            stack.up()
            assert count_rows(stack) == 1
            data = data_folder(stack)
        finally:
            stack.remove()
        assert not data.exists()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@as_root
def test_programs_that_user_cannot_reach_are_copied_once(folder_of_nobody: Path) -> None:
    private = folder_of_nobody / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(postgres_binaries(15).parent, private / "installation", symlinks=True)
    account = postgres_account()
    assert account is not None
    binaries = private / "installation" / "bin"
    copy = reachable_postgres(binaries, account)
    try:
        assert copy != binaries
        assert account.can_execute(copy / "postgres")
        assert reachable_postgres(binaries, account) == copy
        stack = Stack(folder_of_nobody / "stack", binaries, durable=False)
        stack.up()
        stack.remove()
    finally:
        shutil.rmtree(copy.parent)


@as_root
def test_another_users_stack_is_refused_in_one_sentence(folder_of_nobody: Path) -> None:
    stack = Stack(folder_of_nobody / "stack", durable=False)
    stack.up()
    try:
        for command in ("up", "down"):
            folder = str(stack.directory)
            result = run_as_nobody(CALL, folder, command, cwd=folder_of_nobody, home=folder_of_nobody)
            assert result.stdout == "DevStackError\n"
            assert result.stderr.count("\n") == 1
        assert stack.status().running
    finally:
        stack.remove()
