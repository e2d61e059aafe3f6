"""Any sequence of calls on jobs of several tasks, against a model that says only what each status may be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from supaqueue.contract import (
    CancelJobs,
    ClaimedTask,
    ClaimJobTasks,
    EnqueueJobs,
    FinishedTask,
    FinishJobTasks,
    GetJobs,
    ListJobTasks,
    NewJob,
    NewTask,
    OnFailure,
    ReadResults,
    Replay,
    ReplayJobTasks,
    TaskRef,
)
from tests.property.worlds import World

LEASE = 60.0
OPEN = ("blocked", "pending", "held")
MOST = 6

graphs = st.integers(1, MOST).flatmap(
    lambda count: st.tuples(
        *(
            st.sets(st.integers(0, number - 1), max_size=3) if number else st.just(set())
            for number in range(count)
        )
    )
)
"""For each task the numbers of those before it."""


@dataclass
class Graph:
    """What each task is: blocked, pending, held, completed, failed, cancelled or skipped."""

    before: tuple[set[int], ...]
    on_failure: OnFailure
    status: list[str] = field(init=False)
    tokens: list[int] = field(init=False)
    let_go: set[int] = field(default_factory=set)
    stopped: bool = False
    cancelled: bool = False

    def __post_init__(self) -> None:
        self.status = ["blocked" if before else "pending" for before in self.before]
        self.tokens = [0] * len(self.before)

    def end(self, number: int, came_to: str) -> None:
        """A lease ends for good."""
        if came_to == "cancelled" and self.stopped:
            came_to = "skipped"
        self.status[number] = came_to
        if came_to != "completed":
            self.fail(number)
        if came_to == "completed" or self.on_failure == "continue":
            self.let_go.add(number)
        self.settle()

    def fail(self, number: int) -> None:
        """One that has not completed takes others with it."""
        if self.on_failure == "fail" and not self.stopped:
            self.stopped = True
            self.become("skipped", range(len(self.status)), ("blocked", "pending"))
        elif self.on_failure == "skip":
            self.become("skipped", self.behind({number}), ("blocked",))

    def settle(self) -> None:
        for number, before in enumerate(self.before):
            if self.status[number] == "blocked" and before <= self.let_go:
                self.status[number] = "pending"

    def cancel(self) -> None:
        """A person's."""
        if any(status in OPEN for status in self.status):
            self.cancelled = True
            self.become("cancelled", range(len(self.status)), ("blocked", "pending"))

    def replay(self, number: int) -> None:
        """And what was skipped for it, if nothing else holds that."""
        self.status[number] = "pending"
        self.cancelled = self.stopped = False
        dead = {n for n, status in enumerate(self.status) if status in ("failed", "cancelled")}
        if self.on_failure == "continue" or (self.on_failure == "fail" and dead):
            return
        opened = set(range(len(self.status))) - self.behind(dead)
        self.become("blocked", opened, ("skipped",))
        self.settle()

    def behind(self, numbers: set[int]) -> set[int]:
        found: set[int] = set()
        for number, before in enumerate(self.before):  # those before come first
            if before & (numbers | found):
                found.add(number)
        return found

    def become(self, to: str, numbers: Iterable[int], those: tuple[str, ...]) -> None:
        for number in numbers:
            if self.status[number] in those:
                self.status[number] = to

    @property
    def whole(self) -> str:
        """The job's status."""
        if any(status in OPEN for status in self.status):
            begun = "held" in self.status or any(status not in OPEN for status in self.status)
            return "processing" if begun else "pending"
        if "failed" in self.status:
            return "failed"
        return "cancelled" if {"cancelled", "skipped"} & set(self.status) else "completed"


class GraphMachine(RuleBasedStateMachine):
    """A producer, a worker that may lose its leases, and an operator."""

    world: ClassVar[World]

    held = Bundle("held")
    dead = Bundle("dead")

    def __init__(self) -> None:
        super().__init__()
        self.world.begin()
        self.queue = f"q-{uuid4().hex[:8]}"
        self.graphs: dict[str, Graph] = {}

    def send(self, call: Any) -> Any:
        return self.world.transport.send(call)

    def teardown(self) -> None:
        assert self.world.broken() == []

    @initialize(before=graphs, on_failure=st.sampled_from(["fail", "skip", "continue"]))
    def begin(self, before: tuple[set[int], ...], on_failure: OnFailure) -> None:
        self.enqueue(before, on_failure)

    @rule(before=graphs, on_failure=st.sampled_from(["fail", "skip", "continue"]))
    def enqueue(self, before: tuple[set[int], ...], on_failure: OnFailure) -> None:
        if len(self.graphs) > 2:
            return
        tasks = [
            NewTask("t", number, name=str(number), after=sorted(map(str, listed)), max_attempts=2, backoff=0)
            for number, listed in enumerate(before)
        ]
        job = NewJob("whole", queue=self.queue, tasks=tasks, on_failure=on_failure)
        assert [one.answer for one in self.send(EnqueueJobs((job, job)))] == ["created", "exists"]
        self.graphs[job.job_id] = Graph(before, on_failure)

    @rule(target=held, want=st.integers(1, 4))
    def claim(self, want: int) -> Any:
        ready = {
            (job_id, number)
            for job_id, graph in self.graphs.items()
            for number, status in enumerate(graph.status)
            if status == "pending"
        }
        call = ClaimJobTasks(str(uuid4()), "w", (self.queue,), ("t",), want, 0, LEASE, {})
        tasks = self.send(call).tasks
        assert len(tasks) == min(want, len(ready))
        assert {(task.job_id, task.task_number) for task in tasks} <= ready
        for task in tasks:
            graph = self.graphs[task.job_id]
            graph.status[task.task_number] = "held"
            graph.tokens[task.task_number] = task.lease_token
            self.check_results(graph, task)
        return multiple(*tasks)

    def check_results(self, graph: Graph, task: ClaimedTask) -> None:
        """It gets what those before it came to, and none of them may still end for the first time."""
        before = graph.before[task.task_number]
        assert before <= graph.let_go
        assert task.results_before == len(before)
        page = self.send(ReadResults("w", task.ref))
        expected = {str(number): number for number in before if graph.status[number] == "completed"}
        assert page.results == expected

    @rule(
        target=dead,
        task=consumes(held),
        outcome=st.sampled_from(["done", "done", "done", "fail", "cancel", "snooze", "not_started"]),
    )
    def finish(self, task: ClaimedTask, outcome: Any) -> Any:
        graph, number = self.graphs[task.job_id], task.task_number
        call = FinishJobTasks("w", (FinishedTask(task.ref, outcome, result=number),))
        came_to = {"done": "completed", "fail": "failed", "cancel": "cancelled"}.get(outcome, "pending")
        if came_to == "pending" and (graph.stopped or graph.cancelled):
            came_to = "cancelled"
        for _ in range(2):  # the second is a repeat
            [answer] = self.send(call)
            assert (answer.answer, answer.status) == ("recorded", came_to)
        if came_to == "pending":
            graph.status[number] = "pending"
        else:
            graph.end(number, came_to)
        return task.ref if came_to == "failed" else multiple()

    @rule(refs=st.lists(consumes(held), min_size=2, max_size=4))
    def finish_together(self, refs: list[ClaimedTask]) -> None:
        """In one batch."""
        self.send(FinishJobTasks("w", tuple(FinishedTask(t.ref, "done", result=t.task_number) for t in refs)))
        for task in refs:
            self.graphs[task.job_id].end(task.task_number, "completed")

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(list(self.graphs)))
        self.graphs[job_id].cancel()
        self.send(CancelJobs((job_id,)))

    @rule(ref=dead)
    def replay(self, ref: TaskRef) -> None:
        graph, number = self.graphs[ref.job_id], ref.task_number
        again = (graph.status[number], graph.tokens[number]) == ("failed", ref.lease_token)
        expected = "replayed"
        if again and graph.stopped and "held" in graph.status:
            expected = "stopping"
        elif again:
            graph.replay(number)
        for _ in range(2):
            assert [one.answer for one in self.send(ReplayJobTasks((Replay(ref),)))] == [expected]

    @invariant()
    def the_model_is_right(self) -> None:
        for job_id, graph in self.graphs.items():
            [job] = self.send(GetJobs((job_id,)))
            tasks = self.send(ListJobTasks(job_id)).tasks
            seen = ["skipped" if t.skipped else "held" if t.status == "claimed" else t.status for t in tasks]
            assert (seen, job.status) == (graph.status, graph.whole)
            assert [task.waits_for > 0 for task in tasks if task.status in ("blocked", "pending")] == [
                task.status == "blocked" for task in tasks if task.status in ("blocked", "pending")
            ]
            # Whatever came before, the job can end: what is open is ready, held, or behind such a task.
            assert job.ended or {"pending", "held"} & set(graph.status)
