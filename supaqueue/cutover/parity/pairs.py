"""Two sorted lists as one of pairs: what each system knows of a job, None where it knows nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from supaqueue.cutover.parity.observation import Observation


class Pair(NamedTuple):
    """One job in both systems; at least one knows it."""

    legacy: Observation | None
    supabase: Observation | None

    @property
    def job_id(self) -> str:
        """Whose pair it is."""
        known = self.legacy or self.supabase
        assert known is not None
        return known.job_id


def paired(legacy: Iterable[Observation], supabase: Iterable[Observation]) -> Iterator[Pair]:
    """Pair observations by job_id; both come sorted by it, each id once."""
    legacys, supabases = iter(legacy), iter(supabase)
    left, right = next(legacys, None), next(supabases, None)
    while left is not None and right is not None:
        if left.job_id == right.job_id:
            yield Pair(left, right)
            left, right = next(legacys, None), next(supabases, None)
        elif left.job_id < right.job_id:
            yield Pair(left, None)
            left = next(legacys, None)
        else:
            yield Pair(None, right)
            right = next(supabases, None)
    while left is not None:
        yield Pair(left, None)
        left = next(legacys, None)
    while right is not None:
        yield Pair(None, right)
        right = next(supabases, None)
