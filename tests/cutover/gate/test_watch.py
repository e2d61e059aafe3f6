"""The watch on the real stack: what it does once, only if told to, never twice, and through failures."""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from supaqueue.contract import (
    Call,
    ChangeFeatureFlag,
    DecideRolloutStep,
    FeatureFlag,
    FlagChange,
    HoldLease,
    KeepRolloutEvidence,
    ListFlagChanges,
    ListRolloutNotices,
    ListRolloutSteps,
    ReadFeatureFlags,
    SetTaskTypes,
    SettleRolloutNotices,
    TaskTypeOptions,
    ToldNotice,
)
from supaqueue.cutover.gate.gate_rules import GateRules
from supaqueue.cutover.gate.looked import Looked
from supaqueue.cutover.gate.watch import LEASE_NAME, watch
from supaqueue.cutover.gate.webhook import Webhook
from supaqueue.errors import CallRefused, ConfigurationError, QueueUnavailable
from supaqueue.telemetry import Telemetry
from supaqueue.telemetry.events import Event
from supaqueue.transport import RestTransport, Transport
from tests.cutover.gate.conftest import Owners
from tests.cutover.gate.watch_child import SECRET, gate_that_sees, watch_that_sees
from tests.cutover.world import World


def flag_now(world: World) -> FeatureFlag:
    return world.transport.send(ReadFeatureFlags()).overall


def make_due(world: World) -> None:
    """Let the pause between two tries be over."""
    world.database.execute("update rollout_notices set due_at = clock_timestamp()")


def test_what_fails_goes_back_in_one_change_and_owners_are_told_once(
    at_10: World, webhook: Webhook, owners: Owners
) -> None:
    heard: list[Event] = []
    telemetry = Telemetry([heard.append])
    before = len(at_10.transport.send(ListFlagChanges()))
    one = watch_that_sees(at_10.transport, "failing", webhook, telemetry=telemetry)
    first, second = one.look(), one.look()
    flag = flag_now(at_10)
    assert (flag.stage, flag.rollout_percent, flag.is_enabled) == ("canary", 0, False)
    assert (flag.hand_back, flag.latched_at is None) == ("not_started", False)
    assert [len(looked.changed) for looked in (first, second)] == [1, 0]
    [change] = at_10.transport.send(ListFlagChanges())[:-before]
    assert change.reason is not None
    assert change.reason.startswith("errors of count: canary_jobs 600, canary_errors 60")
    assert change.evidence is not None
    assert len(change.evidence) == 64
    assert (owners.told, len(owners.heard), first.told, second.told) == (["rolled_back"], 1, 1, 0)
    assert [event.name for event in heard] == ["rollout_changed"]
    with pytest.raises(CallRefused, match="latched"):
        at_10.change(is_enabled=True, rollout_percent=10, hand_back="none")


def test_without_a_living_legacy_queue_it_halts_and_goes_back_once_that_lives(
    at_10: World, webhook: Webhook, owners: Owners
) -> None:
    down = watch_that_sees(at_10.transport, "failing without legacy", webhook)
    down.look()
    down.look()
    flag = flag_now(at_10)
    assert (flag.rollout_percent, flag.is_enabled, flag.latched_at is None) == (10, True, False)
    assert owners.told == ["halted"]
    assert "the legacy queue does not live" in owners.heard[0]["reason"]
    watch_that_sees(at_10.transport, "failing", webhook).look()
    assert (flag_now(at_10).rollout_percent, owners.told) == (0, ["halted", "rolled_back"])


def test_a_pass_leads_on_only_if_told_to_and_not_past_the_next_share(
    at_10: World, webhook: Webhook, owners: Owners
) -> None:
    [verdict] = watch_that_sees(at_10.transport, "healthy", webhook, promotes=False).look().verdicts
    assert (verdict.answer, flag_now(at_10).rollout_percent) == ("pass", 10)
    watch_that_sees(at_10.transport, "healthy", webhook).look()
    flag = flag_now(at_10)
    assert (flag.rollout_percent, flag.stage, flag.latched_at) == (50, "canary", None)
    [step] = [one for one in at_10.transport.send(ListRolloutSteps()).steps if one.percent == 10]
    assert (step.verdict, step.evidence) == ("pass", flag.evidence)
    assert (step.declared_jobs, step.mismatch_bound, step.next_percent) == (598, 0.005, 50)
    assert owners.told == ["raised"]


def test_a_pause_by_a_person_is_not_undone(at_10: World, webhook: Webhook) -> None:
    one = watch_that_sees(at_10.transport, "healthy", webhook)
    at_10.change(is_enabled=False, rollout_percent=0)
    for _ in range(2):
        [verdict] = one.look().verdicts
        assert verdict.answer == "hold"
        assert "disabled" in verdict.because[0]
    assert not flag_now(at_10).is_enabled


def test_nothing_is_decided_before_its_time_and_the_database_says_when(at_10: World) -> None:
    gate = gate_that_sees(at_10.transport, "healthy", rules=GateRules())
    verdict = gate.look()
    assert verdict.step is not None
    assert (verdict.answer, verdict.step.holding_seconds) == ("hold", 48 * 3600)
    evidence = at_10.transport.send(KeepRolloutEvidence("{}"))
    early = DecideRolloutStep(verdict.step.step_id, "pass", evidence, "ada")
    assert at_10.transport.send(early).answer == "too_soon"
    at_10.database.execute("update rollout_steps set began_at = began_at - interval '48 hours'")
    without = replace(early, evidence="0" * 64)
    assert at_10.transport.send(without).answer == "no_evidence"
    assert at_10.transport.send(early).answer == "decided"
    other = replace(early, verdict="no_pass")
    again = at_10.transport.send(other)
    assert again.step is not None
    assert (again.answer, again.step.verdict) == ("decided", "pass"), "the first decision stays"


def test_a_step_that_did_not_pass_stays_so_until_a_person_begins_it_anew(at_10: World) -> None:
    gate = gate_that_sees(at_10.transport, "healthy")
    differing = replace(
        gate, compare=lambda since, until, types: replace(gate.compare(since, until, types), different=900)
    )
    assert differing.look().step.verdict == "no_pass"  # type: ignore[union-attr]
    verdict = gate.look()
    assert (verdict.answer, verdict.because[0].split(":")[0]) == (
        "hold",
        "the step was decided, and did not pass",
    )
    anew = gate.look(anew="the rounding was mended")
    assert anew.step is not None
    assert (anew.step.number, anew.step.reason) == (2, "the rounding was mended")
    assert anew.step.seen_rate == pytest.approx(0.09), "what is known by now counts"
    first, second = reversed(at_10.transport.send(ListRolloutSteps()).steps)
    assert second.began_at > first.began_at
    with pytest.raises(ValueError, match="begins anew after a decision that is no pass"):
        gate.look(anew="again")


def test_two_watches_of_which_one_looks(at_10: World, webhook: Webhook) -> None:
    one = watch_that_sees(at_10.transport, "healthy", webhook, holder="one", lease_seconds=60.0)
    other = watch_that_sees(at_10.transport, "failing", webhook, holder="other", lease_seconds=60.0)
    assert one.look().holder is None
    assert (other.look().holder, flag_now(at_10).rollout_percent) == ("one", 50)
    one.give_back()
    assert other.look().holder is None
    assert flag_now(at_10).rollout_percent == 0


def test_two_watches_that_both_look_promote_once(at_10: World, webhook: Webhook) -> None:
    """As when one was stopped for longer than its lease."""
    together = threading.Barrier(2)
    failed: list[BaseException] = []

    class Waiting:
        """Waits for the other one before a change of the flag."""

        def __init__(self, inner: Transport) -> None:
            self._inner, self._has_waited = inner, False

        def send(self, call: Call[Any]) -> Any:
            if isinstance(call, HoldLease):
                return replace(self._inner.send(call), is_held=True)
            if isinstance(call, ChangeFeatureFlag) and not self._has_waited:
                self._has_waited = True
                together.wait(20)
            return self._inner.send(call)

        def close(self) -> None:
            """Keep what is the test's."""

    def look(name: str) -> None:
        with RestTransport(at_10.settings) as transport:
            try:
                watch_that_sees(Waiting(transport), "healthy", None, holder=name).look()
            except BaseException as error:
                failed.append(error)

    threads = [threading.Thread(target=look, args=[name]) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    changes = at_10.transport.send(ListFlagChanges())
    shares = [change.after["rollout_percent"] for change in changes if change.changed_by in ("one", "other")]  # type: ignore[index,call-overload]
    # The one that came second judged again, what the other had left.
    assert failed == []
    assert shares in ([50], [100, 50])
    assert len([one for one in at_10.transport.send(ListRolloutSteps()).steps if one.percent == 10]) == 1


def test_a_flag_that_changed_meanwhile_is_judged_again(at_10: World) -> None:
    class Interfering:
        """Somebody pins a tenant just before the change."""

        def __init__(self) -> None:
            self.changes = 0

        def send(self, call: Call[Any]) -> Any:
            if isinstance(call, ChangeFeatureFlag):
                self.changes += 1
                if self.changes == 1:
                    at_10.change(legacy_tenants=("acme",))
            return at_10.transport.send(call)

        def close(self) -> None:
            """Keep what is the test's."""

    interfering = Interfering()
    watch_that_sees(interfering, "failing", None).look()
    assert (interfering.changes, flag_now(at_10).rollout_percent) == (2, 0)
    assert flag_now(at_10).legacy_tenants == ("acme",)


def test_owners_who_do_not_answer_are_told_again_later(
    at_10: World, webhook: Webhook, owners: Owners
) -> None:
    owners.statuses = [500, 302]
    one = watch_that_sees(at_10.transport, "failing", webhook)
    assert one.look().told == 0
    assert one.look().told == 0, "not due yet"
    query = "select attempts, problem, told_at from rollout_notices where due_at > clock_timestamp()"
    assert at_10.database.execute(query).fetchall() == [(1, "HTTP 500", None)]
    make_due(at_10)
    one.look()
    make_due(at_10)
    assert one.look().told == 1
    assert (owners.told, len(owners.heard)) == (["rolled_back"], 1)


def test_an_address_where_nobody_listens_is_named_by_type_alone(at_10: World) -> None:
    with Webhook("http://127.0.0.1:9/s3cret", SECRET) as webhook:
        watch_that_sees(at_10.transport, "failing", webhook).look()
    [(problem,)] = at_10.database.execute(
        "select problem from rollout_notices where problem is not null"
    ).fetchall()
    assert problem == "ConnectError"


def test_a_change_by_anyone_is_told(at_10: World, webhook: Webhook, owners: Owners) -> None:
    emergency = "update feature_flag set is_enabled = false, rollout_percent = 0, updated_by = 'on call: ann'"
    at_10.database.execute(emergency)
    watch_that_sees(at_10.transport, "healthy", webhook).look()
    assert owners.told == ["lowered"]
    assert owners.heard[0]["text"] == "supabase_queue lowered, 10 to 0 percent, by on call: ann"


def test_each_type_with_a_flag_of_its_own_is_judged_by_itself(at_10: World, webhook: Webhook) -> None:
    at_10.transport.send(SetTaskTypes((TaskTypeOptions("count"),)))
    at_10.change("count", is_enabled=True, rollout_percent=20)
    looked = watch_that_sees(at_10.transport, "failing", webhook).look()
    assert [verdict.flag.task_type for verdict in looked.verdicts] == [None, "count"]
    flags = at_10.transport.send(ReadFeatureFlags())
    assert flags.overall.rollout_percent == 10, "nothing is known of other types"
    assert [(one.rollout_percent, one.is_enabled) for one in flags.types] == [(0, False)]


def test_looks_that_fail_end_nothing_and_are_told(at_10: World) -> None:
    heard: list[Event] = []
    outcomes: list[Any] = [
        QueueUnavailable("no answer", call="hold_lease_v1"),
        RuntimeError("a payload"),
        None,
    ]

    def look() -> Looked:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return watch_that_sees(at_10.transport, "healthy", None).look()

    looks = list(
        watch(look, lambda seconds: False, every_seconds=1.0, times=3, telemetry=Telemetry([heard.append]))
    )
    assert [one.problem for one in looks] == ["QueueUnavailable: no answer", "RuntimeError", None]
    assert [(one.name, getattr(one, "failures", 0)) for one in heard] == [
        ("look_failed", 1),
        ("look_failed", 2),
    ]


def test_a_comparison_that_fails_keeps_no_other_alarm_from_firing(at_10: World) -> None:
    gate = gate_that_sees(at_10.transport, "failing")

    def compare(*_: object) -> Any:
        raise QueueUnavailable("no answer", call="observe_jobs_v1")

    assert replace(gate, compare=compare).look().answer == "roll_back"


def test_told_once_is_told_for_good(at_10: World) -> None:
    at_10.change(rollout_percent=11)
    [notice] = at_10.transport.send(ListRolloutNotices())
    send = at_10.transport.send
    assert send(SettleRolloutNotices((ToldNotice(notice.notice_id, 0, True),))) == ("told",)
    assert send(SettleRolloutNotices((ToldNotice(notice.notice_id, 0, False, "late"),))) == ("told",)
    assert send(ListRolloutNotices()) == ()


def test_what_nobody_could_be_told_of_for_a_week_is_given_up(at_10: World) -> None:
    at_10.change(rollout_percent=11)
    at_10.database.execute("update feature_flag_changes set changed_at = changed_at - interval '8 days'")
    assert at_10.transport.send(ListRolloutNotices()) == ()


@pytest.mark.parametrize(("url", "secret"), [("ftp://x", SECRET), ("nothing", SECRET), ("http://x", "short")])
def test_a_webhook_that_cannot_be_is_refused(url: str, secret: str) -> None:
    with pytest.raises(ConfigurationError, match="SUPAQUEUE_WATCH_WEBHOOK"):
        Webhook(url, secret)
    assert Webhook.load({}, None) is None


def test_the_lease_is_its_own(at_10: World) -> None:
    watch_that_sees(at_10.transport, "healthy", None, lease_seconds=60.0).look()
    held = at_10.transport.send(HoldLease(LEASE_NAME, "other", 1.0))
    assert (held.is_held, held.holder) == (False, "watch")


def test_a_promotion_needs_the_version_that_was_judged(at_10: World) -> None:
    stale = flag_now(at_10).version
    at_10.change(legacy_tenants=("acme",))
    change = FlagChange(rollout_percent=Decimal(50))
    with pytest.raises(CallRefused, match="by now"):
        at_10.transport.send(ChangeFeatureFlag(change, "watch", expected_version=stale))
