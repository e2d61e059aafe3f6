"""Ids of jobs: shaped like UUIDv7, minted before any write; the last 14 bits are the job's bucket."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from typing import Literal, Self

from supaqueue.errors import InvalidInput

BUCKETS = 10_000

_BUCKET_BITS = 14
_BUCKET_MASK = (1 << _BUCKET_BITS) - 1
_VERSION_7 = 7 << 76
_VARIANT = 2 << 62
_UNVERSIONED = ((1 << 128) - 1) ^ (15 << 76) ^ (3 << 62)


class Ticket(str):
    """The id of a job of which was decided which system runs it: a repeat that presents it asks no more.

    Errors of a cutover's router carry one as their `job_id`. Its text alone is an id like any other.
    """

    __slots__ = ("owner",)

    owner: Literal["supabase", "legacy"]

    def __new__(cls, job_id: str, owner: Literal["supabase", "legacy"]) -> Self:
        """Return a ticket for a checked id."""
        ticket = super().__new__(cls, check_job_id(job_id))
        ticket.owner = owner
        return ticket

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Pickle the owner too."""
        return (type(self), (str(self), self.owner))


def new_job_id(bucket: int | None = None) -> str:
    """Return a new id: 48 bits of Unix milliseconds, 60 random bits, a bucket, by default drawn evenly."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(60)
    value = (
        milliseconds << 80
        | _VERSION_7
        | (random >> 48) << 64
        | _VARIANT
        | (random & ((1 << 48) - 1)) << _BUCKET_BITS
        | (secrets.randbelow(BUCKETS) if bucket is None else bucket)
    )
    return str(uuid.UUID(int=value))


def job_id_from_key(task_type: str, key: str) -> str:
    """Return the id of the one job of `task_type` that has this idempotency key: the same at each call."""
    digest = hashlib.sha256(f"{task_type}:{key}".encode()).digest()
    bucket = int.from_bytes(digest[:4]) * BUCKETS >> 32
    value = int.from_bytes(digest[:16]) & _UNVERSIONED & ~_BUCKET_MASK
    return str(uuid.UUID(int=value | _VERSION_7 | _VARIANT | bucket))


def bucket_of(job_id: str) -> int:
    """Return the bucket of an id, 0 to 9,999.

    Raises:
        InvalidInput: it is no id of a job.
    """
    return int(check_job_id(job_id)[-4:], 16) & _BUCKET_MASK


def check_job_id(text: object, *, field: str = "job_id") -> str:
    """Return `text` in the one form that ids have: lower case, with hyphens.

    Raises:
        InvalidInput: it is no UUID, or its last 14 bits are no bucket.
    """
    value = _uuid(text, field)
    if value.int & _BUCKET_MASK >= BUCKETS:
        raise InvalidInput(
            "its last 14 bits are not below 10,000; make ids with supaqueue.job_id.new_job_id,"
            " or pass idempotency_key instead",
            field=field,
        )
    return str(value)


def _uuid(text: object, field: str) -> uuid.UUID:
    if isinstance(text, uuid.UUID):
        return text
    try:
        return uuid.UUID(text) if isinstance(text, str) else _no_uuid(field)
    except ValueError:
        return _no_uuid(field)


def _no_uuid(field: str) -> uuid.UUID:
    raise InvalidInput("is no UUID", field=field)
