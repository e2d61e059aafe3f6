-- Backpressure: how many jobs may wait in a queue, and what becomes of an enqueue that is over that. No row, no limit, no cost.

create table job_waiting_limits (
    queue          text primary key check (length(queue) between 1 and 200),
    waiting_limit  integer not null check (waiting_limit between 1 and 1000000),
    on_full        text not null check (on_full in ('refuse', 'slow')),
    waiting        integer,
    trusted_until  timestamptz,
    changed_by     text,
    updated_at     timestamptz not null default clock_timestamp()
);

comment on table job_waiting_limits is 'supaqueue: queues whose length is limited, and what becomes of an enqueue that is over it';
comment on column job_waiting_limits.waiting is 'what waited when it was counted last, if that took long enough to be worth keeping';

alter table job_waiting_limits enable row level security;
