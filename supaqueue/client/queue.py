"""The queue, for threads."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

from supaqueue.answer import CancelAnswer, EnqueueAnswer
from supaqueue.backoff import Backoff
from supaqueue.client import batches, calls, paging
from supaqueue.client.blocked_keys import BlockedKeys
from supaqueue.client.calls import AbandonAnswers, Answers, CancelAnswers, Ended, Jobs, Pauses, WaitingLimits
from supaqueue.client.checks import Checks
from supaqueue.client.dead_letters import DeadLetters
from supaqueue.client.reports import Reports
from supaqueue.client.running_limits import RunningLimits
from supaqueue.client.source import Source, client_settings
from supaqueue.client.waiting import Waiting
from supaqueue.contract import (
    AbandonJobs,
    Call,
    CancelJobs,
    GetJobs,
    JobFilter,
    JobOptions,
    NewJob,
    NewTask,
    OnFailure,
    Stats,
)
from supaqueue.job import Job, JobStatus, Task
from supaqueue.job_id import check_job_id
from supaqueue.settings import MAX_JSON_BYTES, Overrides
from supaqueue.telemetry import Telemetry
from supaqueue.transport import Transport, open_transport
from supaqueue.transport.gather import GatheringTransport
from supaqueue.unique import Unique
from supaqueue.worker import Registry

Reply = TypeVar("Reply")


class Queue:
    """Enqueues jobs and reads them. Safe to share between threads; `AsyncQueue` is its twin.

    Every method may raise a `CallError`; those that take input raise `InvalidInput` before anything is sent.

    Args:
        source: `Settings`; `DatabaseSettings` for a direct connection to Postgres; or a Supabase client,
            whose URL and key are used. By default the environment and `.env`, which `overrides` (url,
            service_role_key, anon_key, token, schema) win over.
        transport: what carries the calls; by default what `source` asks for. A given one is not closed here.
        telemetry: who is told of jobs enqueued and of the queue being unavailable.
        registry: the handlers, if they are at hand: payloads are then checked before anything is sent.
        budget_seconds: how long one call may go on trying.

    Raises:
        ConfigurationError: a setting is missing or malformed.
    """

    def __init__(
        self,
        source: Source | None = None,
        *,
        transport: Transport | None = None,
        telemetry: Telemetry | None = None,
        registry: Registry | None = None,
        budget_seconds: float = 10.0,
        **overrides: Unpack[Overrides],
    ) -> None:
        self._owned: Transport | None = None
        max_json_bytes = MAX_JSON_BYTES
        if transport is None or source is not None or overrides:
            settings = client_settings(source, overrides)
            max_json_bytes = settings.max_json_bytes
            if transport is None:
                opened = open_transport(settings, budget_seconds)
                transport = self._owned = GatheringTransport(opened)
        self._transport = transport
        self._reports = Reports(telemetry)
        self._checks = Checks(max_json_bytes, registry)
        self.dead_letters = DeadLetters(self._send)
        self.limits = RunningLimits(self._send)
        self.blocked_keys = BlockedKeys(self._send)

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
        return job

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
        call = calls.enqueue_one(job, self._checks)
        answers = self._send(call)
        self._reports.enqueued(call.jobs, answers)
        if seconds := calls.seconds_to_wait(answers):
            time.sleep(seconds)
        return calls.accepted(answers[0])

    def enqueue_many(self, jobs: Iterable[NewJob | Mapping[str, Any]]) -> Answers:
        """Store many jobs, and answer each in order; a conflict is an answer, not an error.

        They go in calls of up to 1,000 jobs and 4 MiB, each all or nothing. All are checked before the
        first is sent. If a call fails, those before it stand: the error's `answered` has their answers,
        and sending the same `NewJob`s once more is safe.
        """
        answered: Answers = []
        for call in batches.enqueue_calls(batches.checked_jobs(jobs, self._checks)):
            with batches.carrying(answered):
                answers = self._send(call)
            self._reports.enqueued(call.jobs, answers)
            answered += answers
            if seconds := calls.seconds_to_wait(answers):
                time.sleep(seconds)
        return answered

    def get(self, job_id: str, *, with_payload: bool = False, with_attempts: bool = False) -> Job | None:
        """Return a job, or None if there is no such job."""
        return self._send(GetJobs((check_job_id(job_id),), with_payload, with_attempts))[0]

    def get_many(
        self, job_ids: Iterable[str], *, with_payload: bool = False, with_attempts: bool = False
    ) -> Jobs:
        """Return a job for each id, in order, None where there is no such job."""
        found: Jobs = []
        for part in batches.parts(batches.checked_ids(job_ids), batches.JOBS_PER_READ):
            found += self._send(GetJobs(part, with_payload, with_attempts))
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
        filter = JobFilter(
            queue=queue,
            task_type=task_type,
            status=status,
            tag=tag,
            created_after=created_after,
            created_before=created_before,
        )
        return self._walk(paging.jobs(filter, limit))

    def list_tasks(self, job_id: str, *, limit: int | None = None) -> Iterator[Task]:
        """Return the tasks of a job in the order in which they were given, without payloads.

        Of a job of several tasks, `Job.tasks` has only those that tell how it went. Pages are read as the
        iterator gets to them.

        Raises:
            JobNotFound: there is no such job.
        """
        return self._walk(paging.tasks(check_job_id(job_id), limit))

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
        return self._send(CancelJobs((check_job_id(job_id),)))[0]

    def cancel_many(self, job_ids: Iterable[str]) -> CancelAnswers:
        """Cancel many jobs, and answer each in order."""
        answered: CancelAnswers = []
        for part in batches.parts(batches.checked_ids(job_ids), batches.ROWS_PER_CALL):
            answered += self._send(CancelJobs(part))
        return answered

    def abandon(self, job_ids: Iterable[str]) -> AbandonAnswers:
        """Take back enqueues, also those whose answer was lost: what has not come by now can come no more."""
        answered: AbandonAnswers = []
        for part in batches.parts(batches.checked_ids(job_ids), batches.ROWS_PER_CALL):
            answered += self._send(AbandonJobs(part))
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
        return list(self._send(calls.pause(queues, duration, until, reason, by)))

    def resume(self, queues: str | Iterable[str], *, by: str | None = None) -> Pauses:
        """End the pause of queues."""
        return list(self._send(calls.resume(queues, by)))

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
        return list(self._send(calls.limit_waiting(queues, limit, on_full, by)))

    def stats(self, queue: str | Iterable[str] | None = None) -> Stats:
        """Count tasks by queue, type and status, of one queue, of several, or of all."""
        stats = self._send(calls.count(queue))
        self._reports.counted(stats)
        return stats

    def close(self) -> None:
        """Close the connections."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, call: Call[Reply]) -> Reply:
        with self._reports.watch(call):
            return self._transport.send(call)

    def _walk(self, pages: paging.Paging[paging.Row, paging.Page]) -> Iterator[paging.Row]:
        while (call := pages.next_call()) is not None:
            yield from pages.read(self._send(call))
