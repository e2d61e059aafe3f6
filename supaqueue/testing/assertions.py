"""What was enqueued: to look at, and to assert."""

from __future__ import annotations

from pydantic import BaseModel

from supaqueue.job import Job
from supaqueue.testing.source import Source, database_of, read_jobs

ANY: object = type("Any", (), {"__repr__": lambda _: "ANY"})()
"""Stands for whatever payload; None is one of its own."""

SHOWN_CHARACTERS = 200


def enqueued(
    source: Source, task_type: str | None = None, *, payload: object = ANY, queue: str | None = None
) -> list[Job]:
    """Return the jobs that match, ended ones too, with payload and history, in the order of their enqueues.

    Args:
        source: the database in memory, or a queue or transport on it.
        payload: plain JSON, which may hold `unittest.mock.ANY`, or a pydantic model.
    """
    wanted = payload.model_dump(mode="json") if isinstance(payload, BaseModel) else payload
    return [
        job
        for job in _all_jobs(source)
        if task_type in (None, job.task_type)
        and queue in (None, job.queue)
        and (wanted is ANY or job.payload == wanted)
    ]


def assert_enqueued(
    source: Source,
    task_type: str | None = None,
    *,
    payload: object = ANY,
    queue: str | None = None,
    count: int | None = None,
) -> list[Job]:
    """Return the jobs that match, as `enqueued` does.

    Raises:
        AssertionError: there is none, or not exactly `count`; its text lists what is there.
    """
    __tracebackhide__ = True
    found = enqueued(source, task_type, payload=payload, queue=queue)
    if len(found) == count or (count is None and found):
        return found
    expected = "at least 1 job" if count is None else f"{count} job{'' if count == 1 else 's'}"
    raise AssertionError(
        f"expected {expected} {_described(task_type, payload, queue)}, found {len(found)}. {_listed(source)}"
    )


def assert_not_enqueued(
    source: Source, task_type: str | None = None, *, payload: object = ANY, queue: str | None = None
) -> None:
    """Make sure that no job matches.

    Raises:
        AssertionError: one does; it lists what is there.
    """
    __tracebackhide__ = True
    assert_enqueued(source, task_type, payload=payload, queue=queue, count=0)


def _all_jobs(source: Source) -> list[Job]:
    database = database_of(source)
    return read_jobs(database, database.job_ids())


def _described(task_type: str | None, payload: object, queue: str | None) -> str:
    parts = [f"of type {task_type!r}" if task_type is not None else "of any type"]
    if queue is not None:
        parts.append(f"in queue {queue!r}")
    if payload is not ANY:
        parts.append(f"with payload {payload!r}")
    return " ".join(parts)


def _listed(source: Source) -> str:
    lines = [
        f"  {job.task_type} {job.job_id} in {job.queue!r}, {job.status}: {_shown(job.payload)}"
        for job in _all_jobs(source)
    ]
    return "\n".join(["Enqueued were:", *lines]) if lines else "Nothing was enqueued."


def _shown(payload: object) -> str:
    text = repr(payload)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
