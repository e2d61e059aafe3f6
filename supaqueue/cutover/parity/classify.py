"""Which class a pair belongs to: the first one that fits, in the order of `CLASSES`.

What a job's two records are compared for: that both are there, agree on who owns it, and hold the same
payload and schedule; that one system alone began it; that how it ended, as its owner has it, is what the
other one was told; and that a run without effects, where there was one, came to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from supaqueue.cutover.parity import content_checks, presence_checks
from supaqueue.cutover.parity.classes import MATCH, STORED, Class, Finding, Fit, Found, Look, due
from supaqueue.cutover.parity.differences import are_alike
from supaqueue.cutover.parity.observation import OVER, Observation
from supaqueue.cutover.parity.pairs import Pair

PENDING = Finding((Fit("pending"),))


def classify(pair: Pair, look: Look) -> Finding:
    """Return which class a pair belongs to."""
    if _is_plainly_alike(pair):
        return MATCH
    fits = tuple(Fit(name, tuple(one)) for name, find in _CHECKS if (one := find(pair, look)) is not None)
    if _is_in_flight(pair, look, [fit.name for fit in fits]):
        return PENDING
    return Finding(fits) if fits else MATCH


def _is_plainly_alike(pair: Pair) -> bool:
    """Say at once of nearly all pairs what every check would: over, told, and the same."""
    legacy, supabase = pair
    if legacy is None or supabase is None or supabase.shadow is not None:
        return False
    if legacy[:4] != supabase[:4] or legacy.outcome is None or legacy.outcome != supabase.outcome:
        return False
    owner, other = _owner_first(legacy, supabase)
    return (
        owner.state in OVER
        and other.state == "copy"
        and other.starts == 0
        and owner.starts == owner.outcome.attempts  # type: ignore[union-attr]  # it has one, see above
        and (owner.starts > 0 or owner.state != "completed")
        and are_alike(legacy.payload, supabase.payload)
        and are_alike(legacy.outcome.result, supabase.outcome.result)
    )


def _owner_first(legacy: Observation, supabase: Observation) -> tuple[Observation, Observation]:
    return (legacy, supabase) if legacy.owner == "legacy" else (supabase, legacy)


_ENDED_AS_IT_IS: frozenset[Class] = frozenset({"legacy_redelivered", "uncomparable"})
"""What no waiting changes, once both know how it ended."""


def _is_in_flight(pair: Pair, look: Look, fitting: Sequence[Class]) -> bool:
    """Say whether the systems may still come to agree.

    What began in both never will, nor what came around the router.
    """
    if "duplicate_execution" in fitting or "unstamped" in fitting:
        return False
    if _ENDED_AS_IT_IS.issuperset(fitting) and all(one is not None and one.outcome for one in pair):
        return False
    known = [one for one in pair if one is not None]
    # How a job ends is known once it could run; whether it is there and alike, from the start.
    began = max(one.accepted_at if STORED.intersection(fitting) else due(one) for one in known)
    is_young = look.observed_at - began < look.window(pair)
    is_over = any(one.outcome is not None or one.state == "gone" for one in known)
    return is_young and (bool(fitting) or not is_over)


_CHECKS: tuple[tuple[Class, Callable[[Pair, Look], Found]], ...] = (
    ("duplicate_execution", presence_checks.duplicate_execution),
    ("legacy_redelivered", presence_checks.legacy_redelivered),
    ("uncomparable", content_checks.uncomparable),
    ("never_executed", presence_checks.never_executed),
    ("missing_in_supabase", presence_checks.missing_in_supabase),
    ("missing_in_legacy", presence_checks.missing_in_legacy),
    ("orphan_intent", presence_checks.orphan_intent),
    ("unstamped", presence_checks.unstamped),
    ("resurrected", presence_checks.resurrected),
    ("owner_disagrees", presence_checks.owner_disagrees),
    ("payload_diff", content_checks.payload_diff),
    ("schedule_diff", content_checks.schedule_diff),
    ("status_diff", content_checks.status_diff),
    ("error_diff", content_checks.error_diff),
    ("result_diff", content_checks.result_diff),
    ("attempt_diff", content_checks.attempt_diff),
    ("timing_diff", content_checks.timing_diff),
    ("stuck", presence_checks.stuck),
)
