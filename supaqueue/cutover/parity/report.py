"""A comparison as JSON: the same input gives the same bytes, whose hash names it as evidence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from supaqueue.contract import Json
from supaqueue.cutover.parity.bounds import upper_bound
from supaqueue.cutover.parity.classes import CLASSES, SECOND
from supaqueue.cutover.parity.latency import Took, latencies
from supaqueue.cutover.parity.noise import NoiseFloor
from supaqueue.cutover.parity.refusal import TELLS, Refusal
from supaqueue.cutover.parity.room import within
from supaqueue.cutover.parity.rules import Rule
from supaqueue.cutover.parity.share import Share
from supaqueue.cutover.parity.tally import ClassTally, Tally, TypeTally
from supaqueue.cutover.parity.timeline import Timeline, timeline_of
from supaqueue.cutover.parity.verdict import Verdict

SCHEMA = "supaqueue.parity/1"
"""Grows when something is renamed or taken away; what is added leaves it as it is."""
RANKED_PATHS = 20
PATH_BYTES = 500_000
SAMPLE_BYTES = 2_000_000
"""For all classes of all types together, so that the report, and its page, stay small whatever is in them."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared. Times are microseconds since 1970, but `since` and `until`."""

    since: datetime
    until: datetime
    observed_at: int
    in_legacy: int
    in_supabase: int
    unstamped: int
    settle_seconds: Mapping[str, float]
    default_settle_seconds: float | None = None
    shares: Sequence[Share] = ()
    took: Took = field(default_factory=Took)
    would_reject: int = 0
    refusals: Sequence[Refusal] = ()
    floors: Mapping[str, NoiseFloor] = field(default_factory=dict)


def report_of(
    compared: Compared, tally: Tally, rules: Sequence[Rule], verdict: Verdict, today: date
) -> dict[str, Json]:
    """Return a report; its schema is in `docs/parity.md`."""
    whole = tally.whole
    timeline = timeline_of(compared.since, compared.until, tally.seen, tally.width)
    types: list[Json] = [
        _of_type(task_type, one, compared, timeline)
        for task_type, one in sorted(tally.types.items(), key=lambda item: item[0] or "")
    ]
    _keep_small(types)
    return {
        "schema": SCHEMA,
        "since": compared.since.astimezone(UTC).isoformat(),
        "until": compared.until.astimezone(UTC).isoformat(),
        "observed_at": _moment(compared.observed_at),
        "listed": {"legacy": compared.in_legacy, "supabase": compared.in_supabase},
        "unstamped_runs": compared.unstamped,
        "jobs": whole.jobs,
        "verdict": _verdict(verdict),
        "classes": {name: whole.count(name) for name in CLASSES if whole.count(name)},
        "timeline": {
            "began": _moment(timeline.began),
            "bucket_seconds": timeline.width // SECOND,
            "buckets": timeline.buckets,
        },
        "types": types,
        "shares": [asdict(share) for share in compared.shares],
        "rules": [_rule(rule, tally, today) for rule in rules],
        "would_reject": compared.would_reject,
        "preflight": [asdict(one) | {"is_refused": one.reason not in TELLS} for one in compared.refusals],
    }


def written(report: Mapping[str, Json]) -> bytes:
    """Return a report as bytes: UTF-8, sorted keys, two spaces."""
    return json.dumps(report, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False).encode() + b"\n"


def evidence(report: Mapping[str, Json]) -> str:
    """Return what names a report as evidence: the SHA-256 of its bytes, in hex."""
    return hashlib.sha256(written(report)).hexdigest()


def _verdict(verdict: Verdict) -> Json:
    return {**asdict(verdict), "because": list(verdict.because)}


def _of_type(task_type: str | None, tally: TypeTally, compared: Compared, timeline: Timeline) -> Json:
    return {
        "task_type": task_type,
        "jobs": tally.jobs,
        "compared": tally.compared,
        "different": tally.different,
        "upper_bound": upper_bound(tally.different, tally.compared),
        "settle_seconds": compared.settle_seconds.get(task_type or "", compared.default_settle_seconds),
        "latency_seconds": latencies(compared.took, task_type),
        "noise": _noise(compared.floors.get(task_type or "")),
        "classes": [
            _of_class(name, tally.classes[name], tally.compared, timeline)
            for name in CLASSES
            if name in tally.classes
        ],
    }


def _noise(floor: NoiseFloor | None) -> Json:
    return None if floor is None else {**asdict(floor), "paths": [asdict(one) for one in floor.paths]}


def _of_class(name: str, tally: ClassTally, compared: int, timeline: Timeline) -> Json:
    counted = min(tally.count, compared)
    ranked = sorted(tally.paths.items(), key=lambda item: (-item[1], item[0]))[:RANKED_PATHS]
    return {
        "name": name,
        "count": tally.count,
        "rate": tally.count / compared if compared else None,
        "upper_bound": upper_bound(counted, compared),
        "first_seen": _moment(tally.first_seen),
        "last_seen": _moment(tally.last_seen),
        "paths": [{"path": path, "kind": kind, "jobs": jobs} for (path, kind), jobs in ranked],
        "samples": list(tally.samples),
        "over_time": timeline.spread(tally.over_time, tally.width),
        "repaired": tally.repaired,
    }


def _keep_small(types: Sequence[Any]) -> None:
    """Take the last samples and paths from the classes, as far as there is no room for those of all."""
    classes = [one for of_type in types for one in of_type["classes"]]
    for name, most in (("paths", PATH_BYTES), ("samples", SAMPLE_BYTES)):
        for one, kept in zip(classes, within(most, [one[name] for one in classes]), strict=True):
            one[name] = kept


def _rule(rule: Rule, tally: Tally, today: date) -> Json:
    return {
        "name": rule.name,
        "owner": rule.owner,
        "expires": rule.expires.isoformat(),
        "has_expired": today > rule.expires,
        "cap": rule.cap,
        "jobs": tally.rules[rule.name],
    }


def _moment(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat()
