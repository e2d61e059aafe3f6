"""What may be asked for a job whose id is made here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

from supaqueue.backoff import Backoff
from supaqueue.contract.new_task import NewTask, OnFailure
from supaqueue.unique import Unique


class JobOptions(TypedDict, total=False):
    """The options of a `NewJob` but those that choose its id; what is left out is as there."""

    queue: str
    run_at: datetime | None
    delay: float | timedelta | None
    max_attempts: int | None
    backoff: Backoff | float | timedelta | None
    timeout: float | timedelta | None
    deadline: datetime | float | timedelta | None
    tags: Iterable[str]
    tenant: str | None
    unique: Unique | None
    priority: int
    order_key: str | None
    order_on_failure: Literal["block", "continue"]
    tasks: Iterable[NewTask | Mapping[str, Any]]
    on_failure: OnFailure | None
