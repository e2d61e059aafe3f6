-- How often, how late and how long: retries with backoff, a timeout per attempt, a deadline overall; dead letters that can be
-- replayed; progress with a checkpoint; queues that can be paused. Tasks stored before keep the fixed delay that they had.

alter table job_tasks
    add column retry_factor real not null default 1 check (retry_factor between 1 and 100),
    add column retry_max_delay interval not null default interval '30 days'
        check (retry_max_delay between interval '0' and interval '30 days'),
    add column retry_jitter boolean not null default false,
    add column timeout interval check (timeout > interval '0' and timeout <= interval '30 days'),
    add column deadline_at timestamptz check (isfinite(deadline_at)),
    add column parked boolean not null default false,
    add column attempts_before_replay integer not null default 0 check (attempts_before_replay >= 0),
    add column replayed_lease_token bigint,
    add column progress_percent real check (progress_percent between 0 and 100),
    add column progress_message text,
    add column progress_number bigint not null default 0,
    add column checkpoint jsonb;

comment on column job_tasks.retry_max_delay is 'the n-th retry waits min(retry_max_delay, retry_delay * retry_factor ^ (n - 1)), with jitter a random part of that';
comment on column job_tasks.timeout is 'of one attempt; its worker ends it then, and no heartbeat renews the lease for long after';
comment on column job_tasks.deadline_at is 'of all attempts: none begins after it';
comment on column job_tasks.parked is 'failed without an attempt being spent: its payload fits its handler no longer';
comment on column job_tasks.attempts_before_replay is 'attempts spent before the last replay: they count no longer';
comment on column job_tasks.replayed_lease_token is 'the lease whose end the last replay undid; a repeat of that replay finds it here';
comment on column job_tasks.progress_number is 'orders the reports under one lease';
comment on column job_tasks.checkpoint is 'what the handler wants its next attempt to know';

-- A replay allows as many attempts again, so the sum may pass any limit that one enqueue is held to.
alter table job_tasks drop constraint job_tasks_max_attempts_check;
alter table job_tasks add constraint job_tasks_max_attempts_check check (max_attempts >= 1) not valid;

alter table job_task_attempts drop constraint job_task_attempts_outcome_check;
alter table job_task_attempts add constraint job_task_attempts_outcome_check
    check (outcome in ('done', 'retry', 'snooze', 'cancel', 'fail', 'park', 'not_started', 'lease_lost')) not valid;

create index job_tasks_deadline on job_tasks (queue, deadline_at) where status = 'pending' and deadline_at is not null;
create index job_tasks_failed on job_tasks (finished_at, job_id, task_number) where status = 'failed';

create table job_task_types (
    task_type        text primary key check (length(task_type) between 1 and 200),
    max_attempts     integer check (max_attempts between 1 and 1000),
    retry_delay      interval check (retry_delay between interval '0' and interval '30 days'),
    retry_factor     real check (retry_factor between 1 and 100),
    retry_max_delay  interval check (retry_max_delay between interval '0' and interval '30 days'),
    retry_jitter     boolean,
    timeout          interval check (timeout > interval '0' and timeout <= interval '30 days'),
    deadline         interval check (deadline > interval '0'),
    updated_at       timestamptz not null default clock_timestamp()
);

comment on table job_task_types is 'supaqueue: what a job of a type gets unless it says otherwise, decided when it is enqueued';

create table job_queues (
    queue         text primary key check (length(queue) between 1 and 200),
    paused_until  timestamptz,
    paused_by     text,
    reason        text,
    updated_at    timestamptz not null default clock_timestamp()
);

comment on table job_queues is 'supaqueue: queues of which something was declared; any other name is a queue too';
comment on column job_queues.paused_until is 'nothing is claimed from it before then; infinity: until it is resumed';

create table job_changes (
    request_id  uuid primary key,
    function    text not null,
    change      jsonb not null,
    changed_by  text,
    changed_at  timestamptz not null default clock_timestamp()
);

comment on table job_changes is 'supaqueue: what operators changed, and when; a request that is here already changes nothing again';

create index job_changes_changed on job_changes (changed_at);

alter table job_task_types enable row level security;
alter table job_queues enable row level security;
alter table job_changes enable row level security;
