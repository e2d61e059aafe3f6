"""What is known of one job with one task: the page of semantics as a few decisions, with no table behind it.

Times are seconds since the model began; None is no limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

LOST_LEASE_CAP = 5
ALLOWANCE = 15.0
"""Seconds for which a lease may outlast a timeout or a deadline."""

ENDS = {"done": "completed", "cancel": "cancelled", "fail": "failed", "park": "failed"}
FREE = ("snooze", "not_started", "park")
"""Outcomes that spend no attempt."""


@dataclass
class Lease:
    """How one lease ended."""

    outcome: str
    status: str
    worker_id: str | None


@dataclass
class JobModel:
    """One job. Methods are the moves; each answers what the caller is told."""

    run_at: float
    placed: bool
    max_attempts: int = 3
    backoff: float = 10_000.0
    timeout: float | None = None
    deadline: float | None = None
    status: str = "pending"
    token: int = 0
    attempts: int = 0
    lost: int = 0
    worker_id: str | None = None
    lease_until: float = 0.0
    started_at: float | None = None
    ever_started: bool = False
    cancel_requested: bool = False
    abandoned: bool = False
    dropped: bool = False
    parked: bool = False
    spent_before_replay: int = 0
    replayed_token: int | None = None
    error_type: str | None = None
    checkpoint: Any = None
    number: int = 0
    payload: Any = None
    key: str | None = None
    until: Any = None
    begun: bool = False
    order_key: str | None = None
    blocks_key: bool = False
    ended: dict[int, Lease] = field(default_factory=dict)

    @property
    def leased(self) -> bool:
        return self.status in ("claimed", "processing")

    @property
    def holds_key(self) -> bool:
        """Whether it holds the key that it took last, if that is no window."""
        if self.status in ("completed", "failed", "cancelled"):
            return False
        return not (self.until == "started" and self.begun)

    @property
    def has_turn(self) -> bool:
        """Whether it is the one of its order key that runs, is to run next, or blocks it."""
        return self.status == "pending" or self.leased or (self.status == "failed" and self.blocks_key)

    def begin_turn(self, now: float) -> None:
        self.status, self.placed = "pending", self.run_at <= now
        self.deadline = None if self.deadline is None else max(self.deadline, now)

    @property
    def job_status(self) -> str:
        return "processing" if self.leased else "pending" if self.status == "blocked" else self.status

    def held(self, token: int, worker_id: str) -> bool:
        return self.leased and (self.token, self.worker_id) == (token, worker_id)

    def late(self, now: float) -> bool:
        return self.deadline is not None and self.deadline <= now

    def ready(self, now: float) -> bool:
        return self.status == "pending" and self.placed and not self.late(now)

    def promote(self, now: float) -> None:
        if self.status == "pending" and self.run_at <= now:
            self.placed = True

    def claim(self, worker_id: str, now: float, lease: float) -> None:
        self.status, self.worker_id, self.token = "claimed", worker_id, self.token + 1
        self.lease_until, self.number = now + lease, 0

    def start(self, token: int, worker_id: str, now: float) -> None:
        if self.held(token, worker_id) and self.status == "claimed":
            self.status, self.started_at, self.begun = "processing", now, True
            self._renew(self.lease_until, now)

    def heartbeat(self, token: int, worker_id: str, now: float, lease: float) -> str:
        if not self.held(token, worker_id):
            return "lost"
        self._renew(now + lease, now)
        return "cancel" if self.cancel_requested else "held"

    def _renew(self, wanted: float, now: float) -> None:
        limits = [self.deadline]
        if self.timeout is not None and self.started_at is not None:
            limits.append(self.started_at + self.timeout)
        end = min((limit for limit in limits if limit is not None), default=math.inf) + ALLOWANCE
        self.lease_until = max(now, min(wanted, end)) if self.started_at is not None else wanted

    def report(self, token: int, worker_id: str, number: int, checkpoint: Any) -> None:
        if self.held(token, worker_id) and number > self.number:
            self.number, self.checkpoint = number, checkpoint

    def rescue(self, now: float) -> bool:
        """End the lease if nobody renewed it; answer whether that was the end of the task."""
        if not self.leased or self.lease_until > now:
            return False
        limits = [self.deadline]
        if self.started_at is not None and self.timeout is not None:
            limits.append(self.started_at + self.timeout)
        timed_out = self.started_at is not None and any(end is not None and end < now for end in limits)
        error_type = "TimedOut" if timed_out else "LeaseLost"
        return self.end_lease("lease_lost", now, error_type=error_type) == "failed"

    def expire(self, now: float) -> bool:
        """Fail the waiting task if its deadline has passed; answer whether it had."""
        if self.status != "pending" or not self.late(now):
            return False
        self.status, self.error_type = "failed", "DeadlineExceeded"
        return True

    def finish(
        self, token: int, worker_id: str, outcome: str, now: float, after: float | None
    ) -> tuple[str, str | None]:
        if self.dropped:
            return "unknown", None
        if self.held(token, worker_id):
            self.end_lease(outcome, now, after, error_type=None if outcome == "done" else "Told")
        lease = self.ended.get(token)
        if lease is None or lease.worker_id != worker_id or lease.outcome == "lease_lost":
            return "lost", None
        return "recorded", lease.status

    def end_lease(
        self, outcome: str, now: float, after: float | None = None, error_type: str | None = None
    ) -> str:
        free = outcome in FREE or (outcome == "lease_lost" and self.status == "claimed")
        self.attempts += not free
        self.lost += outcome == "lease_lost"
        self.ever_started |= outcome != "not_started"
        self.begun |= self.started_at is not None or outcome not in ("not_started", "lease_lost")
        waits = {"retry": self.backoff if after is None else after, "snooze": after or 0.0}
        run_at = now + waits.get(outcome, 0.0)
        spent = outcome in ("retry", "lease_lost") and self.attempts >= self.max_attempts
        if outcome in ENDS:
            self.status = ENDS[outcome]
        elif spent or self.lost > LOST_LEASE_CAP:
            self.status = "failed"
        elif self.cancel_requested:
            self.status = "cancelled"
        elif self.late(run_at):
            self.status, error_type = "failed", "DeadlineExceeded"
        else:
            self.status, self.run_at, self.placed = "pending", run_at, run_at <= now
        self.parked = outcome == "park"
        self.error_type = None if self.status == "completed" else error_type or self.error_type
        self.started_at = None if self.status == "pending" else self.started_at
        self.ended[self.token] = Lease(outcome, self.status, self.worker_id)
        self.worker_id = None
        return self.status

    def cancel(self) -> str:
        if self.status in ("pending", "blocked"):
            self.status, self.cancel_requested = "cancelled", True
        elif self.leased:
            self.cancel_requested = True
            return "requested"
        return "cancelled" if self.status == "cancelled" else "finished"

    def abandon(self) -> str:
        waits = self.status in ("pending", "blocked")
        if (waits or self.status == "cancelled") and not self.ever_started and not self.dropped:
            self.cancel_requested |= waits
            self.status, self.abandoned = "cancelled", True
        if self.status == "failed" and not self.ever_started:
            self.status, self.dropped = "cancelled", True  # its deadline passed before any lease
        if self.dropped:
            return "abandoned"
        return "cancelled" if self.abandoned else "started"

    def replay(self, token: int, delay: float, now: float) -> str:
        if self.dropped:
            return "unknown"
        if self.status == "failed" and self.token == token:
            keeps_turn = self.order_key is None or self.blocks_key
            self.status, self.run_at = "pending" if keeps_turn else "blocked", now + delay
            self.placed = keeps_turn and delay == 0
            self.max_attempts += self.attempts - self.spent_before_replay
            self.spent_before_replay, self.replayed_token = self.attempts, token
            self.lost = min(self.lost, 2)
            self.deadline, self.started_at, self.parked, self.cancel_requested = None, None, False, False
            self.begun = True
        replayed = self.replayed_token is not None and self.replayed_token >= token
        return "replayed" if replayed else "not_failed"

    def replace(self, asked: JobModel, *, with_time: bool) -> None:
        """Become what another job asked for, while waiting."""
        if with_time:
            self.run_at, self.placed = asked.run_at, asked.placed
        lasts = None if asked.deadline is None else asked.deadline - asked.run_at
        self.deadline = None if lasts is None else max(self.run_at, asked.run_at) + lasts
        self.payload, self.timeout, self.checkpoint = asked.payload, asked.timeout, None
        self.max_attempts = self.attempts + asked.max_attempts
        self.spent_before_replay = self.attempts

    def drop(self, token: int) -> str:
        if self.status == "failed" and self.token == token:
            self.status, self.dropped = "cancelled", True
        return "dropped" if self.dropped else "not_failed"
