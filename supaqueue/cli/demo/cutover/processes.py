"""The demo's processes: producers, and workers of both systems that can be held, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from supaqueue.cli.demo.cutover.injection import Injection
from supaqueue.cli.demo.cutover.legacy import PLACE, worker_words
from supaqueue.cli.demo.cutover.witness import Witness
from supaqueue.cli.demo.workers import LEASE_SECONDS, QUEUE
from supaqueue.devstack import Stack
from supaqueue.errors import SupaqueueError

STOP_SECONDS = 30.0
REAPED_SECONDS = 0.02
SUPABASE_WORKER = ("-m", "supaqueue", "worker", "supaqueue.cli.demo.cutover.handlers:registry")


class PythonProcess:
    """A `python` in a session of its own, so that a kill takes what it has forked with it.

    Args:
        name: of the process; its log is called so.
        words: what follows `python`.
        output: a file in the folder for what it prints, where that is not to be mixed with its log.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        *,
        output: str | None = None,
    ) -> None:
        self.name = name
        self._words = [sys.executable, *words]
        # What a killed process leaves behind in its folder for such things goes with this one.
        self._environ = {**_without_settings(os.environ), "TMPDIR": str(folder), **environ}
        self._folder = folder
        self._output = output or f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, also again."""
        log_path, output_path = self._folder / f"{self.name}.log", self._folder / self._output
        with log_path.open("ab") as log, output_path.open("ab") as output:
            self._process = subprocess.Popen(
                self._words,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )

    @property
    def has_ended(self) -> bool:
        """Whether it was started, and runs no more."""
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """Kill it with -9, and all that it forked: also what leads a process group of its own, as in RQ."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGSTOP)  # so that it forks no more
        while members := _session(self._process.pid):
            for member in members:
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            self._process.wait()
            time.sleep(REAPED_SECONDS)

    def stop(self) -> None:
        """Ask it to end, and kill what is left after half a minute; nothing if it does not run."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill()
        self._process = None

    def wait(self) -> None:
        """Wait until it has ended by itself, as it was told to.

        Raises:
            SupaqueueError: it does not, or says that it failed.
        """
        assert self._process is not None
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise SupaqueueError(f"{self.name} does not end: look at its log with --keep FOLDER") from None
        self._process = None
        if code != 0:
            raise SupaqueueError(f"{self.name} failed: look at its log with --keep FOLDER")


class WorkerProcess(PythonProcess):
    """A worker that the witness knows by name."""

    def __init__(
        self, witness: Witness, words: Sequence[str], environ: Mapping[str, str], folder: Path
    ) -> None:
        super().__init__(witness.worker, words, {**environ, **witness.environment()}, folder)
        self.witness = witness

    def hold(self) -> None:
        """Let no handler of it come to its end."""
        self.witness.gate.touch()

    def let_go(self) -> None:
        """Let its handlers go on."""
        self.witness.gate.unlink(missing_ok=True)


def supabase_workers(
    stack: Stack, folder: Path, count: int, injection: Injection | None = None
) -> list[WorkerProcess]:
    """Return workers of the queue in Supabase, as a user starts them; an injection breaks them."""
    lease = ["--lease-seconds", str(LEASE_SECONDS)]
    options = ["--queue", QUEUE, "--concurrency", "8", *lease, "--no-scheduler"]
    return [
        WorkerProcess(
            Witness(folder, "supabase", f"supabase-{number}"),
            [*SUPABASE_WORKER, *options],
            environment(stack, "SUPAQUEUE_WORKER_TOKEN") | _injected(injection),
            folder,
        )
        for number in range(1, count + 1)
    ]


def legacy_workers(
    stack: Stack, folder: Path, place: str, count: int, injection: Injection | None = None
) -> list[WorkerProcess]:
    """Return workers of the old queue, which have the errors that both systems have."""
    names = [f"legacy-{number}" for number in range(1, count + 1)]
    return [
        WorkerProcess(
            Witness(folder, "legacy", name),
            worker_words(place, name),
            environment(stack, "SUPAQUEUE_WORKER_TOKEN") | {PLACE: place} | _injected(injection),
            folder,
        )
        for name in names
    ]


def producers(stack: Stack, folder: Path, place: str, count: int) -> list[PythonProcess]:
    """Return what enqueues all the time."""
    module = "supaqueue.cli.demo.cutover.producer"
    return [
        PythonProcess(
            f"producer-{number}",
            ["-m", module, str(folder), str(number), place],
            environment(stack, "SUPAQUEUE_PRODUCER_TOKEN"),
            folder,
        )
        for number in range(1, count + 1)
    ]


def _injected(injection: Injection | None) -> dict[str, str]:
    return injection.environment() if injection else {}


def _session(leader: int) -> list[int]:
    """Return the living processes of a session."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.append(int(process.name))
    return found


def _without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out what the user's own queue is set up with, and who is told of what fails there."""
    foreign = ("SUPABASE_", "SUPAQUEUE_", "SENTRY_", "DD_")
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(foreign) or name == "SUPAQUEUE_PG_BIN"
    }


def supabase_environment(stack: Stack) -> dict[str, str]:
    """Return where Supabase is, and the key that commands of a rollout need."""
    return {"SUPABASE_URL": stack.url, "SUPABASE_SERVICE_ROLE_KEY": stack.service_role_key}


def environment(stack: Stack, token: str) -> dict[str, str]:
    """Return where Supabase is, and who one is there."""
    env = stack.env()
    return {
        "SUPABASE_URL": env["SUPABASE_URL"],
        "SUPABASE_ANON_KEY": env["SUPABASE_ANON_KEY"],
        "SUPAQUEUE_TOKEN": env[token],
    }
