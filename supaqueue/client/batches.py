"""Many rows as calls of a bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from supaqueue.answer import EnqueueAnswer
from supaqueue.client.checks import Checks
from supaqueue.contract import EnqueueJobs, NewJob
from supaqueue.errors import CallError, InvalidInput
from supaqueue.job_id import check_job_id

ROWS_PER_CALL = 1000
BYTES_PER_CALL = 4 * 1_048_576
JOBS_PER_READ = 200
"""Fewer than rows of a write, since each may bring a result of a megabyte."""


def checked_jobs(jobs: Iterable[NewJob | Mapping[str, Any]], checks: Checks) -> list[NewJob]:
    """Return jobs of which each can be sent, made from mappings where they are some.

    Raises:
        InvalidInput: one cannot; the field begins with its place, as in `jobs[3].payload`.
    """
    checked = []
    for index, job in enumerate(jobs):
        new = job if isinstance(job, NewJob) else NewJob.from_mapping(job, field=f"jobs[{index}]")
        checks.check(new, field=f"jobs[{index}].payload")
        checked.append(new)
    return checked


def checked_ids(job_ids: Iterable[str]) -> list[str]:
    """Return ids in the form that the database gives them.

    Raises:
        InvalidInput: one is no id of a job.
    """
    if isinstance(job_ids, str):
        raise InvalidInput("must be several ids, not one text", field="job_ids")
    return [check_job_id(job_id, field=f"job_ids[{index}]") for index, job_id in enumerate(job_ids)]


def enqueue_calls(jobs: Sequence[NewJob]) -> Iterator[EnqueueJobs]:
    """Return the calls that store `jobs`, in order, each of at most 1,000 jobs and 4 MiB of payloads."""
    batch: list[NewJob] = []
    size = 0
    for job in jobs:
        if batch and (len(batch) == ROWS_PER_CALL or size + job.payload_bytes > BYTES_PER_CALL):
            yield EnqueueJobs(tuple(batch))
            batch, size = [], 0
        batch.append(job)
        size += job.payload_bytes
    if batch:
        yield EnqueueJobs(tuple(batch))


def parts(job_ids: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """Return the ids in order, `size` at a time."""
    return (tuple(job_ids[start : start + size]) for start in range(0, len(job_ids), size))


@contextmanager
def carrying(answered: list[EnqueueAnswer]) -> Iterator[None]:
    """Let an error out of the block carry what was answered before it."""
    try:
        yield
    except CallError as error:
        error.answered = tuple(answered)
        raise
