"""Every mutating call in its scenario, and repeated: in memory it comes to what it comes to for real."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from supaqueue.contract import ALL_CALLS, Call, GetJobs
from supaqueue.devstack import Stack
from supaqueue.errors import CallRefused
from supaqueue.settings import Settings
from supaqueue.testing import MemoryTransport
from supaqueue.testing.memory import FUNCTIONS, NOT_OFFERED
from supaqueue.transport import RestTransport, Transport
from tests.contract.raw import raw_call
from tests.faults.scenarios import SCENARIOS, Story
from tests.faults.state import without_names

OFFERED = sorted((call for call in SCENARIOS if call.function in FUNCTIONS), key=lambda call: call.function)


@pytest.fixture
def rest(stack: Stack) -> RestTransport:
    return RestTransport(Settings.load(stack.env(), dotenv=None))


def told(transport: Transport, kind: type[Call[Any]], scenario: Callable[[Story], Call[Any]]) -> list[Any]:
    """What the call answers, and its repeat, and what the jobs look like after each."""
    story = Story(transport)
    call = scenario(story)
    replies: list[Any] = []
    for _ in range(2):
        replies.append(transport.send(call))
        replies.append(transport.send(GetJobs(tuple(story.job_ids), with_payload=True, with_attempts=True)))
    return [without_moments(without_names(reply, story.names)) for reply in replies]


def without_moments(value: Any) -> Any:
    """A reply with every time that is set replaced."""
    if isinstance(value, dict):
        return {key: without_moments(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_moments(part) for part in value]
    return "set" if hasattr(value, "isoformat") else value


@pytest.mark.parametrize("kind", OFFERED, ids=lambda kind: kind.function)
def test_in_memory_it_comes_to_the_same(kind: type[Call[Any]], rest: RestTransport) -> None:
    with rest:
        assert told(MemoryTransport(), kind, SCENARIOS[kind]) == told(rest, kind, SCENARIOS[kind])


def test_every_call_is_offered_or_refused_by_name() -> None:
    assert FUNCTIONS.keys() | NOT_OFFERED == {call.function for call in ALL_CALLS}
    assert not FUNCTIONS.keys() & NOT_OFFERED
    for function in [*NOT_OFFERED, "unheard_of_v1"]:
        with pytest.raises(CallRefused, match=f"{function}: the queue in memory does not offer this call"):
            MemoryTransport().send(raw_call(function))
