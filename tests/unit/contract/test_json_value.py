"""What is refused before any write, and where it says that it is."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from supaqueue.contract import checked_json
from supaqueue.contract.json_value import MAX_DEPTH, MAX_DIGITS, refuse_unstorable, storable_text
from supaqueue.errors import InvalidInput

SECRET = "s3cr3t-value"


class Point(BaseModel):
    x: float
    at: datetime | None = None


class Colour(enum.StrEnum):
    RED = "red"


def nested(depth: int, inner: object = None) -> object:
    value: object = inner
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def cycle() -> object:
    value: list[object] = []
    value.append({"again": value})
    return value


REFUSED: list[tuple[str, Callable[[], object], str]] = [
    ("nul", lambda: {"rows": [{"name": f"{SECRET}\0"}]}, "payload.rows[0].name"),
    ("nul in a key", lambda: {"a": {f"{SECRET}\0": 1}}, "payload.a"),
    ("lone surrogate", lambda: ["", f"{SECRET}\ud800"], "payload[1]"),
    ("lone surrogate in a key", lambda: {f"{SECRET}\udfff": 1}, "payload"),
    ("not a number", lambda: {"a": float("nan")}, "payload.a"),
    ("infinity", lambda: {"a": [float("-inf")]}, "payload.a[0]"),
    ("digits", lambda: {"a": 10**MAX_DIGITS}, "payload.a"),
    ("negative digits", lambda: {"a": -(10**MAX_DIGITS)}, "payload.a"),
    ("number as key", lambda: {"a": {1: SECRET}}, "payload.a"),
    ("none as key", lambda: {None: SECRET}, "payload"),
    ("tuple as key", lambda: {"a": {(1, 2): SECRET}}, "payload.a"),
    ("datetime", lambda: {"a": datetime.now(UTC)}, "payload.a"),
    ("bytes", lambda: {"a b": SECRET.encode()}, "payload.<key 1>"),
    ("set", lambda: [{SECRET}], "payload[0]"),
    ("decimal", lambda: Decimal("1.5"), "payload"),
    ("model inside", lambda: {"a": [Point(x=1)]}, "payload.a[0]"),
    ("cycle", cycle, "payload[0].again"),
    ("not a number in a model", lambda: Point(x=float("nan")), "payload.x"),
]


@pytest.mark.parametrize(("make", "field"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused_by_place_and_without_the_value(make: Callable[[], object], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        checked_json(make(), field="payload")
    assert raised.value.field == field
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 990, 20_000])
def test_nesting_is_bounded_however_deep_it_is(depth: int) -> None:
    with pytest.raises(InvalidInput, match="more than 100 deep"):
        checked_json(nested(depth, SECRET), field="payload")


def test_a_refusal_names_the_type() -> None:
    with pytest.raises(InvalidInput, match="datetime"):
        checked_json([datetime.now(UTC)], field="result")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1.5,
        "",
        "back\\u0000slash is no NUL",
        "\N{GRINNING FACE}\x01\x7f",
        {"": {"a": [1, 2.5, None, False, {"b": []}]}},
        10**MAX_DIGITS - 1,
        "9" * (MAX_DIGITS + 1),
        nested(MAX_DEPTH),
        [[i] for i in range(500)],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_json_stays_as_it_is(value: object) -> None:
    assert checked_json(value, field="payload") == value


def test_tuples_and_enumerations_become_plain() -> None:
    plain = checked_json({"pair": (1, ("a",)), "colour": Colour.RED}, field="payload")
    assert plain == {"pair": [1, ["a"]], "colour": "red"}
    assert isinstance(plain, dict)
    assert type(plain["colour"]) is str


def test_models_are_written_as_json() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert checked_json(Point(x=1, at=at), field="payload") == {"x": 1.0, "at": "2026-01-02T00:00:00Z"}


def test_the_copy_is_the_callers_no_longer() -> None:
    given_value = {"a": [1]}
    copy = checked_json(given_value, field="payload")
    given_value["a"].append(2)
    assert copy == {"a": [1]}


def test_size_is_of_utf8() -> None:
    assert checked_json("é" * 499, field="payload", max_bytes=1000)
    with pytest.raises(InvalidInput, match="1,002 bytes") as raised:
        checked_json("é" * 500, field="payload", max_bytes=1000)
    assert raised.value.field == "payload"


def test_the_same_container_twice_is_no_cycle() -> None:
    shared = {"a": (1,)}
    assert checked_json([shared, shared], field="payload") == [{"a": [1]}, {"a": [1]}]


def test_texts_of_errors_are_made_storable() -> None:
    assert storable_text("a\0b\ud83dc\N{GRINNING FACE}") == "a\ufffdb\ufffdc\N{GRINNING FACE}"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(ANYTHING)
def test_the_quick_check_and_the_walk_agree(value: object) -> None:
    def accepted(check: Callable[[], object]) -> bool:
        try:
            check()
        except InvalidInput:
            return False
        return True

    quick = accepted(lambda: checked_json(value, field="payload"))
    assert quick == accepted(lambda: refuse_unstorable(value, "payload"))
