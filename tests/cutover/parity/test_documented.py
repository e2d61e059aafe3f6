"""What the page says of the report and of rules is so."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from supaqueue.cutover import parity
from supaqueue.cutover.parity import Question
from supaqueue.cutover.parity.classes import CLASSES
from supaqueue.cutover.parity.refusal import Reason, Refusal
from supaqueue.cutover.parity.rules import load_rules
from tests.cutover.commands import Terminal
from tests.cutover.parity.test_classify import told
from tests.cutover.parity.test_report import report
from tests.cutover.world import World

PAGE = (Path(__file__).parents[3] / "docs" / "parity.md").read_text()


def test_the_rules_of_the_page_are_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(shown("toml"))
    assert [rule.cap for rule in load_rules(path)] == [50, 1000]


def test_every_field_and_class_is_named() -> None:
    found = report(told(payload=0), told())
    [of_type] = found["types"]
    words = set(re.findall(r"\w+", PAGE))
    for part in (found, found["verdict"], of_type, of_type["classes"][0]):
        assert set(part) - {"task_type"} <= words
    named = {name for name in CLASSES if f"`{name}`" in PAGE}
    assert set(CLASSES) == named


def test_every_reason_of_the_preflight_is_named() -> None:
    assert {reason for reason in get_args(Reason) if f"`{reason}`" in PAGE} == set(get_args(Reason))
    assert {one.name for one in fields(Refusal)} <= set(re.findall(r"\w+", PAGE))


def test_what_is_shown_in_python_runs(
    world: World, rollout: Terminal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.go_to(0)
    job = world.new_job("legacy")
    world.accept(job)
    world.run_in_legacy(job)
    world.relay.turn()
    (tmp_path / "rules.toml").write_text(shown("toml"))
    exec(compile(shown("python"), "docs/parity.md", "exec"), {})
    assert capsys.readouterr().out == "inconclusive 1 compared, 0 differ\n"
    [kept] = tmp_path.glob("parity-*.json")
    assert json.loads(kept.read_bytes())["classes"] == {"match": 1}
    assert kept.stem == f"parity-{hashlib.sha256(kept.read_bytes()).hexdigest()[:12]}"


def test_every_public_name_is_on_the_page() -> None:
    assert [name for name in parity.__all__ if f"`{name}" not in PAGE] == []
    assert [one.name for one in fields(Question) if f"`{one.name}`" not in PAGE] == []


def shown(language: str) -> str:
    [text] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(text)
