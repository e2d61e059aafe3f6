"""The example's API as a process of its own, with its table of runs and what settles them."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.worker.waiting import until

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "07_api"
RUNS = "/v1/orgs/acme/workflows/nightly/runs"


@dataclass(frozen=True)
class Settling:
    """A process that settles the API's runs, with its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        """What it wrote."""
        return self.log.read_text(errors="replace")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Return once the condition holds; fail if the process has ended before."""
        until(lambda: self._runs() and condition(), what)

    def _runs(self) -> bool:
        assert self.process.poll() is None, self.text()
        return True


class Api:
    """A server while it is entered. `runs()` is its table, `settle()` what settles it."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._database = folder / "runs.sqlite"
        self._env = {**os.environ, **env, "RUNS_DATABASE": str(self._database), "SETTLE_OLDER_THAN": "0"}

    def __enter__(self) -> Self:
        with socket.create_server(
            ("127.0.0.1", 0)
        ) as listening:  # requests wait in it until the server is up
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "app:app", "--fd", str(listening.fileno())],
                cwd=EXAMPLE,
                env=self._env,
                pass_fds=[listening.fileno()],
            )
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.client = httpx.Client(base_url=address, timeout=60.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(30)

    def post(self) -> httpx.Response:
        """Ask for a run."""
        return self.client.post(RUNS, json={"day": "monday"})

    def show(self, run_id: str) -> dict[str, object]:
        """Ask what has become of a run."""
        shown: dict[str, object] = self.client.get(f"{RUNS}/{run_id}").raise_for_status().json()
        return shown

    def runs(self) -> dict[str, str]:
        """Return the status of each run in the API's own table."""
        with closing(sqlite3.connect(self._database)) as database:
            return dict(database.execute("select run_id, status from runs"))

    def remove(self, run_ids: Sequence[str]) -> None:
        """Remove runs from it."""
        with closing(sqlite3.connect(self._database)) as database, database:
            database.executemany("delete from runs where run_id = ?", [(run_id,) for run_id in run_ids])

    def doubt(self, run_id: str) -> None:
        """Leave a run as the API does that is killed before it confirms it."""
        with closing(sqlite3.connect(self._database)) as database, database:
            database.execute("update runs set status = 'enqueue_unknown' where run_id = ?", (run_id,))

    @contextmanager
    def removing(self, run_id: str) -> Iterator[None]:
        """Remove a run in a transaction that others wait for until the block ends."""
        with closing(sqlite3.connect(self._database)) as database, database:
            database.execute("delete from runs where run_id = ?", (run_id,))
            yield

    @contextmanager
    def settling(self, *command: str) -> Iterator[Settling]:
        """Run `supaqueue` with these words, told where the API's records are; it stops with the block."""
        log = self._database.with_name(f"settling-{len(list(self._database.parent.iterdir()))}.log")
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "supaqueue", *command],
                cwd=EXAMPLE,
                env=self._env | {"SUPAQUEUE_SETTLE": "records:records"},
                stdout=stream,
                stderr=stream,
            )
        try:
            yield Settling(process, log)
        finally:
            process.terminate()
            process.wait(60)

    def settle(self, *command: str) -> None:
        """Let `supaqueue` with these words settle all runs in doubt."""
        with self.settling(*command) as settling:
            settling.until(lambda: "enqueue_unknown" not in self.runs().values(), "all to be settled")


def is_unavailable(answer: httpx.Response) -> bool:
    """Whether it is the one answer that an API gives while its queue cannot be used."""
    return (answer.status_code, answer.json()) == (503, {"code": "QUEUE_UNAVAILABLE"})
