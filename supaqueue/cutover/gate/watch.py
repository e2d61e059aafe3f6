"""Looking at all flags again and again: what must go back does, what passed goes on if told to.

Of all watches one at a time looks, as long as it holds a lease. A second one that takes over too early does
no harm: each change names the version of the flag that was judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from supaqueue.contract import (
    ChangeFeatureFlag,
    FeatureFlag,
    HoldLease,
    KeepRolloutEvidence,
    ReadFeatureFlags,
)
from supaqueue.cutover.gate.acting import change_of, reason_of
from supaqueue.cutover.gate.failing_looks import FailingLooks
from supaqueue.cutover.gate.look import Gate
from supaqueue.cutover.gate.looked import Looked, Problem
from supaqueue.cutover.gate.telling import Telling
from supaqueue.cutover.gate.verdict import Verdict, as_json, canonical
from supaqueue.errors import CallRefused, SupaqueueError
from supaqueue.telemetry import Telemetry, events
from supaqueue.transport import Transport

LEASE_NAME = "rollout watch"
LONGEST_LEASE_SECONDS = 3600.0
TRIES = 3
CHANGED_MEANWHILE = "SQ005"


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

        A part that fails keeps no other one from being done. Then the lease is let go of: to a watch that
        does better it would be held for good.

        Raises:
            CallError: Supabase gave no usable answer even to who looks.
        """
        lease = self._transport.send(HoldLease(LEASE_NAME, self._holder, self._lease_seconds))
        if not lease.is_held:
            return Looked(datetime.now(UTC), holder=lease.holder)
        problems: list[Problem] = []
        told = self._tell(problems)  # first: a watch before this one may have been killed before it told
        judged = [self._judge_or_note(task_type, problems) for task_type in self._flags(problems)]
        verdicts = tuple(verdict for verdict, _ in filter(None, judged))
        changed = tuple(flag for _, flag in filter(None, judged) if flag is not None)
        if changed:
            told += self._tell(problems)
        lets_go = bool(problems) and self._let_go()
        return Looked(datetime.now(UTC), None, verdicts, changed, told, tuple(problems), lets_go)

    def give_back(self) -> None:
        """Let another watch take over at once.

        Raises:
            CallError: Supabase gave no usable answer; the lease runs out.
        """
        self._transport.send(HoldLease(LEASE_NAME, self._holder, 0.0))

    def _let_go(self) -> bool:
        """Give the lease back if that can be; else it runs out."""
        try:
            self.give_back()
        except SupaqueueError:
            return False
        return True

    def _tell(self, problems: list[Problem]) -> int:
        """Tell owners what is due, and return of how many changes; that nobody can be told stops no look."""
        try:
            return self._telling.turn()
        except Exception as error:
            problems.append(Problem.of(error, "telling owners"))
            return 0

    def _flags(self, problems: list[Problem]) -> tuple[str | None, ...]:
        """Return whose flags there are: the overall one's, then types'."""
        try:
            flags = self._transport.send(ReadFeatureFlags())
        except Exception as error:
            problems.append(Problem.of(error, "flags"))
            return ()
        return (None, *(flag.task_type for flag in flags.types))

    def _judge_or_note(
        self, task_type: str | None, problems: list[Problem]
    ) -> tuple[Verdict, FeatureFlag | None] | None:
        try:
            return self._judge(task_type)
        except Exception as error:
            problems.append(Problem.of(error, task_type or "overall"))
            return None

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
    failing: FailingLooks | None = None,
) -> Iterator[Looked]:
    """Look at once, then again after each pause, whatever becomes of a look: one that fails is told.

    Args:
        wait: waits so many seconds; True if the watch is to end.
        times: how often; for good by default.
        failing: what tells owners of looks that fail again and again.
    """
    failures = made = 0
    while True:
        try:
            looked = look()
        except Exception as error:
            looked = Looked(datetime.now(UTC), problems=(Problem.of(error),))
        failures = failures + 1 if looked.problems else 0
        if looked.problems and telemetry is not None:
            error_type = looked.problems[0].error_type
            telemetry.emit(events.LookFailed(error_type=error_type, failures=failures))
        if failing is not None:
            failing.heed(looked)
        yield looked
        made += 1
        if made == times or wait(every_seconds):
            return
