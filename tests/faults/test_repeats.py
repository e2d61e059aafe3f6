"""Whatever happens to a mutating call on its way, the state comes out as after one clean call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from supaqueue.contract import ALL_CALLS, Call
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.faults.proxy import Fault, FaultProxy
from tests.faults.scenarios import OF_NO_STORY, SCENARIOS, Story
from tests.faults.state import State, read_state, without_names

MUTATING = [call for call in ALL_CALLS if call.mutates]
PASSING = [
    pytest.param(fault, id=fault.name.lower())
    for fault in Fault
    if fault not in (Fault.ANSWER_400, Fault.ANSWER_401)
]
"""Faults that a repeat gets over."""

DELIVERED = {Fault.DROP_ANSWER, Fault.STALL_ANSWER, Fault.CUT_ANSWER, Fault.LOSE_DATABASE}
OUTLIVES_THE_TRY = {Fault.STALL_ANSWER, Fault.HOLD_REQUEST}


@pytest.fixture
def sending(settings_through_proxy: Settings) -> Callable[[Fault], Any]:
    """Opens a transport through the proxy that is patient but where the fault is to outlast its patience."""

    @contextmanager
    def open_one(fault: Fault) -> Iterator[RestTransport]:
        try_seconds = 0.5 if fault in OUTLIVES_THE_TRY else 20.0
        with RestTransport(settings_through_proxy, 40.0, try_seconds=try_seconds) as transport:
            yield transport

    return open_one


class Outcome:
    """What a story came to: the state, and replies without names."""

    def __init__(self, story: Story, database: psycopg.Connection[Any], *replies: Any) -> None:
        self.replies = [without_names(reply, story.names) for reply in replies]
        self.state: State = read_state(database, story.job_ids, story.names)


def run_clean(kind: type[Call[Any]], direct: RestTransport, database: psycopg.Connection[Any]) -> Outcome:
    """One clean call, and the answer to its repeat, which has to change nothing."""
    story = Story(direct)
    call = SCENARIOS[kind](story)
    first = Outcome(story, database, direct.send(call))
    second = Outcome(story, database, direct.send(call))
    assert second.state == first.state
    first.replies += second.replies
    return first


@pytest.fixture(scope="module")
def clean_outcomes() -> dict[type[Call[Any]], Outcome]:
    """What each call came to without a fault: the same for every fault that it is compared with."""
    return {}


def without_what_a_repeat_may_tell_otherwise(reply: Any) -> Any:
    """A claim is answered with the tasks alone, and what a first enqueue created exists by its repeat.

    What a hand-back moved waits no more: a relay reads rows, it needs no answer.
    """
    if isinstance(reply, dict) and "tasks" in reply:
        return reply["tasks"]
    if isinstance(reply, dict):
        reply = {name: value for name, value in reply.items() if name != "moved"}
    text = json.dumps(reply)
    return json.loads(text.replace('"created"', '"exists"'))


def test_every_mutating_call_has_a_scenario() -> None:
    assert set(SCENARIOS) == set(MUTATING)


@pytest.mark.parametrize(
    "kind", [one for one in SCENARIOS if one not in OF_NO_STORY], ids=lambda kind: kind.function
)
def test_scenario_changes_something(
    kind: type[Call[Any]], direct: RestTransport, database: psycopg.Connection[Any]
) -> None:
    story = Story(direct)
    call = SCENARIOS[kind](story)
    before = Outcome(story, database)
    assert type(call) is kind
    direct.send(call)
    assert Outcome(story, database).state != before.state


@pytest.mark.parametrize("kind", SCENARIOS, ids=lambda kind: kind.function)
def test_repeat_is_answered_as_the_first(
    kind: type[Call[Any]], direct: RestTransport, database: psycopg.Connection[Any]
) -> None:
    first, second = run_clean(kind, direct, database).replies
    assert without_what_a_repeat_may_tell_otherwise(first) == without_what_a_repeat_may_tell_otherwise(second)
    assert "created" not in json.dumps(second)
    assert "conflict" not in json.dumps(second)


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("kind", SCENARIOS, ids=lambda kind: kind.function)
def test_state_and_reply_are_those_of_one_clean_call(
    kind: type[Call[Any]],
    fault: Fault,
    direct: RestTransport,
    database: psycopg.Connection[Any],
    proxy: FaultProxy,
    sending: Callable[[Fault], Any],
    clean_outcomes: dict[type[Call[Any]], Outcome],
) -> None:
    clean = clean_outcomes.get(kind) or clean_outcomes.setdefault(kind, run_clean(kind, direct, database))
    story = Story(direct)
    call = SCENARIOS[kind](story)
    proxy.expect(kind.function, fault)
    with sending(fault) as transport:
        reply = transport.send(call)
    late = [call.parse(answer.raise_for_status().json()) for answer in proxy.deliver_held()]

    assert proxy.faults_done == [(kind.function, fault)]
    assert len(late) == (fault is Fault.HOLD_REQUEST)
    found = Outcome(story, database, reply, *late)
    assert found.state == clean.state
    clean_first, clean_repeat = clean.replies
    # On a slow machine the first try to be delivered may not be answered in time either.
    was_first = fault not in DELIVERED and proxy.seen[kind.function] == 2
    assert found.replies == [clean_first if was_first else clean_repeat] + [clean_repeat] * len(late)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SCENARIOS, ids=lambda kind: kind.function)
def test_faults_one_after_another(
    kind: type[Call[Any]],
    direct: RestTransport,
    database: psycopg.Connection[Any],
    proxy: FaultProxy,
    sending: Callable[[Fault], Any],
) -> None:
    clean = run_clean(kind, direct, database)
    story = Story(direct)
    call = SCENARIOS[kind](story)
    faults = [Fault.DROP_ANSWER, Fault.HOLD_REQUEST, Fault.CUT_ANSWER]
    proxy.expect(kind.function, *faults)
    with sending(Fault.HOLD_REQUEST) as transport:
        reply = transport.send(call)
    late = [call.parse(answer.raise_for_status().json()) for answer in proxy.deliver_held()]

    assert [fault for _, fault in proxy.faults_done] == faults
    found = Outcome(story, database, reply, *late)
    assert found.state == clean.state
    assert found.replies == [clean.replies[1]] * 2
