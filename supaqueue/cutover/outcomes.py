"""Brings the ends of legacy's jobs onto their mirrors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from supaqueue.client.batches import enqueue_calls
from supaqueue.contract import AbandonJobs, LegacyOutcome, Mirror, RecordAnswer, RecordOutcomes
from supaqueue.contract.json_value import encode, storable_json
from supaqueue.cutover.legacy.entry import Entry
from supaqueue.cutover.legacy.index import Index, ReleaseAnswer
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.sizes import within_size
from supaqueue.errors import CallRefused
from supaqueue.transport import Transport

_log = logging.getLogger(__name__)

BATCH = 500


class OutcomeRelay:
    """Sends what the index keeps as unsent. The guard needs no spool for it: the index is as durable.

    Args:
        transport: to Supabase.
        index: the old queue's.
    """

    def __init__(self, transport: Transport, index: Index) -> None:
        self._transport = transport
        self._index = index

    def send(self) -> Relayed:
        """Send all that is unsent now.

        Raises:
            CallError: Supabase or legacy gave no usable answer.
        """
        done = Relayed()
        while entries := self._index.unsent_endings(BATCH):
            for batch in within_size(entries, size_of):
                done += self._send(batch)
        return done

    def send_refused(self, refused: Sequence[tuple[Mirror, ReleaseAnswer]]) -> Relayed:
        """Send the ends of jobs that were handed over and that legacy has ended, so that it refuses them.

        Under the epoch of the hand-over, which legacy does not have; else they would stay to be released for
        ever. One that has not ended there is disagreed about, and comes again.

        Raises:
            CallError: Supabase or legacy gave no usable answer.
        """
        entries = self._index.get([mirror.job_id for mirror, _ in refused])
        ended = []
        for (mirror, answer), entry in zip(refused, entries, strict=True):
            if entry is not None and _is_end_of_legacy(entry):
                ended.append(replace(entry, epoch=mirror.epoch))
            else:
                _log.warning("job %s (epoch %d) could not go back: %s", mirror.job_id, mirror.epoch, answer)
        closed = [answer for batch in within_size(ended, size_of) for answer in self._record(batch)]
        recorded = [answer.job_id for answer in closed if answer.answer == "recorded"]
        for job_id in recorded:
            _log.warning("job %s did not go back: legacy had ended it before, and that is its end", job_id)
        return Relayed(closed_before=len(recorded), disagreed=len(refused) - len(recorded))

    def _send(self, entries: Sequence[Entry]) -> Relayed:
        if probes := [entry.job_id for entry in entries if entry.is_probe]:
            self._index.endings_sent(probes)  # they have no mirrors
        of_jobs = [entry for entry in entries if not entry.is_probe]
        return self._tell(of_jobs) if of_jobs else Relayed()

    def _tell(self, entries: Sequence[Entry]) -> Relayed:
        answers = {answer.job_id: answer.answer for answer in self._record(entries)}
        late = [entry for entry in entries if answers[entry.job_id] == "unknown"]
        if late:
            send_mirrors(self._transport, late)
            answers |= {answer.job_id: answer.answer for answer in self._record(late)}
        self._index.endings_sent([entry.job_id for entry in entries])
        disagreed = [job_id for job_id, answer in answers.items() if answer == "not_owner"]
        for job_id in disagreed:
            _log.error("legacy ended job %s, and Supabase does not know legacy as its owner", job_id)
        recorded = sum(answer == "recorded" for answer in answers.values())
        return Relayed(outcomes=recorded, disagreed=len(disagreed))

    def _record(self, entries: Sequence[Entry]) -> tuple[RecordAnswer, ...]:
        given = tuple(map(outcome_of, entries))
        try:
            return self._transport.send(RecordOutcomes(given))
        except (CallRefused, ValueError):
            # A team's own adapter may record what Postgres does not hold; others are not to wait for it.
            storable = tuple(map(_storable, given))
            if storable == given:
                raise
            _log.warning("ends of jobs hold what Postgres cannot, and are told without it")
            return self._transport.send(RecordOutcomes(storable))


def send_mirrors(transport: Transport, entries: Sequence[Entry]) -> None:
    """Send mirrors that wait in some host's spool, or were lost with it; the index knows the jobs as well.

    Raises:
        CallError: Supabase gave no usable answer.
    """
    jobs = []
    for entry in entries:
        if entry.job is not None:
            entry.job.place("legacy")
            jobs.append(entry.job)
    for call in enqueue_calls(jobs):
        transport.send(call)
    abandoned = tuple(entry.job_id for entry in entries if entry.job is None)
    if abandoned:
        transport.send(AbandonJobs(abandoned))


def _is_end_of_legacy(entry: Entry) -> bool:
    """Whether its ending is legacy's, not what Supabase told of a parked copy."""
    return entry.ending is not None and (
        entry.owner == "legacy" or entry.closed_as in ("cancelled", "abandoned")
    )


def outcome_of(entry: Entry) -> LegacyOutcome:
    """Return how legacy ended a job, as its mirror is told.

    Raises:
        ValueError: it has not ended.
    """
    ending = entry.ending
    if ending is None:
        raise ValueError(f"job {entry.job_id} was listed as ended and has no end")
    return LegacyOutcome(
        entry.job_id,
        entry.epoch,
        ending.status,
        ending.result,
        ending.error,
        ending.attempts,
        ending.ended_at,
        entry.starts,
    )


def _storable(outcome: LegacyOutcome) -> LegacyOutcome:
    return replace(outcome, result=storable_json(outcome.result), error=storable_json(outcome.error))


def size_of(entry: Entry) -> int:
    """Return how many bytes a job and its end are, about."""
    ending = entry.ending
    of_ending = len(encode([ending.result, ending.error])) if ending else 0
    return of_ending + (entry.job.payload_bytes if entry.job else 0)
