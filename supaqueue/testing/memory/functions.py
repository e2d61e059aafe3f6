"""Every function that the in-memory database offers, by the name that it has in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from supaqueue.testing.memory.cancel import abandon_jobs_v1, cancel_jobs_v1
from supaqueue.testing.memory.checks import SPOKEN
from supaqueue.testing.memory.claim import claim_job_tasks_v1
from supaqueue.testing.memory.count import count_jobs_v1, register_worker_v1
from supaqueue.testing.memory.dead_letters import (
    drop_dead_letters_v1,
    list_dead_letters_v1,
    replay_job_tasks_v1,
)
from supaqueue.testing.memory.enqueue import enqueue_jobs_v1
from supaqueue.testing.memory.finish import finish_job_tasks_v1, heartbeat_job_tasks_v1
from supaqueue.testing.memory.order_keys import list_blocked_keys_v1, release_keys_v1
from supaqueue.testing.memory.pauses import pause_queues_v1, resume_queues_v1
from supaqueue.testing.memory.read import get_jobs_v1, list_jobs_v1
from supaqueue.testing.memory.read_graphs import list_job_tasks_v1, read_results_v1
from supaqueue.testing.memory.running_limits import limit_running_v1, list_running_limits_v1
from supaqueue.testing.memory.tables import Row, Tables
from supaqueue.testing.memory.task_types import set_task_types_v1
from supaqueue.testing.memory.waiting_limits import limit_waiting_v1

Function = Callable[..., Any]


def contract_version_v1(_: Tables) -> Row:
    """Say which versions of the contract are spoken."""
    return dict(SPOKEN)


FUNCTIONS: Mapping[str, Function] = {
    function.__name__: function
    for function in (
        abandon_jobs_v1,
        cancel_jobs_v1,
        claim_job_tasks_v1,
        contract_version_v1,
        count_jobs_v1,
        drop_dead_letters_v1,
        enqueue_jobs_v1,
        finish_job_tasks_v1,
        get_jobs_v1,
        heartbeat_job_tasks_v1,
        limit_running_v1,
        limit_waiting_v1,
        list_blocked_keys_v1,
        list_dead_letters_v1,
        list_job_tasks_v1,
        list_jobs_v1,
        list_running_limits_v1,
        pause_queues_v1,
        read_results_v1,
        register_worker_v1,
        release_keys_v1,
        replay_job_tasks_v1,
        resume_queues_v1,
        set_task_types_v1,
    )
}

NOT_OFFERED: frozenset[str] = frozenset(
    {
        "change_feature_flag_v1",
        "close_cohorts_v1",
        "count_mirrors_v1",
        "count_worker_calls_v1",
        "decide_rollout_step_v1",
        "declare_rollout_step_v1",
        "declare_schedules_v1",
        "delete_archived_jobs_v1",
        "hand_back_jobs_v1",
        "hold_lease_v1",
        "keep_rollout_evidence_v1",
        "list_flag_changes_v1",
        "list_mirrors_v1",
        "list_repairs_v1",
        "list_rollout_notices_v1",
        "list_rollout_steps_v1",
        "list_schedules_v1",
        "list_task_types_v1",
        "observe_jobs_by_id_v1",
        "observe_jobs_v1",
        "open_taken_over_jobs_v1",
        "prune_jobs_v1",
        "read_cohort_totals_v1",
        "read_cohorts_v1",
        "read_feature_flags_v1",
        "read_jobs_to_archive_v1",
        "read_probes_v1",
        "read_rollout_evidence_v1",
        "record_first_failures_v1",
        "record_outcomes_v1",
        "remove_schedules_v1",
        "repair_copies_v1",
        "repair_mirrors_v1",
        "send_probes_v1",
        "settle_mirrors_v1",
        "settle_rollout_notices_v1",
        "start_legacy_v1",
        "switch_schedules_v1",
        "take_over_jobs_v1",
        "tick_schedules_v1",
    }
)
"""Functions of the contract that need a real database; a call of one is refused by name."""
