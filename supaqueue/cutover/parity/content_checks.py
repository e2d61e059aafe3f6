"""Checks of what a job holds and how it ended; one function per class."""

from __future__ import annotations

from collections.abc import Iterator

from supaqueue.contract import Json
from supaqueue.cutover.parity.classes import CLOCKS_APART, Found, Look, due
from supaqueue.cutover.parity.differences import Difference, are_alike, differences
from supaqueue.cutover.parity.observation import WITHOUT_CONTENT, Observation, Outcome
from supaqueue.cutover.parity.pairs import Pair

LEASE_LOST = "LeaseLost"
"""The type of the error that Supabase gives a run whose worker died."""


def uncomparable(pair: Pair, look: Look) -> Found:
    """A shadow run that was called off, or failed by chance, says nothing; nor a comparator that failed."""
    shadow = pair.supabase and pair.supabase.shadow
    if shadow is not None and (shadow.status == "cancelled" or _failed_by_chance(pair, shadow)):
        return []
    for name, control, candidate in _of_one_status(pair):
        try:
            _agree(control.result, candidate.result, pair, look)
        except Exception as error:
            return [Difference(f"{name}comparator", "value", None, type(error).__name__)]
    return None


def payload_diff(pair: Pair, look: Look) -> Found:
    legacy, supabase = pair
    if legacy is None or supabase is None or _is_without_content(legacy, supabase):
        return None
    found = []
    if legacy.task_type != supabase.task_type:
        found.append(Difference("task_type", "value", legacy.task_type, supabase.task_type))
    found += _within("payload", legacy.payload, supabase.payload, look)
    return found or None


def schedule_diff(pair: Pair, look: Look) -> Found:
    """As long as neither began: a retry is due later, at its owner alone."""
    legacy, supabase = pair
    if legacy is None or supabase is None or legacy.starts or supabase.starts:
        return None
    if any(one.outcome is not None or one.state == "gone" for one in (legacy, supabase)):
        return None
    apart = abs(due(legacy) - due(supabase))
    waits = abs((due(legacy) - legacy.accepted_at) - (due(supabase) - supabase.accepted_at))
    if min(apart, waits) <= CLOCKS_APART:
        return None
    return [Difference("run_at", "value", legacy.due_at, supabase.due_at)]


def status_diff(pair: Pair, look: Look) -> Found:
    found = []
    for name, control, candidate in _outcomes(pair):
        if control is None and candidate is not None:
            found.append(Difference(f"{name}status", "extra", candidate=candidate.status))
        elif control is not None and candidate is None:
            found.append(Difference(f"{name}status", "missing", control=control.status))
        elif control is not None and candidate is not None and control.status != candidate.status:
            found.append(Difference(f"{name}status", "value", control.status, candidate.status))
    return found or None


def error_diff(pair: Pair, look: Look) -> Found:
    found: list[Difference] = []
    for name, control, candidate in _of_one_status(pair):
        if control.status == "failed":
            told = _compared_error(control.error, look), _compared_error(candidate.error, look)
            found += _within(f"{name}error", *told, look)
    return found or None


def result_diff(pair: Pair, look: Look) -> Found:
    found: list[Difference] = []
    for name, control, candidate in _of_one_status(pair):
        if control.status == "completed":
            found += _of_results(f"{name}result", control.result, candidate.result, pair, look)
    return found or None


def _of_results(name: str, control: Json, candidate: Json, pair: Pair, look: Look) -> list[Difference]:
    try:
        answer = _agree(control, candidate, pair, look)
    except Exception:
        return []  # that is `uncomparable`
    if answer is True:
        return []
    found = _within(name, control, candidate, look)
    return found or ([Difference(name, "value", control, candidate)] if answer is False else [])


def _agree(control: Json, candidate: Json, pair: Pair, look: Look) -> bool | None:
    """Say what the type's comparator says of results that are not the same; None if there is none."""
    known = pair.legacy or pair.supabase
    comparator = look.comparators.get((known and known.task_type) or "")
    if comparator is None or are_alike(control, candidate):
        return None
    return bool(comparator(control, candidate))


def attempt_diff(pair: Pair, look: Look) -> Found:
    """Of what was told alone: a shadow has one attempt."""
    for name, control, candidate in _of_one_status(pair):
        counts = (control.attempts, candidate.attempts)
        if not name and None not in counts and counts[0] != counts[1]:
            return [Difference("attempts", "value", *counts)]
    return None


def timing_diff(pair: Pair, look: Look) -> Found:
    """Of what was told alone: each system is as fast as it is, and gates look at that."""
    for name, control, candidate in _of_one_status(pair):
        if name or control.ended_at is None or candidate.ended_at is None:
            continue
        if abs(control.ended_at - candidate.ended_at) > CLOCKS_APART:
            return [Difference("ended_at", "value", control.ended_at, candidate.ended_at)]
    return None


def _outcomes(pair: Pair) -> Iterator[tuple[str, Outcome | None, Outcome | None]]:
    """What is compared: how it ended at its owner with what the other was told, and with a shadow."""
    legacy, supabase = pair
    if legacy is None or supabase is None or _is_without_content(legacy, supabase):
        return
    yield "", legacy.outcome, supabase.outcome
    shadow = supabase.shadow
    if legacy.outcome is None or shadow is None or shadow.status not in ("completed", "failed"):
        return
    if not _failed_by_chance(pair, shadow):
        yield "shadow.", legacy.outcome, shadow


def _is_without_content(legacy: Observation, supabase: Observation) -> bool:
    return legacy.state in WITHOUT_CONTENT or supabase.state in WITHOUT_CONTENT


def _failed_by_chance(pair: Pair, shadow: Outcome) -> bool:
    """Say whether a shadow's one attempt may have failed like others of its owner, which had further ones."""
    if shadow.status != "failed":
        return False
    outcome = pair.legacy and pair.legacy.outcome
    was_retried = outcome is not None and outcome.status == "completed" and (outcome.attempts or 0) > 1
    has_died = isinstance(shadow.error, dict) and shadow.error.get("type") == LEASE_LOST
    return was_retried or has_died


def _of_one_status(pair: Pair) -> Iterator[tuple[str, Outcome, Outcome]]:
    for name, control, candidate in _outcomes(pair):
        if control is not None and candidate is not None and control.status == candidate.status:
            yield name, control, candidate


def _compared_error(error: Json, look: Look) -> Json:
    if not isinstance(error, dict):
        return error
    names = ("type", "message") if look.with_messages else ("type",)
    return {name: error.get(name) for name in names}


def _within(name: str, control: Json, candidate: Json, look: Look) -> list[Difference]:
    """Return what differs, each path beginning with a name in place of `$`."""
    if are_alike(control, candidate):
        return []
    return [
        Difference(name + one.path[1:], one.kind, one.control, one.candidate)
        for one in differences(control, candidate, look.rules)
    ]
