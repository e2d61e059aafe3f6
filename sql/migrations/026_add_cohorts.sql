-- What a gate rests on: how the jobs of each minute went in the two systems, and how long the queue was at each minute. Counted
-- afterwards, by whoever watches a rollout: nothing here is written by an enqueue, a claim or a finish.

alter table jobs add column legacy_first_failed_at timestamptz;

comment on column jobs.legacy_first_failed_at is 'when it became known here that an attempt of legacy''s had failed, maybe before its end';

-- `known`: how many of the jobs had come to what is counted; `failed`: how many of those had failed. Keys are tenants: a job
-- without one counts by itself.
create type job_cohort_side as (
    jobs         integer,
    keys         integer,
    known        integer,
    failed       integer,
    failed_keys  integer
);

create table job_cohorts (
    minute            timestamptz,
    task_type         text,
    first_canary      job_cohort_side not null,
    first_control     job_cohort_side not null,
    final_canary      job_cohort_side,
    final_control     job_cohort_side,
    canary_bins       smallint[],
    canary_bin_jobs   integer[],
    control_bins      smallint[],
    control_bin_jobs  integer[],
    primary key (minute, task_type)
);

comment on table job_cohorts is 'supaqueue: jobs by type and minute of enqueue, Supabase''s (canary) and legacy''s (control), and how they went';
comment on column job_cohorts.first_canary is 'how first attempts ended, counted once, soon after the minute';
comment on column job_cohorts.final_canary is 'how jobs ended, counted once, when their settle window was over; null until then';
comment on column job_cohorts.canary_bins is 'how long jobs took that started once: bin n is from 1.02^n to 1.02^(n+1) milliseconds';

create index job_cohorts_unsettled on job_cohorts (minute, task_type) where final_canary is null;

create table job_cohort_marks (
    only_row       boolean primary key default true check (only_row),
    counted_until  timestamptz not null
);

comment on table job_cohort_marks is 'supaqueue: the minute up to which first attempts have been counted';

create table job_backlogs (
    minute      timestamptz primary key,
    sampled_at  timestamptz not null,
    types       jsonb not null
);

comment on table job_backlogs is 'supaqueue: what waited at a moment of a minute, by task type';

alter table job_cohorts enable row level security;
alter table job_cohort_marks enable row level security;
alter table job_backlogs enable row level security;
