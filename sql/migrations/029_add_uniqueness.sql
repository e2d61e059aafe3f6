-- Uniqueness: of one task type no two jobs hold the same key at once. The table's primary key decides who holds it. A job that
-- met a key which another holds is stored all the same, without tasks, so that its repeat is answered alike.

alter table jobs drop constraint jobs_status_check;
alter table jobs add constraint jobs_status_check check (status in
    ('pending', 'processing', 'completed', 'failed', 'cancelled', 'mirrored', 'deduplicated')) not valid;
alter table jobs
    add column unique_key text check (length(unique_key) between 1 and 200),
    add column unique_until text check (unique_until in ('started', 'finished', 'window')),
    add column deduped_into uuid,
    add column deduped_as text check (deduped_as in ('deduplicated', 'replaced', 'pushed_back'));

comment on column jobs.unique_key is 'the key that it was enqueued with, if it was created: while it holds it, the key is in job_unique_keys too';
comment on column jobs.unique_until is 'what ends its hold: its start, its end, or time alone';
comment on column jobs.deduped_into is 'of a job with the status deduplicated: the one that held its key';
comment on column jobs.deduped_as is 'what its enqueue was answered, and each repeat of it';

alter table job_tasks add column releases_key boolean not null default false;

comment on column job_tasks.releases_key is 'its start releases the unique key of its job';

create table job_unique_keys (
    task_type   text not null,
    unique_key  text not null,
    job_id      uuid not null,
    expires_at  timestamptz,
    primary key (task_type, unique_key)
);

comment on table job_unique_keys is 'supaqueue: keys that are held, each by one job';
comment on column job_unique_keys.expires_at is 'of a window: held until then whatever becomes of the job; null: until the job starts or ends';

create index job_unique_keys_job on job_unique_keys (job_id);
create index job_unique_keys_expiry on job_unique_keys (expires_at) where expires_at is not null;

alter table job_unique_keys enable row level security;
