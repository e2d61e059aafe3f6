"""Decides whether a message of the legacy queue may run, and takes the run marker for it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from supaqueue.contract import Json
from supaqueue.cutover import repeated_run
from supaqueue.cutover.errors import LegacyUnavailable, StampTooNew
from supaqueue.cutover.legacy.index import Index, StartAnswer
from supaqueue.cutover.marked_run import MarkedRun, within_budget
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import CallError, InvalidInput, QueueUnavailable

_log = logging.getLogger(__name__)

Verdict = Literal["run", "drop", "hold"]
StartInSupabase = Callable[[str, int], Literal["started", "stale", "unknown"]]
"""Wins `start_legacy_v1(job_id, epoch)`, or raises CallError; it may be asked again."""

LEASE_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 5.0
"""How long a message is held whose way may be free at any moment."""
UPGRADE_SECONDS = 60.0
"""How long a message is held that waits for a person."""


@dataclass(frozen=True, slots=True)
class Admission:
    """`run` it, `drop` it (it has ended, or is another's), or `hold` it and look again in `seconds`.

    With `run` comes the run, to be entered at once and told of its end; it is None with the others.
    """

    verdict: Verdict
    reason: str
    seconds: float = 0.0
    run: MarkedRun | None = None


class Guard:
    """Stands before every handler of a legacy worker. Safe for threads; may be made before a fork.

    Args:
        index: what lies beside the queue.
        start_in_supabase: asked only about jobs that were handed over. Without it these are held.
        lease_seconds: a runner silent for so long loses its job to another one.
        run_while_unreachable: task types, all idempotent, that run although Supabase cannot be asked.
        budget_seconds: for how long an index that gives no answer is asked again.
        repeat_percent: the share of jobs whose handlers, if they take a context, run once more without
            effects after their end was recorded, so that a parity check knows how far they differ from
            themselves; by default what SUPAQUEUE_REPEAT_PERCENT says, else 0.

    Raises:
        ConfigurationError: the percentage is none.
    """

    def __init__(
        self,
        index: Index,
        *,
        start_in_supabase: StartInSupabase | None = None,
        lease_seconds: float = LEASE_SECONDS,
        run_while_unreachable: Collection[str] = (),
        budget_seconds: float = 10.0,
        repeat_percent: float | None = None,
    ) -> None:
        self.index = index
        self.lease_seconds = lease_seconds
        self.budget_seconds = budget_seconds
        self.repeat_percent = repeated_run.repeat_percent(repeat_percent)
        self._start_in_supabase = start_in_supabase
        self._run_while_unreachable = frozenset(run_while_unreachable)

    def admit(self, stamp: Stamp | Json, task_type: str, unstamped_id: str | None = None) -> Admission:
        """Decide about one message. Never raises.

        Held is: a stamp that cannot be read or is of a newer version, a job that another runner is at, one
        that Supabase must agree to and does not answer for, one that the index knows nothing of, and, since
        it may be another system's by now, one that the index cannot be asked about.

        Args:
            stamp: what the message carries, None if nothing: such a message runs, unless it was taken over.
            unstamped_id: what `unstamped_job_id` makes of the message; needed where there may be no stamp.
        """
        if stamp is None:
            return self._unstamped(unstamped_id)
        try:
            read = stamp if isinstance(stamp, Stamp) else Stamp.from_json(stamp)
        except (StampTooNew, InvalidInput) as unreadable:
            return _hold(str(unreadable), UPGRADE_SECONDS)
        refused = self._refused(read, task_type) if read.epoch else None
        return refused or self._start(read)

    def _unstamped(self, job_id: str | None) -> Admission:
        if job_id is None:
            return _hold("carries no stamp, and its adapter does not say which it is", UPGRADE_SECONDS)
        runner = str(uuid.uuid4())
        try:
            answer = within_budget(
                self.budget_seconds, lambda: self.index.start_unstamped(job_id, runner, self.lease_seconds)
            )
        except LegacyUnavailable as failed:
            return _hold(str(failed), LOOK_AGAIN_SECONDS)
        if answer == "noted":
            reason = "unstamped: something enqueues around the router"
            return Admission("run", reason, run=MarkedRun(self.index, None, "", self.lease_seconds))
        return self._answered(answer, Stamp(job_id), runner)

    def _refused(self, stamp: Stamp, task_type: str) -> Admission | None:
        try:
            (entry,) = self.index.get([stamp.job_id])
        except LegacyUnavailable as failed:
            return _hold(str(failed), LOOK_AGAIN_SECONDS)
        if entry is not None and entry.broken_glass is not None and entry.epoch == stamp.epoch:
            _log.warning("job %s runs without Supabase's consent: the glass was broken", stamp.job_id)
            return None
        return self._refused_by_supabase(stamp, task_type)

    def _refused_by_supabase(self, stamp: Stamp, task_type: str) -> Admission | None:
        if self._start_in_supabase is None:
            return _hold("was handed over, and this worker cannot ask Supabase", UPGRADE_SECONDS)
        try:
            answer = self._start_in_supabase(stamp.job_id, stamp.epoch)
        except CallError as failed:
            if isinstance(failed, QueueUnavailable) and task_type in self._run_while_unreachable:
                _log.warning("job %s (%s) runs although Supabase cannot be asked", stamp.job_id, task_type)
                return None
            return _hold(f"Supabase must agree first: {failed}", LOOK_AGAIN_SECONDS)
        if answer == "stale":
            return Admission("drop", "stale: the job is Supabase's, or under a higher epoch")
        return self._unknown_there(stamp) if answer == "unknown" else None

    def _unknown_there(self, stamp: Stamp) -> Admission:
        # Supabase forgets what has ended before the last copy of a message is gone.
        try:
            (entry,) = self.index.get([stamp.job_id])
        except LegacyUnavailable as failed:
            return _hold(str(failed), LOOK_AGAIN_SECONDS)
        if entry is not None and (entry.ending is not None or entry.state == "closed"):
            return Admission("drop", "ended")
        return _hold("was handed over, and Supabase does not know it", UPGRADE_SECONDS)

    def _start(self, stamp: Stamp) -> Admission:
        runner = str(uuid.uuid4())
        try:
            answer = within_budget(
                self.budget_seconds, lambda: self.index.start(stamp, runner, self.lease_seconds)
            )
        except LegacyUnavailable as failed:
            return _hold(str(failed), LOOK_AGAIN_SECONDS)
        return self._answered(answer, stamp, runner)

    def _answered(self, answer: StartAnswer, stamp: Stamp, runner: str) -> Admission:
        match answer:
            case "started":
                run = MarkedRun(
                    *(self.index, stamp, runner, self.lease_seconds, self.budget_seconds),
                    is_repeated=repeated_run.is_repeated(stamp.job_id, self.repeat_percent),
                )
                return Admission("run", answer, run=run)
            case "busy":
                # The other runner may be dead: only an ending says that this copy is not needed.
                return _hold("busy: another runner is at it, or died", self.lease_seconds)
            case "unknown":
                return _hold("the index beside the queue does not know this job", UPGRADE_SECONDS)
        return Admission("drop", answer)


def _hold(reason: str, seconds: float) -> Admission:
    return Admission("hold", reason, seconds)
