"""Enqueuing into two queues: the order of the writes is what keeps a job from being lost or run twice.

Legacy owns: an inert row to Supabase within a small budget, else into the spool; then the legacy write, whose
error is the caller's. Supabase owns: its row, whose error is the caller's; then the parked copy, or the relay
brings it. Where Supabase may own the job already (an id that the caller gave, an answer `flag_changed`), the
row that says `legacy` is stored there before legacy is written, so that a delayed try conflicts. Where legacy
may (an id that the caller gave, and a process with old flags), its index is told before Supabase is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from supaqueue.answer import EnqueueAnswer
from supaqueue.contract import EnqueueJobs, NewJob
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.parts import Parts, known_flags
from supaqueue.cutover.placing import CALL, Placed, Placing, has_two_owners, refuse_other_bucket
from supaqueue.cutover.reserving import Reserving
from supaqueue.cutover.rollout import KnownFlags
from supaqueue.cutover.spooled import mirror_record
from supaqueue.cutover.steps import Steps, TookTooLong, send, work
from supaqueue.errors import CallError, QueueUnavailable
from supaqueue.job_id import Ticket

FLAG_CHANGES = 5

Answers = dict[int, EnqueueAnswer]


class Enqueuing:
    """Enqueues one batch at a time, of a size that one call takes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._placing = Placing(parts.switches, parts.legacy)
        self._reserving = Reserving(parts)

    def enqueue(self, jobs: Sequence[NewJob], ours: Iterable[NewJob]) -> Steps[list[EnqueueAnswer]]:
        """Store jobs, and answer each in order.

        Args:
            jobs: as checked.
            ours: those of them that the router made itself.
        """
        known = yield from known_flags(self._parts.rollout)
        made_here = {id(job) for job in ours}
        for place, job in enumerate(jobs):
            if known is not None and id(job) not in made_here and job.owner is None:
                refuse_other_bucket(job, known, f"jobs[{place}]")
        placed = [
            self._placing.place(place, job, known, is_ours=id(job) in made_here)
            for place, job in enumerate(jobs)
        ]
        answers: Answers = {}
        try:
            yield from self._write(placed, known, answers)
        except CallError as error:
            _carry(error, answers, placed)
            raise
        in_order = [answers[place] for place in range(len(jobs))]
        self._parts.reports.enqueued(jobs, in_order)
        return in_order

    def _write(self, placed: Sequence[Placed], known: KnownFlags | None, answers: Answers) -> Steps[None]:
        at_once = [one for one in placed if one.owner == "legacy" and not one.settle]
        yield from self._mirror(at_once, answers)
        yield from self._to_legacy(at_once, answers)
        rest = [one for one in placed if one.owner == "supabase" or one.settle]
        tried: list[Placed] = []
        try:
            yield from self._settle(rest, known, answers, tried)
        except BaseException:
            _remember_supabase(tried)  # a try of theirs may be under way still
            raise

    def _settle(
        self, rest: list[Placed], known: KnownFlags | None, answers: Answers, tried: list[Placed]
    ) -> Steps[None]:
        """Let Supabase decide, again while the flag changes under it; notes in `tried` what it refused."""
        may_repin = self._may_repin(rest, known)
        for _ in range(FLAG_CHANGES):
            if not rest:
                return
            rest = yield from self._reserving.reserve(rest)
            changed = yield from self._to_supabase(rest, answers, may_repin=may_repin and not tried)
            tried += changed
            if changed:
                known = yield from work(self._parts.rollout.refresh)
            rest = [
                self._placing.place(one.place, one.given, known, is_ours=False, again=True) for one in changed
            ]
        raise QueueUnavailable(
            f"{CALL}: the flag of the cutover changed {FLAG_CHANGES} times meanwhile: nothing was stored; try"
            " again",
            call=CALL,
            retryable=True,
        )

    def _mirror(self, placed: Sequence[Placed], answers: Answers) -> Steps[None]:
        """Tell Supabase, or the spool, of jobs that legacy is to own; note those that it refuses."""
        for one in placed:
            one.remember()
        mirrored = [one for one in placed if one.copy == "inert_row"]
        if not mirrored:
            return
        found = yield from self._mirror_within(tuple(one.job for one in mirrored))
        if found is None:
            records = [mirror_record(one.job) for one in mirrored]
            yield from work(lambda: self._parts.spool.append(records, wait_for_disk=False))
            return
        for one, answer in zip(mirrored, found, strict=True):
            if answer.answer == "conflict" or answer.owner == "supabase" or answer.epoch > 0:
                answers[one.place] = answer

    def _mirror_within(self, jobs: tuple[NewJob, ...]) -> Steps[tuple[EnqueueAnswer, ...] | None]:
        """Return Supabase's answers, or None if there were none within the budget."""
        breaker, within = self._parts.supabase, self._parts.supabase.answer_within()
        if within is None:
            self._parts.cutover_reports.mirror_failed("supabase", len(jobs), "BreakerOpen")
            return None
        began = time.monotonic()
        try:
            found = yield from send(EnqueueJobs(jobs), within)
        except (CallError, TookTooLong) as error:
            breaker.missed()
            self._parts.cutover_reports.mirror_failed("supabase", len(jobs), type(error).__name__)
            return None
        breaker.answered(time.monotonic() - began)
        return found

    def _to_legacy(self, placed: Sequence[Placed], answers: Answers) -> Steps[None]:
        """Write to legacy what was not refused; where an id is reserved there, only if Supabase agrees."""
        accepted = [one for one in placed if one.place not in answers]
        if not accepted:
            return
        jobs = [one.job for one in accepted]
        found = yield from work(lambda: self._parts.legacy.enqueue_unsettled(jobs))
        pairs = list(zip(accepted, found, strict=True))
        answers.update((one.place, answer) for one, answer in pairs if answer is not None)
        yield from self._settle_reserved([one for one, answer in pairs if answer is None], answers)

    def _settle_reserved(self, placed: Sequence[Placed], answers: Answers) -> Steps[None]:
        if not placed:
            return
        try:
            asked = [replace(one, settle=True) for one in placed]
            yield from self._to_supabase(asked, answers, may_repin=False)
        except CallError as error:
            error.committed = "unknown"  # who reserved it may have stored it
            raise

    def _to_legacy_settled(self, placed: Sequence[Placed], answers: Answers) -> Steps[None]:
        """Write to legacy what Supabase has stored as legacy's."""
        if not placed:
            return
        jobs = [one.job for one in placed]
        found = yield from work(lambda: self._parts.legacy.enqueue(jobs))
        answers.update((one.place, answer) for one, answer in zip(placed, found, strict=True))

    def _to_supabase(
        self, placed: Sequence[Placed], answers: Answers, *, may_repin: bool
    ) -> Steps[list[Placed]]:
        """Store rows in Supabase, and do what their owners ask for; returns those to be placed again."""
        try:
            found = yield from send(EnqueueJobs(tuple(one.job for one in placed)))
        except CallError as error:
            if not (may_repin and isinstance(error, QueueUnavailable) and error.committed == "no"):
                _remember_supabase(placed)
                raise
            yield from self._repin(placed, answers)
            return []
        except BaseException:
            _remember_supabase(placed)  # a cancelled call may have taken effect
            raise
        pairs = list(zip(placed, found, strict=True))
        answers.update((one.place, answer) for one, answer in pairs if _is_final(one, answer))
        for one, answer in pairs:
            if answer.owner == one.owner:
                one.remember()
        due = [one for one, answer in pairs if _is_due_in_legacy(one, answer)]
        yield from self._to_legacy_settled(due, answers)
        yield from self._park([one.job for one, answer in pairs if _is_to_be_parked(one, answer)])
        return [one for one, answer in pairs if answer.answer == "flag_changed"]

    def _may_repin(self, placed: Sequence[Placed], known: KnownFlags | None) -> bool:
        """Whether legacy may have these if Supabase refuses them for sure: nobody can have tried before."""
        return self._parts.repin_refused and all(
            one.given.owner is None
            and one.given.is_minted
            and has_two_owners(self._parts.switches, known, one.given.task_type)
            for one in placed
        )

    def _repin(self, placed: Sequence[Placed], answers: Answers) -> Steps[None]:
        """Give to legacy what Supabase refused for sure."""
        moved = [replace(one, job=one.job.owned_by("legacy"), copy="inert_row") for one in placed]
        yield from self._mirror(moved, answers)
        yield from self._to_legacy(moved, answers)

    def _park(self, jobs: list[NewJob]) -> Steps[None]:
        """Bring the copy to legacy, if that is quick; the row is due for the relay in any case."""
        within = self._parts.parking.answer_within() if jobs else None
        if within is None:
            return
        began = time.monotonic()
        try:
            yield from work(lambda: self._parts.legacy.park(jobs), within)
        except (LegacyUnavailable, TookTooLong) as error:
            self._parts.parking.missed()
            self._parts.cutover_reports.mirror_failed("legacy", len(jobs), type(error).__name__)
            return
        self._parts.parking.answered(time.monotonic() - began)


def _is_due_in_legacy(one: Placed, answer: EnqueueAnswer) -> bool:
    """A row of epoch 0 that says `legacy` is a router's; one of a later epoch is the relay's to bring."""
    is_router_s = answer.owner == "legacy" and answer.epoch == 0
    return is_router_s and answer.answer in ("created", "exists") and not one.has_left


def _is_final(one: Placed, answer: EnqueueAnswer) -> bool:
    return answer.answer != "flag_changed" and not _is_due_in_legacy(one, answer)


def _is_to_be_parked(one: Placed, answer: EnqueueAnswer) -> bool:
    return one.copy == "parked" and answer.owner == "supabase" and answer.answer in ("created", "exists")


def _remember_supabase(placed: Iterable[Placed]) -> None:
    for one in placed:
        if one.owner == "supabase":
            one.remember()


def _carry(error: CallError, answers: Answers, placed: Sequence[Placed]) -> None:
    """Let an error carry the answers before the first that is missing, and a lone job's ticket."""
    answered: list[EnqueueAnswer] = []
    while len(answered) in answers:
        answered.append(answers[len(answered)])
    error.answered = tuple(answered)
    if len(placed) == 1:
        job = placed[0].given
        error.job_id = job.job_id if job.owner is None else Ticket(job.job_id, job.owner)
