"""What Supabase would refuse, cut or leave waiting of the jobs that legacy runs today.

Found before any percent is raised, of every job that legacy owns, by what its index keeps of payload, run
time and result. To walk through a payload takes longer than all the rest of a check, so content is looked at
in a sample: the first `SAMPLED_FIRST` jobs of a type and every `SAMPLED_EVERY`th of those that follow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from supaqueue.contract import CountJobs, Json, ListTaskTypes, NewJob, WorkerSeen
from supaqueue.contract.json_value import checked_json
from supaqueue.cutover.legacy.entry import Ending, Entry
from supaqueue.cutover.parity.refusal import Reason, Refusal, shortened
from supaqueue.errors import InvalidInput
from supaqueue.settings import MAX_JSON_BYTES
from supaqueue.transport import Transport

LEASE_SECONDS = 30.0
"""A worker's, unless it is told otherwise."""
SAMPLED_FIRST = 1_000
SAMPLED_EVERY = 32
NO_LIMIT = 2**63


@dataclass(slots=True)
class _Seen:
    """What was seen of a task type in one queue."""

    task_type: str
    timeout_seconds: float | None
    is_served: bool
    jobs: int = 0
    sampled: int = 0
    ended: int = 0
    timed: int = 0
    limited: int = 0


class Preflight:
    """Looks at entries of legacy's index, one by one and in any order.

    Args:
        timeouts: what was declared in Supabase, in seconds, by task type; jobs may have one of their own.
        workers: those of Supabase that are alive.
        max_json_bytes: the most that Supabase's clients and workers let a payload or a result take.
        task_types: which to look at; None: all.
    """

    def __init__(
        self,
        timeouts: Mapping[str, float | None],
        workers: Sequence[WorkerSeen],
        *,
        max_json_bytes: int = MAX_JSON_BYTES,
        task_types: Collection[str] | None = None,
    ) -> None:
        self.would_reject = 0
        self._timeouts = timeouts
        self._has_workers = bool(workers)
        self._served = {
            (task_type, queue)
            for worker in workers
            for task_type in worker.task_types
            for queue in worker.queues
        }
        self._max_json_bytes = max_json_bytes
        self._task_types = task_types
        self._seen: dict[tuple[str, str], _Seen | None] = {}
        self._found: dict[tuple[str, Reason], Refusal] = {}

    def look_at(self, entries: Iterable[Entry]) -> None:
        """Look at some more; what legacy does not own, or knows by id alone, is passed over."""
        seen_of, begin, look_at = self._seen.get, self._begin, self._look_at
        for entry in entries:
            job = entry.job
            if job is None or entry.owner != "legacy":
                continue
            place = (job.task_type, job.queue)
            seen = seen_of(place) or begin(place)
            if seen is not None:
                look_at(entry, job, seen)

    def refusals(self) -> list[Refusal]:
        """Return what was found, by task type and reason."""
        checked = self._checked()
        for (task_type, reason), one in self._found.items():
            one.checked = checked[task_type, reason]
        found = sorted(self._found.values(), key=lambda one: (str(one.task_type), one.reason))
        if self._has_workers or not any(self._seen.values()):
            return found
        jobs = sum(seen.jobs for seen in self._seen.values() if seen is not None)
        return [Refusal(None, "no_workers", jobs, jobs), *found]

    def _begin(self, place: tuple[str, str]) -> _Seen | None:
        task_type, _ = place
        if self._task_types is not None and task_type not in self._task_types:
            return None
        is_served = not self._has_workers or place in self._served
        seen = self._seen[place] = _Seen(task_type, self._timeouts.get(task_type), is_served)
        return seen

    def _look_at(self, entry: Entry, job: NewJob, seen: _Seen) -> None:
        seen.jobs += 1
        is_refused = not seen.is_served
        if is_refused:
            self._add(seen, "unserved", entry)
        if job.payload_bytes > self._max_json_bytes:
            self._add(seen, "payload_size", entry, job.payload_bytes, self._max_json_bytes)
            is_refused = True
        ending = entry.ending
        if ending is not None and self._is_cut(entry, job, ending, seen):
            is_refused = True
        is_sampled = seen.jobs <= SAMPLED_FIRST or seen.jobs % SAMPLED_EVERY == 0
        if is_sampled and self._cannot_hold(entry, job, seen):
            is_refused = True
        self.would_reject += is_refused

    def _is_cut(self, entry: Entry, job: NewJob, ending: Ending, seen: _Seen) -> bool:
        """Note a run that takes too long for Supabase, or came to what it could not keep."""
        seen.ended += 1
        if ending.left_out is not None:
            self._add(seen, "result_left_out", entry, shortened(ending.left_out))
        if ending.seconds is None:
            return ending.left_out is not None
        seen.timed += 1
        if ending.seconds > LEASE_SECONDS:
            self._add(seen, "over_lease", entry, ending.seconds, LEASE_SECONDS)
        timeout = job.timeout_seconds or seen.timeout_seconds
        if timeout is None:
            return ending.left_out is not None
        seen.limited += 1
        if ending.seconds > timeout:
            self._add(seen, "over_timeout", entry, ending.seconds, timeout)
        return ending.seconds > timeout or ending.left_out is not None

    def _cannot_hold(self, entry: Entry, job: NewJob, seen: _Seen) -> bool:
        """Note content that Postgres could not hold; the size of a payload is looked at in every job."""
        seen.sampled += 1
        result = entry.ending.result if entry.ending is not None else None
        payload_problem = problem_of(job.payload, "payload", max_bytes=None)
        result_problem = problem_of(result, "result", max_bytes=self._max_json_bytes)
        if payload_problem is not None:
            self._add(seen, "payload_content", entry, payload_problem)
        if result_problem is not None:
            self._add(seen, "result_content", entry, result_problem)
        return (payload_problem or result_problem) is not None

    def _add(
        self,
        seen: _Seen,
        reason: Reason,
        entry: Entry,
        worst: float | str | None = None,
        limit: float | None = None,
    ) -> None:
        place = (seen.task_type, reason)
        if place not in self._found:
            self._found[place] = Refusal(seen.task_type, reason)
        self._found[place].add(entry.job_id, worst, limit)

    def _checked(self) -> Mapping[tuple[str, Reason], int]:
        """Of how many jobs of a type each was looked at, all its queues together."""
        checked: dict[tuple[str, Reason], int] = {}
        for seen in self._seen.values():
            if seen is None:
                continue
            counts: dict[Reason, int] = {
                "payload_size": seen.jobs,
                "unserved": seen.jobs,
                "payload_content": seen.sampled,
                "result_content": seen.sampled,
                "result_left_out": seen.ended,
                "over_lease": seen.timed,
                "over_timeout": seen.limited,
            }
            for reason, count in counts.items():
                place = (seen.task_type, reason)
                checked[place] = checked.get(place, 0) + count
        return checked


def preflight(
    transport: Transport, *, max_json_bytes: int = MAX_JSON_BYTES, task_types: Collection[str] | None = None
) -> Preflight:
    """Ask Supabase what it declares and who serves it, and return what looks at legacy's jobs by that.

    Raises:
        CallError: Supabase gave no usable answer.
    """
    declared = transport.send(ListTaskTypes())
    # No queue: its tasks are not counted, the workers are told all the same.
    workers = transport.send(CountJobs(())).workers
    timeouts = {one.task_type: one.timeout_seconds for one in declared}
    return Preflight(timeouts, workers, max_json_bytes=max_json_bytes, task_types=task_types)


def problem_of(value: Json, name: str, *, max_bytes: int | None) -> str | None:
    """Return why Supabase could not hold a value, without quoting it; None if it can.

    Args:
        name: what the value is called.
        max_bytes: the most that it may take as JSON; None: its size is another's question.
    """
    try:
        checked_json(value, field=name, max_bytes=NO_LIMIT if max_bytes is None else max_bytes)
    except InvalidInput as refused:
        return shortened(str(refused))
    return None
