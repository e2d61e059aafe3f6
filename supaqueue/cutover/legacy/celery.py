"""Celery as an old queue, on any transport. On Redis or Valkey, `CeleryOnRedis` can do more."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from types import MappingProxyType
from typing import Any, ClassVar

from celery import Celery
from kombu.exceptions import OperationalError

from supaqueue.contract import Json
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.broker import BrokerCounts, Waiting
from supaqueue.cutover.legacy.celery_settings import settings_that_lose_jobs
from supaqueue.cutover.legacy.celery_stamp import HEADER
from supaqueue.cutover.legacy.entry import Message
from supaqueue.cutover.legacy.unstamped import Unstamped
from supaqueue.errors import ConfigurationError

ALIVE_SECONDS = 5.0
CANNOT: Mapping[str, str] = MappingProxyType(
    {
        "max_attempts": "a Celery task's own max_retries says how often it is tried, not its message",
        "backoff": "a Celery task's own retry settings say how long retries wait, not its message",
        "timeout": "a Celery task's own soft_time_limit says how long it may take",
        "deadline": "Celery's `expires` drops a message without a word of its end",
        "cancel_running": "revoking with terminate kills a worker's process, whatever runs in it by then; the"
        " guard sets context.cancelled instead",
        "keep_unknown": "a worker throws away messages of tasks that it does not have: see that every worker"
        " of a queue has all of its tasks",
        "reuse_ids": "a message without a stamp does not say when it was sent: once it was taken over, one"
        " that comes under the same task id with the same arguments is taken for it, and dropped",
        "list_finished": "results are forgotten after result_expires; the index keeps the endings",
    }
)


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
    _errors: ClassVar[tuple[type[Exception], ...]] = (OperationalError, OSError)
    expresses: ClassVar[frozenset[str]] = frozenset(("queue", "run_at", "delay", "tags"))
    cannot: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            **CANNOT,
            "withdraw": "this transport removes nothing: what waits is revoked, and dropped by the worker"
            " that takes it",
            "list_waiting": "this transport does not tell which messages wait: see its own console",
            "count_scheduled": "messages with an ETA lie in workers' memory, which nobody counts",
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

    def publish(self, messages: Sequence[Message]) -> list[str]:
        """Send a task for each message; its id is the job's, with the epoch behind it after a hand-over."""
        with self._unavailable("publish"), self._app.producer_pool.acquire(block=True) as producer:
            return [self._send(message, producer) for message in messages]

    def park(self, messages: Sequence[Message]) -> None:
        """Do nothing: a message that Celery holds, it runs."""

    def unpark(self, job_ids: Sequence[str]) -> None:
        """Do nothing: there are no parked copies."""

    def withdraw(self, native_ids: Sequence[str]) -> list[bool]:
        """Revoke messages: workers that run now drop them; see `cannot`."""
        with self._unavailable("withdraw"):
            self._revoke(native_ids)
        return [False] * len(native_ids)

    def waiting(self) -> Iterator[Waiting]:
        """Raise: see `cannot`.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(f"celery: {self.cannot['list_waiting']}")

    def unstamped(self) -> Iterator[Unstamped]:
        """Raise: see `cannot`.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(f"celery: {self.cannot['list_waiting']}")

    def count(self) -> BrokerCounts:
        """Count what the broker has ready for workers; it knows of nothing else."""
        with self._unavailable("count"), self._app.connection_for_write() as connection:
            ready = sum(_ready(connection, queue) for queue in self._all_queues())
        return BrokerCounts(pending=ready, scheduled=None, retrying=None, leased=None, unstamped=None)

    def problems(self) -> list[str]:
        """Return the settings with which jobs are lost or run twice, each with what to set."""
        return settings_that_lose_jobs(self._app, self._longest_run_seconds)

    def check_alive(self) -> None:
        """Connect anew."""
        with self._unavailable("check_alive"), self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=ALIVE_SECONDS)

    def close(self) -> None:
        """Do nothing: the app keeps its own pools."""

    def _send(self, message: Message, producer: Any) -> str:
        job = message.job
        args, kwargs = self._arguments(job.task_type, job.payload)
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

    def _arguments(self, task_type: str, payload: Json) -> tuple[list[Json], dict[str, Json]]:
        if task_type in self._keyword_types and isinstance(payload, dict):
            return [], payload
        return [payload], {}

    def _revoke(self, native_ids: Collection[str]) -> None:
        if native_ids:
            self._app.control.revoke(sorted(native_ids))

    def _all_queues(self) -> list[str]:
        return sorted(self._queues | set(self._app.amqp.queues))

    @contextmanager
    def _unavailable(self, call: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            where = self._app.connection_for_write().as_uri()
            raise LegacyUnavailable(
                f"celery: the broker at {where} gave no usable answer to {call} ({type(error).__name__}):"
                " look whether it is up and reachable from here",
                call=call,
            ) from None


def _ready(connection: Any, queue: str) -> int:
    channel = connection.channel()
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except connection.channel_errors:  # nothing was ever sent there
        return 0
    finally:
        channel.close()
