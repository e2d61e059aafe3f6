"""Finding the system that has a job: at most two questions, the first to where its bucket points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

from supaqueue.answer import AbandonAnswer, CancelAnswer
from supaqueue.contract import AbandonJobs, CancelJobs, GetJobs
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.entry import Entry, Owner
from supaqueue.cutover.legacy.reading import job_of
from supaqueue.cutover.parts import Parts, known_flags
from supaqueue.cutover.plan import reads_first
from supaqueue.cutover.rollout import KnownFlags
from supaqueue.cutover.stages import Stage
from supaqueue.cutover.steps import Steps, send, work
from supaqueue.errors import CallError
from supaqueue.job import Job, TaskStatus
from supaqueue.job_id import bucket_of

_TURNS: tuple[tuple[int, Owner], ...] = tuple(product((0, 1), ("supabase", "legacy")))


class Finding:
    """Reads, cancels and abandons jobs by their ids, a batch at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def read(
        self, job_ids: Sequence[str], with_payload: bool, with_attempts: bool
    ) -> Steps[list[Job | None]]:
        """Return a job for each id, None where neither system knows it."""
        sides = yield from self._sides(job_ids)
        found: dict[str, Job] = {}
        there: dict[str, Job] = {}  # as Supabase has it, also of those that legacy owns
        failed: list[CallError] = []
        for turn, side in _TURNS:
            asked = [id for id in sides if sides[id][turn : turn + 1] == (side,) and id not in found]
            try:
                yield from self._read_at(side, asked, with_payload, with_attempts, found, there)
            except CallError as error:
                failed.append(error)  # the other side may be the one that has it
            if turn == 1:
                self._fell_back(sides, [id for id in asked if id in found], "get")
        if failed and any(job_id not in found for job_id in job_ids):
            raise failed[0]
        return [found.get(job_id) or _handed_over(there.get(job_id)) for job_id in job_ids]

    def cancel(self, job_ids: Sequence[str]) -> Steps[list[CancelAnswer]]:
        """Cancel jobs where they are, and answer each in order."""
        sides = yield from self._sides(job_ids)
        answers: dict[str, CancelAnswer] = {}
        for turn, side in _TURNS:
            asked = [
                id for id in sides if sides[id][turn : turn + 1] == (side,) and not _is_told(answers.get(id))
            ]
            yield from self._cancel_at(side, asked, answers)
            if turn == 1:
                self._fell_back(sides, [id for id in asked if _is_told(answers.get(id))], "cancel")
        return [_told(job_id, answers.get(job_id)) for job_id in job_ids]

    def abandon(self, job_ids: Sequence[str]) -> Steps[list[AbandonAnswer]]:
        """Take jobs back from both systems.

        What legacy is known to own is taken back there first, and the relay tells Supabase of its end: after
        a tombstone in Supabase alone, such a job would still run. Of all else Supabase is asked first, so
        that a late row conflicts there.
        """
        known = yield from known_flags(self._parts.rollout)
        if known is not None and _never_left_legacy(known):
            return (yield from work(lambda: self._parts.legacy.abandon(job_ids)))
        if not self._has_legacy(known):
            return list((yield from send(AbandonJobs(tuple(job_ids)))))
        answers = yield from self._abandon_known(job_ids)
        asked = [job_id for job_id in job_ids if not _has_started(answers.get(job_id))]
        answers = (yield from self._abandon_in_both(asked, answers)) | answers
        return [answers[job_id] for job_id in job_ids]

    def _abandon_known(self, job_ids: Sequence[str]) -> Steps[dict[str, AbandonAnswer]]:
        """Take back what legacy owns and was not handed over; nothing where legacy cannot say."""
        try:
            entries = yield from self._entries(job_ids)
        except LegacyUnavailable:
            return {}
        mine = [entry.job_id for entry in entries.values() if _is_legacys(entry) and entry.epoch == 0]
        if not mine:
            return {}
        answered = yield from work(lambda: self._parts.legacy.abandon(mine))
        return {one.job_id: one for one in answered}

    def _abandon_in_both(
        self, job_ids: Sequence[str], answers: dict[str, AbandonAnswer]
    ) -> Steps[dict[str, AbandonAnswer]]:
        """Take back in Supabase, then in legacy what neither has answered for sure."""
        if not job_ids:
            return {}
        first = yield from send(AbandonJobs(tuple(job_ids)))
        undecided = [one for one in first if one.answer != "cancelled" and one.job_id not in answers]
        found = {one.job_id: one for one in first}
        if not undecided:
            return found
        entries = yield from self._entries([one.job_id for one in undecided])
        # What Supabase does not know, legacy must never take; what Supabase started is none of legacy's.
        asked = [
            one.job_id
            for one in undecided
            if one.answer == "abandoned" or (one.answer == "started" and _is_legacys(entries.get(one.job_id)))
        ]
        second = yield from work(lambda: self._parts.legacy.abandon(asked))
        return found | {one.job_id: one for one in second}

    def _sides(self, job_ids: Iterable[str]) -> Steps[dict[str, tuple[Owner, ...]]]:
        """Return, for each id, which systems to ask, in order."""
        known = yield from known_flags(self._parts.rollout)
        if not self._has_legacy(known):
            return dict.fromkeys(job_ids, ("supabase",))
        if known is not None and _never_left_legacy(known):
            return dict.fromkeys(job_ids, ("legacy",))
        overall = known.flags.overall if known is not None else None
        return {
            job_id: (first, "legacy" if first == "supabase" else "supabase")
            for job_id in job_ids
            for first in (reads_first(self._parts.switches, overall, bucket_of(job_id)),)
        }

    def _has_legacy(self, known: KnownFlags | None) -> bool:
        """Whether there is still anything but Supabase: a completed cutover has switched it off."""
        return known is None or any(
            Stage(flag.stage) is not Stage.COMPLETE for flag in (known.flags.overall, *known.flags.types)
        )

    def _fell_back(self, sides: dict[str, tuple[Owner, ...]], job_ids: Sequence[str], operation: str) -> None:
        for job_id in job_ids:
            self._parts.cutover_reports.read_fallback(job_id, sides[job_id][0], operation)

    def _read_at(
        self,
        side: str,
        job_ids: Sequence[str],
        with_payload: bool,
        with_attempts: bool,
        found: dict[str, Job],
        there: dict[str, Job],
    ) -> Steps[None]:
        if not job_ids:
            return
        if side == "legacy":
            entries = yield from self._entries(job_ids)
            for job_id, entry in entries.items():
                if (job := job_of(entry, with_payload=with_payload)) is not None:
                    found[job_id] = job
            return
        read = yield from send(GetJobs(tuple(job_ids), with_payload, with_attempts))
        for job in read:
            if job is not None:
                there[job.job_id] = job
                if job.owner == "supabase":
                    found[job.job_id] = job

    def _cancel_at(self, side: str, job_ids: Sequence[str], answers: dict[str, CancelAnswer]) -> Steps[None]:
        if not job_ids:
            return
        if side == "supabase":
            answered = yield from send(CancelJobs(tuple(job_ids)))
        else:
            entries = yield from self._entries(job_ids)
            mine = [job_id for job_id in job_ids if _is_legacys(entries.get(job_id))]
            answered = tuple((yield from work(lambda: self._parts.legacy.cancel(mine))))
        answers.update((one.job_id, one) for one in answered)

    def _entries(self, job_ids: Sequence[str]) -> Steps[dict[str, Entry]]:
        entries = yield from work(lambda: self._parts.legacy.get(job_ids))
        return {entry.job_id: entry for entry in entries if entry is not None}


def _never_left_legacy(known: KnownFlags) -> bool:
    flags = (known.flags.overall, *known.flags.types)
    return known.is_fresh and all(Stage(flag.stage) is Stage.OFF and flag.raised_at is None for flag in flags)


def _is_legacys(entry: Entry | None) -> bool:
    return entry is not None and entry.owner == "legacy" and entry.job is not None


def _has_started(answer: AbandonAnswer | None) -> bool:
    return answer is not None and answer.answer == "started"


def _is_told(answer: CancelAnswer | None) -> bool:
    return answer is not None and answer.answer not in ("unknown", "not_owner")


def _told(job_id: str, answer: CancelAnswer | None) -> CancelAnswer:
    return answer or CancelAnswer(job_id, "unknown")


def _handed_over(job: Job | None) -> Job | None:
    """The job of which each system says that the other has it: on its way, and so it waits."""
    if job is None or job.status != "mirrored":
        return job
    waiting: TaskStatus = "pending"
    return replace(job, status="pending", tasks=tuple(replace(task, status=waiting) for task in job.tasks))
