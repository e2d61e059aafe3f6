"""BullMQ as an old queue: what is published here, workers in Python and in Node take alike."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import redis
from bullmq import Job

from supaqueue.contract import Json
from supaqueue.cutover.legacy.broker import BrokerCounts, Waiting
from supaqueue.cutover.legacy.bullmq_queues import LISTS, PAGE, SORTED_SETS, STAMP_OPTION, Queues
from supaqueue.cutover.legacy.bullmq_unstamped import MessageId, unstamped_message
from supaqueue.cutover.legacy.entry import Message
from supaqueue.cutover.legacy.loop_thread import LoopThread
from supaqueue.cutover.legacy.redis_connection import answering, connect
from supaqueue.cutover.legacy.redis_problems import redis_problems
from supaqueue.cutover.legacy.unstamped import Unstamped
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import InvalidInput

ENOUGH_STALLS = 5


class _Session(NamedTuple):
    """What belongs to one process: a loop's thread does not live on in a fork."""

    process: int
    loop: LoopThread
    queues: Queues


class BullBroker:
    """Publishes to BullMQ's queues. The job's name is the task type, its data the payload, untouched.

    The stamp is an option of the job, beside `attempts` and `delay`: BullMQ keeps options that it does not
    know. A handler that looks only at `job.data` is not troubled, in Python or in Node; one that wants it
    reads `job.opts.supaqueue`.

    Args:
        url: of the Redis, as `redis.Redis.from_url` takes it.
        queues: names of the queues that jobs wait in, beside those published to.
        prefix: of the queues' keys; in a cluster with braces around it.
        job_options: `defaultJobOptions` of the team's own queues: attempts, backoff, removeOnComplete, ...
        worker_options: those of the team's workers, which Redis does not tell; `problems` looks at them.
    """

    name: ClassVar[str] = "bullmq"
    expresses: ClassVar[frozenset[str]] = frozenset(("queue", "run_at", "delay", "max_attempts", "tags"))
    cannot: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "backoff": "BullMQ knows a fixed and a doubling delay only, without cap; a registry's handlers"
            " keep what is declared with them",
            "timeout": "BullMQ has no time limit for jobs; a registry's handlers keep what is declared with"
            " them",
            "deadline": "a BullMQ job does not expire",
            "cancel_running": "BullMQ cannot reach into another process; the guard sets context.cancelled,"
            " or the processor's signal",
            "cancelled_state": "BullMQ knows completed and failed jobs: a cancelled one is failed, and the"
            " index says cancelled",
            "read_worker_settings": "workers do not tell Redis their settings: pass worker_options",
        }
    )

    def __init__(
        self,
        url: str,
        *,
        queues: Collection[str] = ("default",),
        prefix: str = "bull",
        job_options: Mapping[str, Any] = MappingProxyType({}),
        worker_options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._url = url
        self._queue_names = tuple(queues)
        self._prefix = prefix
        self._job_options = job_options
        self._worker_options = worker_options
        self._redis = connect(url)
        self._lock = threading.Lock()
        self._session: _Session | None = None

    def publish(self, messages: Sequence[Message]) -> list[str]:
        """Add a job for each message; its id is the job's, with the epoch behind it after a hand-over.

        BullMQ ignores an id that it has already, also of a job that has ended and is kept.
        """
        by_queue: dict[str, list[dict[str, Any]]] = {}
        for message in messages:
            by_queue.setdefault(message.job.queue, []).append(_bull_job(message))
        loop, queues = self._at_work()
        with self._unavailable("publish"):
            for name, jobs in by_queue.items():
                loop.run(queues.add(name, jobs))
        return [message.stamp.native_id for message in messages]

    def park(self, messages: Sequence[Message]) -> None:
        """Do nothing: a job that BullMQ holds, it runs."""

    def unpark(self, job_ids: Sequence[str]) -> None:
        """Do nothing: there are no parked copies."""

    def withdraw(self, native_ids: Sequence[str]) -> list[bool]:
        """Remove jobs that wait or are delayed; False for what runs, has ended or is not there."""
        loop, queues = self._at_work()
        with self._unavailable("withdraw"):
            return [
                loop.run(queues.remove(native_id) if message is None else queues.remove_message(message))
                for native_id in native_ids
                for message in (MessageId.read(native_id),)
            ]

    def waiting(self) -> Iterator[Waiting]:
        """Return what waits, is delayed or is to be retried, the latest of each state first.

        What is added meanwhile may be seen twice, what is removed may make others be missed: repeat until
        nothing is found.
        """
        for name, page in self._pages("waiting"):
            for job, due_at in page:
                yield _waiting(job, name, due_at)

    def unstamped(self) -> Iterator[Unstamped]:
        """Return what carries no stamp, in the order of `waiting`; what a flow waits for has to stay."""
        loop, queues = self._at_work()
        for name, page in self._pages("unstamped"):
            foreign = [(job, due_at) for job, due_at in page if job.opts.get(STAMP_OPTION) is None]
            with self._unavailable("unstamped"):
                parents = loop.run(queues.parents_among(name, [job.id for job, _ in foreign]))
            for job, due_at in foreign:
                found = unstamped_message(job, name, due_at)
                yield replace(found, job=None, why_left="linked") if job.id in parents else found

    def _pages(self, call: str) -> Iterator[tuple[str, list[tuple[Job, datetime | None]]]]:
        loop, queues = self._at_work()
        for name in queues.names():
            for state in (*LISTS, *SORTED_SETS):
                start = 0
                while True:
                    with self._unavailable(call):
                        page = loop.run(queues.page(name, state, start))
                    yield name, page
                    if len(page) < PAGE:
                        break
                    start += PAGE

    def count(self) -> BrokerCounts:
        """Count jobs. `leased` is what workers have at hand, the dead ones' too until they are found."""
        loop, queues = self._at_work()
        with self._unavailable("count"):
            counts = loop.run(queues.count())
        return BrokerCounts(
            pending=counts.fresh,
            scheduled=counts.scheduled,
            retrying=counts.retrying,
            leased=counts.active,
            unstamped=counts.unstamped,
        )

    def problems(self) -> list[str]:
        """Return the settings of Redis, and of workers as given, with which jobs are lost or run twice."""
        return [*redis_problems(self._redis), *_worker_problems(self._worker_options)]

    def check_alive(self) -> None:
        """Ask Redis for a sign of life."""
        with answering(self._redis, "check_alive"):
            self._redis.ping()

    def close(self) -> None:
        """Give back connections."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None and session.process == os.getpid():
            session.loop.run(session.queues.close())
            session.loop.stop()
        self._redis.close()

    def _at_work(self) -> tuple[LoopThread, Queues]:
        with self._lock:
            if self._session is None or self._session.process != os.getpid():
                loop = LoopThread("supaqueue-bullmq")
                self._session = _Session(os.getpid(), loop, loop.run(self._open()))
            return self._session.loop, self._session.queues

    async def _open(self) -> Queues:
        queues = Queues(self._url, self._prefix, self._job_options)
        for name in self._queue_names:
            queues.queue(name)
        return queues

    @contextmanager
    def _unavailable(self, call: str) -> Iterator[None]:
        with answering(self._redis, call):
            try:
                yield
            except OSError as error:
                raise redis.ConnectionError from error


def _bull_job(message: Message) -> dict[str, Any]:
    now = round(time.time() * 1000)
    options: dict[str, Any] = {
        "jobId": message.stamp.native_id,
        "timestamp": now,
        STAMP_OPTION: message.stamp.as_json(),
    }
    if message.due_at is not None:
        # Workers compare with timestamp + delay, so that this clock does not matter.
        options["delay"] = max(0, round(message.due_at.timestamp() * 1000) - now)
    if message.job.max_attempts is not None:
        options["attempts"] = message.job.max_attempts
    return {"name": message.job.task_type, "data": message.job.payload, "opts": options}


def stamp_of(job: Job) -> Stamp | None:
    """Return the stamp among a job's options; None if it has none, or something else of that name.

    Raises:
        StampTooNew: a newer version wrote it.
    """
    given: Json = job.opts.get(STAMP_OPTION)
    try:
        return None if given is None else Stamp.from_json(given)
    except InvalidInput:
        return None


def _waiting(job: Job, queue: str, due_at: datetime | None) -> Waiting:
    return Waiting(
        native_id=str(job.id),
        stamp=stamp_of(job),
        task_type=str(job.name),
        queue=queue,
        payload=job.data,
        due_at=due_at,
    )


def _worker_problems(options: Mapping[str, Any]) -> Iterator[str]:
    stalls = options.get("maxStalledCount", 1)
    if stalls < ENOUGH_STALLS:
        yield (
            f"a job whose worker dies more than {stalls} times is failed without being run: set"
            f" maxStalledCount = {ENOUGH_STALLS} for the workers"
        )
    if options.get("skipStalledCheck"):
        yield "jobs of dead workers are found by nobody: remove skipStalledCheck from the workers"
    lock, renew = options.get("lockDuration", 30_000), options.get("lockRenewTime")
    if renew is not None and renew * 2 > lock:
        yield (
            f"locks of {lock} ms are renewed every {renew} ms, so that one slow renewal loses them: set"
            " lockRenewTime to half of lockDuration at most"
        )
