"""Driving a hand-back to its end: pass after pass, with the relay's turn behind each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from supaqueue.contract import (
    CountJobs,
    CountMirrors,
    FeatureFlags,
    HandedBack,
    MirrorCounts,
    ReadFeatureFlags,
    Stats,
)
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.relayed import Relayed
from supaqueue.transport import Transport


@dataclass(frozen=True, slots=True)
class HandBackPass:
    """What one pass, and the relay's turn behind it, came to.

    Attributes:
        handed_back: jobs that went over in it.
        relayed: what the relay did then.
        is_on: whether any type goes back; someone may have ended it.
        is_done: all that is to go has gone.
        held: jobs that were started here and stay.
        waits_for: sentences; empty if it is done.
    """

    handed_back: int
    relayed: Relayed
    is_on: bool
    is_done: bool
    held: int
    waits_for: tuple[str, ...]


class HandBack:
    """Makes the passes of a hand-back that is on. Any number may do so at once.

    Args:
        transport: to Supabase.
        relay: what brings the jobs to legacy.
    """

    def __init__(self, transport: Transport, relay: Relay) -> None:
        self._transport = transport
        self._relay = relay

    def waiting(self) -> int:
        """Count the tasks that wait now and are of types that go back: about as many as will go.

        Raises:
            CallError: Supabase gave no usable answer.
        """
        flags = self._transport.send(ReadFeatureFlags())
        return _tasks(flags, self._transport.send(CountJobs()), "pending")

    def batches(self) -> Iterator[HandedBack]:
        """Make one pass, batch by batch.

        Raises:
            CallError: Supabase gave no usable answer; the next pass does the rest.
        """
        return self._relay.hand_back_pass()

    def finish(self, batches: list[HandedBack]) -> HandBackPass:
        """Take the relay's turn behind a pass, and say what the hand-back waits for.

        Raises:
            CallError: Supabase or legacy gave no usable answer; the next pass does the rest.
        """
        relayed = self._relay.turn()
        flags = self._transport.send(ReadFeatureFlags())
        mirrors = self._transport.send(CountMirrors())
        stats = self._transport.send(CountJobs())
        open_here = _open_here(flags, mirrors, stats)
        last = batches[-1]
        is_done = last.done and not open_here
        return HandBackPass(
            handed_back=sum(batch.moved for batch in batches),
            relayed=relayed,
            is_on=last.is_on,
            is_done=is_done,
            held=mirrors.held,
            waits_for=() if is_done else tuple(_waits_for(batches, flags, mirrors, stats)),
        )


def _open_here(flags: FeatureFlags, mirrors: MirrorCounts, stats: Stats) -> bool:
    """Whether Supabase is still to end what it has started: only while that is drained."""
    is_drained = any(flag.drain for flag in (flags.overall, *flags.types))
    return is_drained and (mirrors.held > 0 or _tasks(flags, stats, "processing") > 0)


def _waits_for(
    batches: list[HandedBack], flags: FeatureFlags, mirrors: MirrorCounts, stats: Stats
) -> Iterator[str]:
    last = batches[-1]
    release_due = sum(owed.jobs for owed in mirrors.owed if owed.mirror_state == "release_due")
    sends_started = any(flag.hand_back == "all" for flag in (flags.overall, *flags.types))
    found = [
        (
            sum(batch.moved for batch in batches),
            "went over just now: the next pass says whether more came",
        ),
        (sum(batch.passed_over for batch in batches), "to go, held by other sessions"),
        (_tasks(flags, stats, "claimed"), "claimed: their workers give them back, or start them"),
        (release_due, "to be released in legacy by the relay"),
    ]
    if sends_started or _open_here(flags, mirrors, stats):
        found.append((_tasks(flags, stats, "processing"), "running: they end here, or come back to go over"))
    if any(flag.drain for flag in (flags.overall, *flags.types)):
        found.append((mirrors.held, "held, since they were started here: a worker must end them"))
    said = [f"{number:,} {what}" for number, what in found if number]
    if not said and not last.done:
        said = ["a transaction that may have begun before the hand-back, or a job that came since"]
    yield from said


def _tasks(flags: FeatureFlags, stats: Stats, status: str) -> int:
    return sum(
        count.tasks
        for count in stats.counts
        if count.status == status and (flags.of(count.task_type) or flags.overall).hand_back != "none"
    )
