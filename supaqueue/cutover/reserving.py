"""Reserving ids in legacy's index before Supabase gets them: both kinds of process can reach that one.

A process whose flags are from before the first percent writes an id that a caller gave to legacy without
asking Supabase. Of its write and the reservation one comes first. If that is the write, the job is legacy's,
and its row in Supabase will say so; if it is the reservation, the process has to ask Supabase after all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.entry import Owner
from supaqueue.cutover.parts import Parts
from supaqueue.cutover.placing import CALL, Placed
from supaqueue.cutover.steps import Steps, TookTooLong, work
from supaqueue.errors import QueueUnavailable


class Reserving:
    """Reserves ids, a batch at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def reserve(self, placed: Sequence[Placed]) -> Steps[list[Placed]]:
        """Reserve the ids that ask for it, and give to legacy what is legacy's already; in order.

        Raises:
            QueueUnavailable: legacy gave no answer and had to; nothing was stored.
        """
        must = [one for one in placed if one.reserve == "must"]
        should = [one for one in placed if one.reserve == "should"]
        legacys = (yield from self._must_reserve(must)) | (yield from self._try_to_reserve(should))
        return [one.as_legacys() if one.job.job_id in legacys else one for one in placed]

    def _must_reserve(self, placed: Sequence[Placed]) -> Steps[set[str]]:
        if not placed:
            return set()
        job_ids = _ids(placed)
        try:
            return _of_legacy(job_ids, (yield from work(lambda: self._parts.legacy.index.reserve(job_ids))))
        except LegacyUnavailable as error:
            raise QueueUnavailable(
                f"{CALL}: for a day after the first percent, an id that the caller chose is reserved in the"
                " legacy queue before Supabase gets the job, and legacy gave no answer: nothing was stored;"
                " try again",
                call=CALL,
                committed="no",
                retryable=True,
            ) from error

    def _try_to_reserve(self, placed: Sequence[Placed]) -> Steps[set[str]]:
        within = self._parts.parking.answer_within() if placed else None
        if within is None:
            return set()
        job_ids = _ids(placed)
        began = time.monotonic()
        try:
            owners = yield from work(lambda: self._parts.legacy.index.reserve(job_ids), within)
        except (LegacyUnavailable, TookTooLong):
            self._parts.parking.missed()
            return set()
        self._parts.parking.answered(time.monotonic() - began)
        return _of_legacy(job_ids, owners)


def _ids(placed: Sequence[Placed]) -> list[str]:
    return [one.job.job_id for one in placed]


def _of_legacy(job_ids: Sequence[str], owners: Sequence[Owner]) -> set[str]:
    return {job_id for job_id, owner in zip(job_ids, owners, strict=True) if owner == "legacy"}
