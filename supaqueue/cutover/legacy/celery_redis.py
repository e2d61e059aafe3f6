"""Celery on Redis or Valkey: what waits there can be listed, counted and removed."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from supaqueue.contract import Json, NewJob
from supaqueue.cutover.legacy.broker import BrokerCounts, Waiting
from supaqueue.cutover.legacy.celery import CANNOT, CeleryBroker
from supaqueue.cutover.legacy.celery_messages import Found, RedisMessages
from supaqueue.cutover.legacy.celery_stamp import HEADER, payload_of, stamp_of
from supaqueue.cutover.legacy.celery_unstamped import (
    CeleryCall,
    job_id_of,
    message_id,
    task_id_of,
    why_left,
)
from supaqueue.cutover.legacy.redis_problems import server_problems
from supaqueue.cutover.legacy.unstamped import Unstamped, standing_for

WITHDRAW_LOOKS_AT = 10_000


class CeleryOnRedis(CeleryBroker):
    """A `CeleryBroker` that also looks into the broker; its arguments are the same.

    Every method but `publish` raises ConfigurationError if the app's broker is no Redis.
    """

    _errors: ClassVar[tuple[type[Exception], ...]] = (OperationalError, RedisError, OSError)
    cannot: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            **CANNOT,
            "withdraw_scheduled": "a message with an ETA lies in a worker's memory: it is revoked, and"
            f" dropped when its time comes; so is one behind the latest {WITHDRAW_LOOKS_AT:,} of its queue",
            "list_fetched": "what a worker fetched ahead, as it does with every ETA, is that worker's: to"
            " take it over, stop the workers (a warm shutdown puts it back), and then repeat",
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
        super().__init__(
            app, queues=queues, keyword_types=keyword_types, longest_run_seconds=longest_run_seconds
        )
        self._lock = threading.Lock()
        self._connection: Any = None
        self._messages: RedisMessages | None = None

    def withdraw(self, native_ids: Sequence[str]) -> list[bool]:
        """Remove what lies among the latest of its queue, and revoke the rest: see `cannot`."""
        asked = set(native_ids)
        if not asked:
            return []
        with self._unavailable("withdraw"):
            removed = self._remove(asked)
            # One without a stamp is not revoked: another may come under its id. The guard drops it.
            self._revoke({one for one in asked - removed if task_id_of(one) == one})
        return [native_id in removed for native_id in native_ids]

    def waiting(self) -> Iterator[Waiting]:
        """Return what lies in the queues' lists, the latest first, and what workers hold until its ETA.

        What is added meanwhile may be seen twice, what is removed may make others be missed: repeat until
        nothing is found.
        """
        with self._unavailable("waiting"):
            messages = self._redis()
            for found in messages.in_lists(self._all_queues()):
                yield self._waiting(messages, found)
            now = datetime.now(UTC)
            for found in messages.with_workers():
                if found.waits_until_later(now):
                    yield self._waiting(messages, found)

    def unstamped(self) -> Iterator[Unstamped]:
        """Return what carries no stamp, in the order of `waiting`; what workers hold has to stay."""
        with self._unavailable("unstamped"):
            messages = self._redis()
            for found in messages.in_lists(self._all_queues()):
                if found.headers.get(HEADER) is None:
                    yield self._unstamped(messages, found)
            now = datetime.now(UTC)
            for found in messages.with_workers():
                if found.headers.get(HEADER) is None and found.waits_until_later(now):
                    yield self._unstamped(messages, found)

    def count(self) -> BrokerCounts:
        """Count messages. `leased` is what workers have: what runs, and what they fetched ahead."""
        with self._unavailable("count"):
            messages = self._redis()
            lists = messages.count_lists(self._all_queues())
            taken = list(messages.with_workers())
        now = datetime.now(UTC)
        later = [found for found in taken if found.waits_until_later(now)]
        retrying = sum(found.retries > 0 for found in later)
        return BrokerCounts(
            pending=lists.total - lists.scheduled - lists.retrying,
            scheduled=lists.scheduled + len(later) - retrying,
            retrying=lists.retrying + retrying,
            leased=len(taken) - len(later),
            unstamped=lists.unstamped + sum(not found.stamped for found in taken),
        )

    def problems(self) -> list[str]:
        """Return the settings of app and server with which jobs are lost or run twice."""
        with self._unavailable("problems"):
            return [*super().problems(), *server_problems(self._redis().redis)]

    def close(self) -> None:
        """Give back the connection; the app keeps its own pools."""
        with self._lock:
            connection, self._connection, self._messages = self._connection, None, None
        if connection is not None:
            connection.release()

    def _remove(self, native_ids: set[str]) -> set[str]:
        messages = self._redis()
        latest = messages.in_lists(self._all_queues(), WITHDRAW_LOOKS_AT)
        task_ids = {task_id_of(native_id) for native_id in native_ids}
        named = [one for one in latest if one.native_id in task_ids]  # all, before a removal shifts pages
        meant = [(one, native_ids & self._native_ids(messages, one)) for one in named]
        return {native_id for one, ids in meant if ids and messages.remove(one) for native_id in ids}

    def _native_ids(self, messages: RedisMessages, found: Found) -> set[str]:
        if found.headers.get(HEADER) is not None:
            return {found.native_id}
        call = self._call(messages, found)
        return {found.native_id} if call is None else {found.native_id, _message_id(found, call)}

    def _unstamped(self, messages: RedisMessages, found: Found) -> Unstamped:
        call, task_type = self._call(messages, found), str(found.headers.get("task") or "")
        why = why_left(found.headers, call, is_with_worker=found.key is None)
        if why is not None or call is None:
            return Unstamped(found.native_id, task_type, why_left=why)
        payload = payload_of(call.args, call.kwargs)
        if self._arguments(task_type, payload) != (call.args, call.kwargs):
            return Unstamped(found.native_id, task_type, why_left="unmapped")
        return standing_for(
            _message_id(found, call), task_type, payload, lambda: self._job(found, call, payload)
        )

    def _job(self, found: Found, call: CeleryCall, payload: Json) -> NewJob:
        task_type = str(found.headers["task"])
        routed = self._app.amqp.router.route({}, task_type, call.args, call.kwargs).get("queue")
        is_default = getattr(routed, "name", routed) == found.queue
        return NewJob(
            task_type,
            payload,
            queue="default" if is_default else found.queue,
            job_id=job_id_of(found.native_id, call.args, call.kwargs),
            run_at=found.eta,
        )

    def _call(self, messages: RedisMessages, found: Found) -> CeleryCall | None:
        return messages.call(found, self._app.conf.accept_content)

    def _waiting(self, messages: RedisMessages, found: Found) -> Waiting:
        call = self._call(messages, found)
        return Waiting(
            native_id=found.native_id,
            stamp=stamp_of(found.headers),
            task_type=str(found.headers.get("task", "")),
            queue=found.queue,
            payload=None if call is None else payload_of(call.args, call.kwargs),
            due_at=found.eta,
        )

    def _redis(self) -> RedisMessages:
        with self._lock:
            if self._messages is None:
                self._connection = self._app.connection_for_write()
                self._messages = RedisMessages(self._connection)
            return self._messages


def _message_id(found: Found, call: CeleryCall) -> str:
    return message_id(found.native_id, call.args, call.kwargs)
