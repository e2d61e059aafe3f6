"""Brings each system what it has not been told of the other's jobs.

Every step writes to the other system first and only then notes that it was told, and every write may be
repeated: a relay that dies anywhere leaves nothing but something to be done again, by itself or by another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from supaqueue.client.batches import enqueue_calls
from supaqueue.contract import (
    HandBackJobs,
    HandedBack,
    ListMirrors,
    Mirror,
    MirrorState,
    NewJob,
    OpenTakenOverJobs,
    ReadFeatureFlags,
    SettleMirrors,
)
from supaqueue.cutover.first_failures import FirstFailureRelay
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.outcomes import OutcomeRelay
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.segment import SpoolRecord
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.spooled import mirrored_job
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import InvalidInput
from supaqueue.transport import Transport

FORGOTTEN_PER_TURN = 1000

_log = logging.getLogger(__name__)


class Relay:
    """Tells both systems, one turn at a time. Any number may work at once: they do the same twice, at worst.

    Args:
        transport: to Supabase.
        legacy: the old queue.
        spool: what this host could not send to Supabase; None where there is none.
    """

    def __init__(self, transport: Transport, legacy: LegacyQueue, spool: Spool | None = None) -> None:
        self._transport = transport
        self._legacy = legacy
        self._spool = spool
        self._outcomes = OutcomeRelay(transport, legacy.index)
        self._first_failures = FirstFailureRelay(transport, legacy.index)

    def send_spooled(self) -> Relayed:
        """Send what lies in this host's spool to Supabase.

        Raises:
            CallError: Supabase gave no usable answer; what it did not take stays in the spool.
            SpoolError: the spool cannot be read.
        """
        return Relayed(mirrored=self._spool.drain(self._mirror) if self._spool is not None else 0)

    def turn(self) -> Relayed:
        """Do all that is to be done now between Supabase and legacy, and say what that was.

        Raises:
            CallError: Supabase or legacy gave no usable answer; what was done until then stays done.
        """
        done = Relayed()
        for state, step in self._steps():
            for mirrors in self._listed(state):
                done += step(mirrors)
        done += self._first_failures.send()
        done += self._outcomes.send()
        return done

    def forget(self, before: datetime) -> Relayed:
        """Remove from the legacy queue's index, a batch at a time, what ended and was told before a time.

        Raises:
            LegacyUnavailable: the index gave no answer.
        """
        return Relayed(forgotten=self._legacy.index.forget(before, FORGOTTEN_PER_TURN))

    def hand_back(self) -> Relayed:
        """Make one pass of a hand-back, if one is on; its jobs are released by the next turn."""
        if not self.goes_back():
            return Relayed()
        return Relayed(handed_back=sum(batch.moved for batch in self.hand_back_pass()))

    def goes_back(self) -> bool:
        """Return whether any task type goes back to legacy."""
        flags = self._transport.send(ReadFeatureFlags())
        return any(flag.hand_back != "none" for flag in (flags.overall, *flags.types))

    def hand_back_pass(self) -> Iterator[HandedBack]:
        """Make one pass, batch by batch; `done` of the last one says whether all is over."""
        batch = self._transport.send(HandBackJobs())
        yield batch
        while batch.next is not None:
            batch = self._transport.send(HandBackJobs(batch.next))
            yield batch

    def _steps(self) -> tuple[tuple[MirrorState, Callable[[Sequence[Mirror]], Relayed]], ...]:
        return (
            ("release_due", self._release),
            ("takeover_due", self._take_over),
            ("due", self._park),
            ("end_due", self._settle),
        )

    def _listed(self, state: MirrorState) -> Iterator[Sequence[Mirror]]:
        page = self._transport.send(ListMirrors(state))
        while True:
            if page.mirrors:
                yield page.mirrors
            if page.next_page is None:
                return
            page = self._transport.send(ListMirrors(state, page.next_page))

    def _mirror(self, records: Sequence[SpoolRecord]) -> None:
        jobs = [job for job in map(_readable, records) if job is not None]
        for call in enqueue_calls(jobs):
            for answer in self._transport.send(call):
                if answer.answer == "conflict":
                    # Abandoned meanwhile, or the id stands for another job: the parity check tells which.
                    _log.warning(
                        "the mirror of job %s is refused: its id is taken or abandoned", answer.job_id
                    )

    def _release(self, mirrors: Sequence[Mirror]) -> Relayed:
        answers = self._legacy.release([(mirror.job, mirror.epoch) for mirror in mirrors])
        told = [
            mirror
            for mirror, one in zip(mirrors, answers, strict=True)
            if one.answer in ("released", "exists")
        ]
        done = Relayed(released=self._note(told))
        done += self._outcomes.send_refused(
            [
                (mirror, one.answer)
                for mirror, one in zip(mirrors, answers, strict=True)
                if one.answer not in ("released", "exists")
            ]
        )
        return done

    def _take_over(self, mirrors: Sequence[Mirror]) -> Relayed:
        won = self._legacy.take_over([Stamp(mirror.job_id, mirror.epoch) for mirror in mirrors])
        self._transport.send(
            OpenTakenOverJobs(
                tuple(
                    (mirror.job_id, mirror.epoch, is_won) for mirror, is_won in zip(mirrors, won, strict=True)
                )
            )
        )
        return Relayed(taken_over=sum(won))

    def _park(self, mirrors: Sequence[Mirror]) -> Relayed:
        self._legacy.park([mirror.job for mirror in mirrors])
        return Relayed(parked=self._note(mirrors))

    def _settle(self, mirrors: Sequence[Mirror]) -> Relayed:
        taken_back = [mirror.job_id for mirror in mirrors if mirror.owner == "legacy"]
        if taken_back:
            self._legacy.abandon(taken_back)
        self._legacy.settle(
            [(mirror.job, _ending(mirror)) for mirror in mirrors if mirror.owner == "supabase"]
        )
        return Relayed(settled=self._note(mirrors))

    def _note(self, mirrors: Sequence[Mirror]) -> int:
        if not mirrors:
            return 0
        answers = self._transport.send(SettleMirrors(tuple(mirrors)))
        return sum(answer.answer == "settled" for answer in answers)


def _readable(record: SpoolRecord) -> NewJob | None:
    try:
        return mirrored_job(record.content)
    except InvalidInput as unreadable:
        _log.error("a record of the spool was passed over: %s", unreadable)
        return None


def _ending(mirror: Mirror) -> Ending:
    ending = mirror.ending
    if ending is None:
        raise ValueError(f"job {mirror.job_id} was listed as ended and has no end")
    return Ending(ending.status, ending.result, ending.error, ending.attempts, ending.ended_at)
