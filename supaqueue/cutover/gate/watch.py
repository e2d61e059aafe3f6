"""Looking at all flags again and again: what must go back does, what passed goes on if told to.

Of all watches one at a time looks, as long as it holds a lease. A second one that takes over too early does
no harm: each change names the version of the flag that was judged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from supaqueue.contract import (
    ChangeFeatureFlag,
    FeatureFlag,
    HoldLease,
    KeepRolloutEvidence,
    ReadFeatureFlags,
)
from supaqueue.cutover.gate.acting import change_of, reason_of
from supaqueue.cutover.gate.look import Gate
from supaqueue.cutover.gate.telling import Telling
from supaqueue.cutover.gate.verdict import Verdict, as_json, canonical
from supaqueue.errors import CallRefused, SupaqueueError
from supaqueue.telemetry import Telemetry, events
from supaqueue.transport import Transport

_log = logging.getLogger(__name__)

LEASE_NAME = "rollout watch"
LONGEST_LEASE_SECONDS = 3600.0
TRIES = 3
CHANGED_MEANWHILE = "SQ005"


@dataclass(frozen=True, slots=True)
class Looked:
    """One look of a watch.

    Attributes:
        at: when it ended, by this machine's clock.
        holder: who looks instead; None if this watch did.
        verdicts: by flag.
        changed: flags as this look left them.
        told: of how many changes owners were told.
        problem: why the look failed; what was done until then stays done.
    """

    at: datetime
    holder: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    changed: tuple[FeatureFlag, ...] = ()
    told: int = 0
    problem: str | None = None


class Watch:
    """Looks at all flags, if it is the one that does.

    Args:
        gate: what judges them.
        telling: what tells owners.
        holder: by which name it holds the lease, its own.
        lease_seconds: for how long after a look no other watch looks.
        promotes: whether a step that passed goes on to the next share.
    """

    def __init__(
        self,
        transport: Transport,
        gate: Gate,
        telling: Telling,
        *,
        holder: str,
        lease_seconds: float,
        promotes: bool = False,
    ) -> None:
        self._transport = transport
        self._gate = gate
        self._telling = telling
        self._holder = holder
        self._lease_seconds = min(lease_seconds, LONGEST_LEASE_SECONDS)
        self._promotes = promotes

    def look(self) -> Looked:
        """Look once, and do what follows.

        Raises:
            CallError: Supabase gave no usable answer; what was done until then stays done.
        """
        lease = self._transport.send(HoldLease(LEASE_NAME, self._holder, self._lease_seconds))
        if not lease.is_held:
            return Looked(datetime.now(UTC), holder=lease.holder)
        told = self._telling.turn()  # first: a watch before this one may have been killed before it told
        verdicts, changed = [], []
        flags = self._transport.send(ReadFeatureFlags())
        for task_type in (None, *(flag.task_type for flag in flags.types)):
            verdict, flag = self._judge(task_type)
            verdicts.append(verdict)
            changed += [flag] if flag is not None else []
        if changed:
            told += self._telling.turn()
        return Looked(datetime.now(UTC), None, tuple(verdicts), tuple(changed), told)

    def give_back(self) -> None:
        """Let another watch take over at once.

        Raises:
            CallError: Supabase gave no usable answer; the lease runs out.
        """
        self._transport.send(HoldLease(LEASE_NAME, self._holder, 0.0))

    def _judge(self, task_type: str | None) -> tuple[Verdict, FeatureFlag | None]:
        """Judge a flag and do what follows; judge again if it was changed meanwhile."""
        for tried in range(1, TRIES + 1):
            verdict = self._gate.look(task_type)
            try:
                return verdict, self._act(verdict)
            except CallRefused as refused:
                if refused.sqlstate != CHANGED_MEANWHILE or tried == TRIES:
                    raise
        raise AssertionError("unreachable")

    def _act(self, verdict: Verdict) -> FeatureFlag | None:
        change = change_of(verdict, promotes=self._promotes)
        if change is None:
            return None
        passed = verdict.step.evidence if verdict.answer == "pass" and verdict.step else None
        call = ChangeFeatureFlag(
            change,
            changed_by=self._gate.by,
            task_type=verdict.flag.task_type,
            expected_version=verdict.flag.version,
            reason=reason_of(verdict),
            evidence=passed or self._transport.send(KeepRolloutEvidence(canonical(as_json(verdict)))),
        )
        return self._transport.send(call)


def watch(
    look: Callable[[], Looked],
    wait: Callable[[float], bool],
    *,
    every_seconds: float,
    times: int | None = None,
    telemetry: Telemetry | None = None,
) -> Iterator[Looked]:
    """Look at once, then again after each pause, whatever becomes of a look: one that fails is told.

    Args:
        wait: waits so many seconds; True if the watch is to end.
        times: how often; for good by default.
    """
    failures = made = 0
    while True:
        try:
            looked, failures = look(), 0
        except Exception as error:
            failures += 1
            if telemetry is not None:
                telemetry.emit(events.LookFailed(error_type=type(error).__name__, failures=failures))
            looked = Looked(datetime.now(UTC), problem=_problem(error))
        yield looked
        made += 1
        if made == times or wait(every_seconds):
            return


def _problem(error: Exception) -> str:
    """Return what is said of a failure; of one that nobody foresaw its type, as its text may quote a job."""
    name = type(error).__name__
    if isinstance(error, SupaqueueError):
        return f"{name}: {error}"
    _log.error("the look failed in a way that nobody foresaw", exc_info=error)
    return name
