"""Whether an index tells of attempts that failed: one of a team's own may not."""

from __future__ import annotations

from collections.abc import Callable

from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.stamp import Stamp

METHODS = ("free_failed", "unsent_first_failures", "first_failures_sent")


def tells_first_failures(index: Index) -> bool:
    """Say so. If it does not, legacy's failed attempts are known late, and first attempts do not compare."""
    return all(callable(getattr(index, name, None)) for name in METHODS)


def free_failed(index: Index) -> Callable[[Stamp, str], None]:
    """Return what frees a marker after an attempt that failed."""
    return index.free_failed if tells_first_failures(index) else index.free
