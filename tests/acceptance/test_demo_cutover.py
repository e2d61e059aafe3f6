"""A whole cutover, as a user runs it; and that the demo would say so if a job were lost or run twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from supaqueue.cli.demo.cutover.order import Accepted, Order, Tellings, Told, read_order, tell
from supaqueue.cli.demo.cutover.records import Record, Records
from supaqueue.cli.demo.cutover.share import share_bound
from supaqueue.cli.demo.cutover.stage_run import StageRun
from supaqueue.cli.demo.cutover.summary import Summary, summarise
from supaqueue.cli.demo.cutover.witness import Seen, Witness, read_witness
from supaqueue.cli.demo.handlers import File, measure_file
from supaqueue.cutover.legacy.entry import Owner
from supaqueue.cutover.relayed import Relayed
from tests.acceptance.demo_runs import check_cutover, exact_bound, run_demo

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(660)
def test_whole_cutover_loses_nothing_and_runs_nothing_twice(directory: Path) -> None:
    # Someone's own queue in the environment takes no part.
    foreign = {"SUPABASE_QUEUE_ENABLED": "false", "SUPAQUEUE_SCHEMA": "other"}
    check_cutover(run_demo("--by-hand", "--json", TMPDIR=str(directory), **foreign), directory)


@pytest.mark.slow
@pytest.mark.timeout(660)
@pytest.mark.parametrize("legacy", ["rq", "celery", "bullmq"])
def test_whole_cutover_from_a_broker(legacy: str, directory: Path) -> None:
    done = run_demo("--by-hand", "--json", "--legacy", legacy, TMPDIR=str(directory))
    check_cutover(done, directory)


@pytest.mark.parametrize("jobs", [1, 10, 300])
@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.98, 1.0])
def test_bound_of_a_share_is_exact(jobs: int, probability: float) -> None:
    assert share_bound(jobs, probability) == pytest.approx(exact_bound(jobs, probability))


def test_an_unknown_legacy_queue_is_refused() -> None:
    done = run_demo("--legacy", "sidekiq")
    assert done.returncode == 1
    assert "--legacy 'sidekiq' is none of folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_demo_without_the_cutover_package(tmp_path: Path) -> None:
    left_out = shutil.ignore_patterns("cutover", "__pycache__")
    shutil.copytree(ROOT / "supaqueue", tmp_path / "supaqueue", ignore=left_out)
    (tmp_path / "empty").mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "supaqueue", "demo", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )

    assert "no text and no .wav file" in run("--input", "empty").stderr
    refused = run("--cutover")
    assert refused.returncode == 1
    assert "needs the package supaqueue.cutover, which was removed" in refused.stderr


JOB = "0190a0b0-0000-7000-8000-000000000001"
THIS = Path(__file__)


def seen(*events: tuple[str, Owner]) -> list[Seen]:
    return [Seen(JOB, event, system, f"{system}-1", 1, 0.0) for event, system in events]  # type: ignore[arg-type]


def found(sightings: list[Seen], **record: Any) -> Summary:
    """What is said of one accepted job of one stage."""
    result = measure_file(File(path=THIS))
    made = Record(**{"owner": "legacy", "is_completed": True, "result": result, **record})
    accepted = {JOB: Accepted(JOB, str(THIS), "legacy", 0, True)}
    stages = [StageRun("mirror", 0, 0.0, Relayed())]  # type: ignore[arg-type]
    return summarise(stages, accepted, [Told()], sightings, Records({JOB: made}), 1.0)


RUN_IN_LEGACY = seen(("start", "legacy"), ("end", "legacy"))


def test_a_job_that_ran_once_is_good() -> None:
    summary = found(RUN_IN_LEGACY, outcomes=("legacy",), starts=("legacy",))
    assert summary.good
    assert (summary.stages[0].run_by_legacy, summary.stages[0].reruns) == (1, 0)


def test_a_rerun_in_the_same_system_is_counted_and_good() -> None:
    summary = found([*seen(("start", "legacy")), *RUN_IN_LEGACY], outcomes=("legacy",))
    assert (summary.good, summary.reruns) == (True, 1)


@pytest.mark.parametrize(
    ("sightings", "outcomes"), [(RUN_IN_LEGACY, ()), (seen(("start", "legacy")), ("legacy",)), ([], ())]
)
def test_a_lost_job_is_found(sightings: list[Seen], outcomes: tuple[Owner, ...]) -> None:
    summary = found(sightings, outcomes=outcomes)
    assert (summary.good, summary.lost) == (False, 1)


@pytest.mark.parametrize(
    ("sightings", "record"),
    [
        ([*seen(("start", "supabase")), *RUN_IN_LEGACY], {"outcomes": ("legacy",)}),
        (RUN_IN_LEGACY, {"outcomes": ("legacy",), "starts": ("supabase", "legacy")}),
        (RUN_IN_LEGACY, {"outcomes": ("supabase", "legacy")}),
    ],
)
def test_a_job_run_twice_is_found(sightings: list[Seen], record: dict[str, Any]) -> None:
    summary = found(sightings, **record)
    assert (summary.good, summary.run_twice) == (False, 1)


def test_records_that_the_witness_contradicts_are_found() -> None:
    summary = found(RUN_IN_LEGACY, outcomes=("supabase",))
    assert (summary.good, summary.disagreeing) == (False, 1)


@pytest.mark.parametrize("record", [{"result": {"lines": 1}}, {"is_completed": False}])
def test_a_wrong_result_is_found(record: dict[str, Any]) -> None:
    summary = found(RUN_IN_LEGACY, outcomes=("legacy",), **record)
    assert (summary.good, summary.wrong) == (False, 1)


def test_a_read_that_finds_nothing_is_found() -> None:
    accepted = {JOB: Accepted(JOB, str(THIS), "legacy", 0, True)}
    summary = summarise([], accepted, [Told(reads=3, unread=1)], [], Records(), 1.0)
    assert (summary.good, summary.reads, summary.unread) == (False, 3, 1)


def test_witness_keeps_whole_lines_of_several_processes(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; import sys\n"
        "from supaqueue.cli.demo.cutover.witness import Witness\n"
        "witness = Witness(Path(sys.argv[1]), 'legacy', sys.argv[2])\n"
        "for _ in range(500): witness.note('j' * 36, 'start')\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert Counter(one.worker for one in read_witness(tmp_path)) == {"a": 500, "b": 500, "c": 500}


def test_witness_travels_in_the_environment(tmp_path: Path) -> None:
    witness = Witness(tmp_path, "supabase", "supabase-2")
    assert Witness.from_environment(witness.environment()) == witness


def test_producers_tell_and_are_told(tmp_path: Path) -> None:
    Order(3, 17).give(tmp_path)
    assert read_order(tmp_path) == Order(3, 17)
    tellings = Tellings(tmp_path)
    tell(tmp_path, 1, Told((Accepted("a", "x.py", "legacy", 3, True),), stage=3))
    tellings.read()
    tell(tmp_path, 2, Told((Accepted("b", "y.py", "supabase", 3, False),), stage=3, reads=2))
    tellings.read()
    tellings.read()
    assert (tellings.settled(3), tellings.settled(2), sorted(tellings.accepted)) == (1, 0, ["a", "b"])
    assert sum(told.reads for told in tellings.told) == 2
