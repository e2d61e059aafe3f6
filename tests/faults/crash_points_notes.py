"""What one system has noted of the other must be so already: whoever writes the note may die after it."""

from __future__ import annotations

from typing import Any

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.entry import Entry
from tests.faults.crash_points_world import Scene


def noted_too_early(scene: Scene, job: NewJob, *, has_mirror: bool) -> list[str]:
    """Return the notes that are not true, at whatever moment.

    Args:
        has_mirror: the router, not a test, brought the job to legacy.
    """
    row = scene.world.database.execute(
        "select owner, epoch, mirror_state, owner_outcome from jobs where job_id = %s", [job.job_id]
    ).fetchone()
    entry = scene.world.entry(job)
    found = [] if row is None else _in_supabase(row[0], row[1], row[2], entry)
    if entry is not None and entry.owner == "legacy" and entry.job is not None:
        if row is None and has_mirror and not scene.world.spool.count().records:
            found.append("legacy has the job, and neither Supabase nor the spool its mirror")
        if entry.state == "published" and entry.starts == 0 and not _has_message(scene, job):
            found.append("published, and no message is there")
        if entry.ending is not None and not _is_unsent(scene, job) and (row is None or row[3] is None):
            found.append("the outcome counts as sent, and Supabase does not have it")
    return found


def _in_supabase(owner: str, epoch: int, mirror_state: str, entry: Entry | None) -> list[str]:
    is_true: dict[str, Any] = {
        "written": entry is not None,
        "settled": entry is not None and entry.ending is not None,
        "released": entry is not None and entry.epoch == epoch and entry.state != "intent",
    }
    found = [] if is_true.get(mirror_state, True) else [f"{mirror_state}, and legacy does not know"]
    if owner == "supabase" and epoch > 0 and (entry is None or entry.closed_as != "taken_over"):
        found.append("open in Supabase, and legacy may still start it")
    return found


def _has_message(scene: Scene, job: NewJob) -> bool:
    broker = scene.world.legacy.broker
    waits = any(one.stamp is not None and one.stamp.job_id == job.job_id for one in broker.waiting())
    is_foreign = any(one.job is not None and one.job.job_id == job.job_id for one in broker.unstamped())
    return waits or is_foreign or bool(broker.count().leased)


def _is_unsent(scene: Scene, job: NewJob) -> bool:
    return job.job_id in {entry.job_id for entry in scene.world.legacy.index.unsent_endings(100)}
