"""What a load test measures, without servers: its clock is moved by hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from supaqueue.answer import EnqueueAnswer
from supaqueue.cli.loadtest.arrivals import poisson_arrivals
from supaqueue.cli.loadtest.clocks import GRAIN_SECONDS, OtherClock
from supaqueue.cli.loadtest.finishes import JOBS_PER_LOOK, Finishes
from supaqueue.cli.loadtest.latencies import Latencies
from supaqueue.cli.loadtest.load_queue import Accepted
from supaqueue.cli.loadtest.measured import Measured, kind_of
from supaqueue.cli.loadtest.plan import LoadPlan
from supaqueue.cli.loadtest.producers import Producers
from supaqueue.cli.loadtest.timeline import MOST_SLICES, Timeline
from supaqueue.cli.loadtest.verdict import judge
from supaqueue.errors import InvalidInput, QueueUnavailable
from supaqueue.job import Attempt, Job, Task
from supaqueue.job_id import new_job_id
from tests.cli.virtual_time import run_in_virtual_time

PLAN = LoadPlan(duration_seconds=10, concurrency=1, rate=20, slo_seconds=0.5, percentile=50)
AHEAD = 1_000_000.0
"""How far the database's clock is ahead of this one."""


@dataclass
class SlowQueue:
    """A queue on the event loop's clock, whose answers and jobs take as long as it is told."""

    answer_seconds: float = 0.0
    run_seconds: float = 0.0
    errors: Iterator[Exception | None] = field(default_factory=lambda: iter(()))
    begun: dict[str, float] = field(default_factory=dict)
    looks: list[list[str]] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0

    async def enqueue(self, *_: object, **__: object) -> EnqueueAnswer:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(self.answer_seconds / 2)
        job_id = new_job_id()
        self.begun[job_id] = asyncio.get_running_loop().time()
        await asyncio.sleep(self.answer_seconds / 2)
        self._at_once -= 1
        error = next(self.errors, None)
        if error is not None:
            raise error
        return EnqueueAnswer(job_id, "created", "supabase")

    async def get_many(self, job_ids: Iterable[str], **_: object) -> list[Job | None]:
        self.looks.append(list(job_ids))
        return [self._job(job_id) for job_id in self.looks[-1]]

    def _job(self, job_id: str) -> Job | None:
        if job_id not in self.begun:
            return None
        created = self.begun[job_id]
        ended = created + self.run_seconds
        is_over = ended <= asyncio.get_running_loop().time()
        return job_at(job_id, created, ended if is_over else None)


def there(seconds: float) -> datetime:
    """A moment of the database's clock."""
    return datetime.fromtimestamp(AHEAD + seconds, UTC)


def job_at(job_id: str, created: float, ended: float | None, status: Any = "completed") -> Job:
    """A job as a reader sees it; times are this machine's."""
    task = Task(
        0, "t", "pending", None, None, 1, 5, 0, there(created), None, None, None,
        there(ended) if ended is not None else None,
    )  # fmt: skip
    if ended is not None:
        claimed = there(created + (ended - created) / 2)
        lease = Attempt(1, 1, "w", claimed, claimed, there(ended), "done", "completed", None)
        task = replace(task, history=(lease,))
    return Job(
        job_id, "q", "t", status if ended is not None else "pending", "supabase", (),
        there(created), there(ended) if ended is not None else None, False, (task,),
    )  # fmt: skip


async def load(plan: LoadPlan, queue: Any, arrivals: Iterable[float]) -> tuple[Measured, Producers]:
    """Send jobs that are due at these times, and wait until all that were accepted have ended."""
    clock = asyncio.get_running_loop().time
    measured = Measured(plan.slo_seconds, clock())
    finishes = Finishes(queue, measured, clock)
    producers = Producers(plan, queue, iter(arrivals), measured, finishes, asyncio.Event(), clock)
    finishing = asyncio.create_task(finishes.run())
    await producers.run()
    finishes.close()
    await finishing
    return measured, producers


def test_jobs_are_due_at_the_rate_and_at_the_same_times_again() -> None:
    due = list(poisson_arrivals(50.0, 200.0, seed=1))
    assert due == sorted(due)
    assert due == list(poisson_arrivals(50.0, 200.0, seed=1))
    assert due != list(poisson_arrivals(50.0, 200.0, seed=2))
    assert 0 < due[0] < due[-1] < 200
    assert len(due) == pytest.approx(10_000, abs=400)  # four standard deviations
    gaps = sorted(later - earlier for earlier, later in pairwise(due))
    assert gaps[len(gaps) // 2] == pytest.approx(0.6931 / 50, rel=0.1)  # the median of an exponential


def test_a_queue_that_stalls_is_not_spared_by_its_own_stall() -> None:
    queue = SlowQueue(answer_seconds=1.0)
    measured, _ = run_in_virtual_time(load(replace(PLAN, slo_seconds=5), queue, [0.0, 0.1, 0.2]))
    assert queue.most_at_once == 1
    assert measured.late.seconds_at(100) == pytest.approx(1.8, rel=0.01)
    assert measured.answer.seconds_at(0) == pytest.approx(1.0, rel=0.01)
    assert measured.answer.seconds_at(50) == pytest.approx(1.9, rel=0.01)
    assert measured.answer.seconds_at(100) == pytest.approx(2.8, rel=0.01)


def test_as_many_at_once_as_there_are_producers() -> None:
    queue = SlowQueue(answer_seconds=1.0)
    measured, _ = run_in_virtual_time(load(replace(PLAN, concurrency=2), queue, [0.0, 0.1, 0.2]))
    assert queue.most_at_once == 2
    assert measured.late.seconds_at(100) == pytest.approx(0.8, rel=0.01)


def test_finish_counts_from_due_by_the_database_s_clock() -> None:
    queue = SlowQueue(answer_seconds=0.2, run_seconds=3.0)
    measured, _ = run_in_virtual_time(load(PLAN, queue, [1.0, 5.0]))
    assert measured.ended == {"completed": 2}
    # Stored in the middle of the call; the clock of the database is not this one's, nor was a look in time.
    assert measured.finish.seconds_at(100) == pytest.approx(3.1, abs=0.11)
    assert measured.clocks["supabase"].error_seconds == pytest.approx(0.1 + GRAIN_SECONDS)
    assert measured.pickup.seconds_at(100) == pytest.approx(1.5, rel=0.01)
    assert measured.run.seconds_at(100) == pytest.approx(1.5, rel=0.01)
    assert measured.within == 0


def test_what_nobody_comes_to_has_missed_the_objective() -> None:
    queue = SlowQueue(answer_seconds=4.0)
    plan = replace(PLAN, duration_seconds=5)
    measured, _ = run_in_virtual_time(load(plan, queue, [0.1, 0.2, 0.3, 0.4, 4.9]))
    # The second is sent at 4.1 s and answered at 8.1 s, which is past the end and the objective.
    assert (measured.due, measured.sent, measured.unsent) == (5, 2, 3)
    assert sum(one.late for _, one in measured.timeline.in_order()) == 5
    assert judge(replace(plan, percentile=50), measured, 0.0).answer == "inconclusive"


def test_errors_are_counted_by_kind_and_what_is_in_doubt_is_known() -> None:
    doubtful = new_job_id()
    lost = QueueUnavailable(
        "secret", call="enqueue_jobs_v1", committed="unknown", job_id=doubtful, cause="ReadTimeout"
    )
    gone = QueueUnavailable("secret", call="enqueue_jobs_v1", http_status=503, job_id=new_job_id())
    queue = SlowQueue(errors=iter([lost, None, gone, InvalidInput("secret", field="payload")]))
    measured, producers = run_in_virtual_time(load(PLAN, queue, [0.1, 0.2, 0.3, 0.4]))
    assert producers.in_doubt == [doubtful]
    assert measured.errors == {
        "QueueUnavailable (ReadTimeout)": 1, "QueueUnavailable (HTTP 503)": 1, "InvalidInput": 1
    }  # fmt: skip
    assert (measured.due, measured.accepted, measured.refused) == (4, 1, 3)
    assert "secret" not in "".join(measured.errors)
    assert kind_of(gone) == "QueueUnavailable (HTTP 503)"


def test_a_job_that_hangs_does_not_hide_the_end_of_others() -> None:
    async def hang() -> tuple[Measured, Finishes, SlowQueue]:
        clock = asyncio.get_running_loop().time
        measured = Measured(1.0, clock())
        queue: Any = SlowQueue()
        finishes = Finishes(queue, measured, clock)
        hanging = [await accepted(queue, finishes, never=True) for _ in range(JOBS_PER_LOOK)]
        [await accepted(queue, finishes) for _ in range(3 * JOBS_PER_LOOK)]
        finishes.close()
        finishing = asyncio.create_task(finishes.run())
        while measured.ended.total() < 3 * JOBS_PER_LOOK:
            assert clock() < 1000, "the jobs that hang are all that is looked at"
            await asyncio.sleep(1)
        assert len(finishes) == len(hanging)
        assert not finishing.done()
        finishing.cancel()
        assert sorted(finishes.give_up()) == sorted(hanging)
        return measured, finishes, queue

    measured, finishes, queue = run_in_virtual_time(hang())
    assert (measured.unended, len(finishes)) == (JOBS_PER_LOOK, 0)
    assert max(map(len, queue.looks)) == JOBS_PER_LOOK


async def accepted(queue: SlowQueue, finishes: Finishes, *, never: bool = False) -> str:
    """A job that ended at once, or never does."""
    answer = await queue.enqueue()
    queue.begun[answer.job_id] = 1e6 if never else 0.0
    finishes.expect(Accepted(answer.job_id, 0.0, 0.0, 0.0))
    return answer.job_id


def test_a_look_that_fails_or_is_cancelled_loses_no_job() -> None:
    class Failing(SlowQueue):
        async def get_many(self, job_ids: Iterable[str], **_: object) -> list[Job | None]:
            if len(self.looks) < 2:
                self.looks.append(list(job_ids))
                raise QueueUnavailable("down", call="get_jobs_v1")
            return await super().get_many(job_ids)

    async def fail() -> tuple[Measured, Finishes]:
        clock = asyncio.get_running_loop().time
        measured = Measured(1.0, clock())
        queue: Any = Failing()
        finishes = Finishes(queue, measured, clock)
        await accepted(queue, finishes)
        finishes.close()
        cancelled = asyncio.create_task(finishes.run())
        await asyncio.sleep(1)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        assert len(finishes) == 1
        await finishes.run()
        return measured, finishes

    measured, finishes = run_in_virtual_time(fail())
    assert (measured.ended.total(), finishes.failed_looks) == (1, 2)


def test_percentiles_are_right_to_three_digits() -> None:
    random = Random(3)
    values = sorted(random.lognormvariate(-3, 1.5) for _ in range(20_000))
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    for percentile in (50, 90, 99, 99.9):
        exact = values[min(len(values) - 1, round(len(values) * percentile / 100) - 1)]
        assert latencies.seconds_at(percentile) == pytest.approx(exact, rel=0.002, abs=2e-6)
    assert Latencies().seconds_at(99) is None
    assert Latencies().milliseconds()["max"] is None


def test_a_long_run_has_wider_slices_and_loses_nothing() -> None:
    timeline = Timeline()
    for second in range(5 * MOST_SLICES):
        where = timeline.at(second)
        where.due += 1
        where.finished(second / 1000)
        where.saw(second, 0, None)
    slices = list(timeline.in_order())
    assert timeline.slice_seconds == 8
    assert len(slices) <= MOST_SLICES
    assert sum(one.due for _, one in slices) == 5 * MOST_SLICES
    assert sum(one.finish.total_count for _, one in slices) == 5 * MOST_SLICES
    assert slices[1][0] == 8
    assert slices[1][1].waiting == 15
    assert slices[1][1].oldest_seconds is None


def test_another_clock_is_known_by_the_shortest_round_trip_and_learnt_anew_once_it_is_moved() -> None:
    clock = OtherClock()
    clock.saw(10.0, AHEAD + 10.9, 11.0)
    clock.saw(20.0, AHEAD + 20.01, 20.02)
    assert clock.error_seconds < 0.012
    assert clock.here(AHEAD + 30.0) == pytest.approx(30.0, abs=clock.error_seconds)
    clock.saw(40.0, AHEAD + 45.05, 40.1)
    assert clock.here(AHEAD + 55.0) == pytest.approx(50.0, abs=0.06)


def measured_of(within: int, **counts: int) -> Measured:
    """A run of which so many jobs completed in time, and others did not for these reasons."""
    measured = Measured(0.5, 0.0)
    measured.within = measured.ended["completed"] = within
    measured.ended["completed"] += counts.pop("slow", 0)
    measured.ended["failed"] = counts.pop("failed", 0)
    measured.errors = Counter({"QueueUnavailable": counts.pop("refused", 0)})
    for name, count in counts.items():
        setattr(measured, name, count)
    measured.due = within + measured.ended.total() - within + measured.refused + sum(counts.values())
    return measured


@pytest.mark.parametrize(
    ("counts", "lag", "answer"),
    [
        ({"within": 1000}, 0.0, "met"),
        ({"within": 950, "slow": 50}, 0.0, "met"),
        ({"within": 949, "slow": 51}, 0.0, "missed"),
        ({"within": 949, "unsent": 51}, 0.0, "missed"),
        ({"within": 949, "unended": 51}, 0.0, "missed"),
        ({"within": 990, "failed": 10}, 0.0, "met"),
        ({"within": 989, "failed": 11}, 0.0, "missed"),
        ({"within": 989, "refused": 11}, 0.0, "missed"),
        ({"within": 989, "vanished": 11}, 0.0, "missed"),
        ({"within": 0, "refused": 1000}, 0.0, "missed"),
        ({"within": 0, "slow": 1000}, 0.06, "inconclusive"),  # by over a tenth of the objective late itself
        ({"within": 1000}, 0.06, "met"),
        ({"within": 199}, 0.0, "inconclusive"),
        ({"within": 200}, 0.0, "met"),
    ],
)
def test_verdict(counts: dict[str, int], lag: float, answer: str) -> None:
    verdict = judge(replace(PLAN, percentile=95), measured_of(**counts), lag)
    assert verdict.answer == answer
    assert bool(verdict.reasons) == (answer != "met")


def test_what_was_stopped_is_no_answer() -> None:
    verdict = judge(PLAN, measured_of(1000), 0.0, "it was interrupted")
    assert (verdict.answer, verdict.reasons) == ("inconclusive", ("it was interrupted",))
