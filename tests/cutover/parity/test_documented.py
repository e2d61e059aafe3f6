"""What the page says of the report and of rules is so."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_args

from supaqueue.cutover.parity.classes import CLASSES
from supaqueue.cutover.parity.refusal import Reason, Refusal
from supaqueue.cutover.parity.rules import load_rules
from tests.cutover.parity.test_classify import told
from tests.cutover.parity.test_report import report

PAGE = (Path(__file__).parents[3] / "docs" / "parity.md").read_text()


def test_the_rules_of_the_page_are_rules(tmp_path: Path) -> None:
    [text] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "rules.toml"
    path.write_text(text)
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
    fields = {one.name for one in dataclasses.fields(Refusal)}
    assert fields <= set(re.findall(r"\w+", PAGE))
