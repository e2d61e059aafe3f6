"""What the demo found: the witness against both systems' own records, stage by stage."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from supaqueue.cli.demo.cutover.order import Accepted, Told
from supaqueue.cli.demo.cutover.records import Record, Records
from supaqueue.cli.demo.cutover.share import share_bound
from supaqueue.cli.demo.cutover.stage_run import StageRun
from supaqueue.cli.demo.cutover.witness import Seen
from supaqueue.cli.demo.handlers import File, measure_file
from supaqueue.contract import Json
from supaqueue.cutover.legacy.entry import Owner


@dataclass(slots=True)
class Runs:
    """What the witness saw of one job; `starts` by system."""

    starts: Counter[Owner] = field(default_factory=Counter)
    ends: Counter[Owner] = field(default_factory=Counter)
    shadows: int = 0


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One stage.

    `jobs` were placed by the stage's own flag, and the three `owned_by...` and `share` figures are of them;
    `at_change` is how many more came while the flag was being changed. All other figures count both.

    Attributes:
        share: of `jobs` that were Supabase's when they were accepted; within `share_bound` in 999 of 1,000
            runs, by the binomial distribution of the percent.
        run_by_supabase: jobs that a handler of that side began, as the witness saw.
        mirrored: jobs of which the other system has a copy.
        relayed: what the relay told either system while the stage lasted: copies, hand-overs, ends.
        handed_over: jobs that changed their owner afterwards: handed back, or taken over.
        lost: accepted jobs that no system recorded an end of, or no handler was seen to finish.
        run_twice: jobs that began in both systems, or of which both recorded an end.
        reruns: further starts of jobs in the same system, after a kill.
    """

    stage: str
    percent: float
    jobs: int
    at_change: int
    owned_by_supabase: int
    owned_by_legacy: int
    share: float
    share_bound: tuple[float, float]
    run_by_supabase: int
    run_by_legacy: int
    shadow_runs: int
    mirrored: int
    relayed: int
    handed_over: int
    read_fallbacks: int
    lost: int
    run_twice: int
    reruns: int

    @property
    def holds_share(self) -> bool:
        """Whether the share is within its bound."""
        low, high = self.share_bound
        return low <= self.share <= high


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole cutover.

    Attributes:
        wrong: jobs that did not complete, or with another result than the one computed directly.
        disagreeing: jobs of which witness and records name different systems.
        unread: reads of accepted jobs that found nothing.
        repeats: enqueues that were refused for the moment and sent again.
    """

    jobs: int
    lost: int
    run_twice: int
    reruns: int
    wrong: int
    disagreeing: int
    reads: int
    unread: int
    repeats: int
    seconds: float
    stages: tuple[StageSummary, ...]

    @property
    def good(self) -> bool:
        """Whether every job was run by exactly one system, to the right end."""
        return not any((self.lost, self.run_twice, self.wrong, self.disagreeing, self.unread))


def summarise(
    stages: Sequence[StageRun],
    accepted: Mapping[str, Accepted],
    told: Iterable[Told],
    seen: Iterable[Seen],
    records: Records,
    seconds: float,
) -> Summary:
    """Compare what was accepted with what was seen and what was recorded."""
    told = list(told)
    runs = runs_of(seen)
    rows = tuple(
        _stage(
            stage,
            [one for one in accepted.values() if one.stage == number],
            sum(one.read_fallbacks for one in told if one.stage == number),
            runs,
            records,
        )
        for number, stage in enumerate(stages)
    )
    return Summary(
        jobs=len(accepted),
        lost=sum(row.lost for row in rows),
        run_twice=sum(row.run_twice for row in rows),
        reruns=sum(row.reruns for row in rows),
        wrong=_wrong(accepted.values(), records),
        disagreeing=sum(_disagree(runs[job_id], records.of(job_id)) for job_id in accepted),
        reads=sum(one.reads for one in told),
        unread=sum(one.unread for one in told),
        repeats=sum(one.repeats for one in told),
        seconds=round(seconds, 1),
        stages=rows,
    )


def runs_of(seen: Iterable[Seen]) -> defaultdict[str, Runs]:
    """Gather what was seen by job."""
    runs: defaultdict[str, Runs] = defaultdict(Runs)
    for one in seen:
        if one.event == "shadow":
            runs[one.job_id].shadows += 1
        else:
            (runs[one.job_id].starts if one.event == "start" else runs[one.job_id].ends)[one.system] += 1
    return runs


def _stage(
    stage: StageRun,
    accepted: Sequence[Accepted],
    read_fallbacks: int,
    runs: Mapping[str, Runs],
    records: Records,
) -> StageSummary:
    settled = [one for one in accepted if one.is_settled]
    owned = sum(one.owner == "supabase" for one in settled)

    def count(holds: Callable[[Runs, Record], bool]) -> int:
        return sum(holds(runs[one.job_id], records.of(one.job_id)) for one in accepted)

    return StageSummary(
        stage=stage.name,
        percent=float(stage.percent),
        jobs=len(settled),
        at_change=len(accepted) - len(settled),
        owned_by_supabase=owned,
        owned_by_legacy=len(settled) - owned,
        share=round(owned / len(settled), 4) if settled else 0.0,
        share_bound=share_bound(len(settled), stage.probability),
        run_by_supabase=count(lambda run, _: run.starts["supabase"] > 0),
        run_by_legacy=count(lambda run, _: run.starts["legacy"] > 0),
        shadow_runs=sum(runs[one.job_id].shadows > 0 for one in accepted),
        mirrored=count(lambda _, record: record.is_mirrored),
        relayed=_told_by(stage),
        handed_over=count(lambda _, record: record.epoch > 0),
        read_fallbacks=read_fallbacks,
        lost=count(is_lost),
        run_twice=count(is_run_twice),
        reruns=sum(sum(runs[one.job_id].starts.values()) - 1 for one in accepted if runs[one.job_id].starts),
    )


def is_lost(run: Runs, record: Record) -> bool:
    """Whether an accepted job came to no end."""
    return not record.outcomes or not run.ends


def is_run_twice(run: Runs, record: Record) -> bool:
    """Whether a job began in both systems or ended in both, by the witness or by the records."""
    return max(len(+run.starts), len(record.starts), len(record.outcomes)) > 1


def _disagree(run: Runs, record: Record) -> bool:
    return bool(record.outcomes) and set(record.outcomes) != set(+run.ends)


def _wrong(accepted: Iterable[Accepted], records: Records) -> int:
    expected = cache(_measured)
    return sum(
        not records.of(one.job_id).is_completed or records.of(one.job_id).result != expected(one.path)
        for one in accepted
    )


def _measured(path: str) -> Json:
    measured: Json = measure_file(File(path=Path(path)))  # type: ignore[assignment]
    return measured


def _told_by(stage: StageRun) -> int:
    done = stage.relayed
    return done.mirrored + done.parked + done.settled + done.released + done.taken_over + done.outcomes
