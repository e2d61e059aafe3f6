"""A message as a file: what is in it, and what its name says.

Names are `<due>.<attempt>.<s or u>.<rest>.json`: when it may run, in microseconds since 1970, so that names
sort by it; the number of the attempt that comes; whether it is stamped; and the stamp's native id, or what
something else called it. A file with any other name was put there by something else, and nobody took it yet.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import SkipValidation

from supaqueue.contract import ClaimedTask, Json, NewJob, TaskTypeOptions
from supaqueue.contract.json_value import encode
from supaqueue.cutover.errors import StampTooNew
from supaqueue.cutover.legacy.entry import Message
from supaqueue.cutover.legacy.unstamped import unstamped_job_id
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import InvalidInput

DEFAULT_ATTEMPTS = 5
_NAME = re.compile(r"(\d{18})\.(\d{1,9})\.([su])\.(.+)\.json", re.DOTALL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_REST = 150


@dataclass(frozen=True, slots=True)
class FileName:
    """What a file's name says; of a foreign one, that it is due and has had no attempt."""

    due: int
    attempt: int
    is_stamped: bool
    rest: str
    is_new: bool = False

    @classmethod
    def of(cls, name: str) -> Self:
        """Read a name, which ends in `.json`."""
        if match := _NAME.fullmatch(name):
            return cls(int(match[1]), int(match[2]), match[3] == "s", match[4])
        rest = name.removesuffix(".json")
        if len(os.fsencode(rest)) > _LONGEST_REST:
            rest = hashlib.sha256(os.fsencode(rest)).hexdigest()
        return cls(0, 1, False, rest, is_new=True)

    @classmethod
    def of_stamp(cls, stamp: Stamp, due_at: datetime) -> Self:
        """Make the name under which a job is published."""
        return cls((due_at - _EPOCH) // _MICROSECOND, 1, True, stamp.native_id)

    @property
    def due_at(self) -> datetime:
        """When it may run."""
        return _EPOCH + self.due * _MICROSECOND

    def taken(self) -> Self:
        """Return the name once it is taken: foreign names may come again, with another message."""
        return (
            replace(self, rest=f"{self.rest}~{secrets.token_hex(4)}", is_new=False) if self.is_new else self
        )

    def again(self, due_at: datetime, *, attempts: int) -> Self:
        """Return the name under which it waits for another run, that many attempts later."""
        due = max(0, (due_at - _EPOCH) // _MICROSECOND)
        return replace(self, due=due, attempt=self.attempt + attempts)

    def __str__(self) -> str:
        return f"{self.due:018d}.{self.attempt}.{'s' if self.is_stamped else 'u'}.{self.rest}.json"


@dataclass(frozen=True, slots=True)
class FolderMessage:
    """What is in a file. `stamp` is as it stands there, None if there is none."""

    stamp: SkipValidation[Json]
    job: NewJob = field(repr=False)

    def claimed(self, attempt: int, declared: TaskTypeOptions | None, now: datetime) -> ClaimedTask:
        """Return it as the handler's run takes it; `declared` are its task type's options."""
        job = self.job
        max_attempts = job.max_attempts or (declared.max_attempts if declared else None) or DEFAULT_ATTEMPTS
        timeout_seconds = job.timeout_seconds or (declared.timeout_seconds if declared else None)
        deadline = job.deadline_at
        return ClaimedTask(
            job_id=job.job_id,
            task_number=1,
            queue=job.queue,
            task_type=job.task_type,
            payload=job.payload,
            lease_token=0,
            attempt=attempt,
            max_attempts=max_attempts,
            waited_seconds=0.0,
            timeout_seconds=timeout_seconds,
            deadline_in_seconds=None if deadline is None else (deadline - now).total_seconds(),
        )


def message_text(message: Message, due_at: datetime) -> str:
    """Return what a job's file contains: the job as it was asked for, and its stamp."""
    row = message.job.row()
    del row["job_id"]
    if (seconds := message.job.deadline_seconds) is not None:
        del row["deadline_seconds"]
        row["deadline_at"] = (due_at + timedelta(seconds=seconds)).isoformat()
    return encode({"stamp": message.stamp.as_json(), **row})


def read_message(content: bytes, name: FileName) -> FolderMessage:
    """Read what a file contains. The id of a job without a stamp is its file's, from when that was taken.

    Raises:
        InvalidInput: it is no message; says what is wrong with it, and quotes nothing.
    """
    found = _parsed(content)
    stamp = found.get("stamp")
    if stamp is None and name.is_stamped:
        raise InvalidInput("is missing, while the file's name tells of one", field="stamp")
    row = {**found, "job_id": _job_id(stamp, name)}
    del row["stamp"]
    try:
        return FolderMessage(stamp, NewJob.from_row(row))
    except InvalidInput:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidInput(f"has an option that cannot be read ({type(error).__name__})") from None


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"is no JSON ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise InvalidInput("is no JSON object")
    if "task_type" not in found:
        raise InvalidInput("is missing", field="task_type")
    return {"stamp": None, **found}


def _job_id(stamp: Json, name: FileName) -> str:
    if stamp is not None:
        try:
            return Stamp.from_json(stamp).job_id
        except StampTooNew:
            pass  # the guard holds it; whose it is does not matter until then
    digest = hashlib.sha256(os.fsencode(name.rest)).hexdigest()
    return unstamped_job_id("folder", digest)
