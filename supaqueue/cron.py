"""When a five-field cron expression ticks in a time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from supaqueue.errors import InvalidInput

_FIVE_FIELDS = re.compile(r"[0-9A-Za-z*/,#-]+( [0-9A-Za-z*/,#-]+){4}")
_FIRST_WINDOW = timedelta(hours=1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cron:
    """Minute, hour, day of month, month, day of week, and the zone whose clock they are read from.

    Where the clock is set forward, what names its minutes and hours comes at the end of the missing hour;
    where it is set back, it comes the first time. What has a star there follows the clock: nothing in a
    missing hour, twice in a repeated one.

    Raises:
        InvalidInput: naming `cron` or `time_zone`.
    """

    expression: str
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", _checked_expression(self.expression))
        _zone(self.time_zone)
        if next(self.after(_EPOCH), None) is None:
            raise InvalidInput(f"never ticks: {self.expression!r}", field="cron")

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Return the ticks later than an aware time, in order, each once, in UTC."""
        last = moment
        for local in CronSim(self.expression, moment.astimezone(_zone(self.time_zone))):
            # Several minutes of a missing hour come at its end; and CronSim takes an hour for its first pass.
            if (tick := local.astimezone(UTC)) > last:
                yield tick
                last = tick

    def latest(self, after: datetime, through: datetime, most: int) -> tuple[datetime, ...]:
        """Return the last ticks of an interval, `most` of them if it has so many, in order, in UTC.

        Looks back in growing windows: a long interval costs no more than the ticks that are asked for.
        """
        window = _FIRST_WINDOW
        while True:
            start = max(after, through - window) if through - after > window else after
            ticks = self._between(start, through)
            if start == after or len(ticks) >= most:
                return ticks[-most:]
            window *= 2

    def _between(self, after: datetime, through: datetime) -> tuple[datetime, ...]:
        ticks = []
        for tick in self.after(after):
            if tick > through:
                break
            ticks.append(tick)
        return tuple(ticks)


def _checked_expression(expression: object) -> str:
    if not isinstance(expression, str):
        raise InvalidInput(f"must be text, not {type(expression).__name__}", field="cron")
    fields = " ".join(expression.split())
    if len(fields) > 200 or not _FIVE_FIELDS.fullmatch(fields):
        raise InvalidInput("must have five fields, like 0 7 * * 1-5", field="cron")
    try:
        CronSim(fields, _EPOCH)
    except CronSimError as error:
        raise InvalidInput(f"{str(error)[:1].lower()}{str(error)[1:]} in {fields!r}", field="cron") from None
    return fields


def _zone(name: object) -> ZoneInfo:
    try:
        # What "localtime" means differs from machine to machine.
        if isinstance(name, str) and name and name != "localtime":
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise InvalidInput("must be a name of the time zone database, like Europe/Berlin", field="time_zone")
