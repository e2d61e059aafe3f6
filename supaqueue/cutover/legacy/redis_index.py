"""The index of an old queue in Redis (6.2 or newer) or Valkey: a hash per entry, sorted sets to list them by.

Each method is one script, so that what it reads stays so until it has written; times are the server's. Every
key has the prefix as its hash tag: in a cluster all lie on one slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import repeat
from typing import Any, Literal

import redis
from redis.commands.core import Script

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.entry import BrokenGlass, ClosedAs, Ending, Entry, Owner
from supaqueue.cutover.legacy.index import (
    NOTES_KEPT,
    Accepted,
    AdoptAnswer,
    CloseAnswer,
    FinishAnswer,
    IndexCounts,
    ReleaseAnswer,
    StartAnswer,
    UnstampedRun,
    UnstampedStart,
)
from supaqueue.cutover.legacy.redis_connection import answering, as_text
from supaqueue.cutover.legacy.redis_entry import (
    broken_json,
    described,
    ending_json,
    entry_from_hash,
    microseconds,
    moment,
)
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import InvalidInput

BATCH = 500
"""Entries in one script: it holds the server up for some milliseconds."""

_SHARED = (
    *("accepted", "intents", "published", "parked", "running", "unsent", "over"),
    *("unstamped", "noted", "reserved", "first_failures"),
)


class RedisIndex:
    """An `Index`. Safe for several threads and processes.

    Args:
        client: as `redis_connection.connect` makes it; it should have a socket_timeout.
        prefix: of all keys; one per old queue.
        notes_kept: how long it is known that a message without a stamp runs or ran; longer than any run.

    Raises:
        InvalidInput: the prefix is empty, or has braces.
        LegacyUnavailable: from every method, if the server gives no usable answer.
    """

    def __init__(
        self, client: redis.Redis, *, prefix: str = "supaqueue", notes_kept: timedelta = NOTES_KEPT
    ) -> None:
        if not prefix or set(prefix) & set("{}"):
            raise InvalidInput("must be a text without braces", field="prefix")
        self._client = client
        self._prefix = f"{{{prefix}}}:"
        self._shared = [self._prefix + name for name in _SHARED]
        self._scripts: dict[str, Script] = {}
        self._notes_kept = notes_kept

    def accept(self, jobs: Sequence[NewJob], *, is_settled: bool = False) -> list[Accepted]:
        """Store jobs that legacy owns, as intents of epoch 0; see `Index.accept`."""
        rows = [(*described(job), _delay_of(job)) for job in jobs]
        found = self._run_for_each("accept", [job.job_id for job in jobs], rows, int(is_settled))
        return [
            Accepted(answer, bool(is_due), moment(due_at) if due_at else None, owner, epoch)
            for answer, is_due, due_at, owner, epoch in found
        ]

    def reserve(self, job_ids: Sequence[str]) -> list[Owner]:
        """Let ids be accepted only as settled; see `Index.reserve`."""
        return self._run_for_each("reserve", job_ids, [(job_id,) for job_id in job_ids])

    def published(self, messages: Sequence[tuple[Stamp, str]]) -> None:
        """Note the native ids of messages; see `Index.published`."""
        rows = [(stamp.job_id, stamp.epoch, native_id) for stamp, native_id in messages]
        self._run_for_each("published", [stamp.job_id for stamp, _ in messages], rows)

    def park(self, jobs: Sequence[NewJob]) -> list[bool]:
        """Store inert copies of jobs that Supabase owns; see `Index.park`."""
        rows = [described(job) for job in jobs]
        return [bool(one) for one in self._run_for_each("park", [job.job_id for job in jobs], rows)]

    def release(self, stamps: Sequence[Stamp], jobs: Sequence[NewJob]) -> list[ReleaseAnswer]:
        """Make handed-over jobs legacy's; see `Index.release`."""
        rows = [
            (stamp.job_id, stamp.epoch, *described(job)[1:]) for stamp, job in zip(stamps, jobs, strict=True)
        ]
        return self._run_for_each("release", _ids(stamps), rows)

    def unpublished(self, stamps: Sequence[Stamp]) -> list[bool]:
        """Say for each stamp whether it is an intent under that very epoch."""
        rows = [(stamp.epoch,) for stamp in stamps]
        return [bool(one) for one in self._run_for_each("unpublished", _ids(stamps), rows)]

    def settle(self, endings: Sequence[tuple[NewJob, Ending]]) -> None:
        """Close parked copies, with how Supabase ended them; see `Index.settle`."""
        rows = [
            (*described(job), ending_json(ending), microseconds(ending.ended_at)) for job, ending in endings
        ]
        self._run_for_each("settle", [job.job_id for job, _ in endings], rows)

    def break_glass(self, job_ids: Sequence[str], broken: BrokenGlass) -> list[Stamp | None]:
        """Let jobs run here that only Supabase could allow; see `Index.break_glass`."""
        rows = [(job_id,) for job_id in job_ids]
        epochs = self._run_for_each("break_glass", job_ids, rows, broken_json(broken))
        return [
            Stamp(job_id, epoch) if epoch >= 0 else None
            for job_id, epoch in zip(job_ids, epochs, strict=True)
        ]

    def start(self, stamp: Stamp, runner: str, seconds: float) -> StartAnswer:
        """Take the run marker; see `Index.start`."""
        answer: StartAnswer = self._run_for_one("start", stamp, runner, round(seconds * 1e6))
        return answer

    def start_unstamped(self, job_id: str, runner: str, seconds: float) -> UnstampedStart:
        """Start a message without a stamp; see `Index.start_unstamped`."""
        kept = round(self._notes_kept.total_seconds() * 1e6)
        answer: UnstampedStart = self._run_for_one("start", Stamp(job_id), runner, round(seconds * 1e6), kept)
        return answer

    def adopt(self, messages: Sequence[tuple[NewJob, str]]) -> list[AdoptAnswer]:
        """Make messages without a stamp entries; see `Index.adopt`."""
        rows = [(*described(job), native_id) for job, native_id in messages]
        return self._run_for_each("adopt", [job.job_id for job, _ in messages], rows)

    def renew(self, stamp: Stamp, runner: str, seconds: float) -> Literal["held", "cancel", "lost"]:
        """Hold the marker for longer; one that has expired is held again if nobody took it."""
        answer: Literal["held", "cancel", "lost"] = self._run_for_one(
            "renew", stamp, runner, round(seconds * 1e6)
        )
        return answer

    def free(self, stamp: Stamp, runner: str) -> None:
        """Give the marker back: an attempt ended, and another one follows."""
        self._run_for_one("free", stamp, runner)

    def free_failed(self, stamp: Stamp, runner: str) -> None:
        """Give the marker back, and keep that an attempt failed; see `Index.free_failed`."""
        self._run_for_one("free_failed", stamp, runner)

    def unsent_first_failures(self, limit: int) -> list[Stamp]:
        """Return of which failed attempts mirrors were not told, oldest first."""
        with answering(self._client, "unsent_first_failures"):
            found: Any = self._client.zrange(self._prefix + "first_failures", 0, limit - 1)
        parts = (as_text(one).split(":", 1) for one in found)
        return [Stamp(job_id, int(epoch)) for epoch, job_id in parts]

    def first_failures_sent(self, stamps: Sequence[Stamp]) -> None:
        """Note that the mirrors of these were told."""
        if stamps:
            with answering(self._client, "first_failures_sent"):
                self._client.zrem(
                    self._prefix + "first_failures", *(f"{stamp.epoch}:{stamp.job_id}" for stamp in stamps)
                )

    def finish(self, stamp: Stamp, runner: str, ending: Ending) -> FinishAnswer:
        """Record how it ended, and keep it as unsent; see `Index.finish`."""
        answer: FinishAnswer = self._run_for_one(
            "finish", stamp, runner, ending_json(ending), microseconds(ending.ended_at)
        )
        return answer

    def record_repeat(self, stamp: Stamp, ending: Ending) -> None:
        """Note what a second run of a job that ended here came to; see `Index.record_repeat`."""
        self._run_for_one("record_repeat", stamp, ending_json(ending))

    def request_cancel(self, job_ids: Sequence[str]) -> None:
        """Let the next `renew` of what runs answer `cancel`."""
        self._run_for_each("request_cancel", job_ids, [()] * len(job_ids))

    def close(
        self, job_ids: Sequence[str], closed_as: ClosedAs, epochs: Sequence[int] | None = None
    ) -> list[CloseAnswer]:
        """Win the run marker for good; see `Index.close`."""
        rows = list(zip(job_ids, epochs or repeat(""), strict=False))
        return self._run_for_each("close", job_ids, rows, closed_as)

    def get(self, job_ids: Sequence[str]) -> list[Entry | None]:
        """Return entries by id."""
        return [entry for batch in _batches(job_ids) for entry in self._read(batch)]

    def list_by_time(
        self, since: datetime, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Entry]:
        """Return entries accepted in [since, until) in the order of (accepted_at, job_id), after a place."""
        while found := self._ids_by_time("accepted", since, until, after, limit):
            # Between the two looks entries may be forgotten: an empty page would mean that there is no more.
            if entries := self._known([job_id for job_id, _ in found]):
                return entries
            job_id, at = found[-1]
            after = (moment(at), job_id)
        return []

    def list_unstamped_runs(
        self, since: datetime, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[UnstampedRun]:
        """Return notes in the order of (began_at, job_id), after a place; see `Index`."""
        found = self._ids_by_time("noted", since, until, after, limit)
        return [UnstampedRun(job_id, moment(at)) for job_id, at in found]

    def _ids_by_time(
        self,
        which: Literal["accepted", "noted"],
        since: datetime,
        until: datetime,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[list[str]]:
        place = [after[1], microseconds(after[0])] if after else ["", ""]
        bounds = [microseconds(since), microseconds(until)]
        found: list[list[str]] = self._run("ids_by_time", [], [*bounds, *place, limit, which])
        return found

    def unsent_endings(self, limit: int) -> list[Entry]:
        """Return entries that ended here and whose mirror was not told yet, oldest first."""
        with answering(self._client, "unsent_endings"):
            ids: Any = self._client.zrange(self._prefix + "unsent", 0, limit - 1)
        return self._known([as_text(one) for one in ids])

    def endings_sent(self, job_ids: Sequence[str]) -> None:
        """Note that the mirrors of these were told."""
        self._run_for_each("endings_sent", job_ids, [(job_id,) for job_id in job_ids])

    def count(self) -> IndexCounts:
        """Count entries."""
        found = self._run("count", [], [])
        last_at = found.pop()
        return replace(IndexCounts(*found), last_unstamped_at=moment(last_at) if last_at else None)

    def forget(self, before: datetime, limit: int) -> int:
        """Remove entries that are over, and of which nobody is to be told, before a time.

        What was settled or taken over is such an entry, from when it was closed.
        """
        before_score = microseconds(before)
        with answering(self._client, "forget"):
            self._client.zremrangebyscore(self._prefix + "noted", "-inf", f"({before_score}")
            found: Any = self._client.zrangebyscore(
                self._prefix + "over", "-inf", f"({before_score}", start=0, num=limit
            )
        removed = 0
        for batch in _batches([as_text(one) for one in found]):
            removed += self._run("forget", batch, [before_score, *batch])
        return removed + self._forget_reserved(before_score, limit - removed)

    def _forget_reserved(self, before: int | str, limit: int) -> int:
        removed = 0
        while removed < limit:
            batch: int = self._run("forget_reserved", [], [before, min(BATCH, limit - removed)])
            removed += batch
            if batch < BATCH:
                break
        return removed

    def _known(self, job_ids: Sequence[str]) -> list[Entry]:
        return [entry for entry in self.get(job_ids) if entry is not None]

    def _read(self, job_ids: Sequence[str]) -> list[Entry | None]:
        with answering(self._client, "get"), self._client.pipeline(transaction=False) as pipeline:
            for key in self._keys(job_ids):
                pipeline.hgetall(key)
            found = pipeline.execute()
        return [
            entry_from_hash(job_id, {as_text(name): as_text(value) for name, value in stored.items()})
            if stored
            else None
            for job_id, stored in zip(job_ids, found, strict=True)
        ]

    def _run_for_each(
        self, name: str, job_ids: Sequence[str], rows: Sequence[Sequence[object]], *before: object
    ) -> list[Any]:
        """Run a script over entries, a batch in one round trip; `before` stands before every batch's rows."""
        answers: list[Any] = []
        for start in range(0, len(job_ids), BATCH):
            arguments = [value for row in rows[start : start + BATCH] for value in row]
            answers += self._run(name, job_ids[start : start + BATCH], [*before, *arguments]) or []
        return answers

    def _run_for_one(self, name: str, stamp: Stamp, *arguments: object) -> Any:
        return self._run(name, [stamp.job_id], [stamp.job_id, stamp.epoch, *arguments])

    def _run(self, name: str, job_ids: Sequence[str], arguments: Sequence[object]) -> Any:
        keys = [*self._shared, *self._keys(job_ids)]
        values: Any = arguments
        with answering(self._client, name):
            return _as_texts(self._script(name)(keys=keys, args=values))

    def _script(self, name: str) -> Script:
        if name not in self._scripts:
            self._scripts[name] = self._client.register_script(_script_text(name))
        return self._scripts[name]

    def _keys(self, job_ids: Sequence[str]) -> list[str]:
        return [f"{self._prefix}job:{job_id}" for job_id in job_ids]


@cache
def _script_text(name: str) -> str:
    folder = files(__package__) / "lua"
    return "\n".join((folder / f"{part}.lua").read_text() for part in ("prelude", name))


def _delay_of(job: NewJob) -> int | str:
    return "" if job.delay_seconds is None else round(job.delay_seconds * 1e6)


def _ids(stamps: Sequence[Stamp]) -> list[str]:
    return [stamp.job_id for stamp in stamps]


def _batches(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (job_ids[start : start + BATCH] for start in range(0, len(job_ids), BATCH))


def _as_texts(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_as_texts(one) for one in answer]
    return as_text(answer) if isinstance(answer, bytes) else answer
