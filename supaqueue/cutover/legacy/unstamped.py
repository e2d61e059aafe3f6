"""Messages without a stamp: what an old build enqueued around the router, or before there was one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from supaqueue.contract import NewJob
from supaqueue.errors import InvalidInput
from supaqueue.job_id import job_id_from_key

WhyLeft = Literal[
    "begun", "unreadable", "unmapped", "no_json", "options", "linked", "recurring", "with_worker"
]
"""begun: it was tried. unmapped: its function and arguments are none of a task type with a payload. no_json:
its payload is no plain JSON. options: it says something of its run that no job here can say. linked: others
wait for it, or it for others. recurring: its scheduler goes on from it. with_worker: it was fetched."""


@dataclass(frozen=True, slots=True)
class Unstamped:
    """A message without a stamp that waits: the `job` that it stands for, or why it has to stay.

    Attributes:
        native_id: by which `Broker.withdraw` removes this message, and no other that comes under its name.
        task_type: as far as it can be read.
        job: under the id that `unstamped_job_id` makes, as the guard does; None if it has to stay.
        why_left: None if there is a job.
    """

    native_id: str
    task_type: str
    job: NewJob | None = None
    why_left: WhyLeft | None = None


def unstamped_job_id(system: str, message_id: str) -> str:
    """Return the id of the job that a message without a stamp stands for: the same wherever it is seen.

    Args:
        system: the name of its broker.
        message_id: this message's alone, from when it was sent until it is gone.
    """
    return job_id_from_key(f"legacy:{system}", message_id)


def standing_for(native_id: str, task_type: str, payload: object, make: Callable[[], NewJob]) -> Unstamped:
    """Return a message that stands for the job that `make` makes, unless there can be no such job."""
    if not is_plain_json(payload):
        return Unstamped(native_id, task_type, why_left="no_json")
    try:
        return Unstamped(native_id, task_type, make())
    except InvalidInput as refused:
        is_payload = (refused.field or "").startswith("payload")
        return Unstamped(native_id, task_type, why_left="no_json" if is_payload else "options")


def is_plain_json(value: object) -> bool:
    """Say whether a value is the same after it was written as JSON: a tuple, for one, is not."""
    try:
        return bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError, RecursionError):
        return False
