"""`supaqueue rollout hand-back`: send what waits in Supabase back to legacy."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from supaqueue.cli.durations import seconds_of
from supaqueue.cli.rollout.changed import change_flag, say_flag
from supaqueue.cli.rollout.options import (
    AsJson,
    By,
    Legacy,
    Reason,
    TaskType,
    flag_of,
    legacy_queue,
    print_json,
    progress_bar,
    supabase,
)
from supaqueue.contract import FeatureFlag, FeatureFlags, FlagChange, ReadFeatureFlags
from supaqueue.cutover.flag_steps import what_changes
from supaqueue.cutover.hand_back import HandBack, HandBackPass
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.relayed import Relayed
from supaqueue.errors import InvalidInput
from supaqueue.transport import Transport

SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
Timeout = Annotated[
    float | None,
    typer.Option(
        parser=seconds_of, metavar="DURATION", help="How long to wait, like 10m; by default to the end."
    ),
]


def hand_back(
    task_type: TaskType = None,
    drain: Annotated[
        bool, typer.Option("--drain", help="What has started here is ended here, also while disabled.")
    ] = False,
    include_started: Annotated[
        bool,
        typer.Option("--include-started", help="What has started here goes too: for idempotent types."),
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Switch it on, and leave the rest to the relays.")
    ] = False,
    timeout: Timeout = None,
    end: Annotated[bool, typer.Option("--end", help="Switch it off.")] = False,
    legacy: Legacy = None,
    reason: Reason = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Send waiting jobs back to legacy until nothing is left to go. Needs a living legacy queue.

    It is a state of the flag: until --end, what comes back to wait goes over too, and nothing can be raised.
    """
    if drain and include_started:
        raise InvalidInput("what has started either stays or goes", field="--drain, --include-started")
    if end:
        if drain or include_started or no_wait:
            raise InvalidInput("goes alone", field="--end")
        _end(task_type, by=by, reason=reason, as_json=as_json)
        return
    change = FlagChange(hand_back="all" if include_started else "not_started", drain=drain)
    with supabase() as transport, legacy_queue(legacy) as queue:
        flags = transport.send(ReadFeatureFlags())
        _switch_on(transport, flags, change, task_type, by=by, reason=reason)
        if no_wait:
            next_step = "on; relays send what waits, batch by batch: `supaqueue rollout status` says how far"
            say_flag(transport, task_type, next_step=next_step, as_json=as_json)
            return
        last, total = _drive(HandBack(transport, Relay(transport, queue)), timeout)
    _say(last, total, _staying(flags, task_type), as_json)
    raise typer.Exit(0 if last.is_done else 1)


def _switch_on(
    transport: Transport,
    flags: FeatureFlags,
    change: FlagChange,
    task_type: str | None,
    *,
    by: str | None,
    reason: str | None,
) -> None:
    flag, own = flag_of(flags, task_type)
    _check_lowered(flag)
    if own is not None:
        change = what_changes(flag, change)
    if change:
        change_flag(
            transport,
            change,
            task_type=task_type,
            by=by,
            reason=reason,
            expect_version=own.version if own else None,
        )


def _check_lowered(flag: FeatureFlag) -> None:
    if flag.stage in ("off", "complete"):
        raise InvalidInput(
            f"at stage {flag.stage} there is no hand-back: "
            + (
                "from complete, first `supaqueue rollout set 100 --stage live`"
                if flag.stage == "complete"
                else "nothing of this cutover is in Supabase"
            ),
            field="stage",
        )
    if flag.is_enabled and flag.rollout_percent > 0:
        raise InvalidInput(
            "new jobs still go to Supabase: first `supaqueue rollout disable`, or `set 0`", field="percent"
        )


def _end(task_type: str | None, *, by: str | None, reason: str | None, as_json: bool) -> None:
    with supabase() as transport:
        flag, own = flag_of(transport.send(ReadFeatureFlags()), task_type)
        change = what_changes(flag, FlagChange(hand_back="none", drain=False))
        if own is not None and change:
            change_flag(
                transport, change, task_type=task_type, by=by, reason=reason, expect_version=own.version
            )
        next_step = "no hand-back; what waits in Supabase stays there"
        say_flag(transport, task_type, next_step=next_step, as_json=as_json)


def _drive(work: HandBack, timeout: float | None) -> tuple[HandBackPass, Relayed]:
    """Make passes until all is over, someone ended it, or the time is up; returns the last, and all done."""
    give_up_at = float("inf") if timeout is None else time.monotonic() + timeout
    pause = SHORTEST_PAUSE
    total = Relayed()
    with progress_bar() as progress:
        bar = progress.add_task("handing back", total=work.waiting())
        while True:
            batches = []
            for batch in work.batches():
                batches.append(batch)
                progress.advance(bar, batch.moved)
            progress.update(bar, description="releasing in legacy")
            last = work.finish(batches)
            total += last.relayed
            total += Relayed(handed_back=last.handed_back)
            if last.is_done or not last.is_on or time.monotonic() >= give_up_at:
                return last, total
            progress.update(bar, description=f"waiting for: {last.waits_for[0]}")
            pause = SHORTEST_PAUSE if last.handed_back else min(2 * pause, LONGEST_PAUSE)
            time.sleep(min(pause, max(0.0, give_up_at - time.monotonic())))


def _staying(flags: FeatureFlags, task_type: str | None) -> list[str]:
    """Types that a hand-back of all others leaves where they are."""
    if task_type is not None:
        return []
    return [flag.task_type or "" for flag in flags.types if flag.hand_back == "none"]


def _say(last: HandBackPass, total: Relayed, staying: list[str], as_json: bool) -> None:
    state = "done" if last.is_done else "waiting" if last.is_on else "ended by someone else"
    if as_json:
        found = {"state": state, "held": last.held, "waits_for": last.waits_for, "types_that_stay": staying}
        print_json(asdict(total) | found)
        return
    sent = f"{total.handed_back:,} jobs were sent over by these passes"
    print(f"{state}: {sent}, {total.released:,} released in legacy by this relay")
    if total.closed_before:
        print(f"{total.closed_before:,} did not go back: legacy had ended them before, and that is their end")
    for line in last.waits_for:
        print(f"waits for: {line}")
    if last.held and last.is_done:
        print(
            f"{last.held:,} tasks stay held, since they were started here: `--drain` lets workers end them,"
            " `--include-started` sends them too"
        )
    if staying:
        print(f"types with a row of their own stay: {', '.join(staying)} (send each with --type)")
    if last.is_done:
        print("until `supaqueue rollout hand-back --end`, what comes back to wait goes over too")
