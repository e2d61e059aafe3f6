"""What an engineer does to the flag during a cutover, and what is waited for in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import psycopg

from supaqueue.contract import (
    ChangeFeatureFlag,
    CountMirrors,
    FeatureFlag,
    FlagChange,
    MirrorCounts,
    ReadFeatureFlags,
)
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.take_over import TakeOver
from supaqueue.errors import CallRefused, SupaqueueError
from supaqueue.transport import Transport

EMERGENCY = (
    "update feature_flag set is_enabled = false, rollout_percent = 0, updated_by = 'demo on call'"
    " where flag_name = 'supabase_queue' returning version"
)
POLL_SECONDS = 0.1
DEADLINE_SECONDS = 180.0


class Until(Protocol):
    """Waits for a condition, for so many seconds at most."""

    def __call__(
        self, condition: Callable[[], bool], what: str, /, *, within: float = DEADLINE_SECONDS
    ) -> None:
        """Raise SupaqueueError, naming what was waited for, if it does not come."""


class Switching:
    """Changes the flag, and sees hand-back and take-over through.

    Args:
        until: waits for a condition, and names it if that does not come.
    """

    def __init__(
        self,
        transport: Transport,
        legacy: LegacyQueue,
        database: psycopg.Connection[Any],
        until: Until,
    ) -> None:
        self._transport = transport
        self._legacy = legacy
        self._database = database
        self._until = until

    def change(self, **changes: Any) -> FeatureFlag:
        """Change the overall flag.

        Raises:
            CallRefused: the step is not allowed now.
        """
        return self._transport.send(ChangeFeatureFlag(FlagChange(**changes), changed_by="demo"))  # type: ignore[typeddict-item]

    def flag(self) -> FeatureFlag:
        """Read the overall flag."""
        return self._transport.send(ReadFeatureFlags()).overall

    def emergency_off(self) -> float:
        """Do what the runbook says, over a plain connection; returns the seconds that it took."""
        began = time.monotonic()
        self._database.execute(EMERGENCY)
        return time.monotonic() - began

    def hand_back(self) -> FeatureFlag:
        """Let what has not started go back to legacy, and what has started be ended here."""
        return self.change(hand_back="not_started", drain=True)

    def see_hand_back_through(self) -> None:
        """Wait until all has gone back and nothing is left of what had started."""
        relay = Relay(self._transport, self._legacy)
        self._until(lambda: [*relay.hand_back_pass()][-1].done, "the end of the hand-back")
        self._until(lambda: self.counts().held == 0 and not self._leased(), "what had started to end")

    def take_over(self) -> int:
        """Bring over what waits in legacy; returns how many jobs that were."""
        announced = TakeOver(self._transport, self._legacy).announce()
        self._until(lambda: not self.owed("takeover_due"), "the end of the take-over")
        return announced.due

    def complete(self) -> FeatureFlag:
        """Close the cutover as soon as the database lets it: legacy has ended all, old flags are gone.

        Raises:
            SupaqueueError: it does not; the message has its last reason.
        """
        answers: list[FeatureFlag | CallRefused] = []

        def is_complete() -> bool:
            try:
                answers.append(self.change(stage="complete"))
            except CallRefused as refused:
                answers.append(refused)
            return isinstance(answers[-1], FeatureFlag)

        try:
            self._until(is_complete, "stage complete")
        except SupaqueueError as error:
            raise SupaqueueError(f"{error}; the database said: {answers[-1]}") from error
        assert isinstance(answers[-1], FeatureFlag)
        return answers[-1]

    def counts(self) -> MirrorCounts:
        """Count what the systems have not told each other."""
        return self._transport.send(CountMirrors())

    def owed(self, *states: str) -> int:
        """Count jobs in some mirror states, by default in all."""
        return sum(one.jobs for one in self.counts().owed if not states or one.mirror_state in states)

    def waiting_in_supabase(self) -> int:
        """Count jobs that wait to be claimed."""
        return self._count("select count(*) from job_tasks where status = 'pending' and purpose = 'run'")

    def waiting_unstarted(self) -> int:
        """Count jobs of Supabase's that wait, and were not kept there because they had started."""
        return self._count(
            "select count(*) from job_tasks t join jobs j using (job_id)"
            " where t.status in ('pending', 'claimed') and t.purpose = 'run'"
            " and j.owner = 'supabase' and not j.held"
        )

    def handed_over(self) -> int:
        """Count jobs that changed their owner."""
        return self._count("select count(*) from jobs where epoch > 0")

    def _leased(self) -> int:
        return self._count(
            "select count(*) from job_tasks where status in ('claimed', 'processing') and purpose = 'run'"
        )

    def _count(self, query: str) -> int:
        row = self._database.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


def until(check: Callable[[], None]) -> Until:
    """Return what waits for conditions; `check` raises if waiting makes no sense any more."""

    def wait(condition: Callable[[], bool], what: str, /, *, within: float = DEADLINE_SECONDS) -> None:
        give_up_at = time.monotonic() + within
        while not condition():
            check()
            if time.monotonic() > give_up_at:
                raise SupaqueueError(
                    f"waited {within:.0f} s in vain for {what}: look at the logs with --keep FOLDER"
                )
            time.sleep(POLL_SECONDS)

    return wait
