"""Whatever JSON is accepted comes back with the same value, from the real Postgres and from memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supaqueue.client import Queue
from supaqueue.contract import Json, NewJob
from supaqueue.contract.json_value import MAX_DEPTH, MAX_DIGITS
from supaqueue.testing import MemoryTransport

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NUMBERS = st.integers() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=30,
)


@pytest.fixture(scope="module", params=["memory", "postgres"])
def queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    if request.param == "memory":
        yield Queue(transport=MemoryTransport())
        return
    with Queue(request.getfixturevalue("queue_settings")) as queue:
        yield queue


def stored(queue: Queue, payloads: list[Json]) -> list[Json]:
    jobs = [NewJob("roundtrip", payload, queue="roundtrip", delay=86_400) for payload in payloads]
    assert all(answer.answer == "created" for answer in queue.enqueue_many(jobs))
    found = queue.get_many([job.job_id for job in jobs], with_payload=True)
    return [job.payload for job in found if job is not None]


def same(left: Json, right: Json) -> bool:
    """Equal in value and kind; jsonb writes 1e22 out, so a large float comes back as an int."""
    if isinstance(left, float) and isinstance(right, int) and not isinstance(right, bool):
        return left == float(right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(JSON, min_size=1, max_size=20))
def test_any_json_comes_back(queue: Queue, payloads: list[Json]) -> None:
    found = stored(queue, payloads)
    assert len(found) == len(payloads)
    for sent, got in zip(payloads, found, strict=True):
        assert same(sent, got), (sent, got)


def test_the_extremes_come_back(queue: Queue) -> None:
    deep: Json = "bottom"
    for _ in range(MAX_DEPTH):
        deep = [deep]
    payloads: list[Json] = [
        10**MAX_DIGITS - 1,
        -(10**MAX_DIGITS) + 1,
        5e-324,
        1.7976931348623157e308,
        -0.0,
        "\N{GRINNING FACE}\uffff\u0001\\u0000\x7f\u2028",
        {"": {"": []}},
        deep,
        "x" * 1_000_000,
    ]
    for sent, got in zip(payloads, stored(queue, payloads), strict=True):
        assert same(sent, got)
