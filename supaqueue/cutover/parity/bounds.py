"""What a count of differences proves: exact one-sided bounds of a rate.

Clopper and Pearson, Biometrika 26 (1934), 404-413: the upper bound is the rate at which so few, or fewer,
would be found with probability 1 - `CONFIDENCE`. It holds for every true rate, cautiously.
"""

from __future__ import annotations

from supaqueue.cutover.statistics import optimize, stats

CONFIDENCE = 0.95


def upper_bound(found: int, of: int) -> float:
    """Return the highest rate that `found` in `of` jobs leaves possible; 1.0 of none.

    Raises:
        ValueError: there are fewer than none, or more than all.
    """
    _check(found, of)
    return 1.0 if found == of else float(stats.beta.ppf(CONFIDENCE, found + 1, of - found))


def lower_bound(found: int, of: int) -> float:
    """Return the lowest rate that `found` in `of` jobs leaves possible; 0.0 of none.

    Raises:
        ValueError: there are fewer than none, or more than all.
    """
    _check(found, of)
    return 0.0 if found == 0 else float(stats.beta.ppf(1 - CONFIDENCE, found, of - found + 1))


def jobs_needed(bound: float, found: int = 0) -> int:
    """Return the fewest jobs with `found` differences among them whose upper bound is at most `bound`.

    For none found that is ln(0.05) / ln(1 - bound), rounded up: 299 for 1 percent.

    Raises:
        ValueError: `bound` is not between 0 and 1.
    """
    if not 0 < bound < 1:
        raise ValueError("a bound is between 0 and 1")
    most = max(2 * found, 10)
    while upper_bound(found, most) > bound:
        most *= 2
    if upper_bound(found, found + 1) <= bound:
        return found + 1
    crossing = optimize.bisect(
        lambda of: float(stats.beta.ppf(CONFIDENCE, found + 1, of - found)) - bound,
        found + 1,
        most,
        xtol=1e-6,
    )
    near = int(crossing)
    return next(of for of in (near - 1, near, near + 1, near + 2) if upper_bound(found, of) <= bound)


def _check(found: int, of: int) -> None:
    if not 0 <= found <= of:
        raise ValueError(f"{found} of {of} is no count")
