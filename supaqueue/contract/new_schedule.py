"""A schedule to be: checked when it is made, so that whatever is refused is refused before any write."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

from supaqueue.contract.json_value import Json, check_text, without_none
from supaqueue.contract.new_job import NewJob
from supaqueue.cron import Cron
from supaqueue.errors import InvalidInput
from supaqueue.schedule import Missed

MAX_MISSED = 1000
_OF_THE_TICK = ("job_id", "idempotency_key", "run_at", "delay")


@dataclass(frozen=True, slots=True, init=False)
class NewSchedule:
    """A job to enqueue again and again.

    Args:
        schedule_name: what it is known by; declaring it again changes it.
        cron: minute, hour, day of month, month, day of week, as `0 7 * * 1-5`.
        task_type: which handler runs it.
        payload: plain JSON or a pydantic model, the same at each tick.
        queue: where the jobs wait.
        time_zone: whose clock `cron` is read from, as `Europe/Berlin`.
        missed: what becomes of ticks that no scheduler was there for: `skip`, the `last` one, or `all`.
        missed_limit: the most that `all` makes up for, the latest ones; 1 to 1,000.
        options: of the jobs, as `NewJob` takes them; but not its id or time, which each tick has of its own.

    Raises:
        InvalidInput: naming the field.
    """

    schedule_name: str
    cron: str
    time_zone: str
    job: dict[str, Json] = field(repr=False)
    payload_bytes: int
    missed: Missed
    missed_limit: int

    def __init__(
        self,
        schedule_name: str,
        cron: str,
        *,
        task_type: str,
        payload: object = None,
        queue: str = "default",
        time_zone: str = "UTC",
        missed: Missed = "last",
        missed_limit: int = 100,
        **options: Any,
    ) -> None:
        clock = Cron(cron, time_zone)
        job = _checked_job({"task_type": task_type, "payload": payload, "queue": queue} | options)
        checked = {
            "schedule_name": check_text(schedule_name, field="schedule_name"),
            "cron": clock.expression,
            "time_zone": clock.time_zone,
            "job": {name: value for name, value in job.row().items() if name != "job_id"},
            "payload_bytes": job.payload_bytes,
            "missed": _checked_missed(missed),
            "missed_limit": _checked_limit(missed_limit),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def row(self, version: int | None) -> dict[str, Json]:
        """Return it as SQL takes it; `version` is the one that it may replace."""
        return without_none(
            {
                "schedule_name": self.schedule_name,
                "version": version,
                "cron": self.cron,
                "time_zone": self.time_zone,
                "job": self.job,
                "missed": self.missed,
                "missed_limit": self.missed_limit,
            }
        )


def _checked_job(options: dict[str, Any]) -> NewJob:
    for name in _OF_THE_TICK:
        if name in options:
            raise InvalidInput("a schedule takes none: each tick has its own", field=name)
    if isinstance(options.get("deadline"), datetime):
        raise InvalidInput("must be seconds or a timedelta, which count from each tick", field="deadline")
    try:
        return NewJob.from_mapping(options, field="")
    except InvalidInput as error:
        raise InvalidInput(error.message, field=(error.field or "").removeprefix(".")) from None


def _checked_missed(missed: object) -> Missed:
    if missed not in get_args(Missed):
        raise InvalidInput(f"must be one of {', '.join(get_args(Missed))}", field="missed")
    return missed  # type: ignore[return-value]  # it is one of them


def _checked_limit(limit: object) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_MISSED:
        raise InvalidInput(f"must be a whole number from 1 to {MAX_MISSED:,}", field="missed_limit")
    return limit
