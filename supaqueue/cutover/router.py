"""Two queues as one, for threads: the legacy queue and the one in Supabase."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

from supaqueue.answer import CancelAnswer, EnqueueAnswer
from supaqueue.backoff import Backoff
from supaqueue.client import Queue, batches, calls
from supaqueue.client.calls import AbandonAnswers, Answers, CancelAnswers, Ended, Jobs, Pauses, WaitingLimits
from supaqueue.client.checks import Checks
from supaqueue.client.reports import Reports
from supaqueue.client.source import Source
from supaqueue.client.waiting import Waiting
from supaqueue.contract import JobOptions, NewJob, NewTask, OnFailure, Stats
from supaqueue.cutover.enqueuing import Enqueuing
from supaqueue.cutover.finding import Finding
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.minting import minted
from supaqueue.cutover.parts import Parts, carrying, rollout_of, router_settings
from supaqueue.cutover.reporting import CutoverReports
from supaqueue.cutover.rollout import Rollout
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.step_runner import StepRunner
from supaqueue.cutover.switches import Switches
from supaqueue.job import Job, JobStatus, Task
from supaqueue.job_id import check_job_id
from supaqueue.settings import MAX_JSON_BYTES, Overrides
from supaqueue.telemetry import Telemetry
from supaqueue.transport import RestTransport, Transport
from supaqueue.unique import Unique
from supaqueue.worker import Registry

Result = TypeVar("Result")


class DualWriteQueue:
    """A `Queue` made of two: for each job one of them is decided on, once, and the other gets a copy.

    Safe to share between threads; `AsyncDualWriteQueue` is its twin. Every method does what that of `Queue`
    does, in the system that owns the job; `list`, `stats`, `pause`, `resume`, `dead_letters` and
    `blocked_keys` are Supabase's, where jobs that legacy owns are listed as `mirrored`. An error of an
    enqueue carries the job's id as a ticket: `enqueue(..., job_id=error.job_id)` repeats it in the system
    that was decided on.

    Args:
        legacy: the old queue; closed here.
        source: as for `Queue`.
        switches: by default those of the environment and `.env`.
        spool: what Supabase could not take for now; by default that of the environment.
        rollout: holds the flags; by default it reads them from Supabase.
        transport: as for `Queue`; without settings a rollout must be given too.
        telemetry: as for `Queue`; is told of copies that failed and of fallbacks too.
        registry: as for `Queue`.
        budget_seconds: how long a call may go on trying whose job Supabase owns.
        repin_refused: let legacy own a job that was to be Supabase's, if that refused it for sure.

    Raises:
        ConfigurationError: a setting is missing or malformed.
        SpoolError: the spool's folder cannot be written.
    """

    def __init__(
        self,
        legacy: LegacyQueue,
        source: Source | None = None,
        *,
        switches: Switches | None = None,
        spool: Spool | None = None,
        rollout: Rollout | None = None,
        transport: Transport | None = None,
        telemetry: Telemetry | None = None,
        registry: Registry | None = None,
        budget_seconds: float = 10.0,
        repin_refused: bool = False,
        **overrides: Unpack[Overrides],
    ) -> None:
        settings = router_settings(source, overrides, is_given=transport is not None and rollout is not None)
        spool = spool or Spool.load()
        self._owned: RestTransport | None = None
        if transport is None:
            assert settings is not None
            transport = self._owned = RestTransport(settings, budget_seconds)
        if rollout is None:
            assert settings is not None
            rollout = rollout_of(settings, transport, spool)
        self._queue = Queue(settings, transport=transport, telemetry=telemetry, registry=registry)
        reports = Reports(telemetry)
        self._steps = StepRunner(transport, reports)
        self._checks = Checks(settings.max_json_bytes if settings else MAX_JSON_BYTES, registry)
        parts = Parts(
            legacy=legacy,
            switches=switches or Switches.load(),
            rollout=rollout,
            spool=spool,
            reports=reports,
            cutover_reports=CutoverReports(telemetry),
            repin_refused=repin_refused,
        )
        self._legacy, self._spool, self._rollout = legacy, spool, rollout
        self._enqueuing, self._finding = Enqueuing(parts), Finding(parts)
        self.dead_letters = self._queue.dead_letters
        self.limits = self._queue.limits
        self.blocked_keys = self._queue.blocked_keys

    def new_job(self, task_type: str, payload: object = None, **options: Unpack[JobOptions]) -> NewJob:
        """Return a job to enqueue, for callers that have to know its id before: see `enqueue_or_undo`.

        Nothing is stored yet. During a cutover the id is where the job's tenant is, so make it here and not
        as a `NewJob`; a job with an id or a key of its own is a `NewJob`.

        Args:
            task_type: which handler runs it.
            payload: plain JSON or a pydantic model.
            options: as those of `NewJob`.
        """
        job = NewJob(task_type, payload, **options)
        self._checks.check(job)
        return self._steps.run(minted(job, self._rollout))

    def enqueue(
        self,
        task_type: str,
        payload: object = None,
        *,
        queue: str = "default",
        job_id: str | None = None,
        idempotency_key: str | None = None,
        run_at: datetime | None = None,
        delay: float | timedelta | None = None,
        max_attempts: int | None = None,
        backoff: Backoff | float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | float | timedelta | None = None,
        tags: Iterable[str] = (),
        tenant: str | None = None,
        unique: Unique | None = None,
        priority: int = 0,
        order_key: str | None = None,
        order_on_failure: Literal["block", "continue"] = "block",
        tasks: Iterable[NewTask | Mapping[str, Any]] = (),
        on_failure: OnFailure | None = None,
    ) -> EnqueueAnswer:
        """Store one job; `NewJob` says what the options mean.

        After `QueueUnavailable` with `committed="unknown"`, the same call with the error's `job_id`, or with
        the same `idempotency_key`, stores it once. A job that found its `unique` key held is answered
        `deduplicated`, `replaced` or `pushed_back`, with the id of the job that stands for it.

        Raises:
            JobConflict: the id belongs to another job, or was abandoned.
            QueueFull: as many jobs wait in the queue as may.
        """
        job = NewJob(
            task_type,
            payload,
            queue=queue,
            job_id=job_id,
            idempotency_key=idempotency_key,
            run_at=run_at,
            delay=delay,
            max_attempts=max_attempts,
            backoff=backoff,
            timeout=timeout,
            deadline=deadline,
            tags=tags,
            tenant=tenant,
            unique=unique,
            priority=priority,
            order_key=order_key,
            order_on_failure=order_on_failure,
            tasks=tasks,
            on_failure=on_failure,
        )
        self._checks.check(job)
        answers = self._steps.run(self._enqueuing.enqueue([job], [job] if job.is_minted else []))
        if seconds := calls.seconds_to_wait(answers):
            time.sleep(seconds)
        return calls.accepted(answers[0])

    def enqueue_many(self, jobs: Iterable[NewJob | Mapping[str, Any]]) -> Answers:
        """Store many jobs, and answer each in order; a conflict is an answer, not an error.

        They go in calls of up to 1,000 jobs and 4 MiB, each all or nothing. All are checked before the
        first is sent. If a call fails, those before it stand: the error's `answered` has their answers,
        and sending the same `NewJob`s once more is safe.
        """
        given = list(jobs)
        checked = batches.checked_jobs(given, self._checks)
        ours = [new for job, new in zip(given, checked, strict=True) if new is not job]
        answered: Answers = []
        for call in batches.enqueue_calls(checked):
            with carrying(answered):
                answers = self._steps.run(self._enqueuing.enqueue(call.jobs, ours))
            answered += answers
            if seconds := calls.seconds_to_wait(answers):
                time.sleep(seconds)
        return answered

    def get(self, job_id: str, *, with_payload: bool = False, with_attempts: bool = False) -> Job | None:
        """Return a job, or None if there is no such job."""
        return self.get_many([job_id], with_payload=with_payload, with_attempts=with_attempts)[0]

    def get_many(
        self, job_ids: Iterable[str], *, with_payload: bool = False, with_attempts: bool = False
    ) -> Jobs:
        """Return a job for each id, in order, None where there is no such job."""
        found: Jobs = []
        for part in batches.parts(batches.checked_ids(job_ids), batches.JOBS_PER_READ):
            found += self._steps.run(self._finding.read(part, with_payload, with_attempts))
        return found

    def list(
        self,
        *,
        queue: str | None = None,
        task_type: str | None = None,
        status: JobStatus | None = None,
        tag: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[Job]:
        """Return jobs, newest first and without payloads; pages are read as the iterator gets to them."""
        return self._queue.list(
            queue=queue,
            task_type=task_type,
            status=status,
            tag=tag,
            created_after=created_after,
            created_before=created_before,
            limit=limit,
        )

    def list_tasks(self, job_id: str, *, limit: int | None = None) -> Iterator[Task]:
        """Return the tasks of a job in the order in which they were given, without payloads.

        Of a job of several tasks, `Job.tasks` has only those that tell how it went. Pages are read as the
        iterator gets to them.

        Raises:
            JobNotFound: there is no such job.
        """
        return self._queue.list_tasks(job_id, limit=limit)

    def wait(self, job_id: str, timeout: float | timedelta | None = None) -> Job:
        """Return the job once it has ended: completed, failed or cancelled.

        A look that gets no answer may outlast the timeout by one call's budget.

        Raises:
            WaitTimeout: it had not by then.
            JobNotFound: there is no such job.
        """
        jobs = self.wait_many([job_id], timeout)
        return jobs[0]

    def wait_many(self, job_ids: Iterable[str], timeout: float | timedelta | None = None) -> Ended:
        """Return each job, in order, once all have ended; a look at up to 200 of them is one request.

        A look that gets no answer may outlast the timeout by one call's budget.

        Raises:
            WaitTimeout: one had not ended by then; `get_many` says what has become of the others.
            JobNotFound: there is no such job.
        """
        waiting = Waiting(batches.checked_ids(job_ids), timeout)
        while looked_at := waiting.unended:
            waiting.saw(looked_at, self.get_many(looked_at))
            if waiting.unended:
                time.sleep(waiting.next_pause())
        return waiting.jobs

    def cancel(self, job_id: str) -> CancelAnswer:
        """Cancel a job: a waiting one at once, a running one with its worker's next heartbeat."""
        return self._steps.run(self._finding.cancel([check_job_id(job_id)]))[0]

    def cancel_many(self, job_ids: Iterable[str]) -> CancelAnswers:
        """Cancel many jobs, and answer each in order."""
        answered: CancelAnswers = []
        for part in batches.parts(batches.checked_ids(job_ids), batches.ROWS_PER_CALL):
            answered += self._steps.run(self._finding.cancel(part))
        return answered

    def abandon(self, job_ids: Iterable[str]) -> AbandonAnswers:
        """Take back enqueues, also those whose answer was lost: what has not come by now can come no more."""
        answered: AbandonAnswers = []
        for part in batches.parts(batches.checked_ids(job_ids), batches.ROWS_PER_CALL):
            answered += self._steps.run(self._finding.abandon(part))
        return answered

    def pause(
        self,
        queues: str | Iterable[str],
        *,
        duration: float | timedelta | None = None,
        until: datetime | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> Pauses:
        """Pause queues for a while, until a time, or (neither given) until they are resumed.

        Once this has returned nothing is newly claimed from them: what runs goes on, and what a worker holds
        without having started it goes back. Jobs can be enqueued as ever.

        Args:
            queues: one name, or several.
            duration: in seconds or as a timedelta, by the database's clock.
            until: an aware time.
            reason: for those who look, up to 1,000 characters.
            by: who paused them, up to 200 characters.
        """
        return self._queue.pause(queues, duration=duration, until=until, reason=reason, by=by)

    def resume(self, queues: str | Iterable[str], *, by: str | None = None) -> Pauses:
        """End the pause of queues."""
        return self._queue.resume(queues, by=by)

    def limit_waiting(
        self,
        queues: str | Iterable[str],
        limit: int | None,
        *,
        on_full: Literal["refuse", "slow"] | None = None,
        by: str | None = None,
    ) -> WaitingLimits:
        """Limit how many jobs may wait in queues, from now on.

        Args:
            queues: one name, or several.
            limit: 1 to 1,000,000; None: any number may wait.
            on_full: what becomes of an enqueue that is over it: `refuse` raises `QueueFull`, and nothing of
                the call is stored; `slow` stores it, and the client waits up to a second before it returns.
            by: who limits them, up to 200 characters.
        """
        return self._queue.limit_waiting(queues, limit, on_full=on_full, by=by)

    def stats(self, queue: str | Iterable[str] | None = None) -> Stats:
        """Count tasks by queue, type and status, of one queue, of several, or of all."""
        return self._queue.stats(queue)

    def close(self) -> None:
        """Close the connections."""
        self._steps.close()
        self._spool.close()
        self._legacy.close()
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
