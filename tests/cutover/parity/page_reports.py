"""Reports for the page's tests, by the real tally and report from pairs that are made up."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from supaqueue.cutover.parity.classes import SECOND, Look
from supaqueue.cutover.parity.judging import judge
from supaqueue.cutover.parity.latency import Took, note
from supaqueue.cutover.parity.observation import Observation, Outcome
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.refusal import Refusal
from supaqueue.cutover.parity.report import Compared, report_of
from supaqueue.cutover.parity.rules import Rule
from supaqueue.cutover.parity.share import Share
from supaqueue.cutover.parity.tally import Tally
from supaqueue.cutover.parity.timeline import timeline_of
from supaqueue.cutover.parity.verdict import verdict_of

SINCE = datetime(2026, 11, 21, 6, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=1)
BEGAN = (SINCE - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
DAY = 86_400 * SECOND
TODAY = date(2026, 11, 22)
LOOK = Look(BEGAN + 2 * DAY, {}, 60.0)
RULE = Rule("prices are rounded", "ann@example.com", date(2026, 11, 1), 50)
TYPES = ("invoice", "thumbnail", "transcribe")

Report = dict[str, Any]


def pair(number: int, task_type: str, result: Any, found: Any, *, took: float = 1.0) -> Pair:
    """A job of legacy's that ended, and what Supabase was told of it."""
    at = BEGAN + number * SECOND
    done = Outcome("completed", result, None, 1, at + int(took * SECOND))
    job_id = f"019aa000-0000-7000-8000-{number:012x}"
    copy = Observation(job_id, task_type, "legacy", 0, "copy", at, None, 0, {"n": number}, done, None)
    legacy = copy._replace(state="completed", starts=1)
    return Pair(legacy, copy._replace(outcome=done._replace(result=found)))


def clean(jobs: int) -> Iterator[Pair]:
    """Jobs of three types without a difference; every tenth belongs to Supabase."""
    chance = random.Random(1)
    for number in range(jobs):
        one = pair(number * 100, TYPES[number % 3], {"sum": 7}, {"sum": 7}, took=chance.lognormvariate(0, 1))
        if number % 10 == 0:
            legacy, supabase = (known._replace(owner="supabase") for known in one if known is not None)
            one = Pair(supabase, legacy)
        yield one


def differing() -> Iterator[Pair]:
    """Three classes in two types: five rounded prices and three lost names, two missing, one run twice."""
    for number in range(5):
        rows = [{"price": 1.239}, {"price": 2.0}]
        yield pair(number, "invoice", {"rows": rows}, {"rows": [{"price": 1.24}, {"price": 2.0}]})
    for number in range(5, 8):
        yield pair(number, "transcribe", {"name": "Ada"}, {})
    for number in range(8, 10):
        yield Pair(pair(number, "invoice", None, None).legacy, None)
    twice = pair(10, "transcribe", 1, 1)
    assert twice.supabase is not None
    yield Pair(twice.legacy, twice.supabase._replace(starts=1))


def hostile_to_size(jobs: int, types: int = 8) -> Iterator[Pair]:
    """Jobs that differ in a dozen long texts each, below keys that no other job has."""
    for number in range(jobs):
        text = ("<\N{CRAB}\x01&" * 100)[: 300 + number % 100]
        result: dict[str, Any] = {f"{number} {'<' * 100} {key}": text for key in range(12)}
        one = pair(number % 86_400, f"type {number % types}", result, dict.fromkeys(result, text[::-1]))
        job_id = f"019aa000-0000-7000-8000-{number:012x}"
        yield Pair(*(known._replace(job_id=job_id) for known in one if known is not None))


def reported(
    pairs: Iterable[Pair],
    *,
    rules: tuple[Rule, ...] = (),
    unstamped: int = 0,
    refusals: tuple[Refusal, ...] = (),
) -> Report:
    """The report on pairs."""
    tally = Tally(width=timeline_of(SINCE, UNTIL).width)
    took = Took()
    jobs = 0
    for one in pairs:
        jobs += 1
        for known in one:
            if known is not None:
                note(took, known)
        tally.add(one, judge(one, LOOK, rules, TODAY))
    compared = Compared(
        since=SINCE,
        until=UNTIL,
        observed_at=BEGAN + DAY,
        in_legacy=jobs,
        in_supabase=jobs,
        unstamped=unstamped,
        settle_seconds={"invoice": 60.0},
        shares=[Share("supabase_queue", jobs // 10, jobs, 0.1, 0.6)] if jobs else [],
        took=took,
        refusals=refusals,
        would_reject=sum(one.jobs for one in refusals),
    )
    verdict = verdict_of(tally, rules, declared_bound=0.01, jobs_per_second=0.5)
    return report_of(compared, tally, rules, verdict, TODAY)
