"""RQ 3 as an old queue."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from math import ceil
from types import MappingProxyType
from typing import Any, ClassVar

import redis
from rq import Queue, Retry
from rq.job import Job, JobStatus
from rq.registry import ScheduledJobRegistry
from rq.serializers import resolve_serializer

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.broker import BrokerCounts, Waiting
from supaqueue.cutover.legacy.entry import Message
from supaqueue.cutover.legacy.redis_connection import answering, as_text, options_of
from supaqueue.cutover.legacy.redis_problems import redis_problems
from supaqueue.cutover.legacy.rq_calls import RqCalls
from supaqueue.cutover.legacy.rq_messages import ATTEMPTS, DEFAULT_ATTEMPTS, STAMP, Attempts, stamp_of
from supaqueue.cutover.legacy.rq_settings import known_queues, timeout_problems, worker_problems
from supaqueue.cutover.legacy.rq_unstamped import is_message, rq_id, unstamped_message
from supaqueue.cutover.legacy.unstamped import Unstamped
from supaqueue.errors import ConfigurationError

PAGE = 500
KILLS = 10
"""How often a message comes back whose worker was killed, beside its attempts."""
MARGIN_SECONDS = 60
"""How much later than a handler's own time limit RQ ends it."""
_UNBEGUN = (JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.DEFERRED)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a message waits: `due_at` is set in the ScheduledJobRegistry."""

    native_id: str
    due_at: datetime | None = None


class RqBroker:
    """Publishes RQ jobs, with the stamp in `job.meta["supaqueue"]`.

    A task type is run by the function of `functions`, else by that of `handlers`, else by the function whose
    dotted path it is. A job's RQ id is its own, with the epoch behind it after a hand-over.

    Args:
        client: as `redis_connection.connect` makes it; not one that decodes answers.
        handlers: dotted path of what `rq_handler` made, for task types of a registry.
        functions: dotted paths of functions by task type.
        keyword_types: task types whose functions take a payload that is an object as keyword arguments; every
            other payload is the one argument.
        queues: all RQ queues to look into; by default every one that RQ has seen.
        timeout_seconds: after which RQ ends a job that says nothing of it; -1 for never.
        longest_run_seconds: how long a job may take; `problems` compares the timeout with it.
        result_ttl_seconds: how long RQ keeps results.
        serializer: as RQ takes it; workers need the same.

    Raises:
        ConfigurationError: the client decodes answers, and what RQ keeps is not all text.
    """

    name: ClassVar[str] = "rq"
    expresses: ClassVar[frozenset[str]] = frozenset(
        ("queue", "run_at", "delay", "max_attempts", "backoff", "timeout", "tags")
    )
    cannot: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "deadline": "RQ has no deadline: its `ttl` drops a message without a word of its end",
            "cancel_running": "RQ stops a job by killing its process, whatever that is doing; the guard sets"
            " context.cancelled instead, and RQ calls a job that ended so finished",
            "end_of_killed": f"a job whose workers were killed more than {KILLS} times is in RQ's"
            " FailedJobRegistry, and without an end in the index: look at it, then `rq requeue` it; so is one"
            " without a stamp that was adopted, after its own retries",
            "list_finished": "results are forgotten after their time; the index keeps the endings",
        }
    )

    def __init__(
        self,
        client: redis.Redis,
        *,
        handlers: str | None = None,
        functions: Mapping[str, str] = MappingProxyType({}),
        keyword_types: Collection[str] = (),
        queues: Collection[str] | None = None,
        timeout_seconds: int = 3600,
        longest_run_seconds: float = 1800.0,
        result_ttl_seconds: int = 86_400,
        serializer: Any = None,
    ) -> None:
        if options_of(client).get("decode_responses"):
            raise ConfigurationError("RQ needs a client without decode_responses: give it one of its own")
        self._client = client
        self._calls = RqCalls(handlers, dict(functions), frozenset(keyword_types))
        self._queues = queues
        self._timeout_seconds = timeout_seconds
        self._longest_run_seconds = longest_run_seconds
        self._result_ttl_seconds = result_ttl_seconds
        self._serializer = resolve_serializer(serializer)

    def publish(self, messages: Sequence[Message]) -> list[str]:
        """Enqueue a job for each message, in one transaction per queue; what RQ has already stays."""
        with answering(self._client, "publish"):
            there = self._there([message.stamp.native_id for message in messages])
            new = {one.stamp.native_id: one for one in messages if one.stamp.native_id not in there}
            by_queue = sorted(new.values(), key=_queue_of)
            for name, group in groupby(by_queue, key=_queue_of):
                self._publish(self._queue(name), list(group))
        return [message.stamp.native_id for message in messages]

    def park(self, messages: Sequence[Message]) -> None:
        """Do nothing: the index keeps the copies."""

    def unpark(self, job_ids: Sequence[str]) -> None:
        """Do nothing: there are no parked copies."""

    def withdraw(self, native_ids: Sequence[str]) -> list[bool]:
        """Delete jobs that are queued, scheduled or deferred."""
        with answering(self._client, "withdraw"):
            jobs = self._jobs([rq_id(native_id) for native_id in native_ids])
            return [
                job is not None and is_message(native_id, job) and self._withdraw(job)
                for native_id, job in zip(native_ids, jobs, strict=True)
            ]

    def waiting(self) -> Iterator[Waiting]:
        """Return what is queued, scheduled and deferred, queue by queue."""
        with answering(self._client, "waiting"):
            for page in self._waiting_jobs():
                for place, job in page:
                    yield self._waiting(place, job)

    def unstamped(self) -> Iterator[Unstamped]:
        """Return what carries no stamp, queue by queue; see `unstamped_message` for what has to stay."""
        with answering(self._client, "unstamped"):
            for page in self._waiting_jobs():
                foreign = [(place, job) for place, job in page if STAMP not in job.meta]
                awaited = self._awaited([job for _, job in foreign])
                for (place, job), is_awaited in zip(foreign, awaited, strict=True):
                    yield unstamped_message(self._calls, job, place.due_at, is_awaited=is_awaited)

    def count(self) -> BrokerCounts:
        """Count messages. `leased` is what workers have taken; what depends on other jobs is `pending`."""
        pending = scheduled = retrying = leased = unstamped = 0
        with answering(self._client, "count"):
            for name in sorted(self._all_queues()):
                queue = self._queue(name)
                leased += queue.started_job_registry.get_job_count(cleanup=False)
                leased += len(queue.intermediate_queue.get_job_ids())
                for places in self._pages(queue):
                    for place, meta in zip(places, self._metas(places), strict=True):
                        retries = Attempts.from_meta(meta).spent > 0
                        retrying += retries
                        scheduled += not retries and place.due_at is not None
                        pending += not retries and place.due_at is None
                        unstamped += STAMP not in meta
        return BrokerCounts(pending, scheduled, retrying, leased, unstamped)

    def problems(self) -> list[str]:
        """Return the settings of Redis and of the workers with which jobs are lost, stranded or repeated."""
        found = redis_problems(self._client)
        found += timeout_problems(self._timeout_seconds, self._longest_run_seconds)
        with answering(self._client, "problems"):
            found += worker_problems(self._client, self._all_queues() or {"default"})
        return found

    def check_alive(self) -> None:
        """Ping the server."""
        with answering(self._client, "check_alive"):
            self._client.ping()

    def close(self) -> None:
        """Give back connections; the client can be used again."""
        self._client.close()

    def _publish(self, queue: Queue, messages: Sequence[Message]) -> None:
        now = datetime.now(UTC)
        with self._client.pipeline() as pipeline:
            at_once = [one for one in messages if one.due_at is None or one.due_at <= now]
            queue.enqueue_many([Queue.prepare_data(**self._described(one)) for one in at_once], pipeline)
            for message in messages:
                if message.due_at is not None and message.due_at > now:
                    job = queue.create_job(**self._described(message))
                    queue.schedule_job(job, message.due_at, pipeline=pipeline)
            pipeline.execute()

    def _described(self, message: Message) -> dict[str, Any]:
        job, attempts = message.job, Attempts.of_job(message.job)
        path = self._calls.path(job.task_type)
        args, kwargs = self._calls.arguments(job.task_type, job.payload)
        return {
            "func": path,
            "args": args,
            "kwargs": kwargs,
            "job_id": message.stamp.native_id,
            "meta": {STAMP: message.stamp.as_json(), ATTEMPTS: attempts.as_meta()},
            "timeout": self._timeout(job, path),
            "result_ttl": self._result_ttl_seconds,
            "retry": Retry(max=(job.max_attempts or DEFAULT_ATTEMPTS) - 1 + KILLS),
            "description": f"{job.task_type} {job.job_id}",  # RQ's own has the arguments, and is logged
        }

    def _timeout(self, job: NewJob, path: str) -> int:
        if job.timeout_seconds is None:
            return self._timeout_seconds
        return ceil(job.timeout_seconds) + (MARGIN_SECONDS if path == self._calls.handlers else 0)

    def _there(self, native_ids: Sequence[str]) -> set[str]:
        with self._client.pipeline(transaction=False) as pipeline:
            for native_id in native_ids:
                pipeline.exists(Job.key_for(native_id))
            return {one for one, is_there in zip(native_ids, pipeline.execute(), strict=True) if is_there}

    def _withdraw(self, job: Job) -> bool:
        queue = self._queue(job.origin)
        with self._client.pipeline() as pipeline:
            queue.scheduled_job_registry.remove(job, pipeline=pipeline)
            queue.deferred_job_registry.remove(job, pipeline=pipeline)
            queue.remove(job, pipeline=pipeline)
            removed = any(pipeline.execute())
        if removed and job.get_status() in _UNBEGUN:
            job.delete()
        return removed

    def _waiting(self, place: _Place, job: Job) -> Waiting:
        task_type, payload = self._calls.read(job)
        return Waiting(
            native_id=job.id,
            stamp=stamp_of(job.meta),
            task_type=task_type,
            queue=str(job.origin),
            payload=payload,
            due_at=place.due_at,
        )

    def _waiting_jobs(self) -> Iterator[list[tuple[_Place, Job]]]:
        for name in sorted(self._all_queues()):
            for places in self._pages(self._queue(name)):
                jobs = self._jobs([place.native_id for place in places])
                yield [(place, job) for place, job in zip(places, jobs, strict=True) if job is not None]

    def _awaited(self, jobs: Sequence[Job]) -> list[bool]:
        with self._client.pipeline(transaction=False) as pipeline:
            for job in jobs:
                pipeline.exists(job.dependents_key)
            return [bool(one) for one in pipeline.execute()]

    def _pages(self, queue: Queue) -> Iterator[list[_Place]]:
        for start in range(0, queue.count, PAGE):
            yield [_Place(one) for one in queue.get_job_ids(start, PAGE)]
        yield [_Place(one) for one in queue.deferred_job_registry.get_job_ids(cleanup=False)]
        registry = queue.scheduled_job_registry
        for start in range(0, registry.get_job_count(cleanup=False), PAGE):
            yield self._scheduled(registry, start)

    def _scheduled(self, registry: ScheduledJobRegistry, start: int) -> list[_Place]:
        found: Any = self._client.zrange(registry.key, start, start + PAGE - 1, withscores=True)
        return [_Place(as_text(one), datetime.fromtimestamp(score, UTC)) for one, score in found]

    def _metas(self, places: Sequence[_Place]) -> list[dict[str, Any]]:
        with self._client.pipeline(transaction=False) as pipeline:
            for place in places:
                pipeline.hget(Job.key_for(place.native_id), "meta")
            return [self._meta(raw) for raw in pipeline.execute()]

    def _meta(self, raw: bytes | None) -> dict[str, Any]:
        try:
            meta = self._serializer.loads(raw) if raw else {}
        except Exception:  # serializers raise what they like; a message that cannot be read still waits
            return {}
        return meta if isinstance(meta, dict) else {}

    def _jobs(self, native_ids: Sequence[str]) -> list[Job | None]:
        if not native_ids:
            return []
        return Job.fetch_many(native_ids, connection=self._client, serializer=self._serializer)

    def _queue(self, name: str) -> Queue:
        return Queue(name, connection=self._client, serializer=self._serializer)

    def _all_queues(self) -> Collection[str]:
        return known_queues(self._client) if self._queues is None else self._queues


def _queue_of(message: Message) -> str:
    return message.job.queue
