"""Comparing again and again: what is new since the last time, through outages of either system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from supaqueue.backoff import LONGEST_SECONDS, Backoff
from supaqueue.cutover.parity.check import Checked
from supaqueue.cutover.parity.differing import Differing, Found, Known
from supaqueue.errors import QueueUnavailable, SupaqueueError
from supaqueue.telemetry import Telemetry, events

LONGEST_BACKOFF = 4.0
"""How many times as long as usual it waits at most after failures, so that an end of them is seen soon."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One comparison of a watch.

    Attributes:
        at: when it ended, by this machine's clock.
        checked: what was found; None if a system gave no answer, and `problem` says which and why.
        new: how many jobs differ that did not at the last comparison, by task type and class.
    """

    at: datetime
    checked: Checked | None
    new: Mapping[Found, int] = field(default_factory=dict)
    problem: str | None = None


def watch(
    compare: Callable[[Differing], Checked],
    wait: Callable[[float], bool],
    *,
    every_seconds: float = 300.0,
    times: int | None = None,
    telemetry: Telemetry | None = None,
) -> Iterator[Watched]:
    """Compare at once, then again after each pause. At the first time all that differs is new.

    What is new is emitted as `parity_mismatch`, one event for each task type and class: a job is told of
    again only if it differs otherwise, or did not differ in between. A system that gives no answer is asked
    again after a pause that doubles, up to four times as long; what was known before it counts as known.

    Args:
        compare: compares, as `check` does, and gives it what it is called with; to be called with a new
            `Question` each time, since time goes on.
        wait: waits so many seconds; True if the watch is to end.
        times: how often; for good by default.

    Raises:
        InvalidInput: `every_seconds` is over 30 days.
        SupaqueueError: it failed otherwise than for want of an answer before one was ever given; later
            failures are waited out, whatever they are.
    """
    backoff = Backoff(every_seconds, 2.0, min(LONGEST_BACKOFF * every_seconds, LONGEST_SECONDS), jitter=False)
    known: Known = frozenset()
    failures = made = 0
    has_answered = False
    while True:
        differing = Differing(known)
        try:
            checked = compare(differing)
        except (SupaqueueError, OSError) as error:
            if not has_answered and not isinstance(error, QueueUnavailable | OSError):
                raise
            failures += 1
            yield Watched(datetime.now(UTC), None, problem=f"{type(error).__name__}: {error}")
        else:
            failures, has_answered = 0, True
            known = differing.all()
            if telemetry is not None:
                _emit(telemetry, +differing.new)
            yield Watched(datetime.now(UTC), checked, +differing.new)
        made += 1
        if made == times or wait(backoff.longest(max(failures, 1))):
            return


def _emit(telemetry: Telemetry, new: Mapping[Found, int]) -> None:
    for (task_type, name), jobs in sorted(new.items(), key=lambda item: (item[0][0] or "", item[0][1])):
        telemetry.emit(events.ParityMismatch(task_type=task_type, difference=name, jobs=jobs))
