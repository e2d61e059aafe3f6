"""Deciding for each new job, once, which system runs it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Self

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.entry import Owner
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.plan import Copy, Plan, effective_stage, plan, plan_without_flag
from supaqueue.cutover.rollout import KEPT_SECONDS, KnownFlags
from supaqueue.cutover.stages import Stage
from supaqueue.cutover.switches import Switches
from supaqueue.cutover.tenants import key_bucket
from supaqueue.errors import InvalidInput, QueueUnavailable
from supaqueue.job_id import bucket_of, new_job_id

CALL = "enqueue_jobs_v1"
RESERVED_FOR = timedelta(seconds=KEPT_SECONDS) + timedelta(hours=1)
"""For how long after the first percent a process may go by flags of before; an hour more than it should."""

Reserve = Literal["no", "should", "must"]
"""Whether legacy's index has to be told of an id before Supabase gets the job."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A job, and what was decided about it.

    Attributes:
        place: where in the call the job stands.
        given: the caller's object; it is told the owner once something may have been written.
        job: a copy of it that says the owner.
        copy: what the other system gets.
        settle: Supabase has to store the owner before legacy is written.
        reserve: before Supabase is written, legacy's index has to say that it does not have the job.
        has_left: the cutover is complete: nothing is written to legacy any more.
    """

    place: int
    given: NewJob
    job: NewJob
    copy: Copy
    settle: bool
    reserve: Reserve
    has_left: bool

    @property
    def owner(self) -> Owner:
        """Return which system runs it."""
        assert self.job.owner is not None
        return self.job.owner

    def remember(self) -> None:
        """Let the caller's object present the owner from now on; what it presents already stays.

        An id that the caller chose, and of which Supabase was not asked, may be placed otherwise elsewhere.
        """
        is_sure = self.given.is_minted or self.settle or self.owner == "supabase"
        if self.given.owner is None and is_sure:
            self.given.place(self.owner)

    def as_legacys(self) -> Self:
        """Return the same job as one that legacy has, which Supabase is to store as legacy's."""
        return replace(self, job=self.job.owned_by("legacy"), copy="inert_row", settle=True, reserve="no")


class Placing:
    """Places jobs by switches and flags.

    Args:
        switches: the environment's.
        legacy: the old queue, for what it cannot hold.
    """

    def __init__(self, switches: Switches, legacy: LegacyQueue) -> None:
        self._switches = switches
        self._legacy = legacy

    def place(
        self, place: int, given: NewJob, known: KnownFlags | None, *, is_ours: bool, again: bool = False
    ) -> Placed:
        """Decide about one job.

        Args:
            place: where in the call it stands.
            given: the job; an owner that it presents is kept.
            known: the flags.
            is_ours: the caller has not seen the id yet: it can still become another one.
            again: Supabase answered that the flag had changed.

        Raises:
            ConfigurationError: a variable contradicts the stage.
            NotExpressible: legacy may own the job and cannot hold one of its options.
            QueueUnavailable: there are no flags to decide by.
        """
        if is_ours and known is not None:
            route_by_tenant(given, known)
        planned = self._plan(given, known)
        presented = None if again else given.owner
        owner = presented or planned.owner
        if has_left := planned.copy == "none" and planned.owner == "supabase":
            _refuse_legacy(given, owner)
        else:
            self._legacy.check(given)
        job = given.owned_by(owner)  # `given` remembers it only once it may count
        settle = owner == "legacy" and presented is None and _is_repeat(given, known)
        is_new = owner == "supabase" and presented is None and not has_left
        reserve = _reserve(given, known) if is_new else "no"
        return Placed(place, given, job, _copy(planned, owner), settle, reserve, has_left)

    def _plan(self, job: NewJob, known: KnownFlags | None) -> Plan:
        bucket = bucket_of(job.job_id)
        if known is not None:
            own = known.flags.of(job.task_type)
            return plan(self._switches, known.flags.overall, own, bucket, job.tenant)
        planned = plan_without_flag(self._switches, bucket)
        if planned is None:
            raise QueueUnavailable(
                "the flag of the cutover cannot be read and none is kept, so that nothing says which system"
                " owns the job: nothing was written; see whether Supabase can be reached",
                call=CALL,
                committed="no",
                retryable=True,
                job_id=job.job_id,
            )
        return planned


def has_two_owners(switches: Switches, known: KnownFlags | None, task_type: str) -> bool:
    """Whether legacy may still own new jobs of a type."""
    if known is None:
        return False
    flag = known.flags.of(task_type) or known.flags.overall
    return effective_stage(switches, flag) in (Stage.CANARY, Stage.LIVE)


def _refuse_legacy(job: NewJob, owner: Owner) -> None:
    """Refuse what was decided for a queue that is off by now: whether it came there is not known here."""
    if owner == "legacy":
        raise QueueUnavailable(
            f"job {job.job_id} was placed with the legacy queue, which the cutover has left: if that queue"
            " did not run it, abandon it and enqueue it under a new id",
            call=CALL,
            committed="unknown",
            job_id=job.job_id,
        )


def _copy(planned: Plan, owner: Owner) -> Copy:
    if planned.copy == "none" or owner == planned.owner:
        return planned.copy
    return "parked" if owner == "supabase" else "inert_row"


def _is_repeat(job: NewJob, known: KnownFlags | None) -> bool:
    """Whether another try of it may have been placed with Supabase: its id is not of this object alone."""
    if job.is_minted:
        return False
    return known is None or _raised_at(job, known) is not None


def _reserve(job: NewJob, known: KnownFlags | None) -> Reserve:
    """Whether legacy may have the job, written there by a process that did not ask Supabase."""
    if job.is_minted:
        return "no"
    raised_at = _raised_at(job, known) if known is not None else None
    if known is None or raised_at is None or known.flags.read_at <= raised_at + RESERVED_FOR:
        return "must"
    return "should"  # one minted by another process, whose row is in its spool


def _raised_at(job: NewJob, known: KnownFlags) -> datetime | None:
    """When Supabase was first given jobs of its type; of two such times the later."""
    flags = (known.flags.overall, known.flags.of(job.task_type))
    return max((flag.raised_at for flag in flags if flag and flag.raised_at), default=None)


def route_by_tenant(job: NewJob, known: KnownFlags) -> None:
    """Give a job that nobody knows yet an id in its tenant's bucket, where its type moves by tenant."""
    flag = known.flags.of(job.task_type) or known.flags.overall
    if not flag.routes_by_tenant or job.tenant is None or not job.is_minted or job.owner is not None:
        return
    bucket = key_bucket(known.flags.salt, job.tenant)
    if bucket_of(job.job_id) != bucket:
        object.__setattr__(job, "job_id", new_job_id(bucket))


def refuse_other_bucket(job: NewJob, known: KnownFlags, field: str) -> None:
    """Refuse a job of a type that moves by tenant whose id, known to the caller, is of another bucket.

    Raises:
        InvalidInput: it is.
    """
    flag = known.flags.of(job.task_type) or known.flags.overall
    if not flag.routes_by_tenant or job.tenant is None or not job.is_minted:
        return
    bucket = key_bucket(known.flags.salt, job.tenant)
    if bucket_of(job.job_id) != bucket:
        raise InvalidInput(
            "this task type moves by tenant: make the job with `queue.new_job`, or pass a mapping",
            field=f"{field}.job_id",
        )
