"""What the spool holds: mirrors of jobs that legacy owns, for Supabase."""

from __future__ import annotations

from supaqueue.contract import Json, NewJob
from supaqueue.errors import InvalidInput


def mirror_record(job: NewJob) -> Json:
    """Return the record of a job that legacy owns."""
    return {"mirror": job.row() | {"owner": "legacy"}}


def mirrored_job(record: Json) -> NewJob:
    """Return the job of a record.

    Raises:
        InvalidInput: it is no record of this version.
    """
    if not isinstance(record, dict) or not isinstance(row := record.get("mirror"), dict):
        raise InvalidInput("is no mirror that this version knows: upgrade supaqueue here", field="record")
    return NewJob.from_row(row)
