"""Numbers, times and durations as the page writes them."""

from __future__ import annotations

import math

NOT_KNOWN = "\u2013"


def number(value: int | None) -> str:
    """Return it with commas at the thousands."""
    return NOT_KNOWN if value is None else f"{value:,}"


def percent(rate: float | None) -> str:
    """Return a rate as a percentage: two places, or two digits where those would show nothing."""
    if rate is None:
        return NOT_KNOWN
    if rate in (0, 1):
        return f"{rate:.0%}"
    places = 2 if rate >= 0.001 else 1 - math.floor(math.log10(rate * 100))
    # 99.999 percent is not all of them.
    while places < 8 and rate < 1 and round(rate * 100, places) == 100:
        places += 1
    return f"{rate * 100:.{places}f}%"


def bound(rate: float) -> str:
    """Return a rate that somebody declared, as short as they would write it."""
    return f"{rate * 100:.10g}%"


def duration(seconds: float | None) -> str:
    """Return seconds in the unit that fits."""
    if seconds is None:
        return NOT_KNOWN
    for unit, length in (("days", 86_400), ("hours", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def moment(text: str | None) -> str:
    """Return a time of the report to the second, which is UTC."""
    return NOT_KNOWN if text is None else text[:19].replace("T", " ")


def plural(count: int, one: str, many: str) -> str:
    """Return a count with its noun."""
    return f"{number(count)} {one if count == 1 else many}"
