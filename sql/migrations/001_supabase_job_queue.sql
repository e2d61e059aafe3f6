-- The job queue: what a caller asked for (jobs), what a worker runs (job_tasks), and what every lease of a task came to
-- (job_task_attempts). Names are unqualified: the search path decides the schema.

create sequence job_task_position as bigint;

create table jobs (
    job_id               uuid primary key,
    queue                text check (length(queue) between 1 and 200),
    task_type            text check (length(task_type) between 1 and 200),
    status               text not null default 'pending'
        check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled', 'mirrored')),
    owner                text not null default 'supabase' check (owner in ('supabase', 'legacy')),
    epoch                integer not null default 0 check (epoch >= 0),
    bucket               integer not null check (bucket between 0 and 9999),
    mirror_state         text not null default 'none' check (mirror_state in ('none', 'due', 'written')),
    tenant               text,
    tags                 text[] not null default '{}',
    content_hash         bytea,
    task_count           integer not null default 1,
    active_tasks         integer not null default 0 check (active_tasks >= 0),
    unfinished_tasks     integer not null default 1 check (unfinished_tasks >= 0),
    failed_tasks         integer not null default 0,
    cancelled_tasks      integer not null default 0,
    created_at           timestamptz not null default clock_timestamp(),
    finished_at          timestamptz,
    cancel_requested_at  timestamptz,
    abandoned_at         timestamptz,
    constraint jobs_named_unless_abandoned
        check (abandoned_at is not null or (queue is not null and task_type is not null and content_hash is not null))
)
-- Each job is updated by a claim and by a finish, in columns that no index holds: with room on its page neither touches one.
with (fillfactor = 50);

comment on table jobs is 'supaqueue: one row per job that a caller asked for';
comment on column jobs.bucket is 'last 14 bits of job_id, 0 to 9999: enough to route a read';
comment on column jobs.content_hash is 'sha256 of everything the caller asked for, payload and options: tells a repeat from a conflict';
comment on column jobs.active_tasks is 'tasks claimed or processing';
comment on column jobs.abandoned_at is 'a tombstone if it has no tasks: a late enqueue of this id conflicts';

create index jobs_created on jobs (created_at, job_id);

create table job_tasks (
    job_id            uuid not null references jobs on delete cascade,
    task_number       smallint not null default 0,
    queue             text not null,
    task_type         text not null,
    purpose           text not null default 'run' check (purpose in ('run', 'shadow', 'probe')),
    status            text not null default 'pending'
        check (status in ('blocked', 'pending', 'claimed', 'processing', 'completed', 'failed', 'cancelled', 'mirrored')),
    payload           jsonb not null,
    payload_bytes     integer not null generated always as (octet_length(payload::text)) stored,
    result            jsonb,
    error             jsonb,
    priority          smallint not null default 0,
    tenant            text,
    order_key         text,
    position          bigint,
    run_at            timestamptz not null default clock_timestamp() check (isfinite(run_at)),
    attempts          integer not null default 0,
    max_attempts      integer not null default 5 check (max_attempts between 1 and 1000),
    retry_delay       interval not null default interval '5 seconds'
        check (retry_delay between interval '0' and interval '30 days'),
    lost_leases       integer not null default 0,
    lease_token       bigint not null default 0,
    lease_expires_at  timestamptz,
    claim_request     uuid,
    worker_id         text,
    claimed_at        timestamptz,
    started_at        timestamptz,
    last_heartbeat    timestamptz,
    finished_at       timestamptz,
    primary key (job_id, task_number)
);

comment on table job_tasks is 'supaqueue: what workers run; a job has one or more';
comment on column job_tasks.position is 'drawn at every entry into ready; null while the task waits for run_at';
comment on column job_tasks.attempts is 'attempts spent; a snooze, a hand-back or a lease lost before the start spends none';
comment on column job_tasks.lease_token is 'grows with every claim; a call that names an older one changes nothing';

-- Ready, waiting for its time, leased: a task is in at most one of these, in none once it has ended.
create index job_tasks_ready on job_tasks (queue, position) where status = 'pending' and position is not null;
-- What lost two leases is claimed alone.
create index job_tasks_lone on job_tasks (queue, position)
    where status = 'pending' and position is not null and lost_leases >= 2;
create index job_tasks_due on job_tasks (queue, run_at, job_id) where status = 'pending' and position is null;
create index job_tasks_leased on job_tasks (queue, lease_expires_at) where status in ('claimed', 'processing');

create table job_task_attempts (
    job_id        uuid not null,
    task_number   smallint not null,
    lease_token   bigint not null,
    attempt       integer,
    worker_id     text,
    claimed_at    timestamptz,
    started_at    timestamptz,
    ended_at      timestamptz not null,
    outcome       text not null
        check (outcome in ('done', 'retry', 'snooze', 'cancel', 'fail', 'not_started', 'lease_lost')),
    status_after  text not null,
    error         jsonb,
    primary key (job_id, task_number, lease_token),
    foreign key (job_id, task_number) references job_tasks on delete cascade
);

comment on table job_task_attempts is 'supaqueue: how every lease of a task ended; the answer to a repeated finish';
comment on column job_task_attempts.attempt is 'the number of the attempt, null if the lease cost none';

create table job_claims (
    request_id  uuid primary key,
    worker_id   text not null,
    claimed_at  timestamptz not null default clock_timestamp()
);

comment on table job_claims is 'supaqueue: claims answered within the last two hours, so that a repeat is not a second claim';
create index job_claims_claimed on job_claims (claimed_at);

create table job_workers (
    worker_id      text primary key,
    queues         text[] not null,
    task_types     text[] not null,
    concurrency    integer not null,
    host           text,
    process_id     integer,
    version        text,
    started_at     timestamptz not null default clock_timestamp(),
    last_seen_at   timestamptz not null default clock_timestamp(),
    stopped_at     timestamptz
);

comment on table job_workers is 'supaqueue: every worker, idle ones too, and what it serves';

-- How far a worker has read along one axis of the queue; see functions/supaqueue_open_mark.sql.
create type job_claim_mark as (
    at             bigint,
    floor          bigint,
    walk           bigint,
    settle_to      bigint,
    settle_number  bigint,
    settled        boolean,
    left_behind    bigint,
    fresh          boolean
);

alter table jobs enable row level security;
alter table job_tasks enable row level security;
alter table job_task_attempts enable row level security;
alter table job_claims enable row level security;
alter table job_workers enable row level security;
