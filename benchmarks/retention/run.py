"""The drain rate of a worker while finished jobs are removed, against its rate while they are not.

A real stack, a real `supaqueue worker`, and the removal of `supaqueue prune`. Windows without and with
the removal take turns, since other things run on the machine: in every other one it pauses between batches.
Each pair of windows gives a ratio; their median is judged.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from fill import QUEUE, fill_finished, fill_waiting
from rich.console import Console
from rich.table import Table

from supaqueue.contract import RetentionPolicy
from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator
from supaqueue.maintain.retention import Removal, Retention
from supaqueue.settings import Settings

BAR = 0.8
SETTLE_SECONDS = 0.5
"""After the removal was paused or let on: what is under way ends outside of the windows."""


@dataclass
class Figures:
    """What a run came to; rates are tasks per second."""

    jobs: int
    share: float
    archived: bool
    removed: int
    removal_seconds: float
    rate_before: float
    rate_during: float
    ratio: float
    ratios: list[float]


class Drain:
    """A worker process that counts what it drains, and enough for it to do."""

    def __init__(self, stack: Stack, folder: Path, slots: int, portion: int) -> None:
        self._file = folder / "drained"
        self._file.write_bytes(bytes(8))
        self._superuser = psycopg.connect(stack.superuser_url, autocommit=True)
        self._portion = portion
        self._filled = 0
        self.fill()
        command = [sys.executable, "-m", "supaqueue", "worker", "handlers:registry", "--queue", QUEUE]
        self.process = subprocess.Popen(
            [*command, "--concurrency", str(slots), "--log-level", "error"],
            cwd=Path(__file__).parent,
            env=os.environ | stack.env() | {"DRAINED_FILE": str(self._file)},
        )

    def drained(self) -> int:
        """How many tasks were run."""
        return int(struct.unpack("<q", self._file.read_bytes())[0])

    def fill(self) -> None:
        """See to it that at least a portion waits."""
        while self._filled - self.drained() < self._portion:
            fill_waiting(self._superuser, self._filled + 1, self._portion)
            self._filled += self._portion

    def rate(self, seconds: float) -> float:
        """Tasks per second, over a window of so many seconds."""
        time.sleep(SETTLE_SECONDS)
        began, before = time.monotonic(), self.drained()
        time.sleep(seconds)
        rate = (self.drained() - before) / (time.monotonic() - began)
        assert self.process.poll() is None, "the worker ended"
        assert self.drained() < self._filled, "nothing was left to drain: the window is too long"
        return rate


class Removing:
    """A removal in a thread of its own, which goes on only while it may."""

    def __init__(self, stack: Stack, folder: Path, options: argparse.Namespace) -> None:
        self.may_go_on = threading.Event()
        self.removal = Removal()
        self._retention = Retention(
            RetentionPolicy(completed=86_400),
            Settings(url=stack.url, service_role_key=stack.service_role_key),
            archive=folder / "archive" if options.archive else None,
            share=options.share,
            max_batch=options.max_batch,
            sleep=self._rest,
        )
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.may_go_on.wait()
        with self._retention as retention:
            self.removal = retention.run()

    def _rest(self, seconds: float) -> None:
        time.sleep(seconds)
        self.may_go_on.wait()


def measure(stack: Stack, folder: Path, options: argparse.Namespace) -> Figures:
    """Fill, drain, and remove in every other window until nothing is left to remove."""
    with psycopg.connect(stack.superuser_url, autocommit=True) as superuser:
        fill_finished(superuser, options.jobs)
        superuser.execute("vacuum analyze")
    drain = Drain(stack, folder, options.slots, options.portion)
    try:
        drain.rate(options.window)
        removing = Removing(stack, folder, options)
        removing.thread.start()
        before, during, seconds = take_turns(drain, removing, options.window)
    finally:
        drain.process.terminate()
        drain.process.wait()
    ratios = [on / off for on, off in zip(during, before, strict=True)]
    return Figures(
        jobs=options.jobs,
        share=options.share,
        archived=options.archive,
        removed=removing.removal.removed.total(),
        removal_seconds=round(seconds, 1),
        rate_before=round(median(before)),
        rate_during=round(median(during)),
        ratio=round(median(ratios), 3),
        ratios=[round(ratio, 3) for ratio in ratios],
    )


def take_turns(drain: Drain, removing: Removing, window: float) -> tuple[list[float], list[float], float]:
    """Return the rates of windows without and with the removal, and the seconds that it may have worked."""
    before: list[float] = []
    during: list[float] = []
    seconds = 0.0
    while removing.thread.is_alive():
        drain.fill()
        off = drain.rate(window)
        began = time.monotonic()
        removing.may_go_on.set()
        on = drain.rate(window)
        removing.may_go_on.clear()
        seconds += time.monotonic() - began
        if removing.thread.is_alive() or not during:  # else it ended within the window
            before.append(off)
            during.append(on)
    return before, during, seconds


def show(figures: Figures) -> None:
    table = Table("", "figure")
    rows: list[tuple[str, Any]] = [
        ("finished jobs removed", f"{figures.removed:,}"),
        ("seconds of removing", f"{figures.removal_seconds:,}"),
        ("jobs removed per second", f"{figures.removed / figures.removal_seconds:,.0f}"),
        ("tasks drained per second, no removal", f"{figures.rate_before:,.0f}"),
        ("tasks drained per second, removal", f"{figures.rate_during:,.0f}"),
        (f"ratio, median of {len(figures.ratios)} pairs (bar: {BAR})", figures.ratio),
        ("lowest and highest pair", f"{min(figures.ratios)} to {max(figures.ratios)}"),
    ]
    for name, figure in rows:
        table.add_row(name, str(figure))
    Console().print(table)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="finished jobs to remove")
    parser.add_argument("--share", type=float, default=0.2, help="as of supaqueue prune")
    parser.add_argument("--max-batch", type=int, default=1000, help="as of supaqueue prune")
    parser.add_argument("--archive", action="store_true", help="archive them, too")
    parser.add_argument("--window", type=float, default=5.0, help="seconds per window")
    parser.add_argument("--slots", type=int, default=64, help="of the worker")
    parser.add_argument("--portion", type=int, default=100_000, help="tasks that wait at the start of a pair")
    parser.add_argument("--quick", action="store_true", help="30,000 jobs, short windows")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.quick:
        options.jobs, options.window, options.portion = 30_000, 1.5, 60_000
    return options


def main() -> int:
    options = read_options()
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "stack")
        try:
            with stack:
                Migrator(stack.database_url).apply()
                figures = measure(stack, Path(folder), options)
        finally:
            stack.remove()
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    assert figures.removed == options.jobs
    return 0 if figures.ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
