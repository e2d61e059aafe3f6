"""Latencies out of the bins they are kept in, and how many of them a comparison takes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from supaqueue.cutover.gate.evidence import BIN, Latencies
from supaqueue.cutover.gate.latency_margin import slower_by_margin
from supaqueue.cutover.gate.not_worse import LEAST_LATENCIES, SIGNIFICANT
from supaqueue.cutover.gate.sample_size import POWER
from supaqueue.cutover.statistics import stats

Floats = NDArray[np.float64]


def latency_values(latencies: Latencies) -> Floats:
    """Return each latency in seconds, as the middle of its bin."""
    bins = sorted(latencies.bins)
    middles = np.array([BIN ** (one + 0.5) / 1000.0 for one in bins], dtype=float)
    values: Floats = np.repeat(middles, [latencies.bins[one] for one in bins])
    return values


def latencies_to_declare(control: Latencies, share: float, margin_seconds: float) -> int:
    """Return how many latencies of the canary's show, 9 times in 10, that it is as fast as the control.

    By Noether (Journal of the American Statistical Association 82 (1987), 645-647), from how often one of the
    control's would be below another one that is slower by the margin. At least 50; those if less is known.

    Args:
        share: of all jobs, what the canary has.
        margin_seconds: by how much it may be slower, at least.
    """
    values = latency_values(control)
    if len(values) < LEAST_LATENCIES or not 0.0 < share < 1.0:
        return LEAST_LATENCIES
    slower = slower_by_margin(values, margin_seconds)
    below = np.searchsorted(values, slower, "left") + np.searchsorted(values, slower, "right")
    effect = float(below.mean()) / (2 * len(values)) - 0.5
    deviations = float(stats.norm.ppf(1.0 - SIGNIFICANT) + stats.norm.ppf(POWER))
    return max(LEAST_LATENCIES, math.ceil(deviations**2 / (12.0 * (1.0 - share) * effect**2)))
