"""What calls about jobs are answered, per job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class EnqueueAnswer:
    """`created`; `exists`: stored before, alike; `conflict`: the id is taken by another job, or abandoned."""

    job_id: str
    answer: Literal["created", "exists", "conflict"]


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """`cancelled`; `requested`: still running; `finished`: completed or failed before; `unknown`."""

    job_id: str
    answer: Literal["cancelled", "requested", "finished", "unknown"]


@dataclass(frozen=True, slots=True)
class AbandonAnswer:
    """`abandoned`: it was not here and cannot come; `cancelled`: it was waiting; `started`: it goes on."""

    job_id: str
    answer: Literal["abandoned", "cancelled", "started"]
