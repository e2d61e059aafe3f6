"""Looks that fail: another watch looks, other flags are judged, and owners are told once each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from supaqueue.contract import HoldLease, ReadFeatureFlags, SetTaskTypes, TaskTypeOptions
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.gate.failing_looks import FailingLooks
from supaqueue.cutover.gate.gate_rules import GateRules, load_gate_rules
from supaqueue.cutover.gate.look import Gate
from supaqueue.cutover.gate.looked import Looked, Problem
from supaqueue.cutover.gate.telling import Telling
from supaqueue.cutover.gate.verdict import Verdict
from supaqueue.cutover.gate.watch import LEASE_NAME, Watch, watch
from supaqueue.cutover.gate.webhook import Webhook
from supaqueue.errors import QueueUnavailable
from supaqueue.telemetry import Telemetry
from supaqueue.telemetry.events import Event
from tests.cutover.gate.conftest import Owners
from tests.cutover.gate.watch_child import gate_that_sees, watch_that_sees
from tests.cutover.world import World

AT = datetime(2026, 3, 1, tzinfo=UTC)
FAILED = Looked(AT, problems=(Problem("overall", "LegacyUnavailable", "LegacyUnavailable: no index"),))
WELL = Looked(AT)


class FailingGate:
    """A gate whose look at one flag always fails."""

    def __init__(self, gate: Gate, task_type: str | None) -> None:
        self._gate, self._task_type = gate, task_type
        self.by = gate.by

    def look(self, task_type: str | None = None) -> Verdict:
        if task_type == self._task_type:
            raise LegacyUnavailable("no index here", call="open")
        return self._gate.look(task_type)


def failing_watch(
    world: World, sees: str, task_type: str | None = None, webhook: Webhook | None = None
) -> Watch:
    gate: Any = FailingGate(gate_that_sees(world.transport, sees, "broken"), task_type)
    telling = Telling(world.transport, Telemetry(), webhook)
    return Watch(world.transport, gate, telling, holder="broken", lease_seconds=600.0)


def test_a_watch_whose_looks_fail_lets_another_one_look(at_10: World) -> None:
    broken = failing_watch(at_10, "failing")
    healthy = watch_that_sees(at_10.transport, "failing", None, holder="healthy", lease_seconds=600.0)
    looked = broken.look()
    assert (looked.lets_go, looked.problem) == (True, "overall: LegacyUnavailable: no index here")
    found = healthy.look()
    assert (found.holder, found.problems, len(found.changed)) == (None, (), 1)
    assert at_10.transport.send(ReadFeatureFlags()).overall.latched_at is not None
    assert broken.look().holder == "healthy", "who looks well keeps the lease"


def test_a_watch_that_cannot_even_let_go_fails_all_the_same(at_10: World) -> None:
    class Losing:
        """Loses Supabase within the look."""

        def send(self, call: Any) -> Any:
            if isinstance(call, HoldLease) and call.seconds:
                return at_10.transport.send(call)
            raise QueueUnavailable("no answer", call=type(call).__name__)

        def close(self) -> None:
            """Keep what is the test's."""

    looked = watch_that_sees(Losing(), "healthy", None, holder="one").look()
    assert looked.lets_go is False
    assert looked.problem == "telling owners: QueueUnavailable: no answer; flags: QueueUnavailable: no answer"
    assert not at_10.transport.send(HoldLease(LEASE_NAME, "other", 1.0)).is_held


@pytest.mark.parametrize("broken", [None, "broken"])
def test_a_flag_whose_look_fails_leaves_no_other_unjudged(
    at_10: World, webhook: Webhook, owners: Owners, broken: str | None
) -> None:
    """Flags are judged in order of their types, the overall one first."""
    names = ("broken", "count")
    at_10.transport.send(SetTaskTypes(tuple(TaskTypeOptions(name) for name in names)))
    for name in names:
        at_10.change(name, is_enabled=True, rollout_percent=20)
    at_10.database.execute("update rollout_notices set told_at = clock_timestamp()")
    looked = failing_watch(at_10, "failing", broken, webhook).look()
    judged = [verdict.flag.task_type for verdict in looked.verdicts]
    assert judged == [name for name in (None, *names) if name != broken]
    assert looked.problem == f"{broken or 'overall'}: LegacyUnavailable: no index here"
    shares = {one.task_type: one.rollout_percent for one in at_10.transport.send(ReadFeatureFlags()).types}
    assert (shares["count"], owners.told) == (0, ["rolled_back"])


def test_that_owners_cannot_be_told_leaves_no_flag_unjudged(at_10: World) -> None:
    class Speechless(Telling):
        def turn(self) -> int:
            raise RuntimeError("a notice that nobody foresaw")

    gate = gate_that_sees(at_10.transport, "failing")
    telling = Speechless(at_10.transport, Telemetry(), None)
    looked = Watch(at_10.transport, gate, telling, holder="one", lease_seconds=60.0).look()
    assert looked.problems[0].part == "telling owners"
    assert at_10.transport.send(ReadFeatureFlags()).overall.rollout_percent == 0


class Told:
    """Who is told of looks, by a clock that is set."""

    def __init__(self, webhook: Webhook | None, after_seconds: float) -> None:
        self.events: list[Event] = []
        self.now = 1_800_000_000.0
        telemetry = Telemetry([self.events.append])
        self.failing = FailingLooks(
            telemetry, webhook, watch="watch (a:1)", after_seconds=after_seconds, clock=lambda: self.now
        )

    def heed(self, *looks: Looked, every: float = 60.0) -> list[str]:
        """Heed looks, so many seconds apart, and return which events came of them."""
        before = len(self.events)
        for looked in looks:
            self.failing.heed(looked)
            self.now += every
        return [one.name for one in self.events[before:]]


def test_owners_are_told_once_that_looks_fail_and_once_that_they_go_well_again(
    webhook: Webhook, owners: Owners
) -> None:
    told = Told(webhook, 300.0)
    assert told.heed(*[FAILED] * 5) == []
    assert told.heed(FAILED) == ["looks_failing"]
    assert told.heed(*[FAILED] * 50) == []
    assert told.heed(WELL) == ["looks_recovered"]
    assert told.heed(WELL, FAILED, WELL, FAILED) == []
    assert owners.told == ["looks_failing", "looks_recovered"]
    first, second = owners.heard
    assert first["text"] == (
        "the looks of watch (a:1) have failed since 2027-01-15 08:00:00 UTC (LegacyUnavailable):"
        " unless another watch looks, nothing takes the rollout back"
    )
    assert (first["error_type"], first["failing_since"]) == ("LegacyUnavailable", "2027-01-15T08:00:00+00:00")
    assert second["text"] == "the looks of watch (a:1) go well again, after 3360 s"


def test_looks_that_fail_now_and_then_are_told_to_nobody() -> None:
    told = Told(None, 300.0)
    assert told.heed(*[FAILED, FAILED, FAILED, FAILED, WELL] * 20) == []


def test_without_patience_the_first_one_is_told() -> None:
    assert Told(None, 0.0).heed(FAILED, FAILED) == ["looks_failing"]


def test_another_watch_that_looks_well_ends_it_one_that_fails_as_well_does_not() -> None:
    """It lets go at once; who holds the lease at two looks in a row has not failed."""
    told, other = Told(None, 300.0), replace(WELL, holder="other")
    assert told.heed(*[FAILED] * 6) == ["looks_failing"]
    assert told.heed(other, FAILED, other, FAILED, FAILED) == []
    assert told.heed(other, other) == ["looks_recovered"]


def test_a_webhook_that_does_not_answer_is_tried_at_each_look(webhook: Webhook, owners: Owners) -> None:
    owners.statuses = [500, 500, 200, 500]
    told = Told(webhook, 0.0)
    told.heed(*[FAILED] * 4)
    assert owners.told == ["looks_failing"]
    told.heed(WELL, WELL)
    assert owners.told == ["looks_failing", "looks_recovered"]


def test_what_a_webhook_never_heard_of_needs_no_end(webhook: Webhook, owners: Owners) -> None:
    owners.statuses = [500] * 2
    assert Told(webhook, 0.0).heed(FAILED, FAILED, WELL, WELL) == ["looks_failing", "looks_recovered"]
    assert owners.told == []


def test_a_watch_tells_by_its_looks(webhook: Webhook, owners: Owners) -> None:
    told, outcomes = Told(webhook, 300.0), [QueueUnavailable("no answer", call="x")] * 7 + [WELL]

    def look() -> Looked:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def wait(seconds: float) -> bool:
        told.now += seconds
        return False

    looks = list(watch(look, wait, every_seconds=60.0, times=8, failing=told.failing))
    assert [one.problem for one in looks] == ["QueueUnavailable: no answer"] * 7 + [None]
    assert owners.told == ["looks_failing", "looks_recovered"]


def test_patience_is_a_rule(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    assert GateRules().failing_looks_seconds == 300
    file.write_text("failing_looks_seconds = 0")
    assert load_gate_rules(file).failing_looks_seconds == 0
