"""The writes of each operation, in order: a process is killed between any two of them."""

WRITES: dict[str, tuple[str, ...]] = {
    "enqueue, legacy": (
        "enqueue_jobs_v1",
        "index.accept: commit",
        "broker.publish: sync writing",
        "broker.publish: rename to pending",
        "broker.publish: sync folder pending",
        "index.published: commit",
    ),
    "enqueue, legacy, Supabase silent": (
        "sync folder spool",
        "write spool",
        "index.accept: commit",
        "broker.publish: sync writing",
        "broker.publish: rename to pending",
        "broker.publish: sync folder pending",
        "index.published: commit",
    ),
    "enqueue, legacy, answer lost": (
        "enqueue_jobs_v1",
        "sync folder spool",
        "write spool",
        "index.accept: commit",
        "broker.publish: sync writing",
        "broker.publish: rename to pending",
        "broker.publish: sync folder pending",
        "index.published: commit",
    ),
    "enqueue, legacy, by key": (
        "enqueue_jobs_v1",
        "index.accept: commit",
        "broker.publish: sync writing",
        "broker.publish: rename to pending",
        "broker.publish: sync folder pending",
        "index.published: commit",
    ),
    "enqueue, legacy, by key, Supabase silent": (),
    "enqueue, Supabase, by key": (
        "index.reserve: commit",
        "enqueue_jobs_v1",
        "index.park: commit",
        "broker.park: rename to parked",
    ),
    "enqueue, left behind": (
        "sync folder spool",
        "write spool",
        "index.accept: commit",
        "broker.publish: sync writing",
        "broker.publish: rename to pending",
        "broker.publish: sync folder pending",
        "index.published: commit",
    ),
    "enqueue, left behind, reserved": (
        "enqueue_jobs_v1",
        "index.accept: commit",
        "enqueue_jobs_v1 #2",
        "index.accept: commit #2",
        "broker.publish: sync writing",
        "broker.publish: rename to pending",
        "broker.publish: sync folder pending",
        "index.published: commit",
    ),
    "enqueue, left behind, reserved, silent": (
        "sync folder spool",
        "write spool",
        "index.accept: commit",
    ),
    "enqueue, left behind, stored, silent": (
        "sync folder spool",
        "write spool",
        "index.accept: commit",
    ),
    "enqueue, Supabase": (
        "enqueue_jobs_v1",
        "index.park: commit",
        "broker.park: rename to parked",
    ),
    "enqueue, Supabase, silent": (),
    "enqueue, Supabase, answer lost": ("enqueue_jobs_v1",),
    "relay, spooled mirror": (
        "enqueue_jobs_v1",
        "remove spool",
    ),
    "relay, park": (
        "index.park: commit",
        "broker.park: rename to parked",
        "settle_mirrors_v1",
    ),
    "relay, settle": (
        "index.settle: commit",
        "broker.unpark: remove parked",
        "settle_mirrors_v1",
    ),
    "relay, outcome": (
        "record_outcomes_v1",
        "index.endings_sent: commit",
    ),
    "relay, outcome without mirror": (
        "record_outcomes_v1",
        "enqueue_jobs_v1",
        "record_outcomes_v1 #2",
        "index.endings_sent: commit",
    ),
    "relay, cancelled on the way": (
        "index.close: commit",
        "broker.withdraw: remove pending",
        "index.settle: commit",
        "settle_mirrors_v1",
        "record_outcomes_v1",
        "index.endings_sent: commit",
    ),
    "hand-back": (
        "hand_back_jobs_v1",
        "hand_back_jobs_v1 #2",
    ),
    "release": (
        "index.release: commit",
        "broker.unpark: remove parked",
        "broker.publish: sync writing",
        "broker.publish: rename to pending",
        "broker.publish: sync folder pending",
        "index.published: commit",
        "settle_mirrors_v1",
    ),
    "take-over": ("take_over_jobs_v1",),
    "take-over, unknown here": ("take_over_jobs_v1",),
    "take-over, relay": (
        "index.close: commit",
        "broker.withdraw: remove pending",
        "open_taken_over_jobs_v1",
    ),
    "take-over, unstamped": (
        "rename to pending",
        "sync folder pending",
        "index.adopt: commit",
        "take_over_jobs_v1",
    ),
    "take-over, unstamped, adopted": ("index.adopt: commit", "take_over_jobs_v1"),
    "take-over, unstamped, relay": (
        "index.close: commit",
        "broker.withdraw: remove pending",
        "open_taken_over_jobs_v1",
    ),
    "undo, legacy": ("index.close: commit", "broker.withdraw: remove pending", "abandon_jobs_v1"),
    "undo, legacy, spooled mirror": (
        "index.close: commit",
        "broker.withdraw: remove pending",
        "abandon_jobs_v1",
    ),
    "undo, Supabase": ("abandon_jobs_v1",),
    "undo, not come": (
        "abandon_jobs_v1",
        "index.close: commit",
    ),
    "finish, legacy": (
        "rename to running",
        "index.start: commit",
        "write witness",
        "sync witness",
        "index.finish: commit",
        "rename to done",
    ),
    "finish, handed over": (
        "rename to running",
        "start_legacy_v1",
        "index.start: commit",
        "write witness",
        "sync witness",
        "index.finish: commit",
        "rename to done",
    ),
    "finish, unstamped, adopted": (
        "rename to running",
        "index.start_unstamped: commit",
        "write witness",
        "sync witness",
        "index.finish: commit",
        "rename to done",
    ),
    "finish, Supabase": (
        "register_worker_v1",
        "claim_job_tasks_v1",
        "write witness",
        "sync witness",
        "finish_job_tasks_v1",
    ),
}

WRITES_OF_AN_UNSTAMPED_RUN = (
    "rename to running",
    "index.start_unstamped: commit",
    "write witness",
    "sync witness",
    "rename to done",
)

WRITES_IN_REDIS: dict[str, tuple[str, ...]] = {
    "enqueue, legacy": ("enqueue_jobs_v1", "index.accept", "broker.publish", "index.published"),
    "enqueue, legacy, Supabase silent": (
        "sync folder spool",
        "write spool",
        "index.accept",
        "broker.publish",
        "index.published",
    ),
    "enqueue, Supabase, by key": ("index.reserve", "enqueue_jobs_v1", "index.park", "broker.park"),
    "enqueue, left behind, reserved": (
        "enqueue_jobs_v1",
        "index.accept",
        "enqueue_jobs_v1 #2",
        "index.accept #2",
        "broker.publish",
        "index.published",
    ),
    "relay, cancelled on the way": (
        "index.close",
        "broker.withdraw",
        "index.settle",
        "broker.unpark",
        "settle_mirrors_v1",
        "record_outcomes_v1",
        "index.endings_sent",
    ),
    "release": ("index.release", "broker.unpark", "broker.publish", "index.published", "settle_mirrors_v1"),
    "take-over, relay": ("index.close", "broker.withdraw", "open_taken_over_jobs_v1"),
    "take-over, unstamped": ("index.adopt", "take_over_jobs_v1"),
    "take-over, unstamped, relay": ("index.close", "broker.withdraw", "open_taken_over_jobs_v1"),
    "undo, legacy": ("index.close", "broker.withdraw", "abandon_jobs_v1"),
    "finish, legacy": ("index.start", "write witness", "sync witness", "index.finish"),
    "finish, unstamped, adopted": ("index.start_unstamped", "write witness", "sync witness", "index.finish"),
    "finish, handed over": (
        "start_legacy_v1",
        "index.start",
        "write witness",
        "sync witness",
        "index.finish",
    ),
}


def points_of(writes: tuple[str, ...]) -> list[str]:
    """Return the points to be killed at: before the first write, after each, and amid those of the spool."""
    points = [f"before {writes[0]}"] if writes else []
    for before, write in zip(("", *writes), writes, strict=False):
        if write.endswith("write spool"):
            points.append(f"amid {write}")
        if "rename" in write and "sync" not in before:
            points.append(f"before {write}")  # its file lies beside it, unsynced
        points.append(f"after {write}")
    return list(dict.fromkeys(points))
