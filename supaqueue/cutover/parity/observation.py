"""What one system knows of one job, in words that are the same for both."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from supaqueue.contract import Json
from supaqueue.cutover.legacy.entry import Owner

State = Literal[
    "copy", "moving", "intent", "waiting", "running", "completed", "failed", "cancelled", "gone", "unstamped"
]
"""As that system sees it. `copy`: inert, since the other one owns it. `moving`: on its way to the other one.
`intent`: accepted, perhaps never published. `gone`: abandoned before it came, or its content is not kept.
`unstamped`: a message that came around the router and ran; nothing but its id and that time is known."""

OVER: frozenset[State] = frozenset({"completed", "failed", "cancelled"})
WITHOUT_CONTENT: frozenset[State] = frozenset({"gone", "unstamped"})


class Outcome(NamedTuple):
    """How a job ended. `error` is `{"type", "message"}`; `ended_at` in microseconds since 1970."""

    status: str
    result: Json = None
    error: Json = None
    attempts: int | None = None
    ended_at: int | None = None


class Observation(NamedTuple):
    """One system's facts of one job: plain values, so that a million of them are written and read fast.

    Attributes:
        task_type: None if only the id is known.
        accepted_at: when it was stored there, in microseconds since 1970 by that system's clock; so are all
            times.
        due_at: when it may run next; None for at once.
        starts: how many attempts that system itself began.
        outcome: how it ended there; of a copy, what was told of its owner's end.
        shadow: what a run without effects made of it.
        has_copy: whether the other system is to know of it; a job of `complete` is in Supabase alone.
    """

    job_id: str
    task_type: str | None
    owner: Owner
    epoch: int
    state: State
    accepted_at: int
    due_at: int | None
    starts: int
    payload: Json
    outcome: Outcome | None
    shadow: Outcome | None
    has_copy: bool = True


def plain(observation: Observation) -> tuple[object, ...]:
    """Return what `marshal` can write, which knows plain tuples alone."""
    outcome, shadow = observation.outcome, observation.shadow
    return (
        *observation[:9],
        outcome and tuple(outcome),
        shadow and tuple(shadow),
        observation.has_copy,
    )


def from_plain(values: tuple[Any, ...]) -> Observation:
    """Return what `plain` was given."""
    outcome, shadow = values[9], values[10]
    return Observation._make(
        (*values[:9], outcome and Outcome._make(outcome), shadow and Outcome._make(shadow), values[11])
    )
