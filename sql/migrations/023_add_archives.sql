-- Removing jobs that have ended: what was asked and answered lately, and which batches went into files first.

create table job_prunings (
    request_id  uuid primary key,
    answer      jsonb,
    pruned_at   timestamptz not null default clock_timestamp()
);

comment on table job_prunings is 'supaqueue: prunings answered within the last two hours, so that a repeat removes no more than the first';
create index job_prunings_pruned on job_prunings (pruned_at);

-- Kept for good: a file that a killed archiver left behind may be settled weeks later.
create table job_archives (
    batch_id     uuid primary key,
    file         text not null,
    jobs         integer not null,
    sha256       text not null,
    removed      integer not null default 0,
    kept         uuid[] not null default '{}',
    archived_at  timestamptz not null default clock_timestamp()
);

comment on table job_archives is 'supaqueue: batches of jobs that were written to files and then removed';
comment on column job_archives.sha256 is 'of the uncompressed lines, as they were when the batch was removed';
comment on column job_archives.kept is 'jobs of the batch that this batch did not remove: their lines are dropped from its file';

-- What to remove, as moments: what ended before them may go. Null: such jobs are kept.
create type job_retention as (
    completed_before  timestamptz,
    failed_before     timestamptz,
    cancelled_before  timestamptz,
    tombstone_before  timestamptz,
    probe_before      timestamptz,
    abandoned_before  timestamptz,
    latest            timestamptz,
    queue             text,
    task_type         text
);

alter table job_prunings enable row level security;
alter table job_archives enable row level security;
