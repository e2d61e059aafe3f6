"""What the demo of a cutover is asked for, and how it tells of each outcome: with made-up results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from supaqueue.cli.demo.cutover.broken import EXPECTED, Broken, Ending
from supaqueue.cli.demo.cutover.command import as_plain, asked_for
from supaqueue.cli.demo.cutover.injection import Kind
from supaqueue.cli.demo.cutover.led import not_passed, reason_of
from supaqueue.cli.demo.cutover.owners import Owners
from supaqueue.cli.demo.cutover.printed import print_played
from supaqueue.cli.demo.cutover.processes import PythonProcess
from supaqueue.cli.demo.cutover.rehearsal import differences, write_rules
from supaqueue.cli.demo.cutover.run import Asked, Played
from supaqueue.cli.demo.cutover.summary import StageSummary, Summary
from supaqueue.cli.demo.cutover.watching import PassedStep, Said, passed_steps
from supaqueue.cutover.gate.gate_rules import GateRules
from supaqueue.cutover.gate.webhook import Webhook
from supaqueue.errors import ConfigurationError, InvalidInput

STAGE = StageSummary(
    stage="canary 10",
    percent=10.0,
    jobs=200,
    at_change=3,
    owned_by_supabase=20,
    owned_by_legacy=180,
    share=0.1,
    share_bound=(0.04, 0.19),
    run_by_supabase=21,
    run_by_legacy=182,
    shadow_runs=0,
    mirrored=203,
    relayed=400,
    handed_over=2,
    read_fallbacks=0,
    lost=0,
    run_twice=0,
    reruns=1,
)
SUMMARY = Summary(
    jobs=203,
    lost=0,
    run_twice=0,
    reruns=1,
    wrong=0,
    disagreeing=0,
    reads=900,
    unread=0,
    repeats=0,
    seconds=61.5,
    stages=(STAGE,),
)
STEP = PassedStep(0.0, 10.0, 66.1, 299, 1200, 0, 0.0025, 0.01, 0, "ab" * 32)


def broken(kind: Kind, ending: Ending, **changes: Any) -> Broken:
    """A fault as it should end, but for what is changed."""
    is_back = ending == "rolled_back"
    good = Broken(
        kind=kind,
        percent=10,
        percent_after=0.0 if is_back else 10.0,
        expected=EXPECTED[kind],
        ending=ending,
        is_latched=is_back,
        planted=40,
        seconds_to_decision=None if ending == "nothing" else 110.2,
        seconds_to_last_claim=109.9 if is_back else None,
        claims_after=0,
        handed_back=12 if is_back else 0,
        told=1 if is_back else 0,
        forged=0,
        because="first_attempts of measure_file: canary_jobs 120 [bold]",
    )
    return replace(good, **changes)


def played(fault: Broken | None) -> Played:
    rules = () if fault is None else differences(GateRules(first_seconds=1.0))
    return Played("broken" if fault else "led", "folder", SUMMARY, rules, (STEP,), ("raised",), fault)


OUTCOMES: list[tuple[Kind, Ending]] = [
    ("errors", "rolled_back"),
    ("backlog", "rolled_back"),
    ("latency", "held"),
    ("errors", "promoted"),
    ("latency", "rolled_back"),
    ("backlog", "nothing"),
]


@pytest.mark.parametrize(("kind", "ending"), OUTCOMES)
def test_each_outcome_as_json_and_as_tables(
    kind: Kind, ending: Ending, capsys: pytest.CaptureFixture[str]
) -> None:
    one = played(broken(kind, ending))
    plain = json.loads(json.dumps(as_plain(one), allow_nan=False))
    assert plain["good"] is (ending == EXPECTED[kind])
    assert plain["broken"]["ending"] == ending
    assert (plain["jobs"], plain["stages"][0]["jobs"], plain["steps"][0]["compared"]) == (203, 200, 1200)
    assert plain["rules"][0] == {"rule": "a look every", "by_default": "1 min", "here": "3 s"}
    print_played(one)
    out = capsys.readouterr().out
    assert "0 to 10 percent" in out
    assert "canary_jobs 120 [bold]" in out
    assert ("takes nothing back" in out) is (ending == "held")
    assert ("everything holds" in out) is plain["good"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"claims_after": 1},
        {"told": 0},
        {"told": 2},
        {"percent_after": 10.0},
        {"is_latched": False},
        {"handed_back": 0},
        {"forged": 1},
    ],
)
def test_a_rollback_that_is_not_whole_is_no_success(wrong: dict[str, Any]) -> None:
    assert broken("errors", "rolled_back").good
    assert not broken("errors", "rolled_back", **wrong).good


@pytest.mark.parametrize("wrong", [{"percent_after": 0.0}, {"told": 1}, {"is_latched": True}])
def test_a_share_that_did_not_stay_is_no_success(wrong: dict[str, Any]) -> None:
    assert broken("latency", "held").good
    assert not broken("latency", "held", **wrong).good


def test_jobs_count_whatever_the_watch_did() -> None:
    one = played(broken("errors", "rolled_back"))
    assert one.good
    assert not replace(one, summary=replace(SUMMARY, lost=1)).good


def test_what_is_asked_for() -> None:
    assert asked_for("folder", by_hand=False, inject=None, inject_at=None) == Asked()
    assert asked_for("folder", by_hand=True, inject=None, inject_at=None).course == "by_hand"
    at_once = asked_for("folder", by_hand=False, inject="errors", inject_at=None)
    assert (at_once.course, at_once.inject, at_once.inject_at) == ("broken", "errors", 10)
    assert asked_for("folder", by_hand=False, inject="backlog", inject_at=100).inject_at == 100


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"inject_at": 10}, "name a fault as well"),
        ({"inject": "errors", "by_hand": True}, "by hand there is none"),
        ({"inject": "errors", "inject_at": 20}, "10, 50, 100"),
        ({"inject": "gremlins"}, "errors, latency, backlog"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises((InvalidInput, ConfigurationError), match=says):
        asked_for("folder", **{"by_hand": False, "inject": None, "inject_at": None, **options})


def test_options_of_a_cutover_without_it_are_refused() -> None:
    words = ["--by-hand", "--inject-at", "10", "--legacy", "folder"]
    done = subprocess.run(
        [sys.executable, "-m", "supaqueue", "demo", *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "--legacy, --by-hand, --inject-at: is part of --cutover" in done.stderr
    assert "Traceback" not in done.stderr


def test_rules_of_a_folder_differ_by_time_alone(tmp_path: Path) -> None:
    found = differences(write_rules("folder", tmp_path / "gate.toml"))
    assert {one.rule: (one.by_default, one.here) for one in found} == {
        "a look every": ("1 min", "3 s"),
        "held at 10 percent": ("48 h", "45 s"),
        "held at 50 percent": ("48 h", "45 s"),
        "held at 100 percent": ("72 h", "45 s"),
        "backlog known of": ("15 min", "1 min"),
        "first attempts counted after": ("2 min", "5 s"),
        "final outcomes counted after": ("15 min", "10 s"),
    }


def test_rules_of_a_broker_say_that_they_prove_less(tmp_path: Path) -> None:
    found = {one.rule: one for one in differences(write_rules("rq", tmp_path / "gate.toml"))}
    assert found["proof before 50 percent"].by_default == "under 0.5 percent, 598 jobs"
    assert found["proof before 50 percent"].here == "under 1 percent, 299 jobs"
    assert found["error objective of the canary"].here == "under 5 percent, 59 jobs"
    assert found["the canary may be slower by"].here == "500 ms"
    assert "proof before 10 percent" not in found


@pytest.fixture
def owners() -> Iterator[Owners]:
    with Owners() as listening:
        yield listening


def test_owners_take_what_is_signed(owners: Owners) -> None:
    url, secret = owners.environment().values()
    with Webhook(url, secret) as genuine, Webhook(url, "of somebody else's") as forged:
        assert genuine.send({"kind": "rolled_back"}, now=1.0) is None
        assert forged.send({"kind": "rolled_back"}, now=1.0) == "HTTP 401"
    assert httpx.post(url, content=b"{}", timeout=10).status_code == 401
    assert (owners.told("rolled_back"), owners.told("raised"), owners.forged) == (1, 0, 2)


VERDICT: dict[str, Any] = {
    "answer": "pass",
    "alarms": [{"name": "errors", "state": "met"}],
    "conditions": [
        {
            "name": "mismatches",
            "state": "met",
            "missing": None,
            "figures": {"compared": 3100, "different": 1, "upper_bound": 0.0009},
        },
        {"name": "errors", "state": "met", "missing": None, "figures": {"canary_jobs": 410}},
    ],
    "step": {
        "percent": 10.0,
        "next_percent": 50.0,
        "began_at": "2030-01-01T00:00:00+00:00",
        "declared_jobs": 598,
        "mismatch_bound": 0.005,
        "evidence": "cd" * 32,
        "verdict": "pass",
    },
    "judged_at": "2030-01-01T00:02:06.500000+00:00",
}


def look(changed: bool, **verdict: Any) -> dict[str, Any]:
    return {"changed": [{"percent": 50.0}] if changed else [], "verdicts": [{**VERDICT, **verdict}]}


def test_steps_that_the_watch_led_on_from(tmp_path: Path) -> None:
    said = tmp_path / "watch.jsonl"
    reading = Said(said)
    assert list(reading.looks()) == []
    lines = [look(False, answer="hold"), look(True), look(False), look(True, answer="roll_back")]
    said.write_text("".join(json.dumps(one) + "\n" for one in lines) + '{"changed": [')
    steps = (PassedStep(10.0, 50.0, 126.5, 598, 3100, 1, 0.0009, 0.005, 410, "cd" * 32),)
    assert passed_steps(reading.looks()) == steps
    with said.open("a") as more:
        more.write('{"percent": 10.0}], "verdicts": []}\n')
    assert passed_steps(reading.looks()) == steps
    assert [len(one["verdicts"]) for one in reading.looks()] == [1, 1, 1, 1, 0]


def test_what_the_watch_says_in_few_words() -> None:
    assert reason_of(VERDICT) == "nothing is missing"
    short = {"name": "mismatches", "state": "unknown", "missing": "12 more jobs", "figures": {}}
    slow = {"name": "latency", "state": "unmet", "missing": None, "figures": {}}
    fired = {"name": "backlog", "state": "unmet"}
    assert reason_of({"conditions": [short, slow], "alarms": [fired]}) == (
        "backlog: over its bound, mismatches: 12 more jobs, latency: unmet"
    )
    assert not not_passed(VERDICT)
    assert not not_passed({"step": None})
    assert not_passed({"step": {"verdict": "no_pass"}})


def test_nobody_outside_is_told_of_what_fails_in_a_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SENTRY_DSN", "DD_AGENT_HOST", "SUPAQUEUE_WATCH_WEBHOOK_URL", "SUPABASE_URL"):
        monkeypatch.setenv(name, "theirs")
    code = "import os; print(sorted(name for name, value in os.environ.items() if value == 'theirs'))"
    process = PythonProcess("look", ["-c", code], {}, tmp_path, output="said")
    process.start()
    process.wait()
    assert (tmp_path / "said").read_text() == "[]\n"
    assert os.environ["SENTRY_DSN"] == "theirs"
