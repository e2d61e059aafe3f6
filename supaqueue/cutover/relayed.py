"""What one turn of a relay came to."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self


@dataclass(slots=True)
class Relayed:
    """Jobs by what was told of them.

    Attributes:
        mirrored: jobs that legacy owns, to Supabase, from the spool.
        parked: jobs that Supabase owns, to legacy.
        settled: ends of those.
        released: jobs handed over, to legacy.
        taken_over: jobs that legacy can start no more, and Supabase can.
        outcomes: ends of jobs that legacy owns, to Supabase.
        handed_back: jobs that Supabase has given up, to be released.
        closed_before: handed over, and ended, cancelled or abandoned in legacy before: that is their end.
        settled_unknown: records in doubt of an application, of which it was told what became of their jobs.
        forgotten: entries of legacy's index that were removed, since they had been over for long.
        disagreed: rows that one side answered with a refusal: each is logged, and left for the parity check.
        first_failures: attempts of legacy's jobs that failed and that another one follows, to Supabase.
    """

    mirrored: int = 0
    parked: int = 0
    settled: int = 0
    released: int = 0
    taken_over: int = 0
    outcomes: int = 0
    handed_back: int = 0
    closed_before: int = 0
    settled_unknown: int = 0
    forgotten: int = 0
    disagreed: int = 0
    first_failures: int = 0

    def __iadd__(self, other: Self) -> Self:
        """Add another turn's."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        return self

    def __bool__(self) -> bool:
        """Whether anything was done."""
        return any(getattr(self, one.name) for one in fields(self))
