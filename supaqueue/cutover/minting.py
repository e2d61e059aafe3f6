"""Making a job whose id the caller may know before it is enqueued."""

from __future__ import annotations

from supaqueue.contract import NewJob
from supaqueue.cutover.parts import known_flags
from supaqueue.cutover.placing import route_by_tenant
from supaqueue.cutover.rollout import Rollout
from supaqueue.cutover.steps import Steps


def minted(job: NewJob, rollout: Rollout) -> Steps[NewJob]:
    """Return a job that was just made, with an id in its tenant's bucket if its type moves by tenant.

    A job without a tenant asks nothing. Without flags, which say so and have the salt, the id stays as it is:
    then whoever enqueues the job knows as little, and goes by the bucket alone.
    """
    if job.tenant is None or not job.is_minted:
        return job
    known = yield from known_flags(rollout)
    if known is not None:
        route_by_tenant(job, known)
    return job
