-- What goes first: a priority per task, tenants in turn. A line is a queue's tasks of one priority; functions/claim_job_tasks_v1.sql
-- reads them, docs/decisions/009-lines.md says why.

create table job_lines (
    queue     text not null check (length(queue) between 1 and 200),
    priority  smallint not null check (priority between -5 and 5 and priority <> 0),
    primary key (queue, priority)
);

comment on table job_lines is 'supaqueue: the priorities that tasks of a queue ever had, so that a claim looks for no others; every queue has 0';

alter table job_tasks add constraint job_tasks_priority_check check (priority between -5 and 5) not valid;

comment on column job_tasks.priority is '-5 to 5, higher first; a claim takes of a lower one only what the higher ones leave room for';
comment on column job_tasks.tenant is 'whose it is: within a queue and priority, claims serve tenants in turn';

-- Every ready task is in exactly one of these two. job_tasks_ready, which has them all, is for whoever looks through a whole queue,
-- and for claims by the functions of the version before.
create index job_tasks_line on job_tasks (queue, priority, position)
    where status = 'pending' and position is not null and tenant is null;
create index job_tasks_tenants on job_tasks (queue, priority, tenant collate "C", task_type collate "C", position)
    where status = 'pending' and position is not null and tenant is not null;

-- A line as one claim reads it; see functions/supaqueue_open_lines.sql.
create type job_claim_line as (
    queue        text,
    weight       double precision,
    draw         double precision,
    priority     smallint,
    mark         job_claim_mark,
    walk_to      bigint,
    walk         bigint,
    ahead        bigint,
    left_behind  bigint,
    tenant       text,
    task_type    text,
    next_tenant  text,
    next_type    text,
    read_all     boolean
);

-- A task that a claim may choose. `rank` is its place among its tenant's, `turn` its tenant's place among the tenants.
create type job_claim_candidate as (
    line         integer,
    rank         integer,
    turn         integer,
    tenant       text,
    job_id       uuid,
    task_number  smallint,
    position     bigint,
    bytes        integer
);

alter table job_lines enable row level security;
