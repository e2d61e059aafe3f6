"""Rules: read from a file, refused by place, and named where they were needed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from supaqueue.cutover.parity.judging import judge
from supaqueue.cutover.parity.rules import Rule, load_rules
from supaqueue.errors import InvalidInput
from tests.cutover.parity.test_classify import DONE, LOOK, told

TODAY = date(2026, 11, 22)
HEAD = '[[rule]]\nname = "a"\nowner = "ann"\nexpires = 2026-12-31\ncap = 5\n'


def read(tmp_path: Path, text: str) -> tuple[Rule, ...]:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return load_rules(path)


def test_a_whole_rule(tmp_path: Path) -> None:
    [rule] = read(
        tmp_path,
        HEAD
        + 'task_types = ["invoice"]\nignore = ["$.at"]\nunordered = ["$.rows"]\nclasses = ["attempt_diff"]\n'
        'tolerance = [{ path = "$.price", absolute = 0.01 }]\n'
        'normalise = [{ path = "$.time", as = "time" }]\n',
    )
    assert (rule.name, rule.owner, rule.expires, rule.cap) == ("a", "ann", date(2026, 12, 31), 5)
    assert rule.fields.ignores(("at",))
    assert rule.fields.is_unordered(("rows",))
    assert rule.fields.tolerates(1.0, 1.005, ("price",))
    assert rule.fields.normalised("2026-01-01T01:00:00+01:00", ("time",)) == "2026-01-01T00:00:00+00:00"
    assert rule.covers("invoice", date(2026, 12, 31))
    assert not rule.covers("invoice", date(2027, 1, 1))
    assert not rule.covers("count", TODAY)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("rule = 3", "rule"),
        ("[[rules]]", "rules"),
        ("[[rule]]", "rule[0].name"),
        (HEAD, "says nothing"),
        (HEAD + "ignore = [3]", "rule[0].ignore[0]"),
        (HEAD + 'ignore = ["at"]', "rule[0].ignore[0]"),
        (HEAD + 'ignored = ["$.at"]', "rule[0].ignored"),
        (HEAD + 'classes = ["match"]', "rule[0].classes[0]"),
        (HEAD + 'classes = ["wrong"]', "rule[0].classes[0]"),
        (HEAD + 'normalise = [{ path = "$", as = "rot13" }]', "rule[0].normalise[0].as"),
        (HEAD + 'tolerance = [{ path = "$", absolute = -1 }]', "rule[0].tolerance[0].absolute"),
        (HEAD.replace("cap = 5", "cap = -1") + 'ignore = ["$.at"]', "rule[0].cap"),
        (HEAD.replace("2026-12-31", '"soon"') + 'ignore = ["$.at"]', "rule[0].expires"),
        ((HEAD + 'ignore = ["$.at"]\n') * 2, "rule[1].name"),
        ("[[rule", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read(tmp_path, text)
    assert place in str(raised.value)
    assert "rules.toml" in str(raised.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_rules(tmp_path / "none.toml")


SUM = 'ignore = ["$.sum"]\n'
OTHER_SUM = told(outcome=DONE._replace(result={"sum": 8, "rows": [1, 2]}))


def test_what_rules_take_away_was_expected_by_their_names(tmp_path: Path) -> None:
    second = HEAD.replace('"a"', '"b"')
    rules = read(tmp_path, HEAD + SUM + second + 'ignore = ["$.rows"]\n')
    found = judge(OTHER_SUM, LOOK, rules, TODAY)
    assert (found.name, found.rules, found.is_clean) == ("expected", ("a",), True)
    both = judge(told(outcome=DONE._replace(result={"sum": 8, "rows": []})), LOOK, rules, TODAY)
    assert (both.name, both.rules) == ("expected", ("a", "b"))


def test_what_is_left_is_a_difference_still(tmp_path: Path) -> None:
    rules = read(tmp_path, HEAD + SUM)
    found = judge(told(outcome=DONE._replace(result={"sum": 8, "rows": []})), LOOK, rules, TODAY)
    assert (found.name, found.rules) == ("result_diff", ("a",))
    assert [one.path for one in found.differences] == ["result.rows"]


def test_an_expired_rule_and_one_for_another_type_take_nothing_away(tmp_path: Path) -> None:
    rules = read(tmp_path, HEAD + SUM)
    assert judge(OTHER_SUM, LOOK, rules, date(2027, 1, 1)).name == "result_diff"
    others = read(tmp_path, HEAD + SUM + 'task_types = ["invoice"]\n')
    assert judge(OTHER_SUM, LOOK, others, TODAY).name == "result_diff"


def test_a_class_may_be_expected(tmp_path: Path) -> None:
    rules = read(tmp_path, HEAD + 'classes = ["duplicate_execution"]\n')
    assert judge(told(starts=1), LOOK, rules, TODAY).name == "expected"
    worse = judge(told(starts=1, payload=0), LOOK, rules, TODAY)
    assert (worse.name, worse.rules, worse.is_clean) == ("payload_diff", ("a",), False)


def test_a_match_needs_no_rule(tmp_path: Path) -> None:
    assert judge(told(), LOOK, read(tmp_path, HEAD + SUM), TODAY).name == "match"
