"""The SQL contract in Python: one class per function, which knows its name, arguments and answer."""

from __future__ import annotations

from typing import Any

from supaqueue.answer import AbandonAnswer, CancelAnswer, DropAnswer, EnqueueAnswer, QueuePause, ReplayAnswer
from supaqueue.contract.abandon_jobs import AbandonJobs
from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.cancel_jobs import CancelJobs
from supaqueue.contract.change_feature_flag import (
    ChangeFeatureFlag,
    FlagChange,
    ListFlagChanges,
    LoggedFlagChange,
)
from supaqueue.contract.claim_job_tasks import Claimed, ClaimJobTasks, RescuedToFail
from supaqueue.contract.cohorts import (
    BacklogSample,
    BinnedLatencies,
    CloseCohorts,
    ClosedCohorts,
    CohortPage,
    CohortTotals,
    ReadCohorts,
    ReadCohortTotals,
    SideCounts,
    TypeBacklog,
)
from supaqueue.contract.contract_version import ContractVersion, SpokenVersions
from supaqueue.contract.count_jobs import CountJobs, Stats, TaskCount, Unserved, WorkerSeen
from supaqueue.contract.count_mirrors import CountMirrors, MirrorCounts, OwedMirrors
from supaqueue.contract.count_worker_calls import CountWorkerCalls, WorkerCallCounts
from supaqueue.contract.dead_letters import (
    DeadLetterFilter,
    DeadLetterOptions,
    DeadLetterPage,
    DropDeadLetters,
    ListDeadLetters,
    Replay,
    ReplayJobTasks,
)
from supaqueue.contract.declare_schedules import DeclareSchedules
from supaqueue.contract.delete_archived_jobs import (
    ArchiveBatch,
    ArchivedLine,
    DeleteArchivedJobs,
    DeletedBatch,
)
from supaqueue.contract.enqueue_jobs import EnqueueJobs
from supaqueue.contract.feature_flag import (
    FeatureFlag,
    FeatureFlags,
    HandBack,
    ReadFeatureFlags,
    Stage,
    flags_json,
    read_flags,
)
from supaqueue.contract.finish_job_tasks import (
    FinishAnswer,
    FinishedTask,
    FinishJobTasks,
    FinishOutcome,
    TaskError,
)
from supaqueue.contract.get_jobs import GetJobs
from supaqueue.contract.hand_back_jobs import HandBackJobs, HandedBack
from supaqueue.contract.heartbeat_job_tasks import HeartbeatAnswer, HeartbeatJobTasks
from supaqueue.contract.hold_lease import HeldLease, HoldLease
from supaqueue.contract.job_options import JobOptions
from supaqueue.contract.json_value import Json, checked_json
from supaqueue.contract.limit_running import LimitRunning, ListRunningLimits
from supaqueue.contract.limit_waiting import LimitWaiting
from supaqueue.contract.list_job_tasks import JobTaskPage, ListJobTasks
from supaqueue.contract.list_jobs import JobFilter, JobPage, ListJobs
from supaqueue.contract.list_schedules import ListSchedules, Schedules
from supaqueue.contract.list_task_types import DeclaredTaskType, ListTaskTypes
from supaqueue.contract.mirrors import (
    ListMirrors,
    Mirror,
    MirrorEnding,
    MirrorPage,
    MirrorState,
    SettleAnswer,
    SettleMirrors,
)
from supaqueue.contract.new_job import NewJob
from supaqueue.contract.new_schedule import NewSchedule
from supaqueue.contract.new_task import NewTask, OnFailure, sequence
from supaqueue.contract.observe_jobs import (
    LARGEST_OBSERVED_PAGE,
    OBSERVED_COLUMNS,
    ObservedPage,
    ObserveJobs,
    ObserveJobsById,
)
from supaqueue.contract.order_keys import BlockedKeyPage, ListBlockedKeys, ReleaseKeys
from supaqueue.contract.pause_queues import PauseQueues, ResumeQueues
from supaqueue.contract.probes import (
    PROBE_TYPE,
    QueueProbes,
    ReadProbes,
    SeenProbes,
    SendProbes,
    SentProbe,
    SentProbes,
)
from supaqueue.contract.prune_jobs import Pruned, PruneJobs
from supaqueue.contract.read_jobs_to_archive import JobsToArchive, JobToArchive, ReadJobsToArchive
from supaqueue.contract.read_results import ReadResults, ResultPage
from supaqueue.contract.record_first_failures import RecordFirstFailures
from supaqueue.contract.record_outcomes import LegacyOutcome, RecordAnswer, RecordOutcomes
from supaqueue.contract.register_worker import CallTotals, RegisterWorker
from supaqueue.contract.remove_schedules import RemoveSchedules, ScheduleRef
from supaqueue.contract.repairs import (
    KeptRepair,
    ListRepairs,
    RepairAnswer,
    RepairCopies,
    RepairedClass,
    RepairMirrors,
    RepairPage,
)
from supaqueue.contract.retention_policy import RetentionPolicy
from supaqueue.contract.rollout_evidence import KeepRolloutEvidence, ReadRolloutEvidence
from supaqueue.contract.rollout_notices import (
    ListRolloutNotices,
    NoticeAnswer,
    RolloutNotice,
    SettleRolloutNotices,
    ToldNotice,
)
from supaqueue.contract.rollout_steps import (
    AnsweredStep,
    BegunStep,
    DecideRolloutStep,
    DeclareRolloutStep,
    ListRolloutSteps,
    RolloutStep,
    RolloutSteps,
    StepAnswer,
    StepVerdict,
)
from supaqueue.contract.schedule_answer import ScheduleAnswer
from supaqueue.contract.set_task_types import SetTaskTypes, TaskTypeAnswer, TaskTypeOptions, task_type_options
from supaqueue.contract.start_legacy import StartLegacy, StartLegacyAnswer
from supaqueue.contract.switch_schedules import SwitchSchedules
from supaqueue.contract.take_over_jobs import OpenAnswer, OpenTakenOverJobs, TakeOverAnswer, TakeOverJobs
from supaqueue.contract.task import UNCHANGED, ClaimedTask, Progress, TaskRef, Unchanged
from supaqueue.contract.tick_schedules import TickAnswer, Ticks, TicksAnswer, TickSchedules

ALL_CALLS: tuple[type[Call[Any]], ...] = (
    AbandonJobs,
    CancelJobs,
    ClaimJobTasks,
    ContractVersion,
    CountJobs,
    DropDeadLetters,
    DeleteArchivedJobs,
    DeclareSchedules,
    EnqueueJobs,
    FinishJobTasks,
    GetJobs,
    HeartbeatJobTasks,
    ListDeadLetters,
    ListJobs,
    LimitRunning,
    ListJobTasks,
    LimitWaiting,
    ListRunningLimits,
    ListBlockedKeys,
    ReleaseKeys,
    PauseQueues,
    PruneJobs,
    ReadJobsToArchive,
    ReadResults,
    RegisterWorker,
    ReplayJobTasks,
    ResumeQueues,
    SetTaskTypes,
    ListSchedules,
    RemoveSchedules,
    SwitchSchedules,
    TickSchedules,
    ChangeFeatureFlag,
    CountMirrors,
    HandBackJobs,
    HoldLease,
    ListFlagChanges,
    ListMirrors,
    ListTaskTypes,
    ObserveJobs,
    ObserveJobsById,
    OpenTakenOverJobs,
    ReadFeatureFlags,
    RecordOutcomes,
    ListRepairs,
    RepairCopies,
    RepairMirrors,
    SettleMirrors,
    StartLegacy,
    TakeOverJobs,
    CountWorkerCalls,
    ReadProbes,
    SendProbes,
    DecideRolloutStep,
    DeclareRolloutStep,
    KeepRolloutEvidence,
    ListRolloutNotices,
    ListRolloutSteps,
    ReadRolloutEvidence,
    SettleRolloutNotices,
    CloseCohorts,
    ReadCohorts,
    ReadCohortTotals,
    RecordFirstFailures,
)
"""Every call there is; a test compares them with the functions in a migrated database."""

__all__ = [
    "ALL_CALLS",
    "CONTRACT_VERSION",
    "LARGEST_OBSERVED_PAGE",
    "OBSERVED_COLUMNS",
    "PROBE_TYPE",
    "UNCHANGED",
    "AbandonAnswer",
    "AbandonJobs",
    "AnsweredStep",
    "ArchiveBatch",
    "ArchivedLine",
    "BacklogSample",
    "BegunStep",
    "BinnedLatencies",
    "BlockedKeyPage",
    "Call",
    "CallTotals",
    "CancelAnswer",
    "CancelJobs",
    "ChangeFeatureFlag",
    "ClaimJobTasks",
    "Claimed",
    "ClaimedTask",
    "CloseCohorts",
    "ClosedCohorts",
    "CohortPage",
    "CohortTotals",
    "ContractVersion",
    "CountJobs",
    "CountMirrors",
    "CountWorkerCalls",
    "DeadLetterFilter",
    "DeadLetterOptions",
    "DeadLetterPage",
    "DecideRolloutStep",
    "DeclareRolloutStep",
    "DeclareSchedules",
    "DeclaredTaskType",
    "DeleteArchivedJobs",
    "DeletedBatch",
    "DropAnswer",
    "DropDeadLetters",
    "EnqueueAnswer",
    "EnqueueJobs",
    "FeatureFlag",
    "FeatureFlags",
    "FinishAnswer",
    "FinishJobTasks",
    "FinishOutcome",
    "FinishedTask",
    "FlagChange",
    "GetJobs",
    "HandBack",
    "HandBackJobs",
    "HandedBack",
    "HeartbeatAnswer",
    "HeartbeatJobTasks",
    "HeldLease",
    "HoldLease",
    "JobFilter",
    "JobOptions",
    "JobPage",
    "JobTaskPage",
    "JobToArchive",
    "JobsToArchive",
    "Json",
    "KeepRolloutEvidence",
    "KeptRepair",
    "LegacyOutcome",
    "LimitRunning",
    "LimitWaiting",
    "ListBlockedKeys",
    "ListDeadLetters",
    "ListFlagChanges",
    "ListJobTasks",
    "ListJobs",
    "ListMirrors",
    "ListRepairs",
    "ListRolloutNotices",
    "ListRolloutSteps",
    "ListRunningLimits",
    "ListSchedules",
    "ListTaskTypes",
    "LoggedFlagChange",
    "Mirror",
    "MirrorCounts",
    "MirrorEnding",
    "MirrorPage",
    "MirrorState",
    "NewJob",
    "NewSchedule",
    "NewTask",
    "NoticeAnswer",
    "ObserveJobs",
    "ObserveJobsById",
    "ObservedPage",
    "OnFailure",
    "OpenAnswer",
    "OpenTakenOverJobs",
    "OwedMirrors",
    "PauseQueues",
    "Progress",
    "PruneJobs",
    "Pruned",
    "QueuePause",
    "QueueProbes",
    "ReadCohortTotals",
    "ReadCohorts",
    "ReadFeatureFlags",
    "ReadJobsToArchive",
    "ReadProbes",
    "ReadResults",
    "ReadRolloutEvidence",
    "RecordAnswer",
    "RecordFirstFailures",
    "RecordOutcomes",
    "RegisterWorker",
    "ReleaseKeys",
    "RemoveSchedules",
    "RepairAnswer",
    "RepairCopies",
    "RepairMirrors",
    "RepairPage",
    "RepairedClass",
    "Replay",
    "ReplayAnswer",
    "ReplayJobTasks",
    "RescuedToFail",
    "ResultPage",
    "ResumeQueues",
    "RetentionPolicy",
    "RolloutNotice",
    "RolloutStep",
    "RolloutSteps",
    "ScheduleAnswer",
    "ScheduleRef",
    "Schedules",
    "SeenProbes",
    "SendProbes",
    "SentProbe",
    "SentProbes",
    "SetTaskTypes",
    "SettleAnswer",
    "SettleMirrors",
    "SettleRolloutNotices",
    "SideCounts",
    "SpokenVersions",
    "Stage",
    "StartLegacy",
    "StartLegacyAnswer",
    "Stats",
    "StepAnswer",
    "StepVerdict",
    "SwitchSchedules",
    "TakeOverAnswer",
    "TakeOverJobs",
    "TaskCount",
    "TaskError",
    "TaskRef",
    "TaskTypeAnswer",
    "TaskTypeOptions",
    "TickAnswer",
    "TickSchedules",
    "Ticks",
    "TicksAnswer",
    "ToldNotice",
    "TypeBacklog",
    "Unchanged",
    "Unserved",
    "WorkerCallCounts",
    "WorkerSeen",
    "checked_json",
    "flags_json",
    "read_flags",
    "sequence",
    "task_type_options",
]
