"""Removes jobs that ended long enough ago, in batches, at a pace that leaves the queue its strength."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack
from uuid import uuid4

from supaqueue.client.source import Source, settings_from
from supaqueue.contract import PruneJobs, ReadJobsToArchive, RetentionPolicy
from supaqueue.maintain.archive import Archive, locked
from supaqueue.maintain.retention_pace import Pace
from supaqueue.settings import Overrides
from supaqueue.transport import RestTransport, Transport

BUDGET_SECONDS = 60.0
"""Nobody waits for a removal: a call may go on trying for long."""


@dataclass
class Removal:
    """What a pass has done so far.

    Attributes:
        removed: jobs by kind: completed, failed, cancelled, tombstone, probe.
        looked_at: jobs read, those that stay among them.
        batches: how many calls that took.
        kept: jobs that changed while they were being archived, and stay for that.
    """

    removed: Counter[str] = field(default_factory=Counter)
    looked_at: int = 0
    batches: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class _Batch:
    removed: Counter[str]
    looked_at: int
    next_page: str | None
    kept: int = 0


class Retention:
    """Removes ended jobs by age, after writing them to an archive if one is given. Needs the service key.

    A pass reads every job that is old enough to be removed, oldest first, and takes what the policy lets go.
    It may be killed at any point, and run again; any number of them may run at once.

    Args:
        policy: which jobs may go.
        source: `Settings`, or a Supabase client; by default the environment and `.env`.
        archive: the folder to write jobs to first; None deletes them for good.
        share: the part of the time in which it works; it rests in between.
        max_batch: the most jobs in one batch, 1 to 10,000; batches shrink where they take long.
        transport: what carries the calls; by default PostgREST over HTTP. A given one is not closed here.
        sleep, clock: how to rest, in seconds, and to measure time.

    Raises:
        ConfigurationError: a setting is missing or malformed, or a number makes no sense.
    """

    def __init__(
        self,
        policy: RetentionPolicy,
        source: Source | None = None,
        *,
        archive: Path | str | None = None,
        share: float = 0.2,
        max_batch: int = 1000,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        **overrides: Unpack[Overrides],
    ) -> None:
        self._policy = policy
        self._folder = None if archive is None else Path(archive)
        self._new_pace: Callable[[], Pace] = partial(Pace, share, max_batch)
        self._new_pace()  # refuses what makes no sense
        self._sleep = sleep
        self._clock = clock
        self._queue: str | None = None
        self._owned: RestTransport | None = None
        if transport is None or source is not None or overrides:
            settings = settings_from(source, overrides)
            self._queue = f"{settings.url} {settings.schema}"
            if transport is None:
                transport = self._owned = RestTransport(settings, BUDGET_SECONDS)
        self._transport = transport

    def run(self, report: Callable[[Removal], None] = lambda _: None) -> Removal:
        """Make one pass and return what it did; `report` is told after each batch.

        Raises:
            ArchiveError: the archive cannot be written or read, or another process writes to it.
            CallError: a call failed; what was removed until then is.
        """
        if self._folder is None:
            return self._pass(self._prune, report)
        with locked(self._folder, self._queue):
            archive = Archive(self._folder, self._transport)
            archive.settle()
            return self._pass(lambda page, size: self._archive(archive, page, size), report)

    def count(self, report: Callable[[Removal], None] = lambda _: None) -> Removal:
        """Return what a pass would remove, and remove nothing.

        Raises:
            CallError: a call failed.
        """
        return self._pass(lambda page, size: self._prune(page, size, dry_run=True), report)

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

    def _pass(
        self, remove: Callable[[str | None, int], _Batch], report: Callable[[Removal], None]
    ) -> Removal:
        done = Removal()
        pace = self._new_pace()
        for batch in self._batches(remove, pace):
            done.removed += batch.removed
            done.looked_at += batch.looked_at
            done.kept += batch.kept
            done.batches += 1
            report(done)
        return done

    def _batches(self, remove: Callable[[str | None, int], _Batch], pace: Pace) -> Iterator[_Batch]:
        page: str | None = None
        while True:
            began = self._clock()
            batch = remove(page, pace.batch)
            rest = pace.rest_after(self._clock() - began)
            yield batch
            page = batch.next_page
            if page is None:
                return
            self._sleep(rest)

    def _prune(self, page: str | None, size: int, dry_run: bool = False) -> _Batch:
        pruned = self._transport.send(PruneJobs(str(uuid4()), self._policy, page, size, dry_run))
        return _Batch(Counter(pruned.removed), pruned.looked_at, pruned.next_page)

    def _archive(self, archive: Archive, page: str | None, size: int) -> _Batch:
        found = self._transport.send(ReadJobsToArchive(self._policy, page, size))
        kept: frozenset[str] = frozenset()
        for day, jobs in groupby(sorted(found.jobs, key=lambda job: job.day), key=lambda job: job.day):
            kept |= archive.move(day, [job.line for job in jobs])
        removed = Counter(job.kind for job in found.jobs if job.job_id not in kept)
        return _Batch(removed, found.looked_at, found.next_page, len(kept))
