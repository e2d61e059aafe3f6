-- Leaving a legacy queue: who owns a job, what the other system must still be told of it, and the switch that decides. A fresh
-- install has no cutover: its flag stands at `complete`.

alter table jobs drop constraint jobs_mirror_state_check;
alter table jobs add constraint jobs_mirror_state_check check (mirror_state in
    ('none', 'due', 'written', 'end_due', 'settled', 'release_due', 'released', 'takeover_due', 'taken_over')) not valid;
alter table jobs
    add column held boolean not null default false,
    add column legacy_started_at timestamptz,
    add column owner_outcome jsonb,
    add column owner_ended_at timestamptz;

comment on column jobs.epoch is 'counts hand-overs: who runs it names owner and epoch, and an older epoch runs nothing';
comment on column jobs.mirror_state is 'what the legacy queue must be told of it, by a relay that writes there first and then here';
comment on column jobs.held is 'it was started here and stays while its type goes back to legacy: what a drain claims';
comment on column jobs.legacy_started_at is 'a legacy worker won the right to run it under this epoch';
comment on column jobs.owner_outcome is 'of a mirrored job: how legacy ended it';

-- Values change only while a cutover lasts, so that without one no update of a job touches this index.
create index jobs_mirror_open on jobs (mirror_state, created_at, job_id)
    where mirror_state in ('due', 'end_due', 'release_due', 'takeover_due');

-- What legacy still has to end: looked at before the old queue is switched off.
create index jobs_legacy_open on jobs (created_at, job_id)
    where owner = 'legacy' and owner_ended_at is null and abandoned_at is null;

-- Which task types a claim may lease tasks of, by what the tasks are for.
create type job_claim_types as (
    run     text[],
    drain   text[],
    shadow  text[],
    probe   text[]
);

create sequence feature_flag_version as bigint;

create table feature_flag (
    flag_name          text primary key check (flag_name = 'supabase_queue' or flag_name ~ '^supabase_queue:.{1,200}$'),
    task_type          text generated always as (
        case when flag_name like 'supabase_queue:%' then substr(flag_name, 16) end) stored,
    stage              text not null default 'mirror'
        check (stage in ('off', 'mirror', 'shadow', 'canary', 'live', 'complete')),
    is_enabled         boolean not null default false,
    rollout_percent    numeric not null default 0
        check (rollout_percent between 0 and 100 and rollout_percent * 100 = trunc(rollout_percent * 100)),
    holdback_percent   numeric not null default 2
        check (holdback_percent between 0 and 100 and holdback_percent * 100 = trunc(holdback_percent * 100)),
    shadow_percent     numeric not null default 0
        check (shadow_percent between 0 and 100 and shadow_percent * 100 = trunc(shadow_percent * 100)),
    by_environment     boolean not null default false,
    routes_by_tenant   boolean not null default false,
    relays_unrouted    boolean not null default false,
    supabase_tenants   text[] not null default '{}',
    legacy_tenants     text[] not null default '{}',
    hand_back          text not null default 'none' check (hand_back in ('none', 'not_started', 'all')),
    drain              boolean not null default false,
    raised_at          timestamptz,
    latched_at         timestamptz,
    latch_reason       text,
    version            bigint not null default nextval('feature_flag_version'),
    updated_by         text,
    updated_at         timestamptz not null default clock_timestamp(),
    reason             text,
    evidence           text
);

comment on table feature_flag is 'supaqueue: who owns new jobs, and whether anything is claimed; in an emergency: update feature_flag set is_enabled = false, rollout_percent = 0, updated_by = ''...''';
comment on column feature_flag.flag_name is 'supabase_queue: overall; supabase_queue:<task type>: that type''s own, instead of the overall one while that is enabled';
comment on column feature_flag.latched_at is 'since then it can be lowered by anyone and raised by nobody';

create table feature_flag_changes (
    change_id   bigint generated always as identity primary key,
    flag_name   text not null,
    version     bigint not null,
    changed_at  timestamptz not null default clock_timestamp(),
    changed_by  text,
    session_by  text not null default session_user,
    reason      text,
    evidence    text,
    before      jsonb,
    after       jsonb
);

comment on table feature_flag_changes is 'supaqueue: every change of feature_flag, by whichever way it was made; kept for good';

create table job_hand_backs (
    only_row   boolean primary key default true check (only_row),
    change_id  bigint not null,
    horizon    xid8 not null
);

comment on table job_hand_backs is 'supaqueue: since when jobs go back to legacy';
comment on column job_hand_backs.change_id is 'the last change of any flag when jobs were last sent back';
comment on column job_hand_backs.horizon is 'only transactions numbered below it may have read a flag as it was before that change';

create table job_hand_back_places (
    look       text not null check (look in ('due', 'ready', 'release_due')),
    queue      text not null default '',
    moment     timestamptz not null default '-infinity',
    position   bigint not null default 0,
    job_id     uuid not null default '00000000-0000-0000-0000-000000000000',
    stored_at  timestamptz not null default clock_timestamp(),
    primary key (look, queue, moment, position, job_id)
);

comment on table job_hand_back_places is 'supaqueue: places along the indexes that a hand-back walks, with a few thousand entries of its own between two';
comment on column job_hand_back_places.moment is 'due: run_at; release_due: created_at';

create table job_leases (
    lease_name  text primary key,
    holder      text not null,
    expires_at  timestamptz not null
);

comment on table job_leases is 'supaqueue: what one process does at a time, and which one does';

insert into feature_flag (flag_name, stage, is_enabled, rollout_percent, holdback_percent, updated_by)
values ('supabase_queue', 'complete', true, 100, 0, 'migration');

alter table feature_flag enable row level security;
alter table job_hand_backs enable row level security;
alter table job_hand_back_places enable row level security;
alter table job_leases enable row level security;
alter table feature_flag_changes enable row level security;
