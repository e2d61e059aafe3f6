"""The tasks of a job that is made of several, and who runs after whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import SkipValidation

from supaqueue.backoff import Backoff, checked_backoff
from supaqueue.contract.attempts import backoff_row, checked_attempts, checked_timeout
from supaqueue.contract.json_value import Json, check_text, measured_json, without_none
from supaqueue.contract.task_order import check_order
from supaqueue.errors import InvalidInput

OnFailure = Literal["fail", "skip", "continue"]
_ON_FAILURE = ("fail", "skip", "continue")
_OPTIONS = frozenset(("task_type", "payload", "name", "after", "max_attempts", "backoff", "timeout"))
MOST_TASKS = 20_000
"""A task's number is a smallint; what is more than this is better several jobs."""

MOST_BYTES = 4 * 1_048_576
"""One call carries a whole job, and calls carry so much."""


@dataclass(frozen=True, slots=True, init=False)
class NewTask:
    """One task of a job that is made of several; queue, tenant, priority, time and deadline are the job's.

    Args:
        task_type: which handler runs it.
        payload: plain JSON or a pydantic model.
        name: what the others of its job call it, 1 to 200 characters; by default its task type.
        after: names of the tasks that it runs after; it gets their results, as `context.results`.
        max_attempts: 1 to 1,000; by default the task type's, else 5.
        backoff: how long each retry waits, as for a `NewJob`.
        timeout: of one attempt, in seconds or as a timedelta, up to 30 days.

    Raises:
        InvalidInput: naming the field.
    """

    task_type: str
    payload: SkipValidation[Json] = field(repr=False)
    payload_bytes: int
    name: str
    after: tuple[str, ...]
    max_attempts: int | None
    backoff: Backoff | None
    timeout_seconds: float | None

    def __init__(
        self,
        task_type: str,
        payload: object = None,
        *,
        name: str | None = None,
        after: Iterable[str] = (),
        max_attempts: int | None = None,
        backoff: Backoff | float | timedelta | None = None,
        timeout: float | timedelta | None = None,
    ) -> None:
        checked_payload, payload_bytes = measured_json(payload, field="payload")
        checked = {
            "task_type": check_text(task_type, field="task_type"),
            "payload": checked_payload,
            "payload_bytes": payload_bytes,
            "name": task_type if name is None else check_text(name, field="name"),
            "after": _checked_after(after),
            "max_attempts": checked_attempts(max_attempts),
            "backoff": checked_backoff(backoff, field="backoff"),
            "timeout_seconds": checked_timeout(timeout),
        }
        for key, value in checked.items():
            object.__setattr__(self, key, value)

    def running_after(self, names: Iterable[str]) -> Self:
        """Return this task, to run after those named as well."""
        task = object.__new__(type(self))
        for key in self.__slots__:
            object.__setattr__(task, key, getattr(self, key))
        object.__setattr__(task, "after", tuple(dict.fromkeys((*self.after, *names))))
        return task

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it; what is not set is left out."""
        row: dict[str, Json] = {
            "name": self.name,
            "task_type": self.task_type,
            "payload": self.payload,
            "after": list(self.after) or None,
            "max_attempts": self.max_attempts,
            **backoff_row(self.backoff),
            "timeout_seconds": self.timeout_seconds,
        }
        return without_none(row)

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> Self:
        """Return the task that a mapping of the constructor's arguments describes.

        Raises:
            InvalidInput: an argument is unknown, missing or malformed.
        """
        for name in options:
            if name not in _OPTIONS:
                raise InvalidInput("this version has no such option", field=str(name))
        if "task_type" not in options:
            raise InvalidInput("is missing", field="task_type")
        return cls(**options)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the task that `row` describes, as `row()` gave it."""
        options = {name: value for name, value in row.items() if name in _OPTIONS}
        if "timeout_seconds" in row:
            options["timeout"] = row["timeout_seconds"]
        if "retry_delay_seconds" in row:
            names = ("retry_delay_seconds", "retry_factor", "retry_max_delay_seconds", "retry_jitter")
            options["backoff"] = Backoff(*(row[name] for name in names))
        return cls(**options)


def sequence(*stages: NewTask | Iterable[NewTask]) -> tuple[NewTask, ...]:
    """Return tasks that run stage by stage: each task of a stage runs after all of the stage before it.

    A stage is a task, or several that run side by side: `sequence(split, [part_1, part_2], merge)` fans out
    and in. A stage of many behind a stage of many makes each wait for each: put one task between them.
    """
    tasks: list[NewTask] = []
    before: tuple[str, ...] = ()
    for stage in stages:
        side_by_side = [stage] if isinstance(stage, NewTask) else list(stage)
        tasks += [task.running_after(before) for task in side_by_side]
        before = tuple(task.name for task in side_by_side) or before
    return tuple(tasks)


def checked_tasks(tasks: object, on_failure: object) -> tuple[NewTask, ...]:
    """Return the tasks of a job, none if it has one task only.

    Raises:
        InvalidInput: one is malformed, they cannot be run in any order, or nothing says what a failure means.
    """
    if isinstance(tasks, str | Mapping) or not isinstance(tasks, Iterable):
        raise InvalidInput(f"must be several tasks, not {type(tasks).__name__}", field="tasks")
    checked = tuple(_checked_task(task, number) for number, task in enumerate(tasks))
    if not checked:
        if on_failure is not None:
            raise InvalidInput("is for jobs of several tasks", field="on_failure")
        return ()
    if len(checked) > MOST_TASKS:
        raise InvalidInput(f"must be at most {MOST_TASKS:,}, not {len(checked):,}", field="tasks")
    if on_failure not in _ON_FAILURE:
        text = f"must be one of {', '.join(_ON_FAILURE)}: what a failed task means for the others"
        raise InvalidInput(text, field="on_failure")
    check_order([task.name for task in checked], [task.after for task in checked])
    return checked


def bytes_of(tasks: Sequence[NewTask]) -> int:
    """Return about what these tasks take in a call.

    Raises:
        InvalidInput: it is more than a call carries.
    """
    size = sum(
        task.payload_bytes + sum(len(text.encode()) + 3 for text in (task.name, task.task_type, *task.after))
        for task in tasks
    )
    if size > MOST_BYTES:
        raise InvalidInput(
            f"take {size:,} bytes together, the limit is {MOST_BYTES:,}: store large payloads elsewhere and"
            " pass their addresses",
            field="tasks",
        )
    return size


def _checked_task(task: object, number: int) -> NewTask:
    if isinstance(task, NewTask):
        return task
    if not isinstance(task, Mapping):
        raise InvalidInput(f"must be a NewTask, not {type(task).__name__}", field=f"tasks[{number}]")
    try:
        return NewTask.from_mapping(task)
    except InvalidInput as error:
        raise error.inside(f"tasks[{number}]") from None


def _checked_after(after: object) -> tuple[str, ...]:
    if isinstance(after, str) or not isinstance(after, Iterable):
        raise InvalidInput(f"must be several names, not {type(after).__name__}", field="after")
    return tuple(check_text(name, field=f"after[{place}]") for place, name in enumerate(after))
