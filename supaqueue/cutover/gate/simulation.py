"""Asking beforehand how often the rollback would fire, and after how many jobs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supaqueue.cutover.gate.excess_errors import LEAST_ERRORS, LEAST_RATIO, LIMIT, log_mean, log_stakes
from supaqueue.errors import InvalidInput

AT_ONCE = 500
"""Runs simulated together; each takes some 20 kB."""
MOST_JOBS = 10_000_000

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A canary to be simulated.

    Attributes:
        baseline: the control's error rate; `ratio`: how many times that the canary's is.
        share: of all jobs, what the canary has.
        look_every: canary jobs between two looks; `horizon`: after how many it has passed.
        tests: how many tests run side by side.
        cluster: how many jobs in a row have the same route key, and with it the same fate.
        by_key: count route keys, not jobs.
        control_lag: by how many of its looks the control's errors are known later than the canary's.
        runs: how often it is simulated.
    """

    baseline: float = 0.01
    ratio: float = 1.0
    share: float = 0.1
    look_every: int = 20
    horizon: int = 4_000
    tests: int = 1
    cluster: int = 1
    by_key: bool = False
    control_lag: int = 0
    runs: int = 2_000

    def check(self) -> None:
        """Raise InvalidInput, naming the field, where this cannot be simulated."""
        if not 0.0 < self.baseline < 1.0 or not 0.0 < self.share < 1.0:
            raise InvalidInput("must lie between 0 and 100 percent", field="baseline and share")
        if not 0.0 < self.baseline * self.ratio <= 1.0:
            raise InvalidInput("times the baseline must be a rate, at most 100 percent", field="ratio")
        for name in ("look_every", "horizon", "tests", "cluster", "runs"):
            if getattr(self, name) < 1:
                raise InvalidInput("must be at least 1", field=name)
        if self.look_every % self.cluster or self.horizon < self.look_every:
            raise InvalidInput(
                "a look takes whole clusters, and a horizon at least one look", field="look_every"
            )
        if self.horizon / self.share > MOST_JOBS:
            raise InvalidInput(f"makes over {MOST_JOBS:,} jobs a run", field="horizon")


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it: how many runs were rolled back, and after how many canary jobs half of these were."""

    scenario: Scenario
    rolled_back: int
    median_jobs: float | None

    @property
    def rate(self) -> float:
        """Rolled back, of all runs."""
        return self.rolled_back / self.scenario.runs


def simulate(scenario: Scenario, *, seed: int = 0) -> Simulated:
    """Simulate a canary over and over; the same seed gives the same.

    Raises:
        InvalidInput: it cannot be simulated, naming the field.
    """
    scenario.check()
    chance = np.random.default_rng(seed)
    ended: list[Integers] = []
    for first in range(0, scenario.runs, AT_ONCE):
        ended.append(_looks_until_rolled_back(scenario, min(AT_ONCE, scenario.runs - first), chance))
    looks = np.concatenate(ended)
    fired = looks[looks > 0]
    median = float(np.median(fired)) * scenario.look_every if fired.size else None
    return Simulated(scenario, int(fired.size), median)


def _looks_until_rolled_back(scenario: Scenario, runs: int, chance: np.random.Generator) -> Integers:
    """Return at which look each run is rolled back, from 1; 0 if it is not."""
    canary, control = _clusters(scenario, runs, chance)
    canary_errors = chance.binomial(canary, scenario.baseline * scenario.ratio)
    control_errors = chance.binomial(control, scenario.baseline)
    if scenario.control_lag:
        known = max(0, control.shape[1] - scenario.control_lag)
        control_errors = np.pad(control_errors[:, :known], ((0, 0), (control.shape[1] - known, 0)))
    fires = _fires(scenario, canary, canary_errors, control, control_errors)
    first: Integers = np.where(fires.any(axis=1), fires.argmax(axis=1) + 1, 0)
    return first


def _clusters(scenario: Scenario, runs: int, chance: np.random.Generator) -> tuple[Integers, Integers]:
    """Return how many clusters each side has from look to look, by run.

    A look is due after so many of the canary's; how many the control has by then is chance, as each goes by
    the share.
    """
    shape = (runs, scenario.horizon // scenario.look_every)
    canary = scenario.look_every // scenario.cluster
    return np.full(shape, canary), chance.negative_binomial(canary, scenario.share, shape)


def _fires(
    scenario: Scenario, canary: Integers, canary_errors: Integers, control: Integers, control_errors: Integers
) -> NDArray[np.bool_]:
    # By job all of a cluster are errors at once.
    each = 1 if scenario.by_key else scenario.cluster
    # The cohort's own share, as a gate counts it: given how many each side had, errors fall by that.
    won, lost = log_stakes(canary / (canary + control))
    stakes = canary_errors[..., None] * won + control_errors[..., None] * lost
    jobs, errors, control_jobs, control_sum = (
        one.cumsum(axis=1) for one in (canary, canary_errors, control, control_errors)
    )
    fires: NDArray[np.bool_] = (
        (log_mean(each * stakes.cumsum(axis=1)) >= np.log(LIMIT * scenario.tests))
        & (each * errors >= LEAST_ERRORS)
        & (errors * control_jobs > LEAST_RATIO * control_sum * jobs)
    )
    return fires
