"""Both systems with real workers and a relay, as processes, on the demo's own files and handlers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import wave
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import sin, tau
from pathlib import Path
from typing import Any

from supaqueue.cli.demo.cutover.processes import (
    PythonProcess,
    WorkerProcess,
    environment,
    legacy_workers,
    supabase_workers,
)
from supaqueue.cli.demo.cutover.witness import Witness
from supaqueue.cli.demo.files import input_files
from supaqueue.cli.demo.workers import QUEUE
from supaqueue.devstack import Stack
from tests.cutover.commands import Said

ROOT = Path(__file__).parents[3]
RATE = 8_000
OPENED = """
from supaqueue.cli.demo.cutover.legacy import open_legacy


def legacy():
    return open_legacy({place!r})
"""
"""A team's own module, which says what its old queue is."""


@dataclass
class RealSystems:
    """A folder with what one team has: workers of both systems, a relay, and a terminal.

    Args:
        place: of the legacy queue, as the demo writes it.
    """

    stack: Stack
    folder: Path
    place: str
    running: list[PythonProcess] = field(default_factory=list)

    def start(self, supabase_handlers: str | None = None) -> None:
        """Start one worker of each system and a relay; Supabase's with other handlers, if they are named."""
        (self.folder / "queues.py").write_text(OPENED.format(place=self.place))
        ours = supabase_workers(self.stack, self.folder, 1)
        if supabase_handlers is not None:
            ours = [self._worker(supabase_handlers)]
        relay = PythonProcess("relay", ["-m", "supaqueue", "rollout", "relay"], self.environ(), self.folder)
        for process in (*ours, *legacy_workers(self.stack, self.folder, self.place, 1), relay):
            process.start()
            self.running.append(process)

    def type(self, *arguments: str) -> Said:
        """Type `supaqueue` with arguments, in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "supaqueue", *arguments],
            cwd=self.folder,
            env=os.environ | self.environ(),
            capture_output=True,
            text=True,
            timeout=200,
        )
        for process in self.running:
            assert not process.has_ended, (self.folder / f"{process.name}.log").read_text()[-3000:]
        return Said(done.returncode, done.stdout, done.stderr)

    def environ(self) -> dict[str, str]:
        """What an engineer's `.env` says."""
        return {
            "SUPABASE_URL": self.stack.url,
            "SUPABASE_SERVICE_ROLE_KEY": self.stack.service_role_key,
            "SUPAQUEUE_LEGACY": "queues:legacy",
            "SUPAQUEUE_SPOOL": str(self.folder / "spool"),
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }

    def _worker(self, handlers: str) -> WorkerProcess:
        words = ["-m", "supaqueue", "worker", handlers, "--queue", QUEUE, "--no-scheduler"]
        environ = environment(self.stack, "SUPAQUEUE_WORKER_TOKEN") | {"PYTHONPATH": str(ROOT)}
        return WorkerProcess(Witness(self.folder, "supabase", "supabase-1"), words, environ, self.folder)


@contextmanager
def real_systems(stack: Stack, folder: Path, place: str) -> Iterator[RealSystems]:
    """Make the two systems of one test; whatever it started has ended behind it."""
    systems = RealSystems(stack, folder, place)
    with ExitStack() as ended:
        try:
            yield systems
        finally:
            for process in systems.running:
                ended.callback(process.kill)


def write_inputs(folder: Path, texts: int, sounds: int) -> Path:
    """Write a file for `--input`: some of the demo's files, as it takes them by default, and sounds."""
    files = input_files(None)
    chosen = files[:: max(1, len(files) // texts)][:texts] + [_sound(folder, 200 + n) for n in range(sounds)]
    path = folder / "files.jsonl"
    path.write_text("".join(f"{json.dumps(_job(one))}\n" for one in chosen))
    return path


def classes_of(report: dict[str, Any], *names: str) -> Sequence[dict[str, Any]]:
    """What a report on one task type says of some classes."""
    [of_type] = report["types"]
    return [one for one in of_type["classes"] if one["name"] in names]


def _job(path: Path) -> dict[str, Any]:
    return {"task_type": "measure_file", "queue": QUEUE, "payload": {"path": str(path)}}


def _sound(folder: Path, hertz: int) -> Path:
    path = folder / f"{hertz}.wav"
    tones = array("h", (int(9_000 * sin(tau * hertz * n / RATE)) for n in range(RATE // 4)))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(tones.tobytes())
    return path
