"""What differs between the systems as legacy differs from itself.

Where the guard runs handlers a second time without effects, legacy's first result is compared with its
second one, by the same rules. A shadow run that differs from legacy at such paths alone is counted apart. In
the end a path is excused unless the systems differ there significantly more often than legacy from itself; a
job of which all paths are excused counts as if it did not differ, every other one as `result_diff`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from supaqueue.cutover.legacy.entry import Entry
from supaqueue.cutover.parity.classes import CLEAN, Class, Comparator, Finding, Fit, Look
from supaqueue.cutover.parity.content_checks import result_diff
from supaqueue.cutover.parity.field_rules import NO_RULES, general
from supaqueue.cutover.parity.observation import Observation, Outcome
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.rules import Rule
from supaqueue.cutover.parity.tally import ClassTally, Tally, TypeTally
from supaqueue.cutover.parity.timeline import MINUTE
from supaqueue.cutover.statistics import stats

LEAST_REPEATS = 20
"""With fewer, nothing is excused."""
SIGNIFICANCE = 0.01
COMBINATIONS = 1_000
"""Of paths in a type that are counted apart; a job of any further one is a difference."""
SHADOW = "shadow.result"


@dataclass(frozen=True, slots=True)
class NoisyPath:
    """A path at which legacy differs from itself.

    Attributes:
        jobs: how many repeats differ there, `rate` of all; `between`: the rate at which shadows do.
        p_value: how likely that many between the systems are if it is no more than noise; None without
            shadows (Fisher's exact test, one-sided).
        is_excused: whether it counts as noise.
    """

    path: str
    jobs: int
    rate: float
    between: float | None
    p_value: float | None
    is_excused: bool


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How far a type differs from itself.

    Attributes:
        repeats: how many results were compared with those of a second run; `shadows`: with a shadow's.
        excused: how many jobs differ by noise alone, and so count as if they did not.
        further_repeats: how many more it takes to excuse anything.
    """

    repeats: int
    shadows: int
    excused: int
    further_repeats: int
    paths: tuple[NoisyPath, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What jobs have in common that are counted apart.

    Where they differ, as what they count if that is excused, and the rules that were needed for the rest.
    """

    paths: frozenset[str]
    otherwise: Class
    rules: tuple[str, ...]


@dataclass(slots=True)
class _OfType:
    repeats: int = 0
    shadows: int = 0
    within: Counter[str] = field(default_factory=Counter)
    between: Counter[str] = field(default_factory=Counter)
    kept: dict[_Kept, ClassTally] = field(default_factory=dict)

    def floor(self) -> NoiseFloor:
        """Return what there is to say of it."""
        ranked = sorted(self.within, key=lambda path: (-self.within[path], path))
        paths = tuple(map(self._path, ranked))
        excused = frozenset(one.path for one in paths if one.is_excused)
        jobs = sum(counted.count for kept, counted in self.kept.items() if kept.paths <= excused)
        further = max(0, LEAST_REPEATS - self.repeats)
        return NoiseFloor(self.repeats, self.shadows, jobs, further, paths)

    def _path(self, path: str) -> NoisyPath:
        jobs, between = self.within[path], self.between[path]
        p_value = None
        if self.shadows:
            table = [[between, self.shadows - between], [jobs, self.repeats - jobs]]
            p_value = float(stats.fisher_exact(table, alternative="greater").pvalue)
        is_excused = self.repeats >= LEAST_REPEATS and (p_value is None or p_value >= SIGNIFICANCE)
        rate = between / self.shadows if self.shadows else None
        return NoisyPath(path, jobs, jobs / self.repeats, rate, p_value, is_excused)


class Noise:
    """Takes legacy's entries first, then findings, and decides once all are there.

    Args:
        rules, comparators: by which results are compared; rules that have expired by `today` do not count.
        width: of the buckets in which the tally counts times.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        comparators: Mapping[str, Comparator],
        today: date,
        width: int = MINUTE,
    ) -> None:
        self._width = width
        self._rules = rules
        self._look = Look(0, {}, 0.0, comparators=comparators)
        self._today = today
        self._types: dict[str, _OfType] = {}
        self._looks: dict[str, Look] = {}

    def look_at(self, entries: Iterable[Entry]) -> None:
        """Compare the results of those that ran twice."""
        for entry in entries:
            if entry.repeat is not None:
                self._compare(entry)

    def keeps(self, task_type: str | None, pair: Pair, finding: Finding) -> bool:
        """Note a finding on a shadow run; True: counted here until it is known whether that is noise."""
        if task_type is None or finding.name == "pending" or not _has_two_results(pair):
            return False
        of_type = self._types.setdefault(task_type, _OfType())
        of_type.shadows += 1
        fit = next((one for one in finding.fits if one.name == "result_diff"), None)
        if fit is None:
            return False
        paths = {general(one.path) for one in fit.differences}
        of_type.between.update(path for path in paths if path.startswith(SHADOW))
        differing = [one.name for one in finding.fits if one.name not in CLEAN]
        return (
            differing == ["result_diff"]
            and paths <= of_type.within.keys()
            and self._keep(of_type, paths, pair, finding, fit)
        )

    def settle(self, tally: Tally) -> None:
        """Count what was kept: as noise, and so as if it did not differ, or as `result_diff`."""
        for task_type, of_type in self._types.items():
            excused = {one.path for one in of_type.floor().paths if one.is_excused}
            counted = tally.types.get(task_type)
            if counted is None:
                continue
            for kept, jobs in of_type.kept.items():
                is_noise = kept.paths <= excused
                counted.take(kept.otherwise if is_noise else "result_diff", jobs)
                if is_noise and kept.otherwise == "expected":
                    tally.rules.update(dict.fromkeys(kept.rules, jobs.count))
            _name_noise(counted, excused)

    def floors(self) -> dict[str, NoiseFloor]:
        """Return, by task type, how far legacy differs from itself; what never ran twice is left out."""
        return {name: of_type.floor() for name, of_type in self._types.items() if of_type.repeats}

    def notes(self) -> list[str]:
        """Return, as sentences, what was not excused although legacy differs from itself there."""
        return [
            _note(task_type, one, floor)
            for task_type, floor in sorted(self.floors().items())
            for one in floor.paths
            if one.between and not one.is_excused
        ]

    def _compare(self, entry: Entry) -> None:
        job, first, second = entry.job, entry.ending, entry.repeat
        if job is None or first is None or second is None:
            return
        if not first.status == second.status == "completed":
            return
        of_type = self._types.setdefault(job.task_type, _OfType())
        of_type.repeats += 1
        ran_twice = _as_a_shadow(entry, job.task_type, Outcome("completed", first.result), second.result)
        found = result_diff(ran_twice, self._look_of(job.task_type)) or ()
        of_type.within.update({general(one.path) for one in found})

    def _keep(self, of_type: _OfType, paths: set[str], pair: Pair, finding: Finding, fit: Fit) -> bool:
        others = [one.name for one in finding.fits if one.name in CLEAN]
        otherwise: Class = "expected" if finding.rules else others[0] if others else "match"
        kept = _Kept(frozenset(paths), otherwise, finding.rules)
        if kept not in of_type.kept:
            if len(of_type.kept) == COMBINATIONS:
                return False
            of_type.kept[kept] = ClassTally(width=self._width)
        of_type.kept[kept].add(pair, finding, fit)
        return True

    def _look_of(self, task_type: str) -> Look:
        if task_type not in self._looks:
            counting = [rule.fields for rule in self._rules if rule.covers(task_type, self._today)]
            self._looks[task_type] = replace(self._look, rules=sum(counting, start=NO_RULES))
        return self._looks[task_type]


def _as_a_shadow(entry: Entry, task_type: str, outcome: Outcome, second: object) -> Pair:
    """Two runs in legacy as a pair: the second one stands where a shadow of Supabase's would."""
    shadow = Outcome("completed", second)  # type: ignore[arg-type]  # a result, as the index has it
    one = Observation(*(entry.job_id, task_type, "legacy", 0, "completed", 0, None, 1, None, outcome, None))
    return Pair(one, one._replace(state="copy", shadow=shadow))


def _has_two_results(pair: Pair) -> bool:
    legacy, supabase = pair
    if legacy is None or supabase is None or supabase.shadow is None or legacy.outcome is None:
        return False
    return legacy.outcome.status == supabase.shadow.status == "completed"


def _name_noise(counted: TypeTally, excused: set[str]) -> None:
    """Let paths that are excused be of kind `noise` where a job differs elsewhere as well."""
    differing = counted.classes.get("result_diff")
    if differing is None:
        return
    for path, kind in [place for place in differing.paths if place[0] in excused]:
        differing.paths[path, "noise"] += differing.paths.pop((path, kind))
    for sample in differing.samples:
        for one in sample["differences"]:  # type: ignore[union-attr]  # as `sample_of` made it
            if general(one["path"]) in excused:  # type: ignore
                one["kind"] = "noise"  # type: ignore


def _note(task_type: str, one: NoisyPath, floor: NoiseFloor) -> str:
    what = (
        f"{task_type!r} differs at {one.path} in {one.between:.2%} of {floor.shadows} shadow runs, and legacy"
        f" from itself in {one.rate:.2%} of {floor.repeats} repeats"
    )
    if floor.further_repeats:
        return f"{what}: {floor.further_repeats} more repeats are needed before that excuses anything"
    return f"{what}: that is more than noise (p = {one.p_value:.1e})"
