"""Ten thousand clean jobs while workers of both systems die, and clocks disagree: no difference is found.

Three processes enqueue by the router, two of them with a clock that is minutes off, from mirror to canary.
The effects of some handlers fail once or twice. Workers of both are killed inside handlers, and stopped.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from supaqueue.cli.demo.cutover.processes import PythonProcess
from supaqueue.contract import CountMirrors
from supaqueue.cutover.parity.classes import CLEAN
from supaqueue.devstack import Stack
from tests.cutover.parity.real_systems import ROOT, RealSystems
from tests.cutover.world import World
from tests.worker.waiting import until

JOBS = 10_000
CLOCKS = {"api-1": 0, "api-2": 120, "api-3": -180}
"""By how many seconds each enqueuing process' clock is ahead."""
STAGES: tuple[tuple[int, dict[str, Any]], ...] = (
    (2_000, {"stage": "shadow", "shadow_percent": 20}),
    (4_000, {"is_enabled": True, "rollout_percent": 30}),
    (7_000, {"rollout_percent": 70}),
)
"""What the flag is changed to, once so many jobs were accepted."""
DISTURBED_EVERY = 600
"""Jobs, accepted or ended, after which the next worker is killed or stopped."""

LEASE = ("--lease-seconds", "3", "--no-scheduler")
WORKER = ("-m", "supaqueue", "worker", "tests.cutover.parity.clean_handlers:registry", "--queue", "clean")
ENDED = "select count(*) from jobs where owner_outcome is not null or finished_at is not null"
SHADOWS = "select count(*) from job_tasks where purpose = 'shadow' and status "
OPEN_SHADOWS = SHADOWS + "in ('pending', 'claimed', 'processing')"
FAILED_SHADOWS = SHADOWS + "in ('failed', 'cancelled')"
LOST_LEASES = "select count(*) from job_task_attempts where outcome = 'lease_lost'"
RETRIES = "select count(*) from job_task_attempts where outcome = 'retry'"


@dataclass
class Crew:
    """All processes of one test, in a folder."""

    world: World
    systems: RealSystems
    apis: list[PythonProcess] = field(default_factory=list)
    workers: list[PythonProcess] = field(default_factory=list)

    def start(self) -> None:
        """Start workers, a relay, and what enqueues."""
        for number in (1, 2):
            self._start(f"legacy-{number}", "-m", "tests.cutover.parity.clean_worker", str(self._legacy))
            self._start(f"supabase-{number}", *WORKER, *LEASE, "--concurrency", "8")
        self.workers = list(self.systems.running)
        self._start("relay", "-m", "supaqueue", "rollout", "relay")
        for number, (name, ahead) in enumerate(CLOCKS.items()):
            jobs = JOBS // len(CLOCKS) + (number < JOBS % len(CLOCKS))
            words = ("-m", "tests.cutover.parity.clean_enqueuer", str(self.systems.folder), name, str(jobs))
            self.apis.append(self._start(name, *words, **clock_ahead(ahead)))
            self.systems.running.remove(self.apis[-1])  # it ends by itself

    def accepted(self) -> list[str]:
        """Ids of the jobs that were accepted."""
        return [line for name in CLOCKS for line in self._told_by(name)[1:]]

    def clock_of(self, name: str) -> float:
        """What an enqueuing process took for the time at its start."""
        return float(until(lambda: self._told_by(name), f"the clock of {name}")[0])

    def check_enqueuing(self) -> None:
        """Fail if nothing enqueues any more, and not all was."""
        is_over = all(api.has_ended for api in self.apis)
        assert not is_over or len(self.accepted()) == JOBS, self.log("api")[-3000:]

    def progress(self) -> int:
        """Count what happened: jobs that were accepted, and jobs that ended as far as Supabase knows."""
        return len(self.accepted()) + self._count(ENDED)

    def is_at_rest(self) -> bool:
        """Whether nothing is left to run or to be told."""
        counts = self.world.transport.send(CountMirrors())
        is_told = not sum(one.jobs for one in counts.owed)
        return is_told and self._count(ENDED) == JOBS and self._count(OPEN_SHADOWS) == 0

    def log(self, kind: str) -> str:
        """What the workers of one system logged."""
        return "".join(path.read_text() for path in sorted(self.systems.folder.glob(f"{kind}-*.log")))

    def count(self, query: str) -> int:
        """Ask the database."""
        return self._count(query)

    @property
    def _legacy(self) -> Path:
        return self.systems.folder / "legacy"

    def _start(self, name: str, *words: str, **environ: str) -> PythonProcess:
        given = self.systems.environ() | {"SUPAQUEUE_LEGACY": f"folder:{self._legacy}"}
        given |= {"PYTHONPATH": str(ROOT)} | environ
        process = PythonProcess(name, words, given, self.systems.folder)
        process.start()
        self.systems.running.append(process)
        return process

    def _told_by(self, name: str) -> list[str]:
        path = self.systems.folder / f"{name}.accepted"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [line.strip() for line in lines if line.endswith("\n")]

    def _count(self, query: str) -> int:
        row = self.world.database.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


def clock_ahead(seconds: int) -> dict[str, str]:
    """The environment of a process whose clock is off; how long something takes is not."""
    spec = find_spec("libfaketime")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    library = Path(spec.submodule_search_locations[0]) / "vendor/libfaketime/src/libfaketime.so.1"
    if seconds == 0:
        return {}
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}s", "DONT_FAKE_MONOTONIC": "1"}


def disturb(worker: PythonProcess, is_killed: bool) -> None:
    """End a worker, in one of two ways, and start it again."""
    if is_killed:
        worker.kill()
    else:
        worker.stop()
    worker.start()


@pytest.fixture
def crew(stack18: Stack, world: World, tmp_path: Path) -> Iterator[Crew]:
    systems = RealSystems(stack18, tmp_path, f"folder:{tmp_path / 'legacy'}")
    (tmp_path / "queues.py").write_text(
        f"from supaqueue.cutover.legacy_source import open_legacy\nlegacy = open_legacy({systems.place!r})\n"
    )
    crew = Crew(world, systems)
    try:
        yield crew
    finally:
        for process in (*systems.running, *crew.apis):
            process.kill()


def checked(crew: Crew, *arguments: str) -> dict[str, Any]:
    said = crew.systems.type("parity", "check", "--since", "1h", "--json", *arguments)
    assert (said.code in (0, 2), said.err) == (True, ""), (said.out[:5000], said.err)
    report: dict[str, Any] = json.loads(said.out)
    return report


def work_with_disturbances(crew: Crew) -> dict[str, Any]:
    """See all jobs through; returns what a check said half-way."""
    stages, halfway = list(STAGES), None
    due = DISTURBED_EVERY
    turns = zip(
        cycle(crew.workers), cycle((True, True, True, True, False, False, False, False)), strict=False
    )
    deadline = time.monotonic() + 900
    while not crew.is_at_rest():
        assert time.monotonic() < deadline, (crew.progress(), crew.log("legacy")[-2000:])
        crew.check_enqueuing()
        if stages and len(crew.accepted()) >= stages[0][0]:
            crew.world.change(**stages.pop(0)[1])
        if halfway is None and len(crew.accepted()) > JOBS / 2:
            halfway = checked(crew)
        if crew.progress() >= due:
            disturb(*next(turns))
            due += DISTURBED_EVERY
        time.sleep(0.1)
    assert not stages
    assert halfway is not None
    return halfway


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_ten_thousand_clean_jobs_have_no_difference(crew: Crew) -> None:
    crew.world.go_to(0)
    began = time.time()
    crew.start()
    for name, ahead in CLOCKS.items():
        assert ahead <= crew.clock_of(name) - began < ahead + 60
    halfway = work_with_disturbances(crew)
    assert CLEAN | {"uncomparable"} >= set(halfway["classes"])
    for api in crew.apis:
        api.wait()
    accepted = crew.accepted()
    assert len(set(accepted)) == len(accepted) == JOBS
    report = checked(crew, "--bound", "0.1")
    failed_shadows = crew.count(FAILED_SHADOWS)
    classes = Counter(report["classes"])
    assert set(classes) <= {"match", "legacy_redelivered", "uncomparable"}, classes
    assert classes["uncomparable"] == failed_shadows
    assert report["jobs"] == JOBS
    assert report["listed"] == {"legacy": JOBS, "supabase": JOBS}
    verdict = report["verdict"]
    assert (verdict["different"], verdict["answer"]) == (0, "pass")
    assert verdict["coverage"] == (JOBS - failed_shadows) / JOBS
    assert min(crew.count(LOST_LEASES), crew.count(RETRIES)) > 0
    assert "was held by a worker that died" in crew.log("legacy")
    assert crew.count(SHADOWS + "= 'completed'") > 100
    owned = "select count(*) from jobs where owner = 'supabase'"
    assert JOBS / 10 < crew.count(owned) < JOBS * 9 / 10
