"""What Celery's messages look like where they wait: the lists and the hash of kombu's Redis transport.

A list per queue and priority step holds what no worker has; `unacked` holds what workers have taken: what
runs, what they fetched ahead, and everything with an ETA.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kombu.serialization import prepare_accept_content
from kombu.transport import redis as kombu_redis

from supaqueue.cutover.legacy.celery_stamp import HEADER
from supaqueue.cutover.legacy.celery_unstamped import CeleryCall
from supaqueue.errors import ConfigurationError

PAGE = 500
_COUNT_PAGE = """
local total, scheduled, retrying, unstamped = 0, 0, 0, 0
for _, raw in ipairs(redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])) do
    local readable, message = pcall(cjson.decode, raw)
    local headers = readable and type(message) == 'table' and message.headers or {}
    total = total + 1
    if type(headers[ARGV[3]]) ~= 'table' then unstamped = unstamped + 1 end
    if (tonumber(headers.retries) or 0) > 0 then retrying = retrying + 1
    elseif type(headers.eta) == 'string' then scheduled = scheduled + 1 end
end
return {total, scheduled, retrying, unstamped}
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A message as it lies in Redis: `raw` in the list `key`, or with a worker if that is None."""

    key: str | None
    raw: bytes
    queue: str
    content: dict[str, Any]

    @property
    def headers(self) -> dict[str, Any]:
        """What Celery and others wrote beside the arguments; empty in messages of protocol 1."""
        return self.content.get("headers") or {}

    @property
    def native_id(self) -> str:
        """The task's id."""
        return str(self.headers.get("id") or self.content.get("properties", {}).get("correlation_id"))

    @property
    def stamped(self) -> bool:
        """Whether the header that holds stamps is there."""
        return isinstance(self.headers.get(HEADER), dict)

    @property
    def retries(self) -> int:
        """How often it was tried before."""
        return int(self.headers.get("retries") or 0)

    @property
    def eta(self) -> datetime | None:
        """When it may run, if it may not at once."""
        given = self.headers.get("eta")
        if not isinstance(given, str):
            return None
        eta = datetime.fromisoformat(given)
        return eta if eta.tzinfo else eta.replace(tzinfo=UTC)

    def waits_until_later(self, now: datetime) -> bool:
        """Whether its time has not come."""
        eta = self.eta
        return eta is not None and eta > now


@dataclass(slots=True)
class ListCounts:
    """Messages that no worker has taken; those with an ETA are scheduled, whether or not it has come."""

    total: int = 0
    scheduled: int = 0
    retrying: int = 0
    unstamped: int = 0


class RedisMessages:
    """Reads, counts and removes messages of an app whose broker is Redis or Valkey.

    Args:
        connection: a connected `kombu.Connection` of its own.

    Raises:
        ConfigurationError: the broker is none of these.
    """

    def __init__(self, connection: Any) -> None:
        self._channel = connection.default_channel
        if not isinstance(self._channel, kombu_redis.Channel):
            raise ConfigurationError(
                f"messages can be listed, counted and removed in Redis and Valkey only, not in"
                f" {connection.transport.driver_name}: look at its own console"
            )
        with self._channel.conn_or_acquire() as client:
            self.redis = client
        # What is used here of the client is not among the commands to which kombu adds the prefix.
        self._prefix = str(self._channel.global_keyprefix or "")

    def in_lists(self, queues: Collection[str], most: int | None = None) -> Iterator[Found]:
        """Return what lies in lists, the latest first; of each list `most` at most.

        What is added meanwhile shifts the pages, so that some may be seen twice; what is removed may make
        others be missed: repeat until nothing is found.
        """
        for queue in queues:
            for key in self._keys(queue):
                for start in range(0, self.redis.llen(key) if most is None else most, PAGE):
                    page = self.redis.lrange(key, start, start + PAGE - 1)
                    for raw in page:
                        yield Found(key, raw, queue, _loaded(raw))
                    if len(page) < PAGE:
                        break

    def with_workers(self) -> Iterator[Found]:
        """Return what workers have taken and not acknowledged, of every queue."""
        for _, raw in self.redis.hscan_iter(self._prefix + self._channel.unacked_key, count=PAGE):
            content, _exchange, queue = json.loads(raw)
            yield Found(None, raw, str(queue), content)

    def count_lists(self, queues: Collection[str]) -> ListCounts:
        """Count what lies in lists; the messages themselves stay in Redis."""
        counts = ListCounts()
        for queue in queues:
            for key in self._keys(queue):
                for start in range(0, self.redis.llen(key), PAGE):
                    page = self.redis.eval(_COUNT_PAGE, 1, key, start, start + PAGE - 1, HEADER)
                    counts.total += page[0]
                    counts.scheduled += page[1]
                    counts.retrying += page[2]
                    counts.unstamped += page[3]
        return counts

    def remove(self, found: Found) -> bool:
        """Remove a message from its list; False if a worker has taken it meanwhile."""
        return found.key is not None and self.redis.lrem(found.key, 1, found.raw) == 1

    def call(self, found: Found, accept: Sequence[str]) -> CeleryCall | None:
        """Return what a message calls; None if that cannot be read here."""
        content_types = prepare_accept_content(accept)  # type: ignore[no-untyped-call]
        message = self._channel.Message(found.content, self._channel, accept=content_types)
        try:
            body = message.decode()
        except Exception:  # serializers raise what they like; a message that cannot be read still waits
            return None
        if isinstance(body, dict):
            return CeleryCall(list(body.get("args") or ()), dict(body.get("kwargs") or {}), body)
        return CeleryCall(list(body[0]), dict(body[1]), body[2] or {})

    def _keys(self, queue: str) -> list[str]:
        return [
            self._prefix + str(self._channel._q_for_pri(queue, step)) for step in self._channel.priority_steps
        ]


def _loaded(raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
