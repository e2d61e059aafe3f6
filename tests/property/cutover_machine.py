"""Any interleaving of two routers, workers of both systems, an operator and a relay, with faults anywhere.

Rules make one step each; `settle` then lets every fault end and everything run. Always: no job is started in
both systems (invariant B), no two legacy runners are at one job, and nothing starts that was answered as
cancelled or abandoned. At the end: each accepted job has ended in exactly one system (invariant A).
"""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal
from uuid import uuid4

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from supaqueue import job_id
from supaqueue.answer import EnqueueAnswer
from supaqueue.contract import (
    CancelJobs,
    ChangeFeatureFlag,
    ClaimedTask,
    ClaimJobTasks,
    FeatureFlags,
    FinishedTask,
    FinishJobTasks,
    FlagChange,
    HandBackJobs,
    HandedBack,
    Json,
    NewJob,
    ReadFeatureFlags,
)
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.marked_run import MarkedRun
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.rollout import KnownFlags
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.supabase_starts import StartsInSupabase
from supaqueue.cutover.switches import Switches
from supaqueue.cutover.take_over import TakeOver
from supaqueue.errors import CallError, CallRefused
from tests.cutover.sql_transport import SqlTransport
from tests.cutover.world import begin_anew
from tests.property.cutover_faults import Fault, FaultyTransport
from tests.property.cutover_frozen import FrozenEnqueue
from tests.property.worlds import PASS_TIME

LEASE_SECONDS = 600.0
FAULTS = st.lists(st.sampled_from(["none", "none", "lost", "delayed", "refused"]), max_size=4)
WHICH = st.integers(0, 7)
KEYS = st.sampled_from([None, None, "a", "i"])
"""Of buckets above the half and below it."""


@dataclass(eq=False)
class Asked:
    """A job that somebody tried to enqueue."""

    job: NewJob
    accepted: bool = False
    called_off: bool = False
    may_be_cancelled: bool = False
    started_in: set[str] = field(default_factory=set)


@dataclass
class Run:
    """A legacy runner at a job; one that `died` holds its marker until that expires."""

    asked: Asked
    run: MarkedRun
    native_id: str
    died: bool = False


class FrozenFlags:
    """What a process knows of the flags: nothing new until it refreshes."""

    def __init__(self, transport: FaultyTransport) -> None:
        self._transport = transport
        self._flags: FeatureFlags | None = None

    def current(self) -> KnownFlags:
        """Return what it read last."""
        return self.refresh() if self._flags is None else KnownFlags(self._flags, 1.0, True)

    at_hand = current

    @property
    def know_of_a_percent(self) -> bool:
        """Whether they are from after the first one."""
        return self.current().flags.overall.raised_at is not None

    def refresh(self) -> KnownFlags:
        """Read."""
        self._flags = self._transport.send(ReadFeatureFlags())
        return KnownFlags(self._flags, 0.0, True)


class CutoverMachine(RuleBasedStateMachine):
    """See above. `database` is a session on a database of its own."""

    database: ClassVar[psycopg.Connection[Any]]
    direct: ClassVar[SqlTransport]

    @initialize(
        percent=st.sampled_from([0, 50, 100]),
        seed=st.integers(0, 2**32),
        jobs=st.lists(st.tuples(st.integers(0, 1), KEYS, st.sampled_from(["none", "lost"])), max_size=4),
        claimed=st.integers(0, 2),
        is_left_behind=st.booleans(),
    )
    def begin(
        self,
        percent: int,
        seed: int,
        jobs: list[tuple[int, str | None, Fault]],
        claimed: int,
        is_left_behind: bool,
    ) -> None:
        """With `is_left_behind`, the second process is cut off, with flags of before the first percent."""
        self.draw_ids_from(random.Random(seed))
        begin_anew(self.database)
        self.folder = Path(tempfile.mkdtemp(prefix="supaqueue-machine-"))
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.legacy = folder_queue(self.folder / "legacy", clock=lambda: self.now)
        self.spool = Spool(self.folder / "spool")
        self.transports = [FaultyTransport(self.direct) for _ in range(2)]
        self.flags = [FrozenFlags(transport) for transport in self.transports]
        self.routers = [self.router(number) for number in range(2)]
        self.guard = Guard(
            self.legacy.index, start_in_supabase=StartsInSupabase(self.direct), lease_seconds=LEASE_SECONDS
        )
        self.asked: list[Asked] = []
        self.held: list[tuple[Asked, ClaimedTask, bool]] = []
        self.runs: list[Run] = []
        self.frozen: list[tuple[Asked, FrozenEnqueue]] = []
        self.place: Json = None
        self.goes_back = False
        self.back_since_done = False
        self.change(stage="off", is_enabled=False, rollout_percent=0, holdback_percent=0)
        self.change(stage="mirror")
        self.flags[1].refresh()
        self.transports[1].is_cut_off = is_left_behind
        for step in range(50, percent + 1, 50):
            self.change(is_enabled=True, rollout_percent=step)
        for number in range(2):
            self.refresh(number)
        for number, key, fault in jobs:
            self.enqueue(number, [fault], key)
        if claimed:
            self.claim(claimed)

    @staticmethod
    def draw_ids_from(source: random.Random) -> None:
        """The same sequence of steps has jobs in the same buckets again."""
        drawing: Any = SimpleNamespace(randbits=source.getrandbits, randbelow=source.randrange)
        job_id.secrets = drawing  # type: ignore[attr-defined]

    def router(self, number: int) -> DualWriteQueue:
        """Return what one process enqueues with."""
        transport = self.transports[number]
        flags: Any = self.flags[number]
        return DualWriteQueue(
            self.legacy,
            transport=transport,
            switches=Switches(),
            rollout=flags,
            spool=self.spool,
        )

    # The callers.

    @rule(number=st.integers(0, 1), faults=FAULTS, key=KEYS)
    def enqueue(self, number: int, faults: list[Fault], key: str | None) -> None:
        asked, job = self.ask(idempotency_key=key)
        self.try_to_enqueue(asked, job, number, faults)

    @rule(number=st.integers(0, 1), key=KEYS, steps=st.integers(0, 3))
    def freeze(self, number: int, key: str | None, steps: int) -> None:
        """A process begins to enqueue, and stands still; never to go on, if nothing thaws it."""
        asked, job = self.ask(idempotency_key=key)
        frozen = FrozenEnqueue(self.routers[number], self.transports[number], job)
        self.let_go_on(asked, frozen, steps)

    @rule(which=WHICH, steps=st.sampled_from([1, 1000]))
    def thaw(self, which: int, steps: int) -> None:
        if self.frozen:
            self.let_go_on(*self.frozen.pop(which % len(self.frozen)), steps)

    def let_go_on(self, asked: Asked, frozen: FrozenEnqueue, steps: int) -> None:
        try:
            answer = frozen.go_on(steps)
        except CallError:
            return
        if answer is None:
            self.frozen.append((asked, frozen))
        else:
            self.answered(asked, answer)

    @rule(which=WHICH, number=st.integers(0, 1), faults=FAULTS)
    def repeat_by_id(self, which: int, number: int, faults: list[Fault]) -> None:
        """By one who knows the id alone; an id that a router minted needs its ticket at one left behind."""
        if self.asked and self.flags[number].know_of_a_percent:
            asked, job = self.ask(job_id=str(self.nth(self.asked, which).job.job_id))
            self.try_to_enqueue(asked, job, number, faults)

    def ask(self, **options: Any) -> tuple[Asked, NewJob]:
        """Return a new job, and what was asked of its id, perhaps before."""
        job = NewJob("count", {"n": 1}, queue="q", max_attempts=3, **options)
        known = next((asked for asked in self.asked if asked.job.job_id == job.job_id), None)
        asked = known or Asked(job)
        if known is None:
            self.asked.append(asked)
        return asked, job

    @rule(which=WHICH, number=st.integers(0, 1), faults=FAULTS)
    def repeat(self, which: int, number: int, faults: list[Fault]) -> None:
        """The same object again: it presents what was decided."""
        if not self.asked:
            return
        asked = self.nth(self.asked, which)
        self.try_to_enqueue(asked, asked.job, number, faults)

    def try_to_enqueue(self, asked: Asked, job: NewJob, number: int, faults: list[Fault]) -> None:
        self.transports[number].faults[:] = faults
        try:
            [answer] = self.routers[number].enqueue_many([job])
        except CallError:
            return
        finally:
            self.transports[number].faults.clear()
        self.answered(asked, answer)
        if answer.answer == "created" and answer.owner == "supabase":
            assert self.gives_to_supabase(), "Supabase got a job that the flag does not give to it"

    def answered(self, asked: Asked, answer: EnqueueAnswer) -> None:
        if answer.answer == "conflict":
            assert asked.called_off or asked.may_be_cancelled, "only what was abandoned is refused"
        else:
            asked.accepted = True

    def gives_to_supabase(self) -> bool:
        query = "select is_enabled and rollout_percent > 0 from feature_flag where task_type is null"
        return self.database.execute(query).fetchone() == (True,)

    @rule(which=WHICH)
    def deliver(self, which: int) -> None:
        """A call that nobody waits for any more takes effect."""
        for transport in self.transports:
            if transport.delayed:
                transport.deliver(which % len(transport.delayed))

    @rule(number=st.integers(0, 1))
    def refresh(self, number: int) -> None:
        if not self.transports[number].is_cut_off:
            self.flags[number].refresh()

    @rule(number=st.integers(0, 1), is_cut_off=st.booleans())
    def cut_off(self, number: int, is_cut_off: bool) -> None:
        """Supabase's line to one process."""
        self.transports[number].is_cut_off = is_cut_off

    @rule(
        which=WHICH,
        number=st.integers(0, 1),
        how=st.sampled_from(["cancel", "abandon", "cancel without the router"]),
    )
    def call_off(self, which: int, number: int, how: str) -> None:
        if not self.asked:
            return
        asked = self.nth(self.asked, which)
        try:
            answer = self.call_off_by(asked.job.job_id, number, how)
        except CallError:
            assert self.transports[number].is_cut_off
            asked.may_be_cancelled = True  # in legacy it may be
            return
        is_off = answer in ("cancelled", "abandoned")
        asked.may_be_cancelled = asked.may_be_cancelled or answer == "requested"
        if is_off and not asked.called_off:
            ended = self.ended_in(asked)
            asked.called_off = True
            assert ended <= {"cancelled"}, "told cancelled what had ended"

    def call_off_by(self, job_id: str, number: int, how: str) -> str:
        if how == "abandon":
            return self.routers[number].abandon([job_id])[0].answer
        if how == "cancel":
            return self.routers[number].cancel(job_id).answer
        return self.direct.send(CancelJobs((job_id,)))[0].answer

    # Workers of Supabase.

    @rule(want=st.integers(1, 3))
    def claim(self, want: int) -> None:
        call = ClaimJobTasks(str(uuid4()), "w", ("q",), ("count",), want, 0, LEASE_SECONDS, {})
        self.held += [(self.asked_of(task.job_id), task, False) for task in self.direct.send(call).tasks]

    @rule(which=WHICH)
    def start(self, which: int) -> None:
        if not self.held:
            return
        place = which % len(self.held)
        asked, task, _ = self.held[place]
        self.starts(asked, "supabase", is_lost=self.is_lost(task))
        self.held[place] = (asked, task, True)

    @rule(which=WHICH, outcome=st.sampled_from(["done", "retry", "snooze", "died"]))
    def finish(self, which: int, outcome: Literal["done", "retry", "snooze", "died"]) -> None:
        if not self.held:
            return
        _, task, has_started = self.held.pop(which % len(self.held))
        if outcome == "died":
            return
        if not has_started:
            self.report(FinishedTask(ref=task.ref, outcome="not_started"))
            return
        after = 0.0 if outcome == "retry" else None
        self.report(FinishedTask(ref=task.ref, outcome=outcome, after_seconds=after))

    def report(self, finished: FinishedTask) -> None:
        [answer] = self.direct.send(FinishJobTasks("w", (finished,)))
        if self.goes_back and answer.status == "pending":
            query = "select owner = 'legacy' or held from jobs where job_id = %s"
            row = self.database.execute(query, [finished.ref.job_id]).fetchone()
            assert row == (True,), "returned to pending, and neither gone back nor held"

    # Workers of legacy.

    @rule(which=WHICH)
    def take_message(self, which: int) -> None:
        """A worker gets a message, maybe one that another worker has as well: brokers deliver again."""
        messages = list(self.legacy.broker.waiting())
        if not messages:
            return
        message = messages[which % len(messages)]
        assert message.stamp is not None
        admission = self.guard.admit(message.stamp, message.task_type)
        if admission.verdict == "drop":
            self.legacy.broker.withdraw([message.native_id])
        if admission.run is not None:
            asked = self.asked_of(message.stamp.job_id)
            assert not any(run.asked is asked and not run.died for run in self.runs), "two runners at one job"
            self.starts(asked, "legacy")
            self.runs.append(Run(asked, admission.run, message.native_id))

    @rule(which=WHICH, outcome=st.sampled_from(["done", "done", "free", "died"]))
    def end_run(self, which: int, outcome: str) -> None:
        alive = [run for run in self.runs if not run.died]
        if not alive:
            return
        run = self.nth(alive, which)
        if outcome == "died":
            run.died = True
            return
        self.runs.remove(run)
        if outcome == "free":
            run.run.free()
        elif run.run.finish(Ending("completed", "legacy")) == "recorded":
            self.legacy.broker.withdraw([run.native_id])

    @rule()
    def pass_time(self) -> None:
        """Every lease and marker runs out, those of the living too."""
        self.now += timedelta(seconds=2 * LEASE_SECONDS)
        seconds = f"interval '{2 * LEASE_SECONDS} s'"
        self.database.execute(PASS_TIME.replace("%(by)s", seconds).encode())
        for run in self.runs:
            run.died = True
        self.runs = []

    # The operator and the relay.

    @rule(percent=st.sampled_from([0.01, 50, 50, 99.99, 100]))
    def set_percent(self, percent: float) -> None:
        self.change(is_enabled=True, rollout_percent=percent)

    @rule()
    def disable(self) -> None:
        self.database.execute(
            "update feature_flag set is_enabled = false, rollout_percent = 0, updated_by = 'operator'"
            " where flag_name = 'supabase_queue'"
        )

    @rule(further=st.integers(0, 2))
    def roll_back(self, further: int) -> None:
        """As an operator does it: the percent to 0, and what waits goes back, as far as he gets."""
        self.disable()
        self.hand_back(True)
        for _ in range(2 * min(further, 1)):
            self.hand_back_batch(5000)
        if further == 2:
            self.relay([])

    @rule(on=st.booleans())
    def hand_back(self, on: bool) -> None:
        if self.change(hand_back="not_started" if on else "none"):
            self.goes_back, self.place = on, None
            self.back_since_done = False

    @rule(want=st.sampled_from([1, 5000]))
    def hand_back_batch(self, want: int) -> None:
        if not self.goes_back:
            return
        batch: HandedBack = self.direct.send(HandBackJobs(self.place, want))
        self.place = batch.next
        self.back_since_done = self.back_since_done or batch.done

    @rule(faults=FAULTS)
    def relay(self, faults: list[Fault]) -> None:
        transport = FaultyTransport(self.direct)
        transport.faults[:] = faults
        relay = Relay(transport, self.legacy, self.spool)
        try:
            relay.send_spooled()
            relay.turn()
        except CallError:
            pass
        self.transports[0].delayed += transport.delayed

    @rule()
    def take_over(self) -> None:
        TakeOver(self.direct, self.legacy).announce()

    # What holds.

    @invariant()
    def nothing_is_stranded_once_a_hand_back_is_over(self) -> None:
        if not (getattr(self, "goes_back", False) and self.back_since_done):
            return
        stranded = """select count(*) from jobs j join job_tasks t using (job_id)
                      where j.owner = 'supabase' and t.status in ('pending', 'claimed') and not j.held
                          and t.purpose = 'run' and j.epoch = 0"""
        row = self.database.execute(stranded).fetchone()
        assert row == (0,), "told done, and a job waits in Supabase"

    def teardown(self) -> None:
        if not hasattr(self, "asked"):
            return
        try:
            self.settle()
            for asked in self.asked:
                self.check(asked)
        finally:
            self.legacy.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def settle(self) -> None:
        """Every fault ends, and everything runs until nothing is left; what is frozen was killed."""
        for _, frozen in self.frozen:
            frozen.kill()
        for transport in self.transports:
            while transport.delayed:
                transport.deliver(0)
        self.change(hand_back="none")
        self.change(is_enabled=True, rollout_percent=50)
        self.held.clear()
        self.runs.clear()
        self.pass_time()
        for _ in range(50):
            busy = self.relay_everything() + self.run_supabase() + self.run_legacy()
            if not busy:
                return
        raise AssertionError("it does not come to rest")

    def relay_everything(self) -> bool:
        relay = Relay(self.direct, self.legacy, self.spool)
        self.spool.close()
        spooled = bool(relay.send_spooled())
        return bool(relay.turn()) or spooled

    def run_supabase(self) -> bool:
        self.claim(3)
        busy = bool(self.held)
        while self.held:
            self.start(0)
            self.finish(0, "done")
        return busy

    def run_legacy(self) -> bool:
        before = len(list(self.legacy.broker.waiting()))
        for _ in range(before):
            self.take_message(0)
            while self.runs:
                self.end_run(0, "done")
        return len(list(self.legacy.broker.waiting())) != before

    def check(self, asked: Asked) -> None:
        ended = self.ended_in(asked)
        if asked.accepted and not asked.called_off:
            assert asked.started_in or ended == {"cancelled"}, f"lost: {asked} ended as {ended}"
            expected = {"completed", "cancelled"} if asked.may_be_cancelled else {"completed"}
            assert len(ended & expected) == 1, f"{asked} ended as {ended}"
        assert len(ended) <= 1, f"two outcomes: {ended}"

    # Helpers of the above.

    def is_lost(self, task: ClaimedTask) -> bool:
        """Whether the lease is another's by now: a worker that was frozen cannot know, and begins."""
        query = "select lease_token, status from job_tasks where job_id = %s and task_number = 0"
        return self.database.execute(query, [task.job_id]).fetchone() != (task.lease_token, "claimed")

    def starts(self, asked: Asked, system: str, *, is_lost: bool = False) -> None:
        assert not asked.called_off or asked.started_in or is_lost, "started after it was called off"
        asked.started_in.add(system)
        assert len(asked.started_in) == 1, "started in both systems"

    def ended_in(self, asked: Asked) -> set[str]:
        """The outcomes that the two systems have recorded for a job that they own or owned."""
        row = self.database.execute(
            "select status from jobs where job_id = %s and owner = 'supabase' and task_count > 0",
            [asked.job.job_id],
        ).fetchone()
        [entry] = self.legacy.get([asked.job.job_id])
        found = {row[0]} & {"completed", "failed", "cancelled"} if row else set()
        if entry and entry.ending and entry.owner == "legacy":
            found.add(entry.ending.status)
        return found

    def asked_of(self, job_id: str) -> Asked:
        return next(asked for asked in self.asked if asked.job.job_id == job_id)

    def change(self, **changes: Any) -> bool:
        """Change the overall flag; False where it is refused."""
        call = ChangeFeatureFlag(FlagChange(**changes), changed_by="operator")  # type: ignore[typeddict-item]
        try:
            self.direct.send(call)
        except CallRefused:
            return False
        return True

    @staticmethod
    def nth(given: list[Any], which: int) -> Any:
        return given[which % len(given)]
