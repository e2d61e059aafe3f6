"""What every function refuses: with which SQLSTATE, naming what; it changes nothing and echoes no value."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls

SECRET = "s3cret-value"
JOB = {"job_id": new_job_id(), "queue": "q", "task_type": "t", "payload": {"token": SECRET}}
LEASE = {"job_id": new_job_id(), "task_number": 0, "lease_token": 1}
CLAIM = {
    "request_id": str(uuid4()),
    "worker_id": "w",
    "queues": ["q"],
    "task_types": ["t"],
    "want": 1,
    "holding": 0,
    "lease_seconds": 30,
    "marks": {},
    "started": [],
}
HEARTBEAT = {"worker_id": "w", "tasks": [], "started": [], "lease_seconds": 30}
LIST: dict[str, Any] = {"filter": {}, "page": None, "page_size": 10}
WORKER = {"worker_id": "w", "queues": ["q"], "task_types": ["t"], "concurrency": 1}
PRUNE: dict[str, Any] = {
    "request_id": str(uuid4()),
    "policy": {"completed_seconds": 3155760000},
    "page": None,
    "max_jobs": 10,
    "dry_run": True,
}
TO_ARCHIVE = {name: PRUNE[name] for name in ("policy", "page", "max_jobs")}
BATCH = {"batch_id": str(uuid4()), "file": "f", "jobs": 1, "sha256": "s"}
LINE = {"job_id": new_job_id(), "sha256": "s"}
FILED: dict[str, Any] = {"batch": BATCH, "jobs": [LINE]}
SCHEDULE = {
    "schedule_name": "nightly",
    "cron": "0 7 * * *",
    "time_zone": "Europe/Berlin",
    "job": {"queue": "q", "task_type": "t", "payload": {"token": SECRET}},
}
TICKS = {"schedule_name": "nightly", "version": 1, "ticks": [], "through": "2026-01-01T00:00:00Z"}
PAUSE = {
    "request_id": str(uuid4()),
    "queues": ["q"],
    "pause_seconds": None,
    "paused_until": None,
    "reason": None,
    "changed_by": None,
}
LIMIT = {
    "request_id": str(uuid4()),
    "queues": ["q"],
    "waiting_limit": None,
    "on_full": None,
    "changed_by": None,
}
RELEASE: dict[str, Any] = {
    "request_id": str(uuid4()),
    "keys": [{"queue": "q", "order_key": "k"}],
    "reason": None,
    "changed_by": None,
}
RESUME = {"request_id": str(uuid4()), "queues": ["q"], "changed_by": None}
TYPES: dict[str, Any] = {
    "request_id": str(uuid4()),
    "task_types": [{"task_type": "t", "max_attempts": 5}],
    "changed_by": None,
}
GET = {"with_payload": False, "with_attempts": False}
FLAG: dict[str, Any] = {
    "request_id": str(uuid4()),
    "task_type": None,
    "changes": {"holdback_percent": 0},
    "expected_version": None,
    "changed_by": "ada",
    "reason": None,
    "evidence": None,
}
HAND_BACK: dict[str, Any] = {"after": None, "want": 100}
OBSERVED: dict[str, Any] = {
    "since": "2030-01-01T00:00:00Z",
    "until": "2030-01-02T00:00:00Z",
    "page": None,
    "page_size": 10,
}
MIRRORS: dict[str, Any] = {"mirror_state": "due", "page": None, "page_size": 10}
EPOCH = {"job_id": new_job_id(), "epoch": 1}
TAKEN_OVER = EPOCH | {"won": True}
SETTLED = EPOCH | {"mirror_state": "due"}
OUTCOME = EPOCH | {"status": "completed"}
HOLD = {"lease_name": "relay", "holder": "h", "seconds": 30}
LOST = JOB | {"owner": "legacy"}
MIRROR_REPAIRS: dict[str, Any] = {
    "jobs": [LOST],
    "accepted_at": ["2030-01-01T00:00:00Z"],
    "outcomes": [],
    "repaired_by": "ada",
}
CLOSE: dict[str, Any] = {
    "since": "2026-01-01T00:00:00Z",
    "first_seconds": 120,
    "settle_seconds": 900,
    "settle_by_type": {"t": 3600},
}
COPY_REPAIRS: dict[str, Any] = {
    "job_ids": [],
    "seen_at": "2020-01-01T00:00:00Z",
    "dry_run": False,
    "repaired_by": "ada",
}

STEP = {
    "flag_name": "supabase_queue",
    "flag_version": 1,
    "number": 1,
    "next_percent": 10,
    "mismatch_bound": 0.01,
    "seen_rate": 0,
    "declared_jobs": 299,
    "canary_jobs": {"invoice": 299},
    "holding_seconds": 0,
    "declared_by": "ada",
}
DECISION = {"step_id": 1, "verdict": "pass", "evidence": "0" * 64, "decided_by": "ada"}
RATE_2 = {"mismatch_rate": 2}
NO_UUID = {"notice_id": SECRET}
NOTICE = {"notice_id": "019a7c3e-8d32-7a10-8c22-4f6d2e9a0c11", "attempts": 0, "told": True}
GOOD: dict[str, dict[str, Any]] = {
    "enqueue_jobs_v1": {"jobs": [JOB]},
    "claim_job_tasks_v1": CLAIM,
    "heartbeat_job_tasks_v1": HEARTBEAT,
    "finish_job_tasks_v1": {"worker_id": "w", "tasks": []},
    "get_jobs_v1": GET | {"job_ids": []},
    "list_jobs_v1": LIST,
    "list_job_tasks_v1": {"job_id": JOB["job_id"], "after_number": -1, "page_size": 10},
    "read_results_v1": {"worker_id": "w", "after_number": -1} | LEASE,
    "cancel_jobs_v1": {"job_ids": []},
    "count_jobs_v1": {"queues": None},
    "abandon_jobs_v1": {"job_ids": []},
    "register_worker_v1": {"worker": WORKER},
    "prune_jobs_v1": PRUNE,
    "read_jobs_to_archive_v1": TO_ARCHIVE,
    "delete_archived_jobs_v1": FILED,
    "declare_schedules_v1": {"schedules": [SCHEDULE]},
    "drop_dead_letters_v1": {"tasks": [LEASE]},
    "list_dead_letters_v1": LIST,
    "list_schedules_v1": {"with_payload": False},
    "pause_queues_v1": PAUSE,
    "remove_schedules_v1": {"schedules": []},
    "replay_job_tasks_v1": {"tasks": [LEASE]},
    "resume_queues_v1": RESUME,
    "limit_waiting_v1": LIMIT,
    "limit_running_v1": {"request_id": str(uuid4()), "limits": [], "changed_by": None},
    "list_running_limits_v1": {},
    "list_blocked_keys_v1": {"queue": "q", "page": None, "page_size": 10},
    "release_keys_v1": RELEASE,
    "set_task_types_v1": TYPES,
    "switch_schedules_v1": {"schedules": []},
    "tick_schedules_v1": {"schedules": [TICKS]},
    "read_feature_flags_v1": {},
    "count_mirrors_v1": {},
    "change_feature_flag_v1": FLAG,
    "list_flag_changes_v1": {"before_id": None, "page_size": 10},
    "hand_back_jobs_v1": HAND_BACK,
    "list_mirrors_v1": MIRRORS,
    "observe_jobs_v1": OBSERVED,
    "observe_jobs_by_id_v1": {"job_ids": []},
    "repair_mirrors_v1": MIRROR_REPAIRS,
    "repair_copies_v1": COPY_REPAIRS,
    "list_repairs_v1": OBSERVED,
    "declare_rollout_step_v1": {"step": STEP},
    "decide_rollout_step_v1": {"decision": DECISION},
    "list_rollout_steps_v1": {"before_id": None, "page_size": 10},
    "keep_rollout_evidence_v1": {"content": "{}"},
    "read_rollout_evidence_v1": {"hash": "0" * 64},
    "list_rollout_notices_v1": {"page_size": 10},
    "settle_rollout_notices_v1": {"notices": [NOTICE]},
    "settle_mirrors_v1": {"mirrors": [SETTLED]},
    "start_legacy_v1": {"jobs": [EPOCH]},
    "record_outcomes_v1": {"outcomes": [OUTCOME]},
    "take_over_jobs_v1": {"jobs": []},
    "open_taken_over_jobs_v1": {"jobs": [TAKEN_OVER]},
    "hold_lease_v1": HOLD,
    "list_task_types_v1": {},
    "send_probes_v1": {"queues": []},
    "read_probes_v1": {"queues": [], "lost_after": 60},
    "count_worker_calls_v1": {},
    "record_first_failures_v1": {"failures": [EPOCH]},
    "close_cohorts_v1": CLOSE,
    "read_cohorts_v1": OBSERVED,
    "read_cohort_totals_v1": {name: OBSERVED[name] for name in ("since", "until")},
}


def job_with(**changes: Any) -> dict[str, Any]:
    return {"jobs": [JOB, JOB | changes]}


def ending_with(**changes: Any) -> dict[str, Any]:
    return {"worker_id": "w", "tasks": [LEASE | {"outcome": "done"}, LEASE | {"outcome": "done"} | changes]}


def schedule_with(**changes: Any) -> dict[str, Any]:
    return {"schedules": [SCHEDULE | {"schedule_name": "weekly"}, SCHEDULE | changes]}


def schedule_with_job(**changes: Any) -> dict[str, Any]:
    return schedule_with(job={"queue": "q", "task_type": "t"} | changes)


def ticks_with(**changes: Any) -> dict[str, Any]:
    return {"schedules": [TICKS | {"schedule_name": "weekly"}, TICKS | changes]}


def flag_with(**changes: Any) -> dict[str, Any]:
    return FLAG | {"changes": changes}


def place(**changes: Any) -> dict[str, Any]:
    return HAND_BACK | {"after": {"look": "ready", "found": 0, "xmin": "7"} | changes}


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("enqueue_jobs_v1", job_with(group_key=SECRET), "SQ002", "jobs[1].group_key"),
    ("enqueue_jobs_v1", job_with(order_key="x" * 201), "SQ003", "jobs[1].order_key"),
    (
        "enqueue_jobs_v1",
        job_with(order_key="k", order_on_failure=SECRET),
        "SQ003",
        "jobs[1].order_on_failure",
    ),
    ("release_keys_v1", RELEASE | {"keys": []}, "SQ003", "keys"),
    ("release_keys_v1", RELEASE | {"keys": [{"queue": SECRET}]}, "SQ003", "keys[0].order_key"),
    ("release_keys_v1", RELEASE | {"reason": "x" * 1001}, "SQ003", "reason"),
    ("list_blocked_keys_v1", {"queue": "q", "page": SECRET, "page_size": 10}, "SQ003", "page"),
    ("list_blocked_keys_v1", {"queue": "q", "page": None, "page_size": 0}, "SQ003", "page_size"),
    ("enqueue_jobs_v1", job_with(priority=6), "SQ003", "jobs[1].priority"),
    ("enqueue_jobs_v1", job_with(job_id=SECRET), "SQ003", "jobs[1].job_id"),
    ("enqueue_jobs_v1", job_with(job_id=None), "SQ003", "jobs[1].job_id"),
    ("enqueue_jobs_v1", job_with(job_id=7), "SQ003", "jobs[1].job_id"),
    ("enqueue_jobs_v1", job_with(queue=None), "SQ003", "jobs[1].queue"),
    ("enqueue_jobs_v1", job_with(queue=""), "SQ003", "jobs[1].queue"),
    ("enqueue_jobs_v1", job_with(queue=["q"]), "SQ003", "jobs[1].queue"),
    ("enqueue_jobs_v1", job_with(task_type="x" * 201), "SQ003", "jobs[1].task_type"),
    ("enqueue_jobs_v1", job_with(run_at=SECRET), "SQ003", "jobs[1].run_at"),
    ("enqueue_jobs_v1", job_with(run_at="infinity"), "SQ003", "jobs[1].run_at"),
    ("enqueue_jobs_v1", job_with(run_at="2026-13-45T00:00:00Z"), "SQ003", "jobs[1].run_at"),
    ("enqueue_jobs_v1", job_with(run_at="2026-01-01T00:00:00"), "SQ003", "jobs[1].run_at"),
    ("enqueue_jobs_v1", job_with(run_at=5), "SQ003", "jobs[1].run_at"),
    ("enqueue_jobs_v1", job_with(delay_seconds=-1), "SQ003", "jobs[1].delay_seconds"),
    ("enqueue_jobs_v1", job_with(delay_seconds="5"), "SQ003", "jobs[1].delay_seconds"),
    ("enqueue_jobs_v1", job_with(delay_seconds=10**300), "SQ003", "jobs[1].delay_seconds"),
    (
        "enqueue_jobs_v1",
        job_with(delay_seconds=1, run_at="2026-01-01T00:00:00Z"),
        "SQ003",
        "jobs[1].delay_seconds",
    ),
    ("enqueue_jobs_v1", job_with(max_attempts=0), "SQ003", "jobs[1].max_attempts"),
    ("enqueue_jobs_v1", job_with(max_attempts=1.5), "SQ003", "jobs[1].max_attempts"),
    ("enqueue_jobs_v1", job_with(max_attempts=10**12), "SQ003", "jobs[1].max_attempts"),
    ("enqueue_jobs_v1", job_with(tags="red"), "SQ003", "jobs[1].tags"),
    ("enqueue_jobs_v1", job_with(tags=[1]), "SQ003", "jobs[1].tags"),
    ("enqueue_jobs_v1", job_with(tags=[None]), "SQ003", "jobs[1].tags"),
    ("enqueue_jobs_v1", job_with(tags=["x"] * 101), "SQ003", "jobs[1].tags"),
    ("enqueue_jobs_v1", {"jobs": [JOB, SECRET]}, "SQ003", "jobs[1]"),
    ("enqueue_jobs_v1", {"jobs": JOB}, "SQ003", "jobs"),
    ("enqueue_jobs_v1", {"jobs": None}, "SQ003", "jobs"),
    ("claim_job_tasks_v1", CLAIM | {"request_id": None}, "SQ003", "request_id"),
    ("claim_job_tasks_v1", CLAIM | {"worker_id": None}, "SQ003", "worker_id"),
    ("claim_job_tasks_v1", CLAIM | {"worker_id": ""}, "SQ003", "worker_id"),
    ("claim_job_tasks_v1", CLAIM | {"queues": []}, "SQ003", "queues"),
    ("claim_job_tasks_v1", CLAIM | {"queues": None}, "SQ003", "queues"),
    ("claim_job_tasks_v1", CLAIM | {"queues": ["q", None]}, "SQ003", "queues"),
    ("claim_job_tasks_v1", CLAIM | {"queues": [f"q{n}" for n in range(101)]}, "SQ003", "queues"),
    ("claim_job_tasks_v1", CLAIM | {"task_types": []}, "SQ003", "task_types"),
    ("claim_job_tasks_v1", CLAIM | {"task_types": [None]}, "SQ003", "task_types"),
    ("claim_job_tasks_v1", CLAIM | {"want": -1}, "SQ003", "want"),
    ("claim_job_tasks_v1", CLAIM | {"want": 1001}, "SQ003", "want"),
    ("claim_job_tasks_v1", CLAIM | {"want": None}, "SQ003", "want"),
    ("claim_job_tasks_v1", CLAIM | {"holding": None}, "SQ003", "holding"),
    ("claim_job_tasks_v1", CLAIM | {"holding": -1}, "SQ003", "holding"),
    ("claim_job_tasks_v1", CLAIM | {"lease_seconds": 0}, "SQ003", "lease_seconds"),
    ("claim_job_tasks_v1", CLAIM | {"lease_seconds": 86401}, "SQ003", "lease_seconds"),
    ("claim_job_tasks_v1", CLAIM | {"lease_seconds": float("nan")}, "SQ003", "lease_seconds"),
    ("claim_job_tasks_v1", CLAIM | {"marks": [SECRET]}, "SQ003", "marks"),
    ("claim_job_tasks_v1", CLAIM | {"marks": None}, "SQ003", "marks"),
    ("claim_job_tasks_v1", CLAIM | {"started": None}, "SQ003", "started"),
    ("claim_job_tasks_v1", CLAIM | {"started": [LEASE | {"at": 1}]}, "SQ002", "started[0].at"),
    ("heartbeat_job_tasks_v1", HEARTBEAT | {"tasks": None}, "SQ003", "tasks"),
    ("heartbeat_job_tasks_v1", HEARTBEAT | {"started": {}}, "SQ003", "started"),
    ("heartbeat_job_tasks_v1", HEARTBEAT | {"tasks": [{"job_id": SECRET}]}, "SQ003", "tasks[0].task_number"),
    (
        "heartbeat_job_tasks_v1",
        HEARTBEAT | {"tasks": [LEASE | {"job_id": SECRET}]},
        "SQ003",
        "tasks[0].job_id",
    ),
    (
        "heartbeat_job_tasks_v1",
        HEARTBEAT | {"tasks": [LEASE | {"progress": 1}]},
        "SQ003",
        "tasks[0].progress",
    ),
    ("heartbeat_job_tasks_v1", HEARTBEAT | {"lease_seconds": None}, "SQ003", "lease_seconds"),
    ("finish_job_tasks_v1", ending_with(outcome=SECRET), "SQ003", "tasks[1].outcome"),
    ("finish_job_tasks_v1", ending_with(outcome="lease_lost"), "SQ003", "tasks[1].outcome"),
    ("finish_job_tasks_v1", ending_with(outcome=None), "SQ003", "tasks[1].outcome"),
    ("finish_job_tasks_v1", ending_with(task_number=40000), "SQ003", "tasks[1].task_number"),
    ("finish_job_tasks_v1", ending_with(lease_token="1"), "SQ003", "tasks[1].lease_token"),
    ("finish_job_tasks_v1", ending_with(after_seconds=-1), "SQ003", "tasks[1].after_seconds"),
    ("finish_job_tasks_v1", ending_with(after_seconds=1e12), "SQ003", "tasks[1].after_seconds"),
    ("finish_job_tasks_v1", ending_with(ran_seconds=SECRET), "SQ003", "tasks[1].ran_seconds"),
    ("finish_job_tasks_v1", ending_with(error=SECRET), "SQ003", "tasks[1].error"),
    ("finish_job_tasks_v1", ending_with(checkpoint=1), "SQ002", "tasks[1].checkpoint"),
    ("finish_job_tasks_v1", {"worker_id": "w", "tasks": None}, "SQ003", "tasks"),
    ("get_jobs_v1", GET | {"job_ids": None}, "SQ003", "job_ids"),
    ("get_jobs_v1", GET | {"job_ids": [None]}, "SQ003", "job_ids"),
    ("cancel_jobs_v1", {"job_ids": None}, "SQ003", "job_ids"),
    ("cancel_jobs_v1", {"job_ids": [new_job_id()] * 10_001}, "SQ003", "job_ids"),
    ("abandon_jobs_v1", {"job_ids": [None]}, "SQ003", "job_ids"),
    ("abandon_jobs_v1", {"job_ids": [new_job_id()[:-4] + "bfff"]}, "SQ003", "job_ids"),
    ("list_jobs_v1", LIST | {"filter": None}, "SQ003", "filter"),
    ("list_jobs_v1", LIST | {"filter": {"payload": SECRET}}, "SQ002", "filter.payload"),
    ("list_jobs_v1", LIST | {"filter": {"status": SECRET}}, "SQ003", "filter.status"),
    ("list_jobs_v1", LIST | {"filter": {"created_after": SECRET}}, "SQ003", "filter.created_after"),
    ("list_jobs_v1", LIST | {"page": SECRET}, "SQ003", "page"),
    ("list_jobs_v1", LIST | {"page": ""}, "SQ003", "page"),
    ("list_jobs_v1", LIST | {"page_size": 0}, "SQ003", "page_size"),
    ("list_jobs_v1", LIST | {"page_size": None}, "SQ003", "page_size"),
    ("declare_schedules_v1", {"schedules": None}, "SQ003", "schedules"),
    ("declare_schedules_v1", {"schedules": [SECRET]}, "SQ003", "schedules[0]"),
    ("declare_schedules_v1", schedule_with(cron=SECRET), "SQ003", "schedules[1].cron"),
    ("declare_schedules_v1", schedule_with(cron="0 0 7 * * *"), "SQ003", "schedules[1].cron"),
    ("declare_schedules_v1", schedule_with(cron=None), "SQ003", "schedules[1].cron"),
    ("declare_schedules_v1", schedule_with(time_zone=SECRET), "SQ003", "schedules[1].time_zone"),
    ("declare_schedules_v1", schedule_with(time_zone="localtime"), "SQ003", "schedules[1].time_zone"),
    ("declare_schedules_v1", schedule_with(missed=SECRET), "SQ003", "schedules[1].missed"),
    ("declare_schedules_v1", schedule_with(missed_limit=1001), "SQ003", "schedules[1].missed_limit"),
    ("declare_schedules_v1", schedule_with(version="1"), "SQ003", "schedules[1].version"),
    ("declare_schedules_v1", schedule_with(catch_up=True), "SQ002", "schedules[1].catch_up"),
    (
        "declare_schedules_v1",
        schedule_with(schedule_name="weekly"),
        "SQ003",
        "schedules[1].schedule_name",
    ),
    ("declare_schedules_v1", schedule_with(job=None), "SQ003", "schedules[1].job"),
    ("declare_schedules_v1", schedule_with(job=SECRET), "SQ003", "schedules[1].job"),
    ("declare_schedules_v1", schedule_with(job={"queue": "q"}), "SQ003", "schedules[1].job.task_type"),
    ("declare_schedules_v1", schedule_with_job(colour=SECRET), "SQ002", "schedules[1].job.colour"),
    ("declare_schedules_v1", schedule_with_job(max_attempts=0), "SQ003", "schedules[1].job.max_attempts"),
    ("declare_schedules_v1", schedule_with_job(job_id=new_job_id()), "SQ003", "schedules[1].job.job_id"),
    ("declare_schedules_v1", schedule_with_job(run_at=SECRET), "SQ003", "schedules[1].job.run_at"),
    (
        "declare_schedules_v1",
        schedule_with_job(deadline_at="2030-01-01T00:00:00Z"),
        "SQ003",
        "schedules[1].job.deadline_at",
    ),
    ("declare_schedules_v1", schedule_with_job(delay_seconds=1), "SQ003", "schedules[1].job.delay_seconds"),
    ("declare_schedules_v1", {"schedules": [SCHEDULE] * 1001}, "SQ003", "schedules"),
    ("remove_schedules_v1", {"schedules": [{}]}, "SQ003", "schedules[0].schedule_name"),
    ("remove_schedules_v1", {"schedules": [SCHEDULE]}, "SQ002", "schedules[0].job"),
    (
        "switch_schedules_v1",
        {"schedules": [{"schedule_name": "nightly", "is_enabled": 1}]},
        "SQ003",
        "schedules[0].is_enabled",
    ),
    ("tick_schedules_v1", ticks_with(version=None), "SQ003", "schedules[1].version"),
    ("tick_schedules_v1", ticks_with(ticks=None), "SQ003", "schedules[1].ticks"),
    ("tick_schedules_v1", ticks_with(ticks=[SECRET]), "SQ003", "schedules[1].ticks"),
    ("tick_schedules_v1", ticks_with(ticks=["2026-01-01T00:00:01Z"]), "SQ003", "schedules[1].ticks"),
    ("tick_schedules_v1", ticks_with(through=SECRET), "SQ003", "schedules[1].through"),
    ("tick_schedules_v1", ticks_with(through="infinity"), "SQ003", "schedules[1].through"),
    (
        "tick_schedules_v1",
        ticks_with(ticks=["2025-01-01T00:00:00Z"] * 10_001),
        "SQ003",
        "schedules",
    ),
    ("tick_schedules_v1", ticks_with(schedule_name="weekly"), "SQ003", "schedules[1].schedule_name"),
    ("register_worker_v1", {"worker": None}, "SQ003", "worker"),
    ("register_worker_v1", {"worker": WORKER | {"worker_id": None}}, "SQ003", "worker.worker_id"),
    ("register_worker_v1", {"worker": WORKER | {"concurrency": "4"}}, "SQ003", "worker.concurrency"),
    ("register_worker_v1", {"worker": WORKER | {"stopped": 1}}, "SQ003", "worker.stopped"),
    ("register_worker_v1", {"worker": WORKER | {"weights": {}}}, "SQ002", "worker.weights"),
    ("prune_jobs_v1", PRUNE | {"request_id": None}, "SQ003", "request_id"),
    ("prune_jobs_v1", PRUNE | {"dry_run": None}, "SQ003", "dry_run"),
    ("prune_jobs_v1", PRUNE | {"policy": None}, "SQ003", "policy"),
    ("prune_jobs_v1", PRUNE | {"policy": {"pending_seconds": 1}}, "SQ002", "policy.pending_seconds"),
    ("prune_jobs_v1", PRUNE | {"policy": {"completed_seconds": SECRET}}, "SQ003", "policy.completed_seconds"),
    ("prune_jobs_v1", PRUNE | {"policy": {"failed_seconds": -1}}, "SQ003", "policy.failed_seconds"),
    ("prune_jobs_v1", PRUNE | {"policy": {"cancelled_seconds": 1e11}}, "SQ003", "policy.cancelled_seconds"),
    ("prune_jobs_v1", PRUNE | {"policy": {"tombstone_seconds": 6e5}}, "SQ003", "policy.tombstone_seconds"),
    (
        "prune_jobs_v1",
        PRUNE | {"policy": {"tombstone_seconds": 7e5, "queue": SECRET}},
        "SQ003",
        "policy.tombstone_seconds",
    ),
    ("prune_jobs_v1", PRUNE | {"max_jobs": 0}, "SQ003", "max_jobs"),
    ("prune_jobs_v1", PRUNE | {"max_jobs": None}, "SQ003", "max_jobs"),
    ("prune_jobs_v1", PRUNE | {"page": SECRET}, "SQ003", "page"),
    ("read_jobs_to_archive_v1", TO_ARCHIVE | {"policy": {"queue": ""}}, "SQ003", "policy.queue"),
    ("read_jobs_to_archive_v1", TO_ARCHIVE | {"max_jobs": 10_001}, "SQ003", "max_jobs"),
    ("delete_archived_jobs_v1", FILED | {"batch": None}, "SQ003", "batch"),
    ("delete_archived_jobs_v1", FILED | {"batch": BATCH | {"day": 1}}, "SQ002", "batch.day"),
    ("delete_archived_jobs_v1", FILED | {"batch": BATCH | {"batch_id": 7}}, "SQ003", "batch.batch_id"),
    ("delete_archived_jobs_v1", FILED | {"batch": BATCH | {"jobs": 2}}, "SQ003", "batch.jobs"),
    ("delete_archived_jobs_v1", FILED | {"jobs": None}, "SQ003", "jobs"),
    ("delete_archived_jobs_v1", FILED | {"jobs": [LINE | {"sha256": None}]}, "SQ003", "jobs[0].sha256"),
    ("delete_archived_jobs_v1", {"batch": BATCH | {"jobs": 2}, "jobs": [LINE, LINE]}, "SQ003", "jobs"),
    ("enqueue_jobs_v1", job_with(owner=SECRET), "SQ003", "jobs[1].owner"),
    ("enqueue_jobs_v1", job_with(owner=7), "SQ003", "jobs[1].owner"),
    ("enqueue_jobs_v1", job_with(tenant=""), "SQ003", "jobs[1].tenant"),
    ("enqueue_jobs_v1", job_with(tenant="x" * 201), "SQ003", "jobs[1].tenant"),
    ("enqueue_jobs_v1", job_with(epoch=1), "SQ002", "jobs[1].epoch"),
    ("change_feature_flag_v1", FLAG | {"changes": None}, "SQ003", "changes"),
    ("change_feature_flag_v1", FLAG | {"changes": [SECRET]}, "SQ003", "changes"),
    ("change_feature_flag_v1", FLAG | {"changes": {}}, "SQ003", "changes"),
    ("change_feature_flag_v1", flag_with(colour=SECRET), "SQ002", "changes.colour"),
    ("change_feature_flag_v1", flag_with(version=7), "SQ002", "changes.version"),
    ("change_feature_flag_v1", flag_with(is_enabled=None), "SQ003", "changes.is_enabled"),
    ("change_feature_flag_v1", flag_with(is_enabled="true"), "SQ003", "changes.is_enabled"),
    ("change_feature_flag_v1", flag_with(rollout_percent=SECRET), "SQ003", "changes.rollout_percent"),
    ("change_feature_flag_v1", flag_with(rollout_percent="10"), "SQ003", "changes.rollout_percent"),
    ("change_feature_flag_v1", flag_with(rollout_percent=-1), "SQ003", "changes.rollout_percent"),
    ("change_feature_flag_v1", flag_with(rollout_percent=101), "SQ003", "changes.rollout_percent"),
    ("change_feature_flag_v1", flag_with(rollout_percent=0.005), "SQ003", "changes.rollout_percent"),
    ("change_feature_flag_v1", flag_with(holdback_percent=100.01), "SQ003", "changes.holdback_percent"),
    ("change_feature_flag_v1", flag_with(shadow_percent=-0.01), "SQ003", "changes.shadow_percent"),
    ("change_feature_flag_v1", flag_with(stage=SECRET), "SQ003", "changes.stage"),
    ("change_feature_flag_v1", flag_with(hand_back=SECRET), "SQ003", "changes.hand_back"),
    ("change_feature_flag_v1", flag_with(legacy_tenants=SECRET), "SQ003", "changes.legacy_tenants"),
    ("change_feature_flag_v1", flag_with(supabase_tenants=[7]), "SQ003", "changes.supabase_tenants"),
    ("change_feature_flag_v1", flag_with(latched=1), "SQ003", "changes.latched"),
    ("change_feature_flag_v1", FLAG | {"request_id": None}, "SQ003", "request_id"),
    ("change_feature_flag_v1", FLAG | {"task_type": ""}, "SQ003", "task_type"),
    ("change_feature_flag_v1", FLAG | {"changed_by": None}, "SQ003", "changed_by"),
    ("change_feature_flag_v1", FLAG | {"changed_by": ""}, "SQ003", "changed_by"),
    ("change_feature_flag_v1", FLAG | {"reason": "x" * 1001}, "SQ003", "reason"),
    ("change_feature_flag_v1", FLAG | {"evidence": ""}, "SQ003", "evidence"),
    ("list_flag_changes_v1", {"before_id": None, "page_size": 0}, "SQ003", "page_size"),
    ("list_flag_changes_v1", {"before_id": None, "page_size": None}, "SQ003", "page_size"),
    ("hand_back_jobs_v1", HAND_BACK | {"want": 0}, "SQ003", "want"),
    ("hand_back_jobs_v1", HAND_BACK | {"want": 5001}, "SQ003", "want"),
    ("hand_back_jobs_v1", HAND_BACK | {"want": None}, "SQ003", "want"),
    ("hand_back_jobs_v1", HAND_BACK | {"after": [SECRET]}, "SQ003", "after"),
    ("hand_back_jobs_v1", HAND_BACK | {"after": {"look": "ready"}}, "SQ003", "after"),
    ("hand_back_jobs_v1", place(look=SECRET), "SQ003", "after"),
    ("hand_back_jobs_v1", place(found=-1), "SQ003", "after"),
    ("hand_back_jobs_v1", place(xmin=SECRET), "SQ003", "after"),
    ("hand_back_jobs_v1", place(position=SECRET), "SQ003", "after"),
    ("hand_back_jobs_v1", place(moment=SECRET), "SQ003", "after"),
    ("hand_back_jobs_v1", place(job_id=SECRET), "SQ003", "after"),
    ("list_mirrors_v1", MIRRORS | {"mirror_state": None}, "SQ003", "mirror_state"),
    ("list_mirrors_v1", MIRRORS | {"mirror_state": SECRET}, "SQ003", "mirror_state"),
    ("list_mirrors_v1", MIRRORS | {"page": SECRET}, "SQ003", "page"),
    ("list_mirrors_v1", MIRRORS | {"page_size": 0}, "SQ003", "page_size"),
    ("observe_jobs_v1", OBSERVED | {"since": None}, "SQ003", "since"),
    ("observe_jobs_v1", OBSERVED | {"since": SECRET}, "SQ003", "since"),
    ("observe_jobs_v1", OBSERVED | {"until": None}, "SQ003", "until"),
    ("observe_jobs_v1", OBSERVED | {"until": "2029-12-31T00:00:00Z"}, "SQ003", "until"),
    ("observe_jobs_v1", OBSERVED | {"page": SECRET}, "SQ003", "page"),
    ("observe_jobs_v1", OBSERVED | {"page_size": 5001}, "SQ003", "page_size"),
    ("observe_jobs_by_id_v1", {"job_ids": None}, "SQ003", "job_ids"),
    ("declare_rollout_step_v1", {"step": None}, "SQ003", "step"),
    ("declare_rollout_step_v1", {"step": STEP | {"colour": 1}}, "SQ002", "step.colour"),
    ("declare_rollout_step_v1", {"step": STEP | {"number": SECRET}}, "SQ003", "step.number"),
    ("declare_rollout_step_v1", {"step": STEP | {"flag_version": 0}}, "SQ003", "step.flag_version"),
    ("declare_rollout_step_v1", {"step": STEP | {"next_percent": 0.005}}, "SQ003", "step.next_percent"),
    ("declare_rollout_step_v1", {"step": STEP | {"mismatch_bound": 1.5}}, "SQ003", "step.mismatch_bound"),
    ("declare_rollout_step_v1", {"step": STEP | {"seen_rate": -1}}, "SQ003", "step.seen_rate"),
    ("declare_rollout_step_v1", {"step": STEP | {"declared_jobs": 0}}, "SQ003", "step.declared_jobs"),
    ("declare_rollout_step_v1", {"step": STEP | {"canary_jobs": {"a": SECRET}}}, "SQ003", "step.canary_jobs"),
    ("declare_rollout_step_v1", {"step": STEP | {"canary_jobs": {"a": -1}}}, "SQ003", "step.canary_jobs"),
    ("declare_rollout_step_v1", {"step": STEP | {"holding_seconds": -1}}, "SQ003", "step.holding_seconds"),
    ("declare_rollout_step_v1", {"step": STEP | {"reason": ""}}, "SQ003", "step.reason"),
    ("declare_rollout_step_v1", {"step": STEP | {"number": 2}}, "SQ003", "step.reason"),
    ("decide_rollout_step_v1", {"decision": DECISION | {"verdict": SECRET}}, "SQ003", "decision.verdict"),
    ("decide_rollout_step_v1", {"decision": DECISION | {"evidence": SECRET}}, "SQ003", "decision.evidence"),
    (
        "decide_rollout_step_v1",
        {"decision": DECISION | {"mismatch_rate": 2}},
        "SQ003",
        "decision.mismatch_rate",
    ),
    ("list_rollout_steps_v1", {"before_id": None, "page_size": 0}, "SQ003", "page_size"),
    ("keep_rollout_evidence_v1", {"content": ""}, "SQ003", "content"),
    ("keep_rollout_evidence_v1", {"content": SECRET * 1_000_000}, "SQ003", "content"),
    ("read_rollout_evidence_v1", {"hash": SECRET}, "SQ003", "hash"),
    ("list_rollout_notices_v1", {"page_size": None}, "SQ003", "page_size"),
    ("settle_rollout_notices_v1", {"notices": SECRET}, "SQ003", "notices"),
    (
        "settle_rollout_notices_v1",
        {"notices": [NOTICE | NO_UUID]},
        "SQ003",
        "notices[0].notice_id",
    ),
    ("settle_rollout_notices_v1", {"notices": [NOTICE | {"told": SECRET}]}, "SQ003", "notices[0].told"),
    ("list_repairs_v1", OBSERVED | {"since": SECRET}, "SQ003", "since"),
    ("list_repairs_v1", OBSERVED | {"page": SECRET}, "SQ003", "page"),
    ("repair_mirrors_v1", MIRROR_REPAIRS | {"jobs": [JOB]}, "SQ003", "jobs[0].owner"),
    (
        "repair_mirrors_v1",
        MIRROR_REPAIRS | {"jobs": [LOST | {"owner": "supabase"}]},
        "SQ003",
        "jobs[0].owner",
    ),
    ("repair_mirrors_v1", MIRROR_REPAIRS | {"jobs": [LOST | {"run_at": SECRET}]}, "SQ003", "jobs[0].run_at"),
    ("repair_mirrors_v1", MIRROR_REPAIRS | {"accepted_at": []}, "SQ003", "accepted_at"),
    ("repair_mirrors_v1", MIRROR_REPAIRS | {"accepted_at": None}, "SQ003", "accepted_at"),
    ("repair_mirrors_v1", MIRROR_REPAIRS | {"accepted_at": [None]}, "SQ003", "accepted_at"),
    ("repair_mirrors_v1", MIRROR_REPAIRS | {"accepted_at": [SECRET]}, "SQ003", "accepted_at"),
    ("repair_mirrors_v1", MIRROR_REPAIRS | {"outcomes": None}, "SQ003", "outcomes"),
    (
        "repair_mirrors_v1",
        MIRROR_REPAIRS | {"outcomes": [OUTCOME | {"status": SECRET}]},
        "SQ003",
        "outcomes[0].status",
    ),
    ("repair_mirrors_v1", MIRROR_REPAIRS | {"repaired_by": SECRET * 200}, "SQ003", "repaired_by"),
    ("repair_copies_v1", COPY_REPAIRS | {"job_ids": None}, "SQ003", "job_ids"),
    ("repair_copies_v1", COPY_REPAIRS | {"seen_at": None}, "SQ003", "seen_at"),
    ("repair_copies_v1", COPY_REPAIRS | {"seen_at": SECRET}, "SQ003", "seen_at"),
    ("repair_copies_v1", COPY_REPAIRS | {"seen_at": "2100-01-01T00:00:00Z"}, "SQ003", "seen_at"),
    ("repair_copies_v1", COPY_REPAIRS | {"dry_run": None}, "SQ003", "dry_run"),
    ("repair_copies_v1", COPY_REPAIRS | {"repaired_by": SECRET * 200}, "SQ003", "repaired_by"),
    ("settle_mirrors_v1", {"mirrors": None}, "SQ003", "mirrors"),
    ("settle_mirrors_v1", {"mirrors": [SETTLED | {"job_id": SECRET}]}, "SQ003", "mirrors[0].job_id"),
    ("settle_mirrors_v1", {"mirrors": [SETTLED | {"epoch": -1}]}, "SQ003", "mirrors[0].epoch"),
    (
        "settle_mirrors_v1",
        {"mirrors": [SETTLED | {"mirror_state": "takeover_due"}]},
        "SQ003",
        "mirrors[0].mirror_state",
    ),
    ("settle_mirrors_v1", {"mirrors": [SETTLED | {"payload": SECRET}]}, "SQ002", "mirrors[0].payload"),
    ("start_legacy_v1", {"jobs": [EPOCH | {"epoch": None}]}, "SQ003", "jobs[0].epoch"),
    ("start_legacy_v1", {"jobs": [EPOCH | {"epoch": 1.5}]}, "SQ003", "jobs[0].epoch"),
    ("start_legacy_v1", {"jobs": [EPOCH | {"owner": "legacy"}]}, "SQ002", "jobs[0].owner"),
    ("start_legacy_v1", {"jobs": [SECRET]}, "SQ003", "jobs[0]"),
    ("record_outcomes_v1", {"outcomes": [OUTCOME | {"status": SECRET}]}, "SQ003", "outcomes[0].status"),
    ("record_outcomes_v1", {"outcomes": [OUTCOME | {"status": None}]}, "SQ003", "outcomes[0].status"),
    ("record_outcomes_v1", {"outcomes": [OUTCOME | {"ended_at": SECRET}]}, "SQ003", "outcomes[0].ended_at"),
    ("record_outcomes_v1", {"outcomes": [OUTCOME | {"attempts": -1}]}, "SQ003", "outcomes[0].attempts"),
    ("record_outcomes_v1", {"outcomes": None}, "SQ003", "outcomes"),
    ("take_over_jobs_v1", {"jobs": [JOB | {"epoch": SECRET}]}, "SQ003", "jobs[0].epoch"),
    ("take_over_jobs_v1", {"jobs": [JOB | {"epoch": -1}]}, "SQ003", "jobs[0].epoch"),
    ("take_over_jobs_v1", {"jobs": [JOB | {"epoch": 10**12}]}, "SQ003", "jobs[0].epoch"),
    ("take_over_jobs_v1", {"jobs": [JOB | {"colour": SECRET}]}, "SQ002", "jobs[0].colour"),
    ("take_over_jobs_v1", {"jobs": SECRET}, "SQ003", "jobs"),
    ("take_over_jobs_v1", {"jobs": None}, "SQ003", "jobs"),
    ("open_taken_over_jobs_v1", {"jobs": [TAKEN_OVER | {"won": 1}]}, "SQ003", "jobs[0].won"),
    ("open_taken_over_jobs_v1", {"jobs": [EPOCH]}, "SQ003", "jobs[0].won"),
    ("send_probes_v1", {"queues": [SECRET * 200]}, "SQ003", "queues"),
    ("send_probes_v1", {"queues": [None]}, "SQ003", "queues"),
    ("read_probes_v1", {"queues": ["q"] * 1001, "lost_after": 60}, "SQ003", "queues"),
    ("read_probes_v1", {"queues": None, "lost_after": 0.5}, "SQ003", "lost_after"),
    ("read_probes_v1", {"queues": None, "lost_after": None}, "SQ003", "lost_after"),
    ("register_worker_v1", {"worker": WORKER | {"run_id": SECRET}}, "SQ003", "worker.run_id"),
    ("register_worker_v1", {"worker": WORKER | {"claims_sent": -1}}, "SQ003", "worker.claims_sent"),
    ("hold_lease_v1", HOLD | {"lease_name": None}, "SQ003", "lease_name"),
    ("hold_lease_v1", HOLD | {"holder": ""}, "SQ003", "holder"),
    ("hold_lease_v1", HOLD | {"seconds": -1}, "SQ003", "seconds"),
    ("hold_lease_v1", HOLD | {"seconds": float("nan")}, "SQ003", "seconds"),
    ("record_first_failures_v1", {"failures": [EPOCH | {"epoch": SECRET}]}, "SQ003", "failures[0].epoch"),
    ("record_first_failures_v1", {"failures": [EPOCH | {"owner": SECRET}]}, "SQ002", "failures[0].owner"),
    ("record_first_failures_v1", {"failures": None}, "SQ003", "failures"),
    ("close_cohorts_v1", CLOSE | {"since": SECRET}, "SQ003", "since"),
    ("close_cohorts_v1", CLOSE | {"since": "2999-01-01T00:00:00Z"}, "SQ003", "since"),
    ("close_cohorts_v1", CLOSE | {"first_seconds": -1}, "SQ003", "first_seconds"),
    ("close_cohorts_v1", CLOSE | {"first_seconds": float("nan")}, "SQ003", "first_seconds"),
    ("close_cohorts_v1", CLOSE | {"settle_seconds": None}, "SQ003", "settle_seconds"),
    ("close_cohorts_v1", CLOSE | {"settle_by_type": [SECRET]}, "SQ003", "settle_by_type"),
    ("close_cohorts_v1", CLOSE | {"settle_by_type": {"t": SECRET}}, "SQ003", "settle_by_type"),
    ("close_cohorts_v1", CLOSE | {"settle_by_type": {"t": 1e-300}}, "SQ003", "settle_by_type"),
    ("close_cohorts_v1", CLOSE | {"settle_by_type": None}, "SQ003", "settle_by_type"),
    ("read_cohorts_v1", OBSERVED | {"since": None}, "SQ003", "since"),
    ("read_cohorts_v1", OBSERVED | {"page": SECRET}, "SQ003", "page"),
    ("read_cohorts_v1", OBSERVED | {"page": "2026-13-01T00:00:00Z t"}, "SQ003", "page"),
    ("read_cohorts_v1", OBSERVED | {"page_size": 5001}, "SQ003", "page_size"),
    ("read_cohort_totals_v1", {"since": "2030-01-02T00:00:00Z", "until": SECRET}, "SQ003", "until"),
]


def everything(calls: Calls) -> list[Any]:
    tables = (
        "jobs",
        "job_tasks",
        "job_task_attempts",
        "job_claims",
        "job_workers",
        "job_task_types",
        "job_queues",
        "job_changes",
        "job_prunings",
        "job_archives",
        "job_schedules",
        "feature_flag_changes",
        "job_hand_backs",
        "job_hand_back_places",
        "job_leases",
        "job_repairs",
        "rollout_steps",
        "rollout_evidence",
        "rollout_notices",
        "job_cohorts",
        "job_cohort_marks",
        "job_backlogs",
    )
    return [calls.connection.execute(f"select * from {table}".encode()).fetchall() for table in tables]


def test_what_is_refused_changes_nothing_and_echoes_nothing(calls: Calls) -> None:
    for row in REFUSED:
        check_refusal(calls, *row)
    assert not any(everything(calls))


def check_refusal(calls: Calls, function: str, arguments: dict[str, Any], sqlstate: str, place: str) -> None:
    """Make a call that is to be refused so, with a message that begins with the place."""
    with pytest.raises(psycopg.Error) as raised:
        calls.call(function, **arguments)
    text = f"{raised.value} {raised.value.diag.message_detail} {raised.value.diag.message_hint}"
    assert (raised.value.sqlstate, function) == (sqlstate, function), (arguments, text)
    message = raised.value.diag.message_primary or ""
    assert message.startswith(f"{place}: "), (arguments, message)
    assert SECRET not in text, (function, arguments)


@pytest.mark.parametrize("version", [None, 0, 2, -1])
def test_every_function_refuses_a_contract_version_that_it_does_not_speak(
    calls: Calls, version: int | None
) -> None:
    for function, arguments in GOOD.items():
        with pytest.raises(psycopg.Error, match="contract version") as raised:
            calls.call(function, **arguments, contract_version=version)
        assert raised.value.sqlstate == "SQ001"
        assert raised.value.diag.message_detail == '{"newest": 1, "oldest": 1}'
    assert not any(everything(calls))


@pytest.mark.parametrize("level", list(psycopg.IsolationLevel)[2:], ids=lambda level: level.name)
def test_every_function_refuses_another_isolation_level(calls: Calls, level: psycopg.IsolationLevel) -> None:
    calls.connection.isolation_level = level
    for function, arguments in GOOD.items():
        with (
            pytest.raises(psycopg.Error, match="isolation level") as raised,
            calls.connection.transaction(),
        ):
            calls.call(function, **arguments)
        assert raised.value.sqlstate == "SQ004"
    assert not any(everything(calls))


def test_the_examples_of_good_calls_are_good(calls: Calls) -> None:
    """Otherwise the two tests above could be refused for another reason."""
    for function, arguments in GOOD.items():
        calls.call(function, **arguments)


def test_every_function_of_the_contract_is_among_them(calls: Calls) -> None:
    query = (
        "select proname from pg_proc where pronamespace = 'public'::regnamespace and proname ~ '_v[0-9]+$'"
    )
    names = {name for (name,) in calls.connection.execute(query)}
    assert names == {*GOOD, "contract_version_v1"}


def test_there_is_one_signature_a_name(calls: Calls) -> None:
    """PostgREST cannot choose between overloads."""
    query = """select proname from pg_proc where pronamespace = 'public'::regnamespace
               group by 1 having count(*) > 1"""
    assert calls.connection.execute(query).fetchall() == []
