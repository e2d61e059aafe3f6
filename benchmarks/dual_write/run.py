"""What an enqueue costs that legacy owns: with Supabase healthy, silent, and given up for now.

For a folder and for RQ on a Valkey of its own, in turns: the legacy write alone, one RPC that stores the
mirror alone, both by the router; then the router before a Supabase that takes connections and never answers,
until its breaker opens, and after. Times are milliseconds.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import TypeVar

import redis
from broker import running_valkey
from rich.console import Console
from rich.table import Table

from supaqueue import NewJob, Settings
from supaqueue.contract import Call, ChangeFeatureFlag, EnqueueJobs, FlagChange
from supaqueue.cutover.breaker import MISSES
from supaqueue.cutover.kept_flags import KeptFlags
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.cutover.legacy.rq import RqBroker
from supaqueue.cutover.rollout import Rollout
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.switches import Switches
from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator
from supaqueue.transport import RestTransport

HEALTHY_BAR, OPEN_BAR = 1.3, 1.1
ENQUEUES_BEFORE_SILENCE = 10
"""From which a router learns what answers usually take."""
ENQUEUES_IN_SILENCE = 30
"""After the breaker has opened, before the next router takes its turn: within its first pause."""
TASK_TYPE = "count"
Reply = TypeVar("Reply")


@dataclass
class Times:
    """Of one way to enqueue."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> Times:
        """Return the quantiles, in milliseconds."""
        cuts = quantiles(seconds, n=100, method="inclusive")
        return cls(round(cuts[49] * 1000, 2), round(cuts[98] * 1000, 2))


@dataclass
class Figures:
    """One legacy queue's; `silent_over` is how much a silent Supabase adds to the p99, `budget` its bar."""

    legacy: Times
    rpc: Times
    healthy: Times
    silent: Times
    open: Times
    healthy_ratio: float
    budget: float
    silent_over: float
    open_ratio: float

    @property
    def misses(self) -> list[str]:
        """The bars that were missed."""
        bars = {
            f"healthy: p50 over {HEALTHY_BAR} of legacy and RPC": self.healthy_ratio > HEALTHY_BAR,
            "silent: p99 over legacy and the budget": self.silent_over > self.budget,
            f"breaker open: p50 over {OPEN_BAR} of legacy": self.open_ratio > OPEN_BAR,
        }
        return [name for name, is_missed in bars.items() if is_missed]


class Line:
    """The way to Supabase; once it is cut, what is sent gets no answer."""

    def __init__(self, transport: RestTransport, silent: RestTransport) -> None:
        self._transport = transport
        self._silent = silent

    def send(self, call: Call[Reply]) -> Reply:
        """Send a call."""
        return self._transport.send(call)

    def close(self) -> None:
        """Leave the connections to whoever opened them."""

    def cut(self) -> None:
        """Let Supabase fall silent."""
        self._transport = self._silent


class Ways:
    """The ways to enqueue into one legacy queue."""

    def __init__(
        self, legacy: LegacyQueue, transport: RestTransport, silent: RestTransport, folder: Path
    ) -> None:
        self._legacy = legacy
        self._transport = transport
        self._silent = silent
        self._folder = folder
        self._budgets: list[float] = []

    def measure(self, rounds: int) -> Figures:
        """Enqueue in turns; then, with routers that are at work, before a Supabase that falls silent."""
        router, _ = self._router("healthy")
        ways: dict[str, Callable[[], object]] = {
            "legacy": lambda: self._legacy.enqueue([new_job()]),
            "rpc": lambda: self._transport.send(EnqueueJobs((new_job(),))),
            "healthy": lambda: router.enqueue(TASK_TYPE, 1),
        }
        taken: dict[str, list[float]] = {name: [] for name in (*ways, "silent", "open")}
        for _ in range(rounds):
            for name, enqueue in ways.items():
                taken[name].append(timed(enqueue))
        for number in range(rounds // ENQUEUES_IN_SILENCE):
            self._fall_silent(number, taken)
        return figures({name: Times.of(seconds) for name, seconds in taken.items()}, max(self._budgets))

    def _fall_silent(self, number: int, taken: dict[str, list[float]]) -> None:
        router, line = self._router(f"silent-{number}")
        for _ in range(ENQUEUES_BEFORE_SILENCE):
            router.enqueue(TASK_TYPE, 1)
        # Private, but the bar is about what the router has granted, which adapts to the usual answer.
        self._budgets.append(router._enqueuing._parts.supabase.budget() or 0.0)
        line.cut()
        taken["silent"] += [timed(lambda: router.enqueue(TASK_TYPE, 1)) for _ in range(MISSES)]
        for _ in range(ENQUEUES_IN_SILENCE):
            taken["open"].append(timed(lambda: router.enqueue(TASK_TYPE, 1)))
            taken["legacy"].append(timed(lambda: self._legacy.enqueue([new_job()])))

    def _router(self, name: str) -> tuple[DualWriteQueue, Line]:
        line, spool = Line(self._transport, self._silent), Spool(self._folder / name)
        rollout = Rollout(line, KeptFlags(spool.folder, "benchmark"))
        router = DualWriteQueue(
            self._legacy, transport=line, rollout=rollout, spool=spool, switches=Switches()
        )
        return router, line


def figures(times: dict[str, Times], budget_seconds: float) -> Figures:
    """Compare what belongs together."""
    legacy, rpc = times["legacy"], times["rpc"]
    return Figures(
        **times,
        healthy_ratio=round(times["healthy"].p50 / (legacy.p50 + rpc.p50), 2),
        budget=round(budget_seconds * 1000, 2),
        silent_over=round(times["silent"].p99 - legacy.p99, 2),
        open_ratio=round(times["open"].p50 / legacy.p50, 2),
    )


def new_job() -> NewJob:
    """Return a job that legacy owns."""
    job = NewJob(TASK_TYPE, 1)
    job.place("legacy")
    return job


def timed(enqueue: Callable[[], object]) -> float:
    """Return the seconds that one takes."""
    began = time.perf_counter()
    enqueue()
    return time.perf_counter() - began


@contextmanager
def silence() -> Iterator[str]:
    """Give the address of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def measure(stack: Stack, folder: Path, rounds: int) -> dict[str, Figures]:
    """Measure both legacy queues while all jobs are legacy's."""
    settings = Settings(url=stack.url, service_role_key=stack.service_role_key)
    with ExitStack() as opened:
        transport = opened.enter_context(RestTransport(settings))
        off: FlagChange = {"stage": "off", "is_enabled": False, "rollout_percent": 0, "holdback_percent": 0}
        for change in (off, FlagChange(stage="mirror")):
            transport.send(ChangeFeatureFlag(change, changed_by="benchmark"))
        nowhere = Settings(url=opened.enter_context(silence()), service_role_key=stack.service_role_key)
        silent = RestTransport(nowhere)  # not closed: calls that nobody waits for are still under way
        client = redis.Redis.from_url(opened.enter_context(running_valkey(folder / "valkey")))
        queues = {
            "folder": folder_queue(folder / "folder"),
            "rq": LegacyQueue(RqBroker(client, functions={TASK_TYPE: "builtins.print"}), RedisIndex(client)),
        }
        return {
            name: Ways(legacy, transport, silent, folder / f"spools-{name}").measure(rounds)
            for name, legacy in queues.items()
        }


def show(measured: dict[str, Figures]) -> None:
    table = Table("", *(f"{name}: p50 / p99 or ratio" for name in measured))
    for row in asdict(next(iter(measured.values()))):
        values = [getattr(figures, row) for figures in measured.values()]
        cells = [f"{one.p50} / {one.p99}" if isinstance(one, Times) else str(one) for one in values]
        table.add_row(row.replace("_", " "), *cells)
    Console().print(table)
    for name, figures in measured.items():
        for missed in figures.misses:
            print(f"missed, {name}: {missed}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=900, help="enqueues by each way")
    parser.add_argument("--quick", action="store_true", help="90 rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 90
    return options


def main() -> int:
    options = read_options()
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "stack")
        try:
            with stack:
                Migrator(stack.database_url).apply()
                measured = measure(stack, Path(folder), options.rounds)
        finally:
            stack.remove()
    if options.json:
        print(json.dumps({name: asdict(figures) for name, figures in measured.items()}))
    else:
        show(measured)
    return 1 if any(figures.misses for figures in measured.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
