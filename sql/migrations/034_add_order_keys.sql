-- Order keys: tasks of one key run one at a time, in the order in which they were enqueued. Only the task whose turn it is is
-- pending, those behind it are blocked; functions/supaqueue_promote_order_keys.sql hands the turn on, docs/decisions/010-order-keys.md
-- proves it.

alter table job_tasks add column key_position bigint, add column blocks_key boolean not null default false;

comment on column job_tasks.order_key is 'of one queue and key one task has the turn at a time; those behind it are blocked';
comment on column job_tasks.key_position is 'its place among the tasks of its key: drawn when it is enqueued, kept for ever';
comment on column job_tasks.blocks_key is 'if it fails it keeps the turn, until it is replayed, dropped, or its key is released';

-- Who has the turn. One at most: an index says so, not a look before.
create unique index job_tasks_in_turn on job_tasks (queue, order_key)
    where order_key is not null and (status in ('pending', 'claimed', 'processing') or status = 'failed' and blocks_key);
-- Who waits for it, first come first.
create index job_tasks_order on job_tasks (queue, order_key, key_position) where status = 'blocked' and order_key is not null;
create index job_tasks_blocked_keys on job_tasks (queue, order_key) where status = 'failed' and blocks_key;

-- A key that may have nobody in turn: whatever may make that so adds a row, in its own transaction and without a look, so that no
-- two of them wait for each other. Claims read them as they read positions, and take them away.
create table job_order_key_signals (
    queue      text not null,
    position   bigint not null default nextval('job_task_position'),
    order_key  text not null,
    primary key (queue, position)
);

comment on table job_order_key_signals is 'supaqueue: order keys whose next task a claim has to look for';

-- Not unique: the first enqueue of a queue may be in a transaction that stays open, and no other is to wait for that.
create table job_order_key_queues (
    queue  text not null check (length(queue) between 1 and 200)
);

create index job_order_key_queues_queue on job_order_key_queues (queue);

comment on table job_order_key_queues is 'supaqueue: queues that ever had order keys, so that a claim looks at no others';

alter table job_order_key_signals enable row level security;
alter table job_order_key_queues enable row level security;
