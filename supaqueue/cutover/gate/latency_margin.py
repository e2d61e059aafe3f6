"""By how much the canary may be slower than the control: semantics, section 7."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LATENCY_MARGIN = 0.1
"""A share of the control's latency,"""
LATENCY_MARGIN_SECONDS = 0.05
"""or so much, if that is more."""


def slower_by_margin(control: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """Return the control's latencies, in seconds, each slower by 10 percent or by `seconds`, what is more."""
    slower: NDArray[np.float64] = np.maximum(control * (1.0 + LATENCY_MARGIN), control + seconds)
    return slower
