"""The check again and again: what is new each time, through outages, until a signal comes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from supaqueue.cli.until_told import Told, UntilTold
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.parity.check import Checked, check
from supaqueue.cutover.parity.classes import MATCH, Finding, Fit
from supaqueue.cutover.parity.differences import Difference
from supaqueue.cutover.parity.differing import Differing
from supaqueue.cutover.parity.noise import NoiseFloor, NoisyPath
from supaqueue.cutover.parity.observation import Observation
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.question import Question
from supaqueue.cutover.parity.repair import missing, repair
from supaqueue.cutover.parity.watch import Watched, watch
from supaqueue.errors import AccessDenied, InvalidInput, SupaqueueError
from supaqueue.telemetry import Telemetry
from supaqueue.telemetry.events import Event
from tests.cutover.commands import Terminal
from tests.cutover.parity import faults
from tests.cutover.parity.terminal import Parity
from tests.cutover.world import World

AT_ONCE = ("--settle", "0.000001s", "--every", "0.001s")
UNAVAILABLE = LegacyUnavailable("the folder cannot be read", call="list_by_time")


def question() -> Question:
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    return Question(now - hour, now + hour, settle_seconds=1e-6, looks=())


def watched(
    world: World, *changes: Callable[[], object], telemetry: Telemetry | None = None
) -> list[Watched]:
    """Look before the first change and after each."""
    left = iter(changes)

    def wait(seconds: float) -> bool:
        next(left)()
        return False

    def compare(differing: Differing) -> Checked:
        return check(world.transport, world.legacy, question(), differing=differing)

    return list(watch(compare, wait, times=len(changes) + 1, telemetry=telemetry))


def new(one: Watched) -> dict[tuple[str | None, str], int]:
    return {(task_type, name): jobs for (task_type, name), jobs in one.new.items()}


def test_each_time_it_says_what_is_new(world: World) -> None:
    world.go_to(100)
    faults.accepted_without_mirror(world)

    def more() -> None:
        faults.accepted_without_mirror(world)
        faults.unparked(world)

    looks = watched(world, lambda: None, more, lambda: None)
    assert [new(one) for one in looks] == [
        {("count", "missing_in_supabase"): 1},
        {},
        {("count", "missing_in_supabase"): 1, ("count", "missing_in_legacy"): 1},
        {},
    ]
    assert all(one.checked is not None and one.problem is None for one in looks)


def test_what_differs_otherwise_or_again_is_new_and_what_was_repaired_is_not(world: World) -> None:
    world.go_to(100)
    job = faults.ended_in_legacy(world)
    told = "update jobs set owner_outcome = jsonb_set(owner_outcome, '{status}', %s) where job_id = %s"

    def tell(status: str) -> None:
        world.database.execute(told.encode(), [json.dumps(status), job.job_id])

    looks = watched(
        world,
        lambda: tell("failed"),
        lambda: tell("completed"),
        lambda: tell("failed"),
        lambda: world.database.execute("delete from jobs"),
        lambda: repair(world.transport, world.legacy, missing(world.transport, world.legacy, question())),
    )
    names = [[name for _, name in one.new] for one in looks]
    assert names == [[], ["status_diff"], [], ["status_diff"], ["missing_in_supabase"], []]
    last = looks[-1].checked
    assert last is not None
    assert last.report["classes"] == {"missing_in_supabase": 1}


def test_telemetry_is_told_once_of_each_class_and_type_with_counts_alone(world: World) -> None:
    world.go_to(100)
    heard: list[Event] = []
    for _ in range(2):
        faults.accepted_without_mirror(world)
    faults.unparked(world)
    watched(world, lambda: None, lambda: faults.unparked(world), telemetry=Telemetry([heard.append]))
    assert [repr(event) for event in heard] == [
        f"ParityMismatch(task_type='count', difference='{name}', jobs={jobs})"
        for name, jobs in (("missing_in_legacy", 1), ("missing_in_supabase", 2), ("missing_in_legacy", 1))
    ]


class Script:
    """Compares as it is told: an error, or the classes of jobs that differ."""

    def __init__(self, *answers: Exception | set[str]) -> None:
        self.answers = list(answers)
        self.waited: list[float] = []

    def compare(self, differing: Differing) -> Checked:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        for name in answer:
            differing.add(pair(), MATCH, name)  # type: ignore[arg-type]
        return None  # type: ignore[return-value]

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return not self.answers

    def run(self) -> list[Watched]:
        return list(watch(self.compare, self.wait, every_seconds=60.0))


def pair() -> Pair:
    return Pair(Observation("j", "t", "legacy", 0, "waiting", 0, None, 0, None, None, None), None)


def test_an_outage_is_said_waited_out_and_forgets_nothing() -> None:
    script = Script({"stuck"}, *[UNAVAILABLE] * 4, {"stuck"}, {"stuck", "result_diff"})
    looks = script.run()
    assert [sorted(name for _, name in one.new) for one in looks] == [["stuck"], *[[]] * 5, ["result_diff"]]
    problems = [one.problem for one in looks]
    assert problems == [None, *["LegacyUnavailable: the folder cannot be read"] * 4, None, None]
    assert script.waited == [60.0, 60.0, 120.0, 240.0, 240.0, 60.0, 60.0]


@pytest.mark.parametrize("error", [AccessDenied("no", call="observe_jobs_v1"), InvalidInput("no")])
def test_what_no_waiting_mends_ends_it_at_the_start_alone(error: SupaqueueError) -> None:
    with pytest.raises(type(error)):
        Script(error).run()
    with pytest.raises(type(error)):
        Script(UNAVAILABLE, error).run()
    assert [one.problem is None for one in Script(set(), error, set()).run()] == [True, False, True]


@pytest.fixture
def parity(rollout: Terminal) -> Parity:
    return Parity(rollout).without_pauses()


def test_the_command_prints_a_line_per_check(world: World, parity: Parity, tmp_path: Path) -> None:
    world.go_to(100)
    faults.accepted_without_mirror(world)
    page = tmp_path / "parity.html"
    said = parity("watch", "--times", "2", "--html", str(page), *AT_ONCE)
    assert "missing_in_supabase" in page.read_text()
    first, second = said.out.splitlines()
    line = "differences: 1 of 1 jobs differ, at most 100.00%; new: "
    assert first.endswith(f"{line}1 missing_in_supabase of count")
    assert second.endswith(f"{line}none")
    assert said.code == 1
    assert "parity_mismatch" in said.err
    looks = [json.loads(one) for one in parity("watch", "--times", "2", "--json", *AT_ONCE).out.splitlines()]
    assert [one["new"] for one in looks] == [
        [{"task_type": "count", "class": "missing_in_supabase", "jobs": 1}],
        [],
    ]
    assert {(one["verdict"], one["jobs"], one["different"]) for one in looks} == {("differences", 1, 1)}
    assert all(len(one["evidence"]) == 64 and one["problem"] is None for one in looks)


def test_the_command_looks_back_as_far_as_its_window(world: World, parity: Parity) -> None:
    world.go_to(100)
    job = faults.unparked(world)
    faults.rows(world, "update jobs set created_at = created_at - interval '2 hours'", job)
    near, far = (
        json.loads(parity("watch", "--times", "1", "--json", "--window", window, *AT_ONCE).out)
        for window in ("1h", "3h")
    )
    assert (near["jobs"], far["jobs"]) == (0, 1)


def test_the_command_survives_an_outage_and_says_so(parity: Parity, rollout: Terminal) -> None:
    rollout.lose_supabase()
    said = parity("watch", "--times", "2", *AT_ONCE)
    assert said.code == 3
    assert [" no answer: QueueUnavailable: " in line for line in said.out.splitlines()] == [True, True]
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--every", "soon"), "--every"),
        (("--every", "0s"), "--every"),
        (("--window", "0s"), "--window"),
        (("--window", "back"), "--window"),
        (("--times", "0"), "--times"),
        (("--bound", "0"), "--bound"),
        (("--rules", "none.toml"), "none.toml"),
        (("--legacy", "nowhere:queue"), "nowhere"),
        (("--log-level", "loud"), "loud"),
        (("--html", "nowhere/parity.html"), "--html"),
    ],
)
def test_what_cannot_run_ends_with_three(parity: Parity, arguments: tuple[str, ...], named: str) -> None:
    said = parity("watch", "--times", "1", *arguments)
    assert (said.code, said.out) == (3, "")
    assert named in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_wait_and_what_is_under_way(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    main = threading.main_thread().ident
    assert main is not None
    with UntilTold() as until:
        until.go_on()
        assert not until.wait(0.0)
        told = threading.Timer(0.0, signal.pthread_kill, (main, number))
        told.start()
        assert until.wait(60.0)
        told.join()
        with pytest.raises(Told):
            until.go_on()
        assert signal.getsignal(number) is before, "a second one does as it did before"
    assert signal.getsignal(number) is before


def test_the_command_ends_at_a_signal_with_the_last_verdict(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    faults.accepted_without_mirror(world)
    command = [sys.executable, "-m", "supaqueue", "parity", "watch", "--settle", "1h", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ.copy()) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(30) == 2
    assert (first["verdict"], first["different"]) == ("inconclusive", 0)


def test_what_is_noise_in_the_end_is_not_new() -> None:
    """Counted apart at first: a difference at a path of which legacy differs from itself is none."""
    one = pair()
    fit = Fit("result_diff", (Difference("shadow.result.at", "value", 1, 2),))
    for excused, names in ((frozenset({"shadow.result.at"}), []), (frozenset(), ["result_diff"])):
        differing = Differing()
        differing.add(one, Finding((fit,)), None)
        assert differing.all() == frozenset()
        differing.settle(Floors(excused))  # type: ignore[arg-type]
        assert [name for _, name in +differing.new] == names
        assert [name for _, name in differing.all()] == names


class Floors:
    """A noise floor that was found to excuse some paths."""

    def __init__(self, excused: frozenset[str]) -> None:
        self._excused = excused

    def floors(self) -> dict[str, NoiseFloor]:
        paths = tuple(NoisyPath(path, 5, 0.25, 0.25, 0.5, True) for path in self._excused)
        return {"t": NoiseFloor(20, 20, 1, 0, paths)}
