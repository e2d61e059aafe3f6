"""Where two values differ: each kind of difference at its path, and nothing else."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supaqueue.cutover.parity.differences import Difference, are_alike, differences
from supaqueue.cutover.parity.field_rules import FieldRules, PathPattern, Tolerance, general, written
from supaqueue.errors import InvalidInput

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def found(control: Any, candidate: Any, rules: FieldRules | None = None) -> list[tuple[str, str]]:
    return [(one.path, one.kind) for one in differences(control, candidate, rules or FieldRules())]


@pytest.mark.parametrize(
    ("control", "candidate", "path", "kind"),
    [
        ({"a": 1}, {"a": 2}, "$.a", "value"),
        ({"a": 1}, {"a": "1"}, "$.a", "type"),
        ({"a": 1}, {"a": True}, "$.a", "type"),
        ({"a": None}, {"a": 0}, "$.a", "type"),
        ({"a": 1, "b": 2}, {"b": 2}, "$.a", "missing"),
        ({"b": 2}, {"a": None, "b": 2}, "$.a", "extra"),
        ({"a": [1, 2]}, {"a": [2, 1]}, "$.a", "order"),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, "$.a", "length"),
        ([{"a": [0, {"price": 1.1}]}], [{"a": [0, {"price": 1.2}]}], "$[0].a[1].price", "value"),
        ({"a b": 1}, {"a b": 2}, '$["a b"]', "value"),
        ({'"': 1}, {'"': 2}, '$["\\""]', "value"),
        (1, 2, "$", "value"),
        ([], {}, "$", "type"),
    ],
)
def test_each_kind_is_named_at_its_path(control: Any, candidate: Any, path: str, kind: str) -> None:
    assert found(control, candidate) == [(path, kind)]
    assert not are_alike(control, candidate)


@pytest.mark.parametrize(
    ("control", "candidate"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (1, 1.0),
        (10**22, 1e22),
        ({"n": [1e300]}, {"n": [10**300]}),
        (2.0**60, 1152921504606847000),  # as Python writes that float, and Postgres reads it
        (0.0, -0.0),
        ({"a": [None, True, "x"]}, {"a": [None, True, "x"]}),
    ],
)
def test_how_a_value_is_written_says_nothing(control: Any, candidate: Any) -> None:
    assert found(control, candidate) == []
    assert are_alike(control, candidate)


def test_both_values_are_told() -> None:
    assert differences({"n": 1, "gone": 2}, {"n": 3, "new": 4}) == [
        Difference("$.n", "value", 1, 3),
        Difference("$.gone", "missing", control=2),
        Difference("$.new", "extra", candidate=4),
    ]
    assert differences([1], [1, 2]) == [Difference("$", "length", 1, 2)]


def test_numbers_too_large_for_a_double_are_compared_exactly() -> None:
    assert found(2**70, 2**70 + 1) == [("$", "value")]
    assert found(1e300, 10**300 + 1) == [("$", "value")]


@given(JSON)
def test_a_value_is_like_its_copy(value: Any) -> None:
    assert differences(value, copy.deepcopy(value)) == []
    assert are_alike(value, copy.deepcopy(value))


@given(JSON, JSON)
def test_alike_is_what_has_no_differences(one: Any, other: Any) -> None:
    assert are_alike(one, other) == (differences(one, other) == [])
    assert bool(differences(one, other)) == bool(differences(other, one))


def rules(**of: Any) -> FieldRules:
    return FieldRules(
        ignored=tuple(map(PathPattern, of.get("ignored", ()))),
        unordered=tuple(map(PathPattern, of.get("unordered", ()))),
        tolerances=tuple((PathPattern(path), Tolerance(*by)) for path, by in of.get("tolerances", ())),
        normalisers=tuple((PathPattern(path), name) for path, name in of.get("normalisers", ())),
    )


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        ("$.rows[*].at", [("rows", 3, "at")], [("rows", "at"), ("rows", 3, "at", "x"), ("at",)]),
        ("$..at", [("at",), ("rows", 3, "at"), ("a b", "at")], [("rows", 3), ("chat",)]),
        ("$.*.id", [("a", "id"), ("a b", "id")], [("a", 1, "id"), (1, "id")]),
        ("$.rows[2]", [("rows", 2)], [("rows", 22)]),
        ('$["a b"].c', [("a b", "c")], [("a", "b", "c")]),
        ("$", [()], [("a",)]),
    ],
)
def test_patterns(pattern: str, hits: list[Any], misses: list[Any]) -> None:
    assert all(PathPattern(pattern).matches(path) for path in hits)
    assert not any(PathPattern(pattern).matches(path) for path in misses)


@pytest.mark.parametrize("pattern", ["rows", "", "$rows", "$.rows[", "$.rows[-1]", "$.", "$.a b"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="path"):
        PathPattern(pattern)


def test_what_is_ignored_takes_along_what_lies_below() -> None:
    control, candidate = {"a": {"b": [1]}, "c": 1}, {"c": 2}
    assert found(control, candidate, rules(ignored=["$.a"])) == [("$.c", "value")]
    assert found({"x": {"at": 1}}, {"x": {"at": 2}}, rules(ignored=["$..at"])) == []
    assert found({"x": 1}, {"x": 1, "at": 2}, rules(ignored=["$..at"])) == []


def test_tolerance_is_for_numbers_at_its_path_alone() -> None:
    near = rules(tolerances=[("$.a", (0.01, 0))])
    assert found({"a": 1.005}, {"a": 1.0}, near) == []
    assert found({"a": 1.02}, {"a": 1.0}, near) == [("$.a", "value")]
    assert found({"b": 1.005}, {"b": 1.0}, near) == [("$.b", "value")]
    assert found({"a": "1.005"}, {"a": "1.0"}, near) == [("$.a", "value")]
    assert found(1e9, 1e9 + 1, rules(tolerances=[("$", (0, 1e-8))])) == []


def test_order_does_not_count_where_a_rule_says_so() -> None:
    anyhow = rules(unordered=["$.rows"])
    one, two, three = {"n": 1}, {"n": 2}, {"n": 3}
    assert found({"rows": [one, two, one]}, {"rows": [one, one, two]}, anyhow) == []
    assert found({"rows": [one, two]}, {"rows": [three, one]}, anyhow) == [("$.rows[0].n", "value")]
    assert found({"rows": [one]}, {"rows": [one, two]}, anyhow) == [("$.rows", "length")]
    assert found({"other": [1, 2]}, {"other": [2, 1]}, anyhow) == [("$.other", "order")]


def test_items_of_an_unordered_list_may_be_near_each_other() -> None:
    both = rules(unordered=["$"], tolerances=[("$[*]", (0.01, 0))])
    assert found([1.0, 2.0, 3.0], [3.001, 1.001, 2.001], both) == []


def test_ten_thousand_items_in_another_order_are_compared_at_once() -> None:
    items = [{"n": n, "text": str(n)} for n in range(10_000)]
    shuffled = random.Random(0).sample(items, len(items))
    assert found(items, shuffled, rules(unordered=["$"])) == []
    assert found(items, shuffled) == [("$", "order")]


@pytest.mark.parametrize(
    ("name", "control", "candidate"),
    [
        ("time", "2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00Z"),
        ("casefold", "Straße", "STRASSE"),
        ("whitespace", " a  b\n", "a b"),
        ("number", "1.50", 1.5),
    ],
)
def test_normalisers(name: str, control: Any, candidate: Any) -> None:
    assert found({"a": control}, {"a": candidate}) != []
    assert found({"a": control}, {"a": candidate}, rules(normalisers=[("$.a", name)])) == []
    assert found({"a": "x"}, {"a": ["x"]}, rules(normalisers=[("$.a", name)])) == [("$.a", "type")]


def test_places_of_like_kind_count_together() -> None:
    assert general(written(("rows", 3, "cells", 11, "price"))) == "$.rows[*].cells[*].price"
