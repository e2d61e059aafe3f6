"""BullMQ's queues as they lie in Redis: jobs are listed, counted and removed here. Everything is async."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis.asyncio
from bullmq import Job, Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

from supaqueue.cutover.legacy.bullmq_unstamped import MessageId
from supaqueue.cutover.legacy.redis_connection import TIMEOUT_SECONDS

STAMP_OPTION = "supaqueue"
PAGE = 500
LISTS = ("wait", "paused")
SORTED_SETS = ("prioritized", "delayed")
WAITING_STATES = frozenset(("waiting", "paused", "prioritized", "delayed"))
_DELAYED_SCORE_PER_MILLISECOND = 0x1000
_COUNT_PAGE = """
local ids
if ARGV[1] == 'list' then ids = redis.call('LRANGE', KEYS[1], ARGV[2], ARGV[3])
else ids = redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3]) end
local total, retrying, unstamped = 0, 0, 0
for _, id in ipairs(ids) do
    local job = redis.call('HMGET', KEYS[2] .. id, 'opts', 'atm')
    if job[1] then
        local readable, options = pcall(cjson.decode, job[1])
        total = total + 1
        if (tonumber(job[2]) or 0) > 0 then retrying = retrying + 1 end
        if not readable or type(options[ARGV[4]]) ~= 'table' then unstamped = unstamped + 1 end
    end
end
return {total, retrying, unstamped}
"""


@dataclass(slots=True)
class Counts:
    """Jobs that are not active and have not ended: `fresh` ones, later ones, and those tried before."""

    fresh: int = 0
    scheduled: int = 0
    retrying: int = 0
    active: int = 0
    unstamped: int = 0


class Queues:
    """The queues of one Redis, made as they are asked for. Belongs to one event loop."""

    def __init__(self, url: str, prefix: str, job_options: Mapping[str, Any]) -> None:
        # BullMQ's own connection tries twenty times, for minutes: too long for who enqueues.
        self.client = redis.asyncio.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._prefix = prefix
        self._job_options = dict(job_options)
        self._queues: dict[str, Any] = {}

    def queue(self, name: str) -> Any:
        """Return a queue by name."""
        if name not in self._queues:
            options = {
                "connection": self.client,
                "prefix": self._prefix,
                "defaultJobOptions": self._job_options,
            }
            self._queues[name] = Queue(name, options)
        return self._queues[name]

    def names(self) -> list[str]:
        """Return the queues that were asked for so far."""
        return sorted(self._queues)

    async def add(self, name: str, jobs: Sequence[Mapping[str, Any]]) -> None:
        """Add jobs to a queue, in one transaction."""
        await self.queue(name).addBulk(list(jobs))

    async def page(self, name: str, state: str, start: int) -> list[tuple[Job, datetime | None]]:
        """Return jobs of one state, the latest first, with when they are due."""
        queue = self.queue(name)
        jobs = await queue.getJobs([state], start, start + PAGE - 1)
        if state != "delayed" or not jobs:
            return [(job, None) for job in jobs]
        scores = await self.client.zmscore(queue.toKey(state), [job.id for job in jobs])
        return [(job, _due_at(score)) for job, score in zip(jobs, scores, strict=True)]

    async def remove(self, job_id: str) -> bool:
        """Remove a job that waits, whichever its queue."""
        for name in self.names():
            queue = self.queue(name)
            if await queue.getJobState(job_id) in WAITING_STATES:
                return bool(await queue.remove(job_id) == 1)
        return False

    async def remove_message(self, message: MessageId) -> bool:
        """Remove a job of one queue that waits, unless another one has come under its id."""
        queue = self.queue(message.queue)
        if await self.client.hget(queue.toKey(message.id), "timestamp") != str(message.created_at):
            return False
        if await queue.getJobState(message.id) not in WAITING_STATES:
            return False
        return bool(await queue.remove(message.id) == 1)

    async def parents_among(self, name: str, job_ids: Sequence[str]) -> set[str]:
        """Return which of these jobs have children that have ended: they are to read their results."""
        queue = self.queue(name)
        async with self.client.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.exists(f"{queue.toKey(job_id)}:processed")
            found = await pipeline.execute()
        return {job_id for job_id, has_children in zip(job_ids, found, strict=True) if has_children}

    async def count(self) -> Counts:
        """Count jobs; the jobs themselves stay in Redis."""
        counts = Counts()
        for name in self.names():
            for state in (*LISTS, *SORTED_SETS):
                total, retrying, unstamped = await self._count(name, state)
                counts.retrying += retrying
                counts.unstamped += unstamped
                if state == "delayed":
                    counts.scheduled += total - retrying
                else:
                    counts.fresh += total - retrying
            active, _, unstamped = await self._count(name, "active")
            counts.active += active
            counts.unstamped += unstamped
        return counts

    async def _count(self, name: str, state: str) -> tuple[int, int, int]:
        queue = self.queue(name)
        key = queue.toKey(state)
        in_list = state not in SORTED_SETS
        length = await (self.client.llen(key) if in_list else self.client.zcard(key))
        sums = [0, 0, 0]
        for start in range(0, length, PAGE):
            kind = "list" if in_list else "sorted set"
            arguments = (key, queue.toKey(""), kind, start, start + PAGE - 1, STAMP_OPTION)
            page = await self.client.eval(_COUNT_PAGE, 2, *arguments)
            sums = [one + more for one, more in zip(sums, page, strict=True)]
        return sums[0], sums[1], sums[2]

    async def close(self) -> None:
        """Give back connections."""
        await self.client.aclose()


def _due_at(score: float | None) -> datetime | None:
    if score is None:
        return None
    return datetime.fromtimestamp(score / _DELAYED_SCORE_PER_MILLISECOND / 1000, UTC)
