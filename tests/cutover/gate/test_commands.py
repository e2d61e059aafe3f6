"""`supaqueue rollout gate, watch, clear, set, history`, as a user types them, on real evidence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from supaqueue.contract import ChangeFeatureFlag, FeatureFlag, FlagChange, ReadFeatureFlags
from supaqueue.cutover.gate.gate_rules import SHARES, load_gate_rules
from supaqueue.errors import InvalidInput
from supaqueue.telemetry.events import Event
from supaqueue.telemetry.logs import LogHook
from tests.cutover.commands import Terminal
from tests.cutover.gate.conftest import Owners
from tests.cutover.gate.watch_child import SECRET, gate_that_sees, watch_that_sees
from tests.cutover.world import World

RULES = """
least_backlog_minutes = 2
settle_seconds = 5

[[step]]
percent = 5
mismatch_bound = 2
holding_hours = 0.5

[[step]]
percent = 100
mismatch_bound = 0.1
holding_hours = 1

[default]
error_objective = 2.0

[type.count]
oldest_waiting_seconds = 900
latency_margin_seconds = 0.25
"""


def flag_now(world: World) -> FeatureFlag:
    return world.transport.send(ReadFeatureFlags()).overall


def test_no_traffic_is_hold_and_says_what_is_missing(world: World, rollout: Terminal) -> None:
    world.go_to(10)
    said = rollout("gate", "--json")
    assert said.code == 2, said
    verdict = json.loads(said.out)
    assert (verdict["schema"], verdict["answer"], verdict["action"]) == ("supaqueue.gate/1", "hold", "none")
    conditions = {one["name"]: one for one in verdict["conditions"]}
    assert conditions["holding_time"]["missing_seconds"] == pytest.approx(48 * 3600, abs=60)
    assert conditions["mismatches"]["missing"] == "598 more jobs"
    assert conditions["canary"]["missing"] == "any job"
    assert verdict["step"]["declared_jobs"] == 598
    assert rollout("gate", "--json").code == 2
    [step] = rollout.json("history", "--steps")
    assert (step["step_id"], step["decided_at"]) == (verdict["step"]["step_id"], None)
    shown = rollout("gate").out
    assert shown.startswith("hold (overall, 10 to 50 percent, declared: 598 jobs)")
    assert "48 h" in shown


def test_before_a_cutover_there_is_nothing_to_judge(world: World, rollout: Terminal) -> None:
    assert "rollout begin" in rollout("gate").out
    assert rollout("gate", "--type", "count").code == 3
    assert "no flag of its own" in rollout("gate", "--type", "count").err


def test_what_keeps_it_from_a_verdict_is_exit_code_3(world: World, rollout: Terminal) -> None:
    for wrong in (
        ["--anew"],
        ["--reason", "why"],
        ["--rules", "nowhere.toml"],
        ["--colour"],
        ["--legacy", "x"],
    ):
        said = rollout("gate", *wrong)
        assert said.code == 3, (wrong, said)
        assert "Traceback" not in said.err
    rollout.lose_supabase()
    assert rollout("gate").code == 3


def test_a_raise_past_a_gate_needs_an_override_with_a_reason(world: World, rollout: Terminal) -> None:
    world.go_to(10)
    assert rollout("set", "12").code == 0, "nobody has declared a step"
    rollout("gate")
    assert "was not decided yet: `supaqueue rollout gate`" in rollout.refused("set", "50")
    assert "was not decided yet" in rollout.refused("enable", "--percent", "50")
    assert "say why" in rollout.refused("set", "50", "--override-gate")
    assert rollout("set", "11").code == 0, "lowering is free"
    rollout("gate")
    assert rollout("set", "50", "--override-gate", "--reason", "the board wants it").code == 0
    change = rollout.json("history")[0]
    assert change["reason"] == "the board wants it"
    assert change["evidence"].startswith("gate overridden: step ")


def test_a_raise_after_a_pass_carries_its_evidence(world: World, rollout: Terminal) -> None:
    world.go_to(10)
    verdict = gate_that_sees(world.transport, "healthy").look()
    assert verdict.step is not None
    assert "passed for 50 percent, and for no more" in rollout.refused("set", "60")
    assert rollout("set", "50").code == 0
    evidence = rollout.json("history")[0]["evidence"]
    assert evidence == verdict.step.evidence
    kept = rollout("history", "--evidence", evidence).out
    assert hashlib.sha256(kept.encode()).hexdigest() == evidence
    assert json.loads(kept)["answer"] == "hold", "as it was judged, before it was decided"
    assert "nothing was kept" in rollout.refused("history", "--evidence", "0" * 64)
    assert "must be a SHA-256" in rollout.refused("history", "--evidence", "abc")
    assert evidence[:8] in rollout("history", "--steps").out


def test_a_person_clears_the_latch_with_a_reason(world: World, rollout: Terminal) -> None:
    world.go_to(10)
    watch_that_sees(world.transport, "failing", None).look()
    assert "latched" in rollout.refused("enable", "--percent", "10")
    assert "say why" in rollout.refused("clear", "--reason", " ")
    assert "--reason" in rollout.refused("clear")
    assert rollout("clear", "--reason", "mended in 1.2.3", "--by", "ann").code == 0
    flag = flag_now(world)
    assert (flag.latched_at, flag.rollout_percent, flag.hand_back) == (None, 0, "not_started")
    change = rollout.json("history")[0]
    assert (change["changed_by"], change["reason"]) == ("ann", "mended in 1.2.3")
    before = len(rollout.json("history"))
    assert rollout("clear", "--reason", "again").code == 0
    assert len(rollout.json("history")) == before
    rollout("hand-back", "--end")
    assert rollout("enable", "--percent", "10").code == 0


def test_the_watch_looks_once_for_cron_and_tells(
    world: World, rollout: Terminal, owners: Owners, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.go_to(10)
    world.database.execute("update rollout_notices set told_at = clock_timestamp()")
    world.change(rollout_percent=12)
    monkeypatch.setenv("SUPAQUEUE_WATCH_WEBHOOK_URL", owners.url)
    assert "SUPAQUEUE_WATCH_WEBHOOK_SECRET" in rollout.refused("watch", "--once")
    monkeypatch.setenv("SUPAQUEUE_WATCH_WEBHOOK_SECRET", SECRET)
    said = rollout("watch", "--once", "--json")
    assert said.code == 0, said
    looked = json.loads(said.out)
    assert ([one["answer"] for one in looked["verdicts"]], looked["told"]) == (["hold"], 1)
    assert (owners.told, owners.heard[0]["before"]["rollout_percent"]) == (["raised"], 10)
    assert rollout("watch", "--once").out.rstrip().partition(" overall: ")[2].startswith("hold: ")
    rollout.lose_supabase()
    said = rollout("watch", "--once")
    assert (said.code, "the look failed: QueueUnavailable" in said.out) == (3, True)
    assert "must be longer than nothing" in rollout.refused("watch", "--interval", "1h")


KEYS = {
    "a service key": "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl",
    "a new one": "sb_secret_AbC-123_x4",
    "a password": "postgresql://postgres:hunter2@db.host:5432/postgres",
    "a secret": "SUPAQUEUE_WATCH_WEBHOOK_SECRET=hunter2",
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_in_a_persons_reason_reaches_nobody(
    world: World,
    rollout: Terminal,
    owners: Owners,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    """But the history, which keeps what was given."""
    secrets = ("eyJ", "AbC-123", "hunter2")
    world.go_to(10)
    world.database.execute("update rollout_notices set told_at = clock_timestamp()")
    said = f"tried with {KEYS[kind]} again"
    assert rollout("set", "5", "--reason", said, "--by", f"ann {KEYS[kind]}").code == 0
    latch = FlagChange(latched=True)
    world.transport.send(ChangeFeatureFlag(latch, changed_by=f"ann {KEYS[kind]}", reason=said))
    monkeypatch.setenv("SUPAQUEUE_WATCH_WEBHOOK_URL", owners.url)
    monkeypatch.setenv("SUPAQUEUE_WATCH_WEBHOOK_SECRET", SECRET)
    heard: list[Event] = []
    monkeypatch.setattr("supaqueue.cli.rollout.watch.configured_hooks", lambda _: [LogHook(), heard.append])
    looks = [rollout("watch", "--once"), rollout("watch", "--once", "--json"), rollout("gate", "--json")]
    assert [one.code for one in looks] == [0, 0, 2]
    assert rollout.json("history")[0]["reason"] == said
    assert owners.told == ["lowered", "halted"]
    assert [one.name for one in heard] == ["rollout_changed"] * 2
    everything = [json.dumps(owners.heard), repr(heard), *(one.out + one.err for one in looks)]
    everything += [repr(record.__dict__) for record in caplog.records if record.name.startswith("supaqueue")]
    assert "[redacted]" in everything[0]
    assert "latched (tried with" in looks[0].out
    assert [text for text in everything if any(secret in text for secret in secrets)] == []


def test_rules_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(RULES)
    rules = load_gate_rules(file)
    assert [(one.percent, one.mismatch_bound, one.holding_seconds) for one in rules.shares] == [
        (5, 0.02, 1800),
        (100, 0.001, 3600),
    ]
    assert rules.of("count").oldest_waiting_seconds == 900
    assert [rules.of(one).latency_margin_seconds for one in ("count", "other")] == [0.25, 0.05]
    assert rules.of("count").error_objective == rules.of("other").error_objective == 0.02
    assert (rules.least_backlog_minutes, rules.settle_seconds, rules.first_seconds) == (2, 5, None)
    file.write_text("")
    assert load_gate_rules(file).shares == SHARES


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[[step]]\npercent = 0\nmismatch_bound = 1\nholding_hours = 1", "step.0.percent"),
        ("[[step]]\npercent = 10\nmismatch_bound = 1", "step.0.holding_hours"),
        ("colour = 1", "colour"),
        ("[default]\nerror_objective = 100", "default.error_objective"),
        ("least_backlog_minutes = 16", "least_backlog_minutes"),
        ("= 1", "cannot be read"),
    ],
)
def test_rules_that_say_nothing_known_are_refused_by_place(tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=place):
        load_gate_rules(file)


def test_shares_must_rise(tmp_path: Path) -> None:
    step = "[[step]]\npercent = {}\nmismatch_bound = 1\nholding_hours = 1\n"
    file = tmp_path / "gate.toml"
    file.write_text(step.format(50) + step.format(10))
    with pytest.raises(InvalidInput, match="above the one before"):
        load_gate_rules(file)
