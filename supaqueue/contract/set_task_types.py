"""Declaring what jobs of a task type get unless they say otherwise."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Literal

from supaqueue.backoff import Backoff, checked_backoff
from supaqueue.contract.attempts import (
    SHORTEST_SECONDS,
    backoff_row,
    checked_attempts,
    checked_seconds,
    checked_timeout,
)
from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json, without_none
from supaqueue.contract.new_job import LONGEST_DELAY
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class TaskTypeOptions:
    """What jobs of one type get unless they say otherwise; None falls back to what is built in.

    Times are in seconds; `deadline_seconds` counts from when a job may first run. See `NewJob`.
    """

    task_type: str
    max_attempts: int | None = None
    backoff: Backoff | None = None
    timeout_seconds: float | None = None
    deadline_seconds: float | None = None

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        return without_none(
            {
                "task_type": self.task_type,
                "max_attempts": self.max_attempts,
                "timeout_seconds": self.timeout_seconds,
                "deadline_seconds": self.deadline_seconds,
                **backoff_row(self.backoff),
            }
        )


def task_type_options(
    max_attempts: int | None,
    backoff: Backoff | float | timedelta | None,
    timeout: float | timedelta | None,
    deadline: float | timedelta | None,
    task_type: str = "",
) -> TaskTypeOptions | None:
    """Return the options as one value, None if none is given.

    Raises:
        InvalidInput: naming the option that is out of range.
    """
    if max_attempts is backoff is timeout is deadline is None:
        return None
    return TaskTypeOptions(
        task_type,
        checked_attempts(max_attempts),
        checked_backoff(backoff, field="backoff"),
        checked_timeout(timeout),
        checked_seconds(deadline, "deadline", LONGEST_DELAY, SHORTEST_SECONDS),
    )


@dataclass(frozen=True, slots=True)
class TaskTypeAnswer:
    """The declaration of this type is stored."""

    task_type: str
    answer: Literal["set"]


_REPLY = ReplyType(tuple[TaskTypeAnswer, ...])


@dataclass(frozen=True, slots=True)
class SetTaskTypes(Call[tuple[TaskTypeAnswer, ...]]):
    """Declare task types; decided for a job when it is enqueued. Repeatable by `request_id`."""

    function: ClassVar[str] = "set_task_types_v1"
    mutates: ClassVar[bool] = True

    task_types: tuple[TaskTypeOptions, ...]
    changed_by: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "request_id": self.request_id,
            "task_types": [options.row() for options in self.task_types],
            "changed_by": self.changed_by,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[TaskTypeAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.task_types), len(answers))
        return answers
