"""What was repaired counts as the difference that it was, in the comparison of when its owner accepted it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from supaqueue.contract import ListRepairs, RepairedClass
from supaqueue.cutover.parity.classes import CLASSES, CLEAN, Finding, Fit
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.question import Question
from supaqueue.cutover.parity.share import accepted_at
from supaqueue.transport import Transport

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Repairs = Mapping[str, RepairedClass]
"""As what a job counts that was repaired, by id."""


def recorded(transport: Transport, since: datetime, until: datetime) -> Repairs:
    """Return what was repaired of jobs that their owner accepted in [since, until).

    Raises:
        CallError: Supabase gave no usable answer.
    """
    found: dict[str, RepairedClass] = {}
    page = transport.send(ListRepairs(since, until))
    while True:
        found.update((one.job_id, one.class_name) for one in page.repairs)
        if page.next_page is None:
            return found
        page = transport.send(ListRepairs(since, until, page.next_page))


def as_recorded(pair: Pair, found: Finding, repairs: Repairs) -> Finding:
    """Return what a pair counts as: repaired or not, it was missing, and no rule takes that away."""
    name = repairs.get(pair.job_id)
    if name is None:
        return found
    others = [fit for fit in found.fits if fit.name != name and fit.name not in CLEAN]
    # Missing again, or not there yet, it is not repaired.
    fits = [Fit(name, is_repaired=None not in pair), *others]
    return Finding(tuple(sorted(fits, key=lambda fit: CLASSES.index(fit.name))), found.rules)


def belongs(pair: Pair, question: Question) -> bool:
    """Say whether a job counts in this comparison: it does in that of when its owner accepted it.

    The other system may have stored it much later, in the time of another comparison.
    """
    if pair.legacy is None or pair.supabase is None:
        return True
    return _microseconds(question.since) <= accepted_at(pair) < _microseconds(question.until)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
