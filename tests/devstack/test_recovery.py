"""What was killed with -9 starts again, whoever it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from supaqueue.devstack import Stack
from tests.devstack.conftest import MakeStack
from tests.devstack.probes import call, count_rows, data_folder, is_running, kill, processes_in, write_row


def test_a_stack_killed_as_a_whole_starts_again(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    write_row(stack)
    for pid in processes_in(stack.directory, data_folder(stack)):
        kill(pid)
    assert not any(process.alive for process in stack.status().processes)
    stack.up()
    assert count_rows(stack) == 1


@pytest.mark.parametrize("name", ["postgres", "postgrest", "gateway"])
def test_a_program_killed_alone_starts_again_and_the_others_stay(make_stack: MakeStack, name: str) -> None:
    stack = make_stack()
    stack.up()
    write_row(stack)
    before = {process.name: process.pid for process in stack.status().processes}
    kill(before[name])
    stack.up()
    after = {process.name: process.pid for process in stack.status().processes}
    assert {changed for changed in before if before[changed] != after[changed]} == {name}
    assert count_rows(stack) == 1


def test_backends_that_outlive_their_server_do_not_keep_it_from_starting(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    write_row(stack)
    with psycopg.connect(stack.database_url) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)  # stopped, it cannot notice that its server has gone
        kill(stack.status().processes[0].pid)
        assert is_running(backend)
        stack.up()
        assert not is_running(backend)
    assert count_rows(stack) == 1


def test_a_recycled_pid_is_not_ours(make_stack: MakeStack) -> None:
    """The state file and Postgres' lock file name a process that has nothing to do with the stack."""
    stack = make_stack()
    stack.up()
    write_row(stack)
    data = data_folder(stack)
    for process in stack.status().processes:
        kill(process.pid)
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        name_in_state(stack.directory / "state.json", bystander.pid)
        lock = (data / "postmaster.pid").read_text().splitlines()
        (data / "postmaster.pid").write_text("\n".join([str(bystander.pid), *lock[1:]]) + "\n")
        assert not any(process.alive for process in stack.status().processes)
        stack.up()
        assert count_rows(stack) == 1
        stack.down()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def name_in_state(path: Path, pid: int) -> None:
    state = json.loads(path.read_text())
    for process in state["processes"].values():
        process["pid"] = pid
    path.write_text(json.dumps(state))


def test_a_lost_state_file_costs_nothing_but_a_restart(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.up()
    write_row(stack)
    data, before = data_folder(stack), processes_in(stack.directory)
    (stack.directory / "state.json").write_text("{half")
    stack.up()
    assert not set(before) & set(processes_in(stack.directory))
    names = list(processes_in(stack.directory).values())
    assert (names.count("postgrest"), names.count("caddy")) == (1, 1)
    assert count_rows(stack) == 1
    (stack.directory / "state.json").unlink()
    stack.down()
    assert processes_in(stack.directory, data) == {}


START = """
import sys
from pathlib import Path
from supaqueue.devstack import Stack
Stack(Path(sys.argv[1]), durable=False).up()
"""


@pytest.mark.parametrize("stage", ["initdb", "postgres", "postgrest", "caddy"])
def test_a_starter_killed_midway_leaves_nothing_in_the_way(make_stack: MakeStack, stage: str) -> None:
    """Killed as soon as the program of that stage shows: mostly before the state file names it."""
    stack = make_stack()
    starter = subprocess.Popen([sys.executable, "-c", START, str(stack.directory)])
    wait_for_descendant(starter.pid, stage)
    starter.kill()
    starter.wait()
    stack.up()
    assert stack.status().running
    data = data_folder(stack)
    assert call(stack, "/rest/v1/", key=stack.anon_key).status_code == 200
    names = list(processes_in(stack.directory).values())
    assert (names.count("postgrest"), names.count("caddy")) == (1, 1)
    stack.down()
    assert processes_in(stack.directory, data, data.with_name("data.partial")) == {}


def wait_for_descendant(parent: int, name: str) -> None:
    deadline = time.monotonic() + 30
    while name not in children_of(parent):
        assert time.monotonic() < deadline, f"no {name} was started"


def children_of(parent: int) -> list[str]:
    try:
        pids = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids]
    except OSError:
        return []


def test_a_stack_outlives_its_starter_and_is_found_by_another(make_stack: MakeStack) -> None:
    stack = make_stack()
    subprocess.run([sys.executable, "-c", START, str(stack.directory)], check=True, timeout=60)
    assert stack.status().running
    sessions = {os.getsid(process.pid or 0) for process in stack.status().processes}
    assert os.getsid(0) not in sessions
    data = data_folder(stack)
    stack.down()
    assert processes_in(stack.directory, data) == {}


@pytest.mark.parametrize("immediate", [False, True])
def test_servers_can_be_restarted_under_their_users(make_stack: MakeStack, immediate: bool) -> None:
    stack = make_stack()
    stack.up()
    write_row(stack)
    before, address = stack.status().processes, stack.database_url
    stack.restart_postgres(immediate=immediate)
    stack.restart_postgrest(immediate=immediate)
    after = stack.status().processes
    assert [new.pid == old.pid for new, old in zip(after, before, strict=True)] == [False, False, True]
    assert stack.database_url == address
    assert count_rows(stack) == 1


@pytest.mark.parametrize("command", [Stack.up, Stack.down])
def test_a_folder_deleted_under_a_running_stack_leaves_nothing_behind(
    make_stack: MakeStack, command: Callable[[Stack], None]
) -> None:
    stack = make_stack()
    stack.up()
    data = data_folder(stack)
    orphans = processes_in(stack.directory, data)
    subprocess.run(["rm", "-rf", str(stack.directory)], check=True)
    command(stack)
    assert not [pid for pid in orphans if is_running(pid)]
    assert not data.exists() or data.is_relative_to(stack.directory)
