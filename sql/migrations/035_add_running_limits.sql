-- Limits on what runs: at most so many tasks leased at once, or begun in a window, of a queue, a task type, both, or each tenant of
-- those. No row, no limit, and one look at an empty table. docs/decisions/011-limits.md says why it is counted, not kept.

create table job_running_limits (
    limit_id        bigint generated always as identity primary key,
    queue           text check (length(queue) between 1 and 200),
    task_type       text check (length(task_type) between 1 and 200),
    each_tenant     boolean not null default false,
    running_limit   integer check (running_limit between 1 and 100000),
    starts_limit    integer check (starts_limit between 1 and 1000000),
    starts_seconds  double precision check (starts_seconds between 0.1 and 2678400),
    changed_by      text,
    updated_at      timestamptz not null default clock_timestamp(),
    unique nulls not distinct (queue, task_type, each_tenant),
    check (queue is not null or task_type is not null),
    check (running_limit is not null or starts_limit is not null),
    check ((starts_limit is null) = (starts_seconds is null))
);

comment on table job_running_limits is 'supaqueue: how many tasks may be leased at once, or begun in a window; null matches any';
comment on column job_running_limits.each_tenant is 'of each tenant as many; a job without a tenant is not limited by it';

-- A window begins with its first lease and is a row of its own, so that no row is updated more often than its limit says.
create table job_limit_windows (
    limit_id  bigint not null references job_running_limits on delete cascade,
    tenant    text not null,
    began_at  timestamptz not null,
    ends_at   timestamptz not null,
    used      integer not null,
    primary key (limit_id, tenant, began_at)
);

comment on table job_limit_windows is 'supaqueue: how many leases were begun in a window; tenant is empty unless the limit is of each';

create index job_limit_windows_ends on job_limit_windows (limit_id, ends_at);

alter table job_tasks add column limited boolean not null default false;

comment on column job_tasks.limited is 'whether a limit matched when it was leased last, or was set since';
comment on column job_tasks.tenant is
    'whose it is: within a queue and priority, claims serve tenants in turn; empty: no tenant, but a type that is limited';

-- What is leased has an expiry. By the status job_tasks_leased would do as well, which has all of a queue's leases. Read whole for a
-- limit of a type over all queues: one index more would cost every claim and ending.
create index job_tasks_limited on job_tasks (queue, task_type, tenant) where limited and lease_expires_at is not null;

-- For how many more there is room under a limit, as one claim sees it; of a limit of each tenant, a row without `tenant` says it
-- for those of whom nothing runs.
create type job_limit_room as (
    limit_id     bigint,
    queue        text,
    task_type    text,
    each_tenant  boolean,
    tenant       text,
    room         integer
);

alter table job_running_limits enable row level security;
alter table job_limit_windows enable row level security;
