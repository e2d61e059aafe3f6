"""`supaqueue rollout take-over`: bring what waits in legacy to Supabase, before legacy is switched off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict

import typer

from supaqueue.cli.rollout.hand_back import SHORTEST_PAUSE, Timeout
from supaqueue.cli.rollout.options import (
    AsJson,
    Legacy,
    TaskType,
    legacy_queue,
    print_json,
    progress_bar,
    supabase,
)
from supaqueue.contract import CountMirrors, FeatureFlags, ReadFeatureFlags
from supaqueue.cutover.left import LegacyLeft, left_in_legacy
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.take_over import Announced, TakeOver
from supaqueue.errors import InvalidInput
from supaqueue.transport import Transport

WHY = {
    "not_owner": "Supabase's already",
    "started": "legacy runs them, and ends them",
    "ended": "have ended in legacy, or were cancelled",
    "changed": "on their way to legacy, or under another epoch",
    "closed_type": "of types that are disabled or go back to legacy",
}
WHY_UNSTAMPED = {
    "closed_type": "its type is disabled, goes back to legacy, or was not asked for",
    "begun": "legacy runs it, or tried it before: what has begun there ends there",
    "unreadable": "it cannot be read",
    "unmapped": "its function and arguments are none of a task type with one payload: see `functions` and"
    " `keyword_types` of your broker",
    "no_json": "its payload is no plain JSON",
    "options": "it has an option that no job here can have",
    "linked": "it waits for other messages, or they for it",
    "recurring": "its scheduler goes on from it: move the schedule",
    "with_worker": "a worker has fetched it ahead: stop the workers as they should be stopped, and repeat",
}


def take_over(
    task_type: TaskType = None,
    timeout: Timeout = None,
    legacy: Legacy = None,
    as_json: AsJson = False,
) -> None:
    """Bring what waits or is scheduled in legacy to Supabase. Needs a living legacy queue.

    What legacy has started stays there. May be interrupted and repeated: a job can run on one side at most.
    Refused while the flag is disabled or jobs go back.
    """
    with supabase() as transport, legacy_queue(legacy) as queue:
        takes = _taken_types(transport.send(ReadFeatureFlags()), task_type)
        with progress_bar() as progress:
            bar = progress.add_task("announcing", total=None)
            announced = TakeOver(transport, queue, takes).announce()
            progress.update(bar, description="taking over", total=announced.due)
            relayed, still_due = _relay(
                transport, Relay(transport, queue), timeout, lambda done: progress.advance(bar, done)
            )
        left = left_in_legacy(queue)
    _say(relayed, still_due, announced, left, as_json)
    raise typer.Exit(1 if still_due else 0)


def _taken_types(flags: FeatureFlags, task_type: str | None) -> Callable[[str], bool]:
    """Return which types may be taken over: those of which Supabase runs the jobs, and keeps them."""

    def is_open(name: str) -> bool:
        flag = flags.of(name) or flags.overall
        return flags.overall.is_enabled and flag.is_enabled and flag.hand_back == "none"

    if task_type is not None:
        if not is_open(task_type):
            raise InvalidInput(_CLOSED, field="--type")
        return lambda name: name == task_type
    if not flags.overall.is_enabled or flags.overall.hand_back != "none":
        raise InvalidInput(_CLOSED)
    return is_open


_CLOSED = (
    "what was taken over would not run: the flag is disabled, or jobs go back to legacy; see"
    " `supaqueue rollout status`, then `set`, `enable` or `hand-back --end`"
)


def _relay(
    transport: Transport, relay: Relay, timeout: float | None, advance: Callable[[int], None]
) -> tuple[Relayed, int]:
    give_up_at = float("inf") if timeout is None else time.monotonic() + timeout
    total = Relayed()
    while True:
        done = relay.turn()
        total += done
        advance(done.taken_over)
        owed = transport.send(CountMirrors()).owed
        due = sum(one.jobs for one in owed if one.mirror_state == "takeover_due")
        if not due or time.monotonic() >= give_up_at:
            return total, due
        time.sleep(SHORTEST_PAUSE)


def _say(relayed: Relayed, still_due: int, announced: Announced, left: LegacyLeft, as_json: bool) -> None:
    if as_json:
        found = {
            "still_due": still_due,
            "left": dict(announced.answers),
            "adopted": announced.adopted,
            "unstamped": [
                {"task_type": task_type, "why": why, "messages": count}
                for task_type, why, count in _unstamped_left(announced)
            ],
            "unlisted": announced.unlisted,
            "legacy": asdict(left),
        }
        print_json(asdict(relayed) | found)
        return
    print(
        f"{relayed.taken_over:,} jobs were taken over"
        + (f", {still_due:,} are still due" if still_due else "")
    )
    for line in _left_there(announced, left):
        print(f"left: {line}")


def _unstamped_left(announced: Announced) -> list[tuple[str, str, int]]:
    return sorted((*what, count) for what, count in announced.unstamped.items())


def _left_there(announced: Announced, left: LegacyLeft) -> Iterator[str]:
    answers = announced.answers.items()
    yield from (f"{count:,} {WHY[answer]}" for answer, count in answers if answer != "due")
    for task_type, why, count in _unstamped_left(announced):
        yield f"{count:,} without a stamp of {task_type or 'no known type'}: {WHY_UNSTAMPED[why]}"
    if announced.unlisted is not None and left.unstamped != 0:
        yield f"whatever carries no stamp: {announced.unlisted}"
    counts = (
        (left.running, "run in legacy now"),
        (left.retrying, "wait in legacy for another attempt: what has begun there ends there"),
        (left.unstamped, "carry no stamp, and are legacy's workers' to run"),
    )
    yield from (f"{count:,} {what}" for count, what in counts if count)
