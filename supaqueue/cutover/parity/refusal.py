"""What Supabase would not take as legacy does: counted by type and reason, and said in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Reason = Literal[
    "payload_size",
    "payload_content",
    "result_left_out",
    "result_content",
    "over_timeout",
    "over_lease",
    "unserved",
    "no_workers",
]
"""`payload_content`, `result_content`: what Postgres cannot hold, or results that are too large.
`result_left_out`: legacy's worker could not note the result, and Supabase's would fail the job for it."""
TELLS: frozenset[Reason] = frozenset({"over_lease", "no_workers"})
"""What is told and refuses nothing: a lease is renewed while its handler runs, unless it blocks the loop."""

SAMPLES = 5
LONGEST_TOLD = 200
"""Characters of a problem that are shown."""


@dataclass(slots=True)
class Refusal:
    """Jobs of one type that Supabase would not take as legacy does, for one reason.

    Attributes:
        jobs: how many; `checked`: of how many that was looked at.
        limit: in bytes or seconds; None where there is none.
        worst: the largest value found, in the limit's unit, else the first problem in words.
        samples: the first job_ids.
    """

    task_type: str | None
    reason: Reason
    jobs: int = 0
    checked: int = 0
    limit: float | None = None
    worst: float | str | None = None
    samples: list[str] = field(default_factory=list)

    def add(self, job_id: str, worst: float | str | None = None, limit: float | None = None) -> None:
        """Count a job; of two values the one further over its limit is kept."""
        self.jobs += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(job_id)
        if self.worst is None or (not isinstance(worst, str) and _is_worse(worst, self.worst)):
            self.worst, self.limit = worst, limit


def shortened(problem: str) -> str:
    """Return the end of a problem in words: before it stands its path, which may be long."""
    return problem if len(problem) <= LONGEST_TOLD else "..." + problem[-LONGEST_TOLD:]


def because_refused(refusals: Iterable[Refusal]) -> list[str]:
    """Return, as sentences, what keeps a comparison from a pass, each with its limit and the next step."""
    return [_sentence(one) for one in refusals if one.reason not in TELLS]


def _sentence(one: Refusal) -> str:
    what = _WHAT[one.reason].format(limit=one.limit, worst=one.worst)
    return f"Supabase would reject {one.jobs} of {one.checked} jobs of {one.task_type!r}: {what}"


_WHAT: Mapping[Reason, str] = {
    "payload_size": "their payloads take more than {limit:,} bytes, up to {worst:,}: store them elsewhere and"
    " pass the address, or raise SUPAQUEUE_MAX_JSON_BYTES for clients and workers",
    "payload_content": "Postgres cannot hold what their payloads are ({worst}): change who enqueues them",
    "result_left_out": "their results are nothing that it can hold ({worst}): let the handler return that as"
    " plain JSON, or its address",
    "result_content": "their results are nothing that it can hold ({worst}): let the handler return that as"
    " plain JSON, or its address",
    "over_timeout": "they ran longer than their timeout of {limit:g} s, up to {worst:.1f} s: declare a longer"
    " one, or make the handler faster",
    "unserved": "no worker of Supabase that is alive serves their type in their queue: start one that does",
}


def _is_worse(worst: float | None, than: float | str) -> bool:
    return worst is not None and not isinstance(than, str) and worst > than
