"""Any sequence of calls, any repeated at any time: a small model of the queue against a real Postgres."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from psycopg.conninfo import make_conninfo

from supaqueue.devstack import Stack
from tests.sql.calls import Calls, Row, Worker, answers, endings, expire, leases, new_job
from tests.sql.checks import failed_checks

MAX_ATTEMPTS = 3
LOST_LEASE_CAP = 5
OUTCOMES = ("done", "retry", "snooze", "cancel", "fail", "not_started")
ENDS = {"done": "completed", "cancel": "cancelled", "fail": "failed"}


@dataclass
class Model:
    """What is known of one job and its task."""

    status: str = "pending"
    attempts: int = 0
    token: int = 0
    lost_leases: int = 0
    started: bool = False
    ever_started: bool = False
    cancel_requested: bool = False
    abandoned: bool = False
    priority: int = 0
    tenant: str | None = None

    @property
    def leased(self) -> bool:
        return self.status in ("claimed", "processing")

    def end_lease(self, outcome: str) -> str:
        """Decide what the task becomes, as the page of semantics says."""
        costs = outcome not in ("snooze", "not_started") and (
            outcome != "lease_lost" or self.status == "processing"
        )
        self.attempts += costs
        self.lost_leases += outcome == "lease_lost"
        self.ever_started |= outcome != "not_started"
        spent = outcome in ("retry", "lease_lost") and self.attempts >= MAX_ATTEMPTS
        if outcome in ENDS:
            self.status = ENDS[outcome]
        elif spent or self.lost_leases > LOST_LEASE_CAP:
            self.status = "failed"
        else:
            self.status = "cancelled" if self.cancel_requested else "pending"
        return self.status


@dataclass
class Finished:
    """A finish as it was sent, and how it was answered."""

    rows: list[Row]
    answers: list[tuple[str, str | None]] = field(default_factory=list)


class QueueMachine(RuleBasedStateMachine):
    """Rules are calls of a producer and two workers; time is moved in the tables."""

    address: str
    jobs = Bundle("jobs")
    tasks = Bundle("tasks")
    finishes = Bundle("finishes")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.connection = psycopg.connect(self.address, autocommit=True)
        self.connection.execute("truncate jobs, job_claims cascade")
        self.calls = Calls(self.connection)
        queues = [f"q-{uuid4().hex[:8]}"]
        self.workers = [Worker(self.connection, queues=queues) for _ in range(2)]
        self.queue = queues[0]
        self.models: dict[str, Model] = {}
        self.sent: dict[str, Row] = {}

    def teardown(self) -> None:
        try:
            self.drain()
        finally:
            self.connection.close()

    @initialize(target=jobs)
    def begin(self) -> Any:
        return self.enqueue(3, 0)

    @rule(
        target=jobs,
        count=st.integers(1, 4),
        delay=st.sampled_from([0, 0, 1000]),
        priority=st.sampled_from([0, 0, 0, 1, -2]),
        tenant=st.sampled_from([None, None, "a", "b"]),
    )
    def enqueue(self, count: int, delay: float, priority: int = 0, tenant: str | None = None) -> Any:
        options: Row = {"priority": priority, "delay_seconds": delay} | ({"tenant": tenant} if tenant else {})
        jobs = [new_job(self.queue, max_attempts=MAX_ATTEMPTS, **options) for _ in range(count)]
        assert answers(self.calls.enqueue(*jobs)) == ["created"] * count
        for job in jobs:
            self.models[job["job_id"]] = Model(priority=priority, tenant=tenant)
            self.sent[job["job_id"]] = job
        return multiple(*(job["job_id"] for job in jobs))

    @rule(job_id=jobs, altered=st.booleans())
    def enqueue_again(self, job_id: str, altered: bool) -> None:
        job = self.sent[job_id] | ({"payload": "other"} if altered else {})
        conflict = altered or self.models[job_id].abandoned
        assert answers(self.calls.enqueue(job)) == ["conflict" if conflict else "exists"]

    @rule(target=claims, number=st.integers(0, 1), want=st.integers(0, 5))
    def claim(self, number: int, want: int) -> Any:
        worker, request_id = self.workers[number], str(uuid4())
        before = copy.deepcopy(worker.marks)
        tasks = worker.claim(want, request_id=request_id)
        assert len(tasks) <= want
        self.check_priorities(tasks)
        self.claimed(tasks)
        return number, request_id, before, tasks

    @rule(target=tasks, claim=claims)
    def take(self, claim: Any) -> Any:
        return multiple(*claim[3])

    @rule(claim=claims)
    def claim_again(self, claim: Any) -> None:
        number, request_id, marks, tasks = claim
        held = [task for task in tasks if self.holds(task)]
        asker = copy.copy(self.workers[number])
        again = leases(asker.claim(5, request_id=request_id, marks=marks))
        assert sorted(again, key=str) == sorted(leases(held), key=str)

    @rule(task=tasks, starts=st.booleans(), number=st.integers(0, 1))
    def heartbeat(self, task: Row, starts: bool, number: int) -> None:
        model = self.models[task["job_id"]]
        held = self.holds(task)
        expected = "lost" if not held else "cancel" if model.cancel_requested else "held"
        reply = self.workers[number].heartbeat([task], started=[task] if starts else [])
        assert answers(reply) == [expected]
        if held and starts:
            model.status = "processing"

    @rule(target=finishes, given=tasks, outcome=st.sampled_from(OUTCOMES), after=st.sampled_from([0, 1000]))
    def finish(self, given: Row, outcome: str, after: float) -> Finished:
        rows = endings([given], outcome, after_seconds=after, result={"by": outcome})
        held = self.holds(given)
        [row] = self.calls.finish(rows)
        if held:
            status = self.models[given["job_id"]].end_lease(outcome)
            assert (row["answer"], row["status"]) == ("recorded", status)
            given["ended"] = (row["answer"], row["status"])
        # The first ending of a lease is its only one: whatever else is reported is answered alike.
        assert (row["answer"], row["status"]) == given.get("ended", ("lost", None))
        return Finished(rows, [(row["answer"], row["status"])])

    @rule(finished=finishes)
    def finish_again(self, finished: Finished) -> None:
        assert [
            (row["answer"], row["status"]) for row in self.calls.finish(finished.rows)
        ] == finished.answers

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        model = self.models[job_id]
        if model.status == "pending":
            model.status = "cancelled"
        elif model.leased:
            model.cancel_requested = True
        expected = {"claimed": "requested", "processing": "requested", "cancelled": "cancelled"}
        assert self.calls.cancel(job_id) == [expected.get(model.status, "finished")]

    @rule(job_id=jobs)
    def abandon(self, job_id: str) -> None:
        model = self.models[job_id]
        if model.status in ("pending", "cancelled") and not model.ever_started:
            model.status, model.abandoned = "cancelled", True
        assert self.calls.abandon(job_id) == ["cancelled" if model.abandoned else "started"]

    @rule(task=consumes(tasks), number=st.integers(0, 1))
    def lose(self, task: Row, number: int) -> None:
        """A worker falls silent, and another looks."""
        if not self.holds(task):
            return
        expire(self.connection, [task])
        self.workers[number].look_again_for_expired()
        self.models[task["job_id"]].end_lease("lease_lost")
        self.workers[number].claim(0)

    @rule()
    def time_passes(self) -> None:
        """Whatever waits is due now."""
        self.connection.execute(
            "update job_tasks set run_at = clock_timestamp() where status = 'pending' and position is null"
        )

    @invariant()
    def every_check_passes(self) -> None:
        assert failed_checks(self.connection) == []

    @invariant()
    def the_model_is_right(self) -> None:
        query = """select job_id::text, t.status, t.attempts, t.lease_token::integer, t.lost_leases, j.status
                   from job_tasks t join jobs j using (job_id)"""
        found = {row[0]: row[1:] for row in self.connection.execute(query)}
        of_job = {"claimed": "processing"}
        expected = {
            job_id: (m.status, m.attempts, m.token, m.lost_leases, of_job.get(m.status, m.status))
            for job_id, m in self.models.items()
        }
        assert found == expected

    def check_priorities(self, tasks: list[Row]) -> None:
        """A claim answers the highest first."""
        given = [self.models[task["job_id"]].priority for task in tasks]
        assert given == sorted(given, reverse=True)

    def holds(self, task: Row) -> bool:
        model = self.models[task["job_id"]]
        return model.leased and model.token == task["lease_token"]

    def claimed(self, tasks: list[Row]) -> list[Row]:
        for task in tasks:
            model = self.models[task["job_id"]]
            assert model.status == "pending"
            assert task["attempt"] == model.attempts + 1
            model.status, model.token = "claimed", model.token + 1
            assert task["lease_token"] == model.token
        return tasks

    def drain(self) -> None:
        """Every accepted job ends, by workers that kept their marks through all that happened."""
        for _ in range(40):
            self.time_passes()
            for worker in self.workers:
                self.calls.finish(endings(self.claimed(worker.claim(50)), "done"))
                self.finish_all_leased(worker)
        left = self.connection.execute("select status from jobs where finished_at is null").fetchall()
        assert left == []
        assert failed_checks(self.connection) == []

    def finish_all_leased(self, worker: Worker) -> None:
        held = (
            "select job_id::text, task_number, lease_token from job_tasks where lease_expires_at is not null"
        )
        tasks = [
            dict(zip(("job_id", "task_number", "lease_token"), row, strict=True))
            for row in self.connection.execute(held)
        ]
        worker.finish(endings(tasks, "done"))


@pytest.fixture
def address(stack: Stack) -> Iterator[str]:
    """A database for all examples: each begins with empty tables, on a sequence that goes on."""
    name = f"machine_{uuid4().hex}"
    with psycopg.connect(stack.superuser_url, autocommit=True) as connection:
        connection.execute(f"create database {name} template migrated owner postgres".encode())
        yield make_conninfo(stack.database_url, dbname=name)
        connection.execute(f"drop database {name} with (force)".encode())


@pytest.mark.parametrize(
    "stack",
    [pytest.param(15, marks=pytest.mark.slow, id="postgres15"), pytest.param(18, id="postgres18")],
    indirect=True,
)
@pytest.mark.timeout(900)  # a failure takes minutes to shrink
def test_any_sequence_of_calls(address: str) -> None:
    class Machine(QueueMachine):
        pass

    Machine.address = address
    Machine.TestCase.settings = settings(
        max_examples=int(os.environ.get("SUPAQUEUE_TEST_EXAMPLES", "25")),
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    Machine.TestCase().runTest()
