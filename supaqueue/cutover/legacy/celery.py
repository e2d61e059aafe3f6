"""Celery as an old queue, on any transport; on Redis or Valkey its messages can be listed and counted too."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from supaqueue.contract import Json, NewJob
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.broker import BrokerCounts, Waiting
from supaqueue.cutover.legacy.celery_messages import HEADER, Found, RedisMessages, payload_of, stamp_of
from supaqueue.cutover.legacy.celery_settings import settings_that_lose_jobs
from supaqueue.cutover.legacy.entry import Message
from supaqueue.cutover.legacy.redis_problems import server_problems

WITHDRAW_LOOKS_AT = 10_000
ALIVE_SECONDS = 5.0


class CeleryBroker:
    """Publishes to a Celery app. The task's name is the task type, the payload its arguments.

    The stamp is the message header `supaqueue`: a task sees it as `self.request.headers["supaqueue"]`, and
    one that does not look is not troubled. A job of the queue `default` goes where the app's own routes send
    its task type; one of another queue goes to that queue.

    Args:
        app: the team's own app.
        queues: queues that jobs wait in, beside those of the app's configuration.
        keyword_types: task types whose tasks take a payload that is an object as keyword arguments;
            every other payload is the one argument.
        longest_run_seconds: how long a task may take; `problems` compares settings with it.
    """

    name: ClassVar[str] = "celery"
    expresses: ClassVar[frozenset[str]] = frozenset(("queue", "run_at", "delay", "tags"))
    cannot: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "max_attempts": "a Celery task's own max_retries says how often it is tried, not its message",
            "backoff": "a Celery task's own retry settings say how long retries wait, not its message",
            "timeout": "a Celery task's own soft_time_limit says how long it may take",
            "deadline": "Celery's `expires` drops a message without a word of its end",
            "cancel_running": "revoking with terminate kills a worker's process, whatever runs in it by then;"
            " the guard sets context.cancelled instead",
            "withdraw_scheduled": "a message with an ETA lies in a worker's memory: it is revoked, and"
            f" dropped when its time comes; so is one behind the latest {WITHDRAW_LOOKS_AT:,} of its queue",
            "list_waiting": "only Redis and Valkey can be looked into; RabbitMQ and others tell how many"
            " messages are ready, not which",
            "list_finished": "results are forgotten after result_expires; the index keeps the endings",
        }
    )

    def __init__(
        self,
        app: Celery,
        *,
        queues: Collection[str] = (),
        keyword_types: Collection[str] = (),
        longest_run_seconds: float = 3600.0,
    ) -> None:
        self._app = app
        self._queues = frozenset(queues)
        self._keyword_types = frozenset(keyword_types)
        self._longest_run_seconds = longest_run_seconds
        self._lock = threading.Lock()
        self._connection: Any = None
        self._messages: RedisMessages | None = None

    def publish(self, messages: Sequence[Message]) -> list[str]:
        """Send a task for each message; its id is the job's, with the epoch behind it after a hand-over."""
        with self._unavailable("publish"), self._app.producer_pool.acquire(block=True) as producer:
            return [self._send(message, producer) for message in messages]

    def park(self, messages: Sequence[Message]) -> None:
        """Do nothing: a message that Celery holds, it runs."""

    def unpark(self, job_ids: Sequence[str]) -> None:
        """Do nothing: there are no parked copies."""

    def withdraw(self, native_ids: Sequence[str]) -> list[bool]:
        """Remove what lies among the latest of its queue, and revoke the rest: see `cannot`."""
        left = set(native_ids)
        if not left:
            return []
        with self._unavailable("withdraw"):
            removed = self._remove(left) if self._on_redis() else set()
            if left - removed:
                self._app.control.revoke(sorted(left - removed))
        return [native_id in removed for native_id in native_ids]

    def waiting(self) -> Iterator[Waiting]:
        """Return what lies in the queues' lists, and what workers hold until its ETA.

        Raises:
            ConfigurationError: the transport is not Redis.
        """
        with self._unavailable("waiting"):
            messages = self._redis()
            for found in messages.in_lists(self._all_queues()):
                yield self._waiting(messages, found)
            now = datetime.now(UTC)
            for found in messages.with_workers():
                if found.waits_until_later(now):
                    yield self._waiting(messages, found)

    def count(self) -> BrokerCounts:
        """Count messages. `leased` is what workers have: what runs, and what they fetched ahead.

        Other transports than Redis tell how many wait, and nothing else.
        """
        with self._unavailable("count"):
            return self._count_redis() if self._on_redis() else self._count_ready()

    def problems(self) -> list[str]:
        """Return the settings with which jobs are lost or run twice, each with what to set."""
        found = settings_that_lose_jobs(self._app, self._longest_run_seconds)
        if self._on_redis():
            with self._unavailable("problems"):
                found += server_problems(self._redis().redis)
        return found

    def check_alive(self) -> None:
        """Connect anew."""
        with self._unavailable("check_alive"), self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=ALIVE_SECONDS)

    def close(self) -> None:
        """Give back the connection; the app keeps its own pools."""
        with self._lock:
            connection, self._connection, self._messages = self._connection, None, None
        if connection is not None:
            connection.release()

    def _send(self, message: Message, producer: Any) -> str:
        job = message.job
        args, kwargs = self._arguments(job)
        result = self._app.send_task(
            job.task_type,
            args,
            kwargs,
            task_id=message.stamp.native_id,
            eta=message.due_at and message.due_at.astimezone(UTC),
            # Else Celery subscribes to the result first, and a result backend that is away holds this up for
            # 19 s. The header is what the worker goes by; None leaves it to the task.
            ignore_result=True,
            headers={HEADER: message.stamp.as_json(), "ignore_result": None},
            producer=producer,
            add_to_parent=False,
            **({} if job.queue == "default" else {"queue": job.queue}),
        )
        return str(result.id)

    def _arguments(self, job: NewJob) -> tuple[list[Json], dict[str, Json]]:
        if job.task_type in self._keyword_types and isinstance(job.payload, dict):
            return [], job.payload
        return [job.payload], {}

    def _waiting(self, messages: RedisMessages, found: Found) -> Waiting:
        arguments = messages.arguments(found, self._app.conf.accept_content)
        return Waiting(
            native_id=found.native_id,
            stamp=stamp_of(found.headers),
            task_type=str(found.headers.get("task", "")),
            queue=found.queue,
            payload=None if arguments is None else payload_of(*arguments),
            due_at=found.eta,
        )

    def _remove(self, native_ids: set[str]) -> set[str]:
        messages = self._redis()
        return {
            found.native_id
            for found in messages.in_lists(self._all_queues(), WITHDRAW_LOOKS_AT)
            if found.native_id in native_ids and messages.remove(found)
        }

    def _count_redis(self) -> BrokerCounts:
        messages = self._redis()
        lists = messages.count_lists(self._all_queues())
        now = datetime.now(UTC)
        taken = list(messages.with_workers())
        later = [found for found in taken if found.waits_until_later(now)]
        retrying = sum(found.retries > 0 for found in later)
        return BrokerCounts(
            pending=lists.total - lists.scheduled - lists.retrying,
            scheduled=lists.scheduled + len(later) - retrying,
            retrying=lists.retrying + retrying,
            leased=len(taken) - len(later),
            unstamped=lists.unstamped + sum(not found.stamped for found in taken),
        )

    def _count_ready(self) -> BrokerCounts:
        with self._app.connection_for_write() as connection:
            channel = connection.default_channel
            ready = sum(
                channel.queue_declare(queue, passive=True).message_count for queue in self._all_queues()
            )
        return BrokerCounts(pending=ready, scheduled=None, retrying=None, leased=None, unstamped=None)

    def _all_queues(self) -> list[str]:
        return sorted(self._queues | set(self._app.amqp.queues))

    def _on_redis(self) -> bool:
        return self._app.connection_for_write().transport.driver_type in ("redis", "sentinel")

    def _redis(self) -> RedisMessages:
        with self._lock:
            if self._messages is None:
                self._connection = self._app.connection_for_write()
                self._messages = RedisMessages(self._connection)
            return self._messages

    @contextmanager
    def _unavailable(self, call: str) -> Iterator[None]:
        try:
            yield
        except (OperationalError, RedisError, OSError) as error:
            where = self._app.connection_for_write().as_uri()
            raise LegacyUnavailable(
                f"celery: the broker at {where} gave no usable answer to {call} ({type(error).__name__}):"
                " look whether it is up and reachable from here",
                call=call,
            ) from None
