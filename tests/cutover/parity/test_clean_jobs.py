"""Many clean jobs while workers of both systems die, and clocks disagree: no difference is found.

Three processes enqueue by the router, two of them with a clock that is minutes off, from mirror to canary.
The effects of some handlers fail once or twice. Workers of both are killed inside handlers, and stopped.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from supaqueue.cli.demo.cutover.processes import PythonProcess
from supaqueue.contract import CountMirrors
from supaqueue.cutover.parity.classes import CLEAN
from supaqueue.devstack import Stack
from tests.cutover.parity.clean_handlers import INSIDE
from tests.cutover.parity.clean_legacy import PLACE, open_queue
from tests.cutover.parity.real_systems import ROOT, RealSystems
from tests.cutover.world import World
from tests.valkey import Valkey
from tests.worker.waiting import until

CLOCKS = {"api-1": 0, "api-2": 120, "api-3": -180}
"""By how many seconds each enqueuing process' clock is ahead."""
STAGES: tuple[tuple[float, dict[str, Any]], ...] = (
    (0.2, {"stage": "shadow", "shadow_percent": 20}),
    (0.4, {"is_enabled": True, "rollout_percent": 30}),
    (0.7, {"rollout_percent": 70}),
)
"""What the flag is changed to, once such a part of the jobs was accepted."""
DISTURBANCES = 32
"""How often a worker is killed or stopped."""
INSIDE_SECONDS = 3.0
"""How long is waited for a worker to be inside a handler before it is killed."""

LEASE = ("--lease-seconds", "3", "--no-scheduler")
WORKER = ("-m", "supaqueue", "worker", "tests.cutover.parity.clean_handlers:registry", "--queue", "clean")
ENDED = "select count(*) from jobs where owner_outcome is not null or finished_at is not null"
UNENDED = (
    "select job_id, owner, epoch, status, mirror_state from jobs"
    " where owner_outcome is null and finished_at is null limit 3"
)
SHADOWS = "select count(*) from job_tasks where purpose = 'shadow' and status "
OPEN_SHADOWS = SHADOWS + "in ('pending', 'claimed', 'processing')"
FAILED_SHADOWS = SHADOWS + "in ('failed', 'cancelled')"
OWNED = "select count(*) from jobs where owner = 'supabase'"
LOST_LEASES = "select count(*) from job_task_attempts where outcome = 'lease_lost'"
RETRIES = "select count(*) from job_task_attempts where outcome = 'retry'"


@dataclass
class Crew:
    """All processes of one test, in a folder, for so many jobs."""

    world: World
    systems: RealSystems
    jobs: int
    apis: list[PythonProcess] = field(default_factory=list)
    workers: list[PythonProcess] = field(default_factory=list)

    def start(self) -> None:
        """Start workers, a relay, and what enqueues."""
        for number in (1, 2):
            self._start(f"legacy-{number}", "-m", "tests.cutover.parity.clean_legacy")
            self._start(f"supabase-{number}", *WORKER, *LEASE, "--concurrency", "8")
        self.workers = list(self.systems.running)
        self._start("relay", "-m", "supaqueue", "rollout", "relay")
        for number, (name, ahead) in enumerate(CLOCKS.items()):
            jobs = self.jobs // len(CLOCKS) + (number < self.jobs % len(CLOCKS))
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
        assert not is_over or len(self.accepted()) == self.jobs, self.log("api")[-3000:]

    def progress(self) -> int:
        """Count what happened: jobs that were accepted, and jobs that ended as far as Supabase knows."""
        return len(self.accepted()) + self._count(ENDED)

    def is_at_rest(self) -> bool:
        """Whether nothing is left to run or to be told."""
        counts = self.world.transport.send(CountMirrors())
        is_told = not sum(one.jobs for one in counts.owed)
        return is_told and self._count(ENDED) == self.jobs and self._count(OPEN_SHADOWS) == 0

    def unended(self) -> list[object]:
        """What both systems know of a few jobs that have not ended."""
        rows = self.world.database.execute(UNENDED.encode()).fetchall()
        legacy = open_queue(self.systems.place)
        known = legacy.index.get([str(row[0]) for row in rows])
        counts = legacy.broker.count()
        legacy.close()
        return [*zip(rows, known, strict=True), counts]

    def reruns_in_legacy(self) -> int:
        """Count the jobs that legacy began again although their handlers never fail."""
        legacy = open_queue(self.systems.place)
        entries = list(legacy.list_by_time(datetime(2000, 1, 1, tzinfo=UTC)))
        legacy.close()
        return sum(one.starts > 1 and one.job is not None and one.job.task_type != "mail" for one in entries)

    def inside(self, worker: PythonProcess) -> list[Path]:
        """What says that a worker is inside handlers."""
        return list(self.systems.folder.glob(f"inside-{worker.name}.*"))

    def environ(self) -> dict[str, str]:
        """What says where the old queue is."""
        legacy = "tests.cutover.parity.clean_legacy:legacy"
        return {"PYTHONPATH": str(ROOT), PLACE: self.systems.place, "SUPAQUEUE_LEGACY": legacy}

    def log(self, kind: str) -> str:
        """What the workers of one system logged."""
        return "".join(path.read_text() for path in sorted(self.systems.folder.glob(f"{kind}-*.log")))

    def count(self, query: str) -> int:
        """Ask the database."""
        return self._count(query)

    def _start(self, name: str, *words: str, **environ: str) -> PythonProcess:
        given = self.systems.environ() | self.environ() | environ
        given[INSIDE] = str(self.systems.folder / f"inside-{name}")
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


def disturb(crew: Crew, worker: PythonProcess, is_killed: bool) -> None:
    """End a worker, in one of two ways, and start it again."""
    if is_killed:
        kill_inside(crew, worker)
    else:
        worker.stop()
    worker.start()


def kill_inside(crew: Crew, worker: PythonProcess) -> None:
    """Kill a worker inside a handler, if it comes into one soon."""
    give_up_at = time.monotonic() + INSIDE_SECONDS
    while not crew.inside(worker) and time.monotonic() < give_up_at:
        time.sleep(0.002)
    worker.kill()
    for left in crew.inside(worker):
        left.unlink(missing_ok=True)


@pytest.fixture
def gather(stack18: Stack, world: World, tmp_path: Path) -> Iterator[Callable[[str, int], Crew]]:
    """Makes the processes for an old queue at a place, and for so many jobs; they end with the test."""
    crews: list[Crew] = []

    def make(place: str, jobs: int) -> Crew:
        crews.append(Crew(world, RealSystems(stack18, tmp_path, place), jobs))
        return crews[-1]

    yield make
    for crew in crews:
        for process in (*crew.systems.running, *crew.apis):
            process.kill()


def checked(crew: Crew, *arguments: str) -> dict[str, Any]:
    command = ("parity", "check", "--since", "1h", "--json", *arguments)
    said = crew.systems.type(*command, **crew.environ())
    assert (said.code in (0, 2), said.err) == (True, ""), (said.out[:5000], said.err)
    report: dict[str, Any] = json.loads(said.out)
    return report


def work_with_disturbances(crew: Crew) -> dict[str, Any]:
    """See all jobs through; returns what a check said half-way."""
    stages, halfway = list(STAGES), None
    every = 2 * crew.jobs // DISTURBANCES
    due = every
    turns = zip(cycle(crew.workers), cycle(4 * [True] + 4 * [False]), strict=False)
    deadline = time.monotonic() + 900
    while not crew.is_at_rest():
        assert time.monotonic() < deadline, (crew.progress(), crew.unended(), crew.log("legacy")[-2000:])
        crew.check_enqueuing()
        part = len(crew.accepted()) / crew.jobs
        if stages and part >= stages[0][0]:
            crew.world.change(**stages.pop(0)[1])
        if halfway is None and part > 0.5:
            halfway = checked(crew)
        if crew.progress() >= due:
            disturb(crew, *next(turns))
            due += every
        time.sleep(0.1)
    assert not stages
    assert halfway is not None
    return halfway


def check_clean(crew: Crew) -> None:
    """See that many jobs are accepted, run, and alike in both systems."""
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
    assert len(set(accepted)) == len(accepted) == crew.jobs
    report = checked(crew, "--bound", "0.5")
    failed_shadows = crew.count(FAILED_SHADOWS)
    classes = Counter(report["classes"])
    assert set(classes) <= {"match", "legacy_redelivered", "uncomparable"}, classes
    assert classes["uncomparable"] == failed_shadows
    assert report["listed"] == {"legacy": crew.jobs, "supabase": crew.jobs}
    verdict = report["verdict"]
    assert (verdict["different"], verdict["answer"]) == (0, "pass")
    assert verdict["coverage"] == (crew.jobs - failed_shadows) / crew.jobs
    check_disturbed(crew)


def check_disturbed(crew: Crew) -> None:
    """See that there was something to withstand, in both systems."""
    assert min(crew.count(LOST_LEASES), crew.count(RETRIES), crew.reruns_in_legacy()) > 0
    assert crew.count(SHADOWS + "= 'completed'") > crew.jobs / 100
    assert crew.jobs / 10 < crew.count(OWNED) < crew.jobs * 9 / 10


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_ten_thousand_clean_jobs_have_no_difference(
    gather: Callable[[str, int], Crew], tmp_path: Path
) -> None:
    (tmp_path / "legacy").mkdir(exist_ok=True)
    check_clean(gather(f"folder:{tmp_path / 'legacy'}", 10_000))


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_clean_jobs_of_rq_have_no_difference(gather: Callable[[str, int], Crew], valkey: Valkey) -> None:
    check_clean(gather(f"rq:{valkey.url}", 1_000))
