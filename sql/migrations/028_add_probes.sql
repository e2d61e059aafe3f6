-- Heartbeat jobs, one a queue and minute, and how often the calls of workers fail: what shows that a queue is alive.

create table job_probes (
    queue    text not null check (length(queue) between 1 and 200),
    sent_at  timestamptz not null,
    job_id   uuid not null,
    found    text not null check (found in ('idle', 'busy', 'paused')),
    primary key (queue, sent_at)
);

comment on table job_probes is 'supaqueue: probes of the last quarter of an hour; each is a job with one task of purpose probe';
comment on column job_probes.found is 'what the queue was seen doing when it was sent: see supaqueue_look_at_queue';

-- Workers tell totals; what came since they told last is added here, to the slot in which they tell.
create table job_worker_calls (
    slot_at          timestamptz primary key,
    claims_sent      bigint not null,
    claims_failed    bigint not null,
    finishes_sent    bigint not null,
    finishes_failed  bigint not null
);

comment on table job_worker_calls is 'supaqueue: calls of all workers, by 20 seconds of the last hour';

alter table job_workers
    add column run_id uuid,
    add column claims_sent bigint not null default 0,
    add column claims_failed bigint not null default 0,
    add column finishes_sent bigint not null default 0,
    add column finishes_failed bigint not null default 0;

comment on column job_workers.run_id is 'its process: totals of another one begin anew';
comment on column job_workers.claims_failed is 'got no usable answer, after all that was tried again; totals of the run, as it told last';

alter table job_probes enable row level security;
alter table job_worker_calls enable row level security;
