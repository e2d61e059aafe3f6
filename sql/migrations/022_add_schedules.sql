-- Recurring jobs. When a schedule ticks is told from outside, by cron expression and time zone; that each tick is decided once
-- is settled here, by how far the schedule has been decided and by the id of the tick's job.

create table job_settings (
    only_row  boolean primary key default true check (only_row),
    salt      text not null
);

comment on table job_settings is 'supaqueue: one row, written by the migration and never changed';
comment on column job_settings.salt is 'of supaqueue_key_bucket: another salt would move every key to another bucket';

insert into job_settings (salt) values (gen_random_uuid()::text);

-- Drawn for every change of any schedule: a version is never seen twice, also if a schedule is removed and declared again.
create sequence job_schedule_version as bigint;

create table job_schedules (
    schedule_name    text primary key check (length(schedule_name) between 1 and 200),
    cron             text not null,
    time_zone        text not null,
    job              jsonb not null,
    missed           text not null check (missed in ('skip', 'last', 'all')),
    missed_limit     integer not null check (missed_limit between 1 and 1000),
    is_enabled       boolean not null default true,
    version          bigint not null default nextval('job_schedule_version'),
    ticked_through   timestamptz not null default clock_timestamp() check (isfinite(ticked_through)),
    created_at       timestamptz not null default clock_timestamp(),
    updated_at       timestamptz not null default clock_timestamp(),
    removed_at       timestamptz
);

comment on table job_schedules is 'supaqueue: recurring jobs';
comment on column job_schedules.job is 'what enqueue_jobs_v1 takes for each tick, but for job_id and run_at';
comment on column job_schedules.version is 'who changes or ticks a schedule names the version it knows; so a late repeat changes nothing';
comment on column job_schedules.ticked_through is 'every tick up to here has been decided: it has its job, or was passed over';
comment on column job_schedules.removed_at is 'removed ones stay, so that a late repeat of their declaration does not bring them back';

alter table job_settings enable row level security;
alter table job_schedules enable row level security;
