"""Counting findings per task type and class, with a few samples of each, in memory that does not grow."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from supaqueue.contract import Json
from supaqueue.contract.json_value import storable_text
from supaqueue.cutover.legacy.entry import Owner
from supaqueue.cutover.parity.classes import CLEAN, Class, Finding, Fit
from supaqueue.cutover.parity.differences import Difference
from supaqueue.cutover.parity.field_rules import general
from supaqueue.cutover.parity.observation import Observation
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.preflight import problem_of
from supaqueue.cutover.parity.share import accepted_at, placed_with
from supaqueue.cutover.parity.timeline import MINUTE
from supaqueue.telemetry.redaction import redact_value

SAMPLES = 20
PATHS = 1_000
"""Of one class; beyond that further paths count as `OTHER_PATHS`."""
OTHER_PATHS = "(other paths)"
SHOWN_DIFFERENCES = 10
LONGEST_SHOWN = 200
"""Characters of a value in a sample, and of a path."""


@dataclass(slots=True)
class ClassTally:
    """What was found of one class in one task type; times are microseconds since 1970.

    Attributes:
        paths: how many jobs differ there, by path with `[*]` for places, and kind.
        samples: the first ones by job_id, redacted.
        over_time: how many jobs were accepted when, by time // `width`.
        repaired: how many of them were repaired since.
    """

    count: int = 0
    first_seen: int | None = None
    last_seen: int | None = None
    paths: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: list[dict[str, Json]] = field(default_factory=list)
    over_time: Counter[int] = field(default_factory=Counter)
    width: int = MINUTE
    repaired: int = 0

    def add(self, pair: Pair, finding: Finding, fit: Fit) -> None:
        """Count a pair."""
        at = accepted_at(pair)
        self.count += 1
        self.over_time[at // self.width] += 1
        self.repaired += fit.is_repaired
        if self.first_seen is None or at < self.first_seen:
            self.first_seen = at
        if self.last_seen is None or at > self.last_seen:
            self.last_seen = at
        for place in {(_short(storable_text(general(one.path))), one.kind) for one in fit.differences}:
            is_new = place not in self.paths and len(self.paths) >= PATHS
            self.paths[(OTHER_PATHS, place[1]) if is_new else place] += 1
        if len(self.samples) < SAMPLES and fit.name not in ("match", "pending"):
            self.samples.append(sample_of(pair, finding, fit))

    def take(self, other: ClassTally, *, with_details: bool) -> None:
        """Add what was counted elsewhere, by the same `width`; the first samples stay the first by job_id."""
        self.count += other.count
        self.over_time.update(other.over_time)
        self.repaired += other.repaired
        seen = [at for at in (self.first_seen, other.first_seen) if at is not None]
        self.first_seen = min(seen, default=None)
        seen = [at for at in (self.last_seen, other.last_seen) if at is not None]
        self.last_seen = max(seen, default=None)
        if with_details:
            self.paths.update(other.paths)
            self.samples = sorted([*self.samples, *other.samples], key=_job_id)[:SAMPLES]


@dataclass(slots=True)
class TypeTally:
    """What was found in one task type. Every pair counts once, under the first class that fits."""

    classes: dict[Class, ClassTally] = field(default_factory=dict)
    width: int = MINUTE

    def add(self, pair: Pair, finding: Finding) -> Class:
        """Count a pair; one that is clean but for its further classes counts as the first of those."""
        fit = finding.fits[0]
        if len(finding.fits) > 1:
            fit = next((one for one in finding.fits if one.name not in CLEAN), fit)
        if fit.name not in self.classes:
            self.classes[fit.name] = ClassTally(width=self.width)
        self.classes[fit.name].add(pair, finding, fit)
        return fit.name

    def take(self, name: Class, counted: ClassTally) -> None:
        """Add jobs that were counted elsewhere, as this class."""
        if name not in self.classes:
            self.classes[name] = ClassTally(width=self.width)
        self.classes[name].take(counted, with_details=name not in CLEAN)

    def count(self, *names: Class) -> int:
        """How many are of these classes."""
        return sum(self.classes[name].count for name in names if name in self.classes)

    def repaired(self, name: Class) -> int:
        """How many of a class were repaired since."""
        return self.classes[name].repaired if name in self.classes else 0

    @property
    def jobs(self) -> int:
        """All of them."""
        return sum(one.count for one in self.classes.values())

    @property
    def compared(self) -> int:
        """Those of which something can be said."""
        return self.jobs - self.count("pending", "uncomparable")

    @property
    def different(self) -> int:
        """Those that differ."""
        return self.compared - self.count("expected", "legacy_redelivered", "match")


Keeps = Callable[[str | None, Pair, Finding], bool]
"""Is given a type, a pair and what was found; says that it counts that pair itself for now."""


@dataclass(slots=True)
class Tally:
    """All findings, by task type; None: nothing but the id is known."""

    types: dict[str | None, TypeTally] = field(default_factory=dict)
    rules: Counter[str] = field(default_factory=Counter)
    """How many jobs are expected by each rule."""
    owners: dict[str | None, Counter[Owner]] = field(default_factory=lambda: defaultdict(Counter))
    """To which system jobs were given when they came, by task type."""
    keeps: Keeps = lambda task_type, pair, finding: False
    width: int = MINUTE
    """Of the buckets in which times are counted, in microseconds; one of `timeline.WIDTHS`."""

    def add(self, pair: Pair, finding: Finding) -> Class | None:
        """Count a pair, and say as what; None while that is not known: `keeps` has it."""
        legacy, supabase = pair
        task_type = (legacy and legacy.task_type) or (supabase and supabase.task_type) or None
        if task_type not in self.types:
            self.types[task_type] = TypeTally(width=self.width)
        is_kept = self.keeps(task_type, pair, finding)
        name = None if is_kept else self.types[task_type].add(pair, finding)
        # What came around the router was given to nobody.
        if legacy is None or legacy.state != "unstamped":
            self.owners[task_type][placed_with(pair)] += 1
        if finding.name == "expected" and not is_kept:
            self.rules.update(finding.rules)
        return name

    @property
    def seen(self) -> list[int]:
        """When the first and the last job of each class were accepted."""
        found = [one for tally in self.types.values() for one in tally.classes.values()]
        return [at for one in found for at in (one.first_seen, one.last_seen) if at is not None]

    @property
    def whole(self) -> TypeTally:
        """The counts of all types together, without samples and paths."""
        whole = TypeTally()
        for tally in self.types.values():
            for name, one in tally.classes.items():
                counted = whole.classes.setdefault(name, ClassTally())
                counted.count += one.count
                counted.repaired += one.repaired
        return whole


def _job_id(sample: Mapping[str, Json]) -> str:
    return str(sample["job_id"])


def sample_of(pair: Pair, finding: Finding, fit: Fit) -> dict[str, Json]:
    """Return what a report shows of a pair: where it differs, with both values, redacted and cut."""
    sample: dict[str, Json] = {
        "job_id": pair.job_id,
        "legacy": _facts(pair.legacy),
        "supabase": _facts(pair.supabase),
        "differences": [_difference(one) for one in fit.differences[:SHOWN_DIFFERENCES]],
        "further_differences": max(0, len(fit.differences) - SHOWN_DIFFERENCES),
        "also": [one.name for one in finding.fits if one.name != fit.name],
        "rules": list(finding.rules),
        "repaired": fit.is_repaired,
    }
    return sample


def _facts(one: Observation | None) -> Json:
    if one is None:
        return None
    return {
        "owner": one.owner,
        "epoch": one.epoch,
        "state": one.state,
        "starts": one.starts,
        "accepted_at": one.accepted_at,
        "ended_at": one.outcome and one.outcome.ended_at,
    }


def _difference(one: Difference) -> Json:
    return {
        "path": _short(storable_text(one.path)),
        "kind": one.kind,
        "legacy": _shown(one.control, one.path),
        "supabase": _shown(one.candidate, one.path),
    }


def _shown(value: Json, path: str) -> Json:
    # By the name of the last key too: what stands under `password` is none of a report's business.
    name = path.rpartition(".")[2]
    found = redact_value({name: value})
    assert isinstance(found, dict)
    shown: Json = next(iter(found.values()))
    text = storable_text(shown) if isinstance(shown, str) else repr(shown)
    if len(text) > LONGEST_SHOWN:
        return _short(text)
    is_plain = problem_of(shown, "value", max_bytes=None) is None
    return shown if is_plain else storable_text(text)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."
