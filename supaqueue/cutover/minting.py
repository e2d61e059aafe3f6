"""Making a job whose id the caller may know before it is enqueued."""

from __future__ import annotations

from supaqueue.contract import NewJob
from supaqueue.cutover.parts import known_flags
from supaqueue.cutover.rollout import KnownFlags, Rollout
from supaqueue.cutover.steps import Steps
from supaqueue.cutover.tenants import key_bucket
from supaqueue.job_id import bucket_of, new_job_id


def minted(job: NewJob, rollout: Rollout) -> Steps[NewJob]:
    """Return a job that was just made, with an id in its tenant's bucket if its type moves by tenant.

    A job without a tenant asks nothing. Without flags, which say so and have the salt, the id stays as it is:
    then whoever enqueues the job knows as little, and goes by the bucket alone.
    """
    if job.tenant is None or not job.is_minted:
        return job
    known = yield from known_flags(rollout)
    if known is not None:
        _move_to_tenant(job, job.tenant, known)
    return job


def _move_to_tenant(job: NewJob, tenant: str, known: KnownFlags) -> None:
    flag = known.flags.of(job.task_type) or known.flags.overall
    bucket = key_bucket(known.flags.salt, tenant)
    if flag.routes_by_tenant and bucket_of(job.job_id) != bucket:
        object.__setattr__(job, "job_id", new_job_id(bucket))  # nobody has seen the other one
