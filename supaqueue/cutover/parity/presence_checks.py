"""Checks of who has a job and who ran it; one function per class."""

from __future__ import annotations

from supaqueue.contract.json_value import checked_json
from supaqueue.cutover.parity.classes import Found, Look, due
from supaqueue.cutover.parity.differences import Difference
from supaqueue.cutover.parity.observation import OVER, WITHOUT_CONTENT
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.errors import InvalidInput


def duplicate_execution(pair: Pair, look: Look) -> Found:
    legacy, supabase = pair
    if legacy is None or supabase is None:
        return None
    if legacy.starts and supabase.starts:
        return [Difference("starts", "value", legacy.starts, supabase.starts)]
    ended = [one.state in ("completed", "failed") for one in (legacy, supabase)]
    return [Difference("status", "value", legacy.state, supabase.state)] if all(ended) else None


def legacy_redelivered(pair: Pair, look: Look) -> Found:
    legacy = pair.legacy
    if legacy is None or legacy.state not in OVER or legacy.outcome is None:
        return None
    # A worker that counts none says 0.
    attempts = legacy.outcome.attempts
    return [] if attempts and legacy.starts > attempts else None


def never_executed(pair: Pair, look: Look) -> Found:
    legacy, supabase = pair
    if legacy is not None and supabase is not None and legacy.state == supabase.state == "copy":
        return []
    ended = [one for one in pair if one is not None and one.state == "completed" and one.starts == 0]
    return [Difference("starts", "value", one.starts, one.starts) for one in ended] or None


def missing_in_supabase(pair: Pair, look: Look) -> Found:
    """Where Supabase refuses its payload, that is why."""
    legacy = pair.legacy
    if pair.supabase is not None or legacy is None or legacy.state in WITHOUT_CONTENT:
        return None
    try:
        checked_json(legacy.payload, field="payload", max_bytes=look.max_json_bytes)
    except InvalidInput as refused:
        return [Difference(refused.field or "payload", "refused", refused.message)]
    return []


def missing_in_legacy(pair: Pair, look: Look) -> Found:
    supabase = pair.supabase
    if pair.legacy is not None or supabase is None or supabase.state == "gone":
        return None
    is_missing = supabase.has_copy and (supabase.owner == "supabase" or supabase.epoch > 0)
    return [] if is_missing else None


def orphan_intent(pair: Pair, look: Look) -> Found:
    """Whoever enqueued it was killed between two writes: it was acknowledged to nobody."""
    legacy, supabase = pair
    if legacy is None:
        is_orphan = supabase is not None and (supabase.owner, supabase.epoch) == ("legacy", 0)
        return [] if is_orphan and supabase is not None and supabase.state == "copy" else None
    return [] if legacy.state == "intent" else None


def unstamped(pair: Pair, look: Look) -> Found:
    return [] if pair.legacy is not None and pair.legacy.state == "unstamped" else None


def resurrected(pair: Pair, look: Look) -> Found:
    legacy, supabase = pair
    if legacy is None or supabase is None:
        return None
    for dead, other in ((legacy, supabase), (supabase, legacy)):
        is_dead = dead.state == "gone" or dead.state == "cancelled"
        if is_dead and other.state in ("waiting", "running", "completed", "failed"):
            return [Difference("status", "value", legacy.state, supabase.state)]
    return None


def owner_disagrees(pair: Pair, look: Look) -> Found:
    legacy, supabase = pair
    if legacy is None or supabase is None:
        return None
    if legacy.state in WITHOUT_CONTENT or supabase.state in WITHOUT_CONTENT:
        return None
    found = []
    if legacy.owner != supabase.owner:
        found.append(Difference("owner", "value", legacy.owner, supabase.owner))
    if legacy.epoch != supabase.epoch:
        found.append(Difference("epoch", "value", legacy.epoch, supabase.epoch))
    return found or None


def stuck(pair: Pair, look: Look) -> Found:
    known = [one for one in pair if one is not None]
    if any(one.outcome is not None or one.state in WITHOUT_CONTENT for one in known):
        return None
    waits = look.observed_at - max(due(one) for one in known)
    return [] if waits > 2 * look.window(pair) else None
