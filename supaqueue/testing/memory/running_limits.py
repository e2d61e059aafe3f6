"""How many tasks may be leased at once, or begun in a window."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from supaqueue.testing.memory.changes import begin_change, check_changed_by, check_request_id
from supaqueue.testing.memory.checks import check_call, check_rows, out_of_range, refuse_first
from supaqueue.testing.memory.refused import invalid
from supaqueue.testing.memory.tables import Row, Tables, TaskRow, WindowRow

_FIELDS = {
    "queue": "1 to 200 characters",
    "task_type": "1 to 200 characters",
    "each_tenant": "a boolean",
    "running_limit": "1 to 100000",
    "starts_limit": "1 to 1000000",
    "starts_seconds": "a number",
}
_LONGEST_WINDOW_SECONDS = 2_678_400


class _Limit(NamedTuple):
    """One limit: whose it is, and what it allows."""

    queue: str | None
    task_type: str | None
    each_tenant: bool
    row: Row

    @property
    def key(self) -> tuple[str | None, str | None, bool]:
        return self.queue, self.task_type, self.each_tenant

    def matches(self, task: TaskRow) -> bool:
        return (
            self.queue in (None, task.queue)
            and self.task_type in (None, task.task_type)
            and (not self.each_tenant or bool(task.tenant))
        )

    def place(self, task: TaskRow) -> tuple[Any, ...]:
        """Return what is counted together with this task."""
        return *self.key, task.tenant if self.each_tenant else ""


def limit_running_v1(
    tables: Tables, request_id: Any, limits: Any, changed_by: Any, contract_version: Any
) -> list[Row]:
    """Limit what runs; a limit without numbers is removed."""
    check_call(contract_version)
    check_rows("limits[%s]", limits, _FIELDS, [])
    request = check_request_id(request_id)
    if len(limits) > 1000:
        raise invalid("limits: expected at most 1000 in one call")
    check_changed_by(changed_by)
    refuse_first("limits", map(_problem, limits))
    if begin_change(tables, request):
        for row in limits:
            tables.running_limits.pop(_key(row), None)
            if row.get("running_limit") is not None or row.get("starts_limit") is not None:
                tables.running_limits[_key(row)] = row | {"changed_by": changed_by}
            else:
                _forget_windows(tables, _key(row))
    return [_answer(tables, *_key(row)) for row in limits]


def list_running_limits_v1(tables: Tables, contract_version: Any) -> list[Row]:
    """List the limits, each with what runs under it now."""
    check_call(contract_version)
    return [
        _answer(tables, *limit.key)
        | {
            "running": max(_running(tables, limit).values(), default=0),
            "starts": max(_starts(tables, limit).values(), default=0),
        }
        for limit in sorted(
            _limits(tables), key=lambda limit: [(part is None, part or "") for part in limit.key[:2]]
        )
    ]


@dataclass(slots=True)
class Rooms:
    """For how many more tasks there is room, while one claim takes them one by one."""

    tables: Tables
    limits: list[_Limit] = field(init=False)
    used: dict[tuple[Any, ...], tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.limits = list(_limits(self.tables))
        running = {place: n for limit in self.limits for place, n in _running(self.tables, limit).items()}
        starts = {place: n for limit in self.limits for place, n in _starts(self.tables, limit).items()}
        self.used = {place: (running.get(place, 0), starts.get(place, 0)) for place in running | starts}

    def fit(self, tasks: Iterable[TaskRow]) -> list[TaskRow]:
        """Return those of the tasks for which there is room, the first ones first."""
        return [task for task in tasks if self._takes(task)]

    def _takes(self, task: TaskRow) -> bool:
        matching = [limit for limit in self.limits if limit.matches(task)]
        if any(_is_full(limit, *self.used.get(limit.place(task), (0, 0))) for limit in matching):
            return False
        for limit in matching:
            running, starts = self.used.get(limit.place(task), (0, 0))
            self.used[limit.place(task)] = running + 1, starts + 1
        return True


def count_starts(tables: Tables, leased: Iterable[TaskRow]) -> None:
    """Count what was leased just now in the open windows; one that has ended is followed by a new one."""
    for task in leased:
        for limit in _limits(tables):
            if limit.row.get("starts_limit") is None or not limit.matches(task):
                continue
            place = limit.place(task)
            window = tables.windows.get(place)
            if window is None or window.ends_at <= tables.now:
                ends_at = tables.now + timedelta(seconds=limit.row["starts_seconds"])
                window = tables.windows[place] = WindowRow(ends_at)
            window.used += 1


def next_window(tables: Tables, queues: Collection[str], task_types: Collection[str]) -> datetime | None:
    """Return when the first of the windows ends that hold something back now."""
    ends = (
        tables.windows[place].ends_at
        for limit in _limits(tables)
        if (limit.queue is None or limit.queue in queues)
        and (limit.task_type is None or limit.task_type in task_types)
        and limit.row.get("starts_limit") is not None
        for place, used in _starts(tables, limit).items()
        if used >= limit.row["starts_limit"]
    )
    return min(ends, default=None)


def _limits(tables: Tables) -> Iterator[_Limit]:
    return (_Limit(*key, row) for key, row in tables.running_limits.items())


def _running(tables: Tables, limit: _Limit) -> dict[tuple[Any, ...], int]:
    counts: dict[tuple[Any, ...], int] = {}
    for task in tables.tasks():
        if task.is_leased and limit.matches(task):
            counts[limit.place(task)] = counts.get(limit.place(task), 0) + 1
    return counts


def _starts(tables: Tables, limit: _Limit) -> dict[tuple[Any, ...], int]:
    return {
        place: window.used
        for place, window in tables.windows.items()
        if limit.row.get("starts_limit") is not None
        and place[:3] == limit.key
        and window.ends_at > tables.now
    }


def _forget_windows(tables: Tables, key: tuple[str | None, str | None, bool]) -> None:
    for place in [place for place in tables.windows if place[:3] == key]:
        del tables.windows[place]


def _is_full(limit: _Limit, running: int, starts: int) -> bool:
    most, most_starts = limit.row.get("running_limit"), limit.row.get("starts_limit")
    return (most is not None and running >= most) or (most_starts is not None and starts >= most_starts)


def _key(row: Row) -> tuple[str | None, str | None, bool]:
    return row.get("queue"), row.get("task_type"), bool(row.get("each_tenant"))


def _problem(row: Row) -> str | None:
    if row.get("queue") is None and row.get("task_type") is None:
        return "queue: expected one, or a task_type, or both"
    is_rate = row.get("starts_limit") is not None
    if is_rate != (row.get("starts_seconds") is not None) or out_of_range(
        row, "starts_seconds", _LONGEST_WINDOW_SECONDS, 0.1
    ):
        return "starts_seconds: expected 0.1 to 2678400 together with starts_limit, null without"
    return None


def _answer(tables: Tables, queue: str | None, task_type: str | None, each_tenant: bool) -> Row:
    row = tables.running_limits.get((queue, task_type, each_tenant), {})
    named = {"queue": queue, "task_type": task_type, "each_tenant": each_tenant}
    told = ("running_limit", "starts_limit", "starts_seconds", "changed_by")
    return named | {name: row.get(name) for name in told}
