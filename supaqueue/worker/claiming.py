"""Asks for tasks: one claim in flight at a time, as large as there is room for when it leaves."""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from supaqueue.contract import Claimed, ClaimedTask, ClaimJobTasks, Json, RescuedToFail
from supaqueue.errors import AccessDenied, CallError, CallRefused, ContractMismatch
from supaqueue.transport import AsyncTransport
from supaqueue.worker.leases import Leases
from supaqueue.worker.pause import Pauses, Polling

_log = logging.getLogger(__name__)

CLAIM_LIMIT = 1000
"""Tasks that one claim may ask for; the function refuses more."""


@dataclass(slots=True)
class Room:
    """How many tasks to hold: the slots, and so many more as run out while a claim is on its way.

    Long handlers get no task ahead of time, so that none waits here while another worker is idle; handlers
    that are short against a round trip get up to `ahead_limit` times the slots.
    """

    slots: int
    ahead_limit: int = 4
    stuck: int = 0
    _run_seconds: float = 1.0
    _claim_seconds: float = 0.05

    def ran(self, seconds: float) -> None:
        """Notes how long a handler took."""
        self._run_seconds += (seconds - self._run_seconds) * 0.05

    def ran_at_least(self, seconds: float) -> None:
        """Notes that tasks wait here because handlers have taken so long already, without having ended."""
        self._run_seconds = max(self._run_seconds, seconds)

    def claimed(self, seconds: float) -> None:
        """Notes how long a claim took."""
        self._claim_seconds += (seconds - self._claim_seconds) * 0.2

    @property
    def capacity(self) -> int:
        """Tasks to hold at most, running and waiting."""
        per_slot = self._claim_seconds / max(self._run_seconds, 1e-6)
        ahead = 0.0 if per_slot < 0.1 else min(2 * per_slot, self.ahead_limit)
        return self.free + math.ceil(self.free * ahead)

    @property
    def free(self) -> int:
        """Slots that there are for tasks which are held."""
        return self.slots - self.stuck


@dataclass(slots=True)
class Claimer:
    """Claims until told to stop, and gives every task to `take`.

    Attributes:
        freed: set by others when a slot became free, or when it is time to stop.
        failed: told of every claim that failed.
        rescued_to_fail: told of every task that a claim failed: its worker died, or its deadline passed.
        paused: told of the queues that a claim found paused.
        closed: told of the task types that a claim found held back.
    """

    transport: AsyncTransport
    leases: Leases
    worker_id: str
    queues: tuple[str, ...]
    weights: Mapping[str, float]
    task_types: tuple[str, ...]
    lease_seconds: float
    room: Room
    polling: Polling
    take: Callable[[ClaimedTask], None]
    stopping: asyncio.Event
    freed: asyncio.Event
    failed: Callable[[CallError], None]
    rescued_to_fail: Callable[[RescuedToFail], None]
    paused: Callable[[Collection[str]], None]
    closed: Callable[[Collection[str]], None]
    _marks: Mapping[str, Json] = field(default_factory=dict)
    _last_task: float = 0.0
    _answered: bool = False
    _unanswered: ClaimJobTasks | None = None
    _unanswered_since: float = 0.0
    _until_empty: bool = False

    async def run(self) -> None:
        """Claims until `stopping`.

        Raises:
            AccessDenied, CallRefused, ContractMismatch: if the very first claim is answered so; later ones
                are waited out, since a migration or a change of keys passes.
        """
        pauses = Pauses()
        while not self.stopping.is_set():
            if not await self._wait_for_room():
                return
            try:
                claimed = await self._claim()
            except (AccessDenied, CallRefused, ContractMismatch) as refused:
                if not self._answered and self._unanswered is None:
                    raise
                await self._pause(self._after_failure(refused, pauses))
            except CallError as failed:
                await self._pause(self._after_failure(failed, pauses))
            else:
                pauses.reset()
                await self._take(claimed)

    async def _wait_for_room(self) -> bool:
        while not self.stopping.is_set():
            self.freed.clear()
            if self._want() > 0:
                return True
            await self.freed.wait()
        return False

    def _want(self) -> int:
        if len(self.leases) == 0:
            self._until_empty = False
        elif self._until_empty or self.leases.seconds_since_renewal() > self.lease_seconds / 2:
            # After an outage the leases are renewed first: a claim would rescue this worker's own tasks.
            return 0
        capacity = self.room.capacity
        want = capacity - len(self.leases)
        # With tasks waiting here anyway a larger claim a little later costs less than a small one now.
        return want if want >= min(self.room.free, capacity // 4) or len(self.leases) < self.room.free else 0

    async def _claim(self) -> Claimed:
        # A claim whose answer was lost is repeated as it was, however late: else what it leased would stay
        # unknown to this worker, and nobody would run it until its leases run out.
        call = self._unanswered or self._new_claim()
        begun = time.monotonic()
        try:
            claimed = await self.transport.send(call)
        except CallError as failed:
            self._keep_unanswered(call, failed, begun)
            raise
        self._unanswered = None
        self.room.claimed(time.monotonic() - begun)
        self._answered = True
        self._marks = claimed.marks
        self._until_empty = claimed.alone or claimed.drain
        self.leases.starts_reported(call.started)
        return claimed

    def _keep_unanswered(self, call: ClaimJobTasks, failed: CallError, begun: float) -> None:
        if self._unanswered is None and failed.committed == "unknown":
            self._unanswered, self._unanswered_since = call, begun
        elif self._unanswered is not None and begun - self._unanswered_since > self.lease_seconds:
            self._unanswered = None  # what it may have leased has run out by now

    def _new_claim(self) -> ClaimJobTasks:
        return ClaimJobTasks(
            request_id=str(uuid.uuid4()),
            worker_id=self.worker_id,
            queues=self.queues,
            task_types=self.task_types,
            want=min(self._want(), CLAIM_LIMIT),
            holding=len(self.leases),
            lease_seconds=self.lease_seconds,
            marks=self._marks,
            started=self.leases.unreported_starts(),
            weights=self.weights,
        )

    async def _take(self, claimed: Claimed) -> None:
        for ended in claimed.failed:
            self.rescued_to_fail(ended)
        if claimed.paused:
            self.paused(claimed.paused)
        if claimed.closed:
            self.closed(claimed.closed)
        for task in claimed.tasks:
            self.take(task)
        if claimed.tasks:
            self._last_task = time.monotonic()
            return
        if not claimed.more:
            await self._pause(self.polling.pause(time.monotonic() - self._last_task, claimed.wait_seconds))
        else:
            await self._pause(self.polling.busy)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return

    def _after_failure(self, failed: CallError, pauses: Pauses) -> float:
        self.failed(failed)
        seconds = pauses.next()
        _log.warning("claim failed (%s: %s); again in %.1f s", type(failed).__name__, failed, seconds)
        return seconds
