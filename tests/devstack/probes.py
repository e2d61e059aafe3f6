"""Looking at a stack from outside: by HTTP, by SQL, and through /proc."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg

from supaqueue.devstack import Stack


def call(
    stack: Stack,
    path: str,
    *,
    method: str = "GET",
    key: str | None = None,
    authorization: str | None = None,
    **request: Any,
) -> httpx.Response:
    """One request to the gateway, with the headers given and no other."""
    headers = {"apikey": key, "Authorization": authorization}
    return httpx.request(
        method, stack.url + path, headers={name: value for name, value in headers.items() if value}, **request
    )


def eventually(answer: Callable[[], httpx.Response], status: int, *, seconds: float = 20.0) -> httpx.Response:
    """Ask until the status comes; PostgREST reloads its schema some time after the change."""
    deadline = time.monotonic() + seconds
    while (response := answer()).status_code != status:
        assert time.monotonic() < deadline, f"{response.status_code} instead of {status}: {response.text}"
        time.sleep(0.02)
    return response


def processes_in(*folders: Path) -> dict[int, str]:
    """Every process of this machine whose working folder is in `folders`: its pid and name."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            working_directory, name = (entry / "cwd").readlink(), (entry / "comm").read_text().strip()
        except OSError:
            continue
        if any(working_directory.is_relative_to(folder) for folder in folders):
            found[int(entry.name)] = name
    return found


def data_folder(stack: Stack) -> Path:
    """Where that Postgres says its data is; the stack must run."""
    with psycopg.connect(stack.superuser_url) as connection:
        row = connection.execute("show data_directory").fetchone()
    assert row is not None
    return Path(row[0])


def is_running(pid: int) -> bool:
    """Whether the process runs; one that has ended and that nobody has asked for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def write_row(stack: Stack) -> None:
    """Add a row to the table `kept`."""
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("create table if not exists kept (id int)")
        connection.execute("insert into kept values (1)")


def count_rows(stack: Stack) -> int:
    """Rows of the table `kept`, through the API."""
    return len(eventually(lambda: call(stack, "/rest/v1/kept", key=stack.anon_key), 200).json())


def kill(pid: int | None) -> None:
    """Kill with -9, and return when the process has ended."""
    assert pid
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        assert select.select([descriptor], [], [], 20)[0], f"process {pid} did not end"
    finally:
        os.close(descriptor)
