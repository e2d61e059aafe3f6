"""Celery messages without a stamp, as the jobs that they stand for.

Celery's messages say nowhere when they were sent. Such a message is told by its task's id and its arguments:
a task of the same id and the same arguments that is sent again counts as the same one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supaqueue.cutover.legacy.unstamped import WhyLeft, unstamped_job_id


@dataclass(frozen=True, slots=True)
class CeleryCall:
    """What a message calls.

    Attributes:
        args, kwargs: the arguments.
        embed: what Celery is to do afterwards: callbacks, errbacks, chain, chord.
    """

    args: list[Any]
    kwargs: dict[str, Any]
    embed: Mapping[str, Any]


def message_id(task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return what tells a message without a stamp from every other; see the module."""
    try:
        content = json.dumps([list(args), dict(kwargs)], sort_keys=True)
    except (TypeError, ValueError):  # what is no JSON can be no job either
        content = ""
    return json.dumps([task_id, hashlib.sha256(content.encode()).hexdigest()])


def task_id_of(native_id: str) -> str:
    """Return the task's id in a native id: that of a stamped message is nothing else."""
    return str(json.loads(native_id)[0]) if native_id.startswith("[") else native_id


def job_id_of(task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return the id of the job that a message without a stamp stands for."""
    return unstamped_job_id("celery", message_id(task_id, args, kwargs))


def why_left(headers: Mapping[str, Any], call: CeleryCall | None, *, is_with_worker: bool) -> WhyLeft | None:
    """Say why a message has to stay; None if it may stand for a job."""
    if is_with_worker:
        return "with_worker"
    if call is None or not headers.get("task"):
        return "unreadable"
    if headers.get("retries"):
        return "begun"
    if headers.get("group") or any(call.embed.values()):
        return "linked"
    has_limits = headers.get("expires") or any(headers.get("timelimit") or ())
    return "options" if has_limits else None
