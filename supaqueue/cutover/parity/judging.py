"""Judging a pair by a team's rules: what they take away was expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from supaqueue.cutover.parity.classes import MATCH, Finding, Fit, Look
from supaqueue.cutover.parity.classify import classify
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.rules import Rule

EXPECTED = Fit("expected")


def judge(pair: Pair, look: Look, rules: Sequence[Rule], today: date) -> Finding:
    """Return what a pair is by the rules that count for it; `expected` where they take all away.

    A rule is named where it changed something, in their order.
    """
    found = classify(pair, look)
    if found.is_clean:
        return found
    known = pair.legacy or pair.supabase
    used: list[str] = []
    for rule in rules:
        if known is None or not rule.covers(known.task_type, today):
            continue
        look = replace(look, rules=look.rules + rule.fields)
        less = _without(classify(pair, look), used, rule, rules)
        if less.fits != found.fits:
            used.append(rule.name)
            found = less
    if used and found.is_clean:
        return Finding((EXPECTED,), tuple(used))
    return replace(found, rules=tuple(used))


def _without(found: Finding, used: Sequence[str], rule: Rule, rules: Sequence[Rule]) -> Finding:
    """Take away the classes that this rule, and those used before it, expect."""
    expected = rule.classes.union(*(one.classes for one in rules if one.name in used))
    fits = tuple(fit for fit in found.fits if fit.name not in expected)
    return Finding(fits) if fits else MATCH
